"""The participants of a room: only its attendance changes who they are."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import sfu
from sfu.model import Permissions
from sfu.signalling import messages

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


async def test_the_infos_are_those_of_the_visible_members_in_the_order_of_joining() -> None:
    async with scene() as it:
        clients = [await it.client(name) for name in ("ada", "bob", "cyd", "dan")]
        ada, bob, cyd, dan = clients
        members = ada.room.members

        def identities() -> str:
            infos = members.infos()
            assert members.visible_count == len(infos)
            assert infos == [participant.info() for participant in members.visible()]
            assert all(info is members.find(info.identity).info() for info in infos), "nobody is described twice"
            return " ".join(f"{info.identity}:{info.state}:{len(info.tracks)}" for info in infos)

        assert identities() == "ada:joining:0 bob:joining:0 cyd:joining:0 dan:joining:0"
        camera = await bob.camera()
        await bob.media("connected")
        await cyd.change(permissions=Permissions(hidden=True))
        assert identities() == "ada:joining:0 bob:active:1 dan:joining:0"
        bob.participant.tracks[camera].muted = True
        assert identities() and members.infos()[1].tracks[0].muted, "tracks change by themselves"
        await cyd.change(permissions=Permissions(), name="Cyd")
        await ada.session.handle(messages.Leave("leave"))
        assert identities() == "bob:active:1 cyd:joining:0 dan:joining:0"
        assert members.infos()[1].name == "Cyd"
        await bob.ask(messages.Unpublish, track=camera)
        await dan.change(metadata="new")
        assert identities() == "bob:active:0 cyd:joining:0 dan:joining:0"
        assert members.infos()[2].metadata == "new"


async def test_what_others_get_of_the_members_is_read_only() -> None:
    async with scene() as it:
        await it.client("ada")
        room = rooms_of(it.sfu)["room"]
        with pytest.raises(TypeError):
            room.members.by_identity["bob"] = room.members.find("ada")  # type: ignore[index]
