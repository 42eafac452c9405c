"""Every block of the documents is run by a check, those in `sh` as they stand: as a reader copies them, in order.

What differs from a reader's terminal (`shims`):

- `curl` fails when the server refuses.
- `make test`, `check`, `check-long`, `test-e2e` and `format` are planned only (`make -n`), and `make setup` is taken as
  done.
- `make run` returns when the service listens, as if it had been started in another terminal.
- `cargo test` runs where the tests of the crate are built; elsewhere the package and the module are looked up.
- `helm` renders, validates and reads the settings; `kubectl` keeps the secret that the chart then has to find.
"""

import contextlib
import importlib.util
import os
import re
import shutil
import socket
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from . import terminal
from .blocks import DOCUMENTS, Block, blocks

PROGRAMS = ("bash", "curl", "openssl", "make")
LIMIT = 100.0
"""Seconds for a story, on a machine that does something else, too. It takes 5 to 15."""


@dataclass(frozen=True, slots=True)
class Story:
    """The blocks under these headings, in one terminal."""

    document: str
    headings: tuple[str, ...]
    says: tuple[str, ...]
    """Regular expressions that the output has, in this order."""
    before: dict[str, str] = field(default_factory=dict)
    """What the text in front of a heading's blocks asks of the reader, as commands."""
    needs: tuple[str, ...] = ()
    """Python packages that not every machine has."""


VISITOR = 'token=$(.venv/bin/sfu token --room lobby --identity visitor) && .venv/bin/python -m loadtest bot \
--background --room lobby --token "$token" --test-card'
STORIES = {
    "README: a minute's tour": Story(
        "README.md",
        ("Two commands", "A minute's tour"),
        (
            r"Open http://127\.0\.0\.1:7880/",
            r"-m pytest",
            r"joined lobby as ada, media connected",
            r"lobby .* 2 +2 ",
            r"\nada ",
            r"visitor",
        ),
        # "Open that twice, choose the room lobby": a page would do the same.
        before={"A minute's tour": VISITOR},
    ),
    "README: a backend and WHIP": Story(
        "README.md",
        ("Steering, from a backend", "Publishing and watching without a client"),
        (
            r"listening: http://127\.0\.0\.1:7880",
            r'"name":"lobby"',
            r"joined lobby as ada, media connected",
            r'"identity":"ada"',
            r'"encodings":\[',
            r'"subscriptions":\[',
            r'"last_n":16',
            r"connected",
            r"closed",
        ),
    ),
    "CONTRIBUTING": Story(
        "CONTRIBUTING.md",
        ("To work on it",),
        (
            r"Open http",
            r"-m pytest",
            r"ruff check",
            r"ruff format",
            r"run +Start the service",
            r"\d+ passed",
            r"tests/e2e",
        ),
    ),
    "examples": Story(
        "examples/README.md",
        ("Examples",),
        (r'"identity":"ada"', r"ada: \S+ .*, muted", r'"viewer-1": "eyJ', r"eyJ\S+\n"),
    ),
    "chart": Story(
        "charts/sfu/README.md",
        ("Chart sfu",),
        (r"secret/sfu-keys created", r"sfu would run registry\.example\.com/sfu:"),
        needs=("helm_python", "kubernetes_validate"),
    ),
}


@pytest.fixture(scope="module", autouse=True)
def programs() -> None:
    for missing in [name for name in PROGRAMS if shutil.which(name) is None]:
        _skip(f"{missing} is not installed (Debian: sudo apt-get install {missing})")


def told(story: Story) -> list[Block]:
    ours = [block for block in blocks(terminal.ROOT, story.document) if block.language == "sh"]
    return [block for block in ours if block.heading in story.headings]


def is_run(found: Block) -> bool:
    if found.language == "sh":
        return any(found.document == story.document and found.heading in story.headings for story in STORIES.values())
    # In Chromium, by test_javascript.py.
    return found.language == "js"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_block_is_run_by_a_test(document: str) -> None:
    not_run = [block.place for block in blocks(terminal.ROOT, document) if not is_run(block)]
    assert not not_run, f"no test runs the block at {', '.join(not_run)}"


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES.keys())
def test_the_blocks_of_a_document_run_as_they_stand(story: Story, tmp_path: Path) -> None:
    for missing in [name for name in story.needs if importlib.util.find_spec(name) is None]:
        _skip(f"{missing} is not there for this platform: tests/packaging/requirements.txt")
    parts = told(story)
    assert {block.heading for block in parts} == set(story.headings), "a heading without a block"
    said = terminal.run(parts, tmp_path, before=story.before, limit=LIMIT)
    position = 0
    for wanted in story.says:
        found = re.compile(wanted).search(said, position)
        assert found, f"{parts[0].place}: the blocks do not say {wanted!r} at their place\n{said}"
        position = found.end()


def test_a_block_that_fails_is_named_with_its_line(tmp_path: Path) -> None:
    good = Block("README.md", 3, "", "sh", "true\n")
    bad = Block("README.md", 8, "", "sh", "false | true\necho on\n")
    with pytest.raises(terminal.Failure, match=r"^README\.md:8: .*ended with 1\n(.*\n)*failed: "):
        terminal.run([good, bad], tmp_path, before={}, limit=LIMIT)


def test_a_block_that_does_not_end_is_ended(tmp_path: Path) -> None:
    command = f"sleep 1000.{os.getpid()}"
    endless = Block("README.md", 3, "", "sh", f"{command} &\nwait\n")
    with pytest.raises(terminal.Failure, match=r"^README\.md:3: .*took more than 1 s"):
        terminal.run([endless], tmp_path, before={}, limit=1.0)
    assert command not in running()


def test_a_refusal_fails_its_block(tmp_path: Path) -> None:
    refused = Block("README.md", 3, "", "sh", "make run\ncurl localhost:7880/v1/rooms\n")
    with pytest.raises(terminal.Failure, match=r"curl: \(22\)"):
        terminal.run([refused], tmp_path, before={}, limit=LIMIT)


def test_where_no_namespace_is_allowed_a_taken_port_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        monkeypatch.setattr(terminal, "PORTS", ((port, socket.SOCK_STREAM),))
        with pytest.raises(terminal.Failure, match=f"^TCP port {port} is taken: end what uses it"):
            terminal.refuse_taken_ports()


def running() -> set[str]:
    """The command lines of this machine."""
    lines: set[str] = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        # Processes end while one looks.
        with contextlib.suppress(OSError):
            lines.add(path.read_bytes().replace(b"\0", b" ").decode(errors="replace").strip())
    return lines


def _skip(sentence: str) -> None:
    """In CI no block may go unseen."""
    if os.environ.get("CI") == "true":
        pytest.fail(sentence)
    pytest.skip(sentence)
