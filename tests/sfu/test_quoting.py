"""Quoted client text: cut, and without characters that hide or reorder the text around it."""

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sfu
from sfu.quoting import quote

HOUSE = Path(sfu.__file__).parent
OF_THE_OPERATOR = {"parsers.py", "reaching.py", "devfile.py", "cli.py", "__init__.py", "doctor.py"}
"""They are shown to whoever starts the service, and repeat its own words."""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("lobby", "'lobby'"),
        ("", "''"),
        ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "'\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645'"),
        ("\U0001f469\u200d\U0001f680", "'\U0001f469\u200d\U0001f680'"),
        ("a\u202eb", "'a\\u202eb'"),
        ("a\x00\r\nb\x1b[2J", "'a\\x00\\r\\nb\\x1b[2J'"),
        ("\ud800", "'\\ud800'"),
        ("x" * 65, "'" + "x" * 64 + "\u2026'"),
    ],
)
def test_a_text_is_quoted(text: str, shown: str) -> None:
    assert quote(text) == shown


@given(st.text(max_size=200))
def test_a_quote_is_short_can_be_sent_and_turns_nothing(text: str) -> None:
    quoted = quote(text)
    assert len(quoted.encode()) <= 64 * 10 + 5
    assert all(one.isprintable() or one in "\u200c\u200d" for one in quoted)


def test_no_sentence_of_ours_repeats_a_text_but_through_quote() -> None:
    files = [path for home in (HOUSE, HOUSE.parent / "api") for path in home.rglob("*.py")]
    loose = [
        f"{path.name}:{node.lineno}"
        for path in files
        if path.name not in OF_THE_OPERATOR
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FormattedValue) and (node.conversion == ord("r") or _cuts(node.value))
    ]
    assert loose == []


def _cuts(value: ast.expr) -> bool:
    """A slice with a number for its end, `text[:40]`: a bound of its own instead of `limits.QUOTE_CHARACTERS`. A digest
    is no text of a client."""
    cut = [node for node in ast.walk(value) if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice)]
    return any(isinstance(n.slice.upper, ast.Constant) and "hexdigest()" not in ast.unparse(n.value) for n in cut)  # type: ignore[attr-defined]
