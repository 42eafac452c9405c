"""docs/decisions: one record per file, of one form, each in the index with its date and status."""

import re
from pathlib import Path

import pytest

from .markdown import headings, links, tables
from .terminal import ROOT

FOLDER = ROOT / "docs" / "decisions"
RECORDS = sorted(path for path in FOLDER.glob("*.md") if path.name != "README.md")
SECTIONS = ["Context", "Decision", "Consequences", "Alternatives"]
HEAD = re.compile(
    r"# (?P<number>\d{4})\. (?P<title>.+)\n\n- Date: (?P<date>\d{4}-\d\d-\d\d)(?:, revised \d{4}-\d\d-\d\d)?\n"
    r"- Status: (?P<status>.+)\n\n## Context\n"
)
KEPT = re.compile(r"^### (\d{4}) · (\d{4}-\d\d-\d\d) · (.+)$", re.MULTILINE)
INDEX = (FOLDER / "README.md").read_text()
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text()


def index() -> dict[str, tuple[str, str, str]]:
    """Date, title and status of each number."""
    [table] = tables(INDEX)
    rows = {row[0]: (row[1], re.sub(r"^\[(.*)\]\(.*\)$", r"\1", row[2]), row[3]) for row in table[1:]}
    assert len(rows) == len(table) - 1, "a number stands in two rows of the index"
    return rows


@pytest.mark.parametrize("record", RECORDS, ids=lambda path: path.stem)
def test_a_record_has_the_form_and_its_row(record: Path) -> None:
    text = record.read_text()
    head = HEAD.match(text)
    assert head, "a record begins with its number and title, date, status and context"
    assert record.name.startswith(f"{head['number']}-")
    assert re.fullmatch(r"\d{4}(-[a-z0-9]+)+\.md", record.name)
    assert [title for level, title in headings(text) if level == 2] == SECTIONS
    date, title, status = index()[head["number"]]
    assert (date, title) == (head["date"], head["title"])
    assert status == head["status"].partition(", supersedes")[0]
    assert record.name in links(INDEX), "the index links the record"


def test_the_index_is_of_all_records_and_of_those_in_the_architecture() -> None:
    kept = {number: (date, title) for number, date, title in KEPT.findall(ARCHITECTURE)}
    numbers = [path.name[:4] for path in RECORDS] + list(kept)
    assert len(set(numbers)) == len(numbers), "two decisions have one number"
    rows = index()
    assert list(rows) == sorted(numbers), "the index lists each decision once, by number"
    assert {number: rows[number][:2] for number in kept} == kept
    assert [date for date, *_ in rows.values()] == sorted(date for date, *_ in rows.values())


def test_a_superseded_record_and_its_successor_name_one_another() -> None:
    pairs = 0
    for record in RECORDS:
        status = re.search(r"^- Status: superseded by \[(\d{4})\]\((.+)\)$", record.read_text(), re.MULTILINE)
        if status:
            successor = FOLDER / status[2]
            assert successor.name.startswith(status[1])
            assert f"supersedes [{record.name[:4]}]({record.name})" in successor.read_text()
            pairs += 1
    assert pairs
