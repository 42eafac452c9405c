"""The participants of a room: only its attendance changes who they are."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import sfu

from ...live import rooms_of
from ..scene import scene

SOURCES = sorted(Path(sfu.__file__).parent.rglob("*.py"))
ATTENDANCE, MEMBERS, ROOM = "room/attendance.py", "room/members.py", "room/room.py"


def uses(names: set[str]) -> Iterator[str]:
    """The files that name one of these, as an attribute or a variable."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else None
            if name in names:
                yield path.relative_to(Path(sfu.__file__).parent).as_posix()


def test_nobody_but_the_room_can_change_its_members_and_nobody_holds_their_dict() -> None:
    assert set(uses({"_by_sid", "_by_identity"})) == {MEMBERS}
    assert set(uses({"Membership", "_membership"})) == {ATTENDANCE, ROOM}


async def test_what_others_get_of_the_members_is_read_only() -> None:
    async with scene() as it:
        await it.client("ada")
        room = rooms_of(it.sfu)["room"]
        with pytest.raises(TypeError):
            room.members.by_identity["bob"] = room.members.find("ada")  # type: ignore[index]
