"""The interfaces use commands: which parts of the service they use, and that they import no live objects."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOORS = sorted([*ROOT.glob("api/*.py"), ROOT / "sfu/signalling/requests.py", ROOT / "examples/embed.py"])
USED = {
    "execute",
    # A connection and a capture are held by a block.
    "attach",
    "capture",
    "follow",
    "require_budget",
    "require_valid",
    "name_of",
    "read_offer",
    # Its life, and numbers.
    "census",
    "close",
    "drain",
    "facts",
    "failed",
    "failure",
    "failures",
    "has_rooms",
    "history",
    "history_stats",
    "joins",
    "state",
    "stats",
    "wait_empty",
    "wait_failed",
}
"""Of `Sfu`. Rooms, participants and media sessions are not among these."""

MODULES = {"model", "signalling", "views"}
"""Of the package `sfu`."""


def uses(source: str) -> Iterator[str]:
    """Names of attributes of `sfu` and `….sfu`, and modules that are imported."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute):
            of = node.value
            name = of.id if isinstance(of, ast.Name) else of.attr if isinstance(of, ast.Attribute) else ""
            if name == "sfu" and node.attr not in MODULES:
                yield node.attr
        elif isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith("sfu.room."):
            yield node.module


@pytest.mark.parametrize("path", DOORS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_door_uses_commands_and_no_live_objects(path: Path) -> None:
    assert set(uses(path.read_text())) <= USED


@pytest.mark.parametrize(
    "source",
    [
        "sfu.rooms",
        "app.state.sfu.room('a').participant('b')",
        "health.sfu.media_sessions",
        "from sfu.room.room import Room",
    ],
)
def test_the_check_sees_what_it_forbids(source: str) -> None:
    assert not set(uses(source)) <= USED
