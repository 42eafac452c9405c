"""What events tell of commands: what was done, for whom, and by whom."""

from dataclasses import replace
from typing import Any

import pytest

from sfu import commands
from sfu.commands import ADMINISTRATOR, Command, ListEvents, Member
from sfu.errors import NotFound, RoomFull
from sfu.execution.audit import DETAILS
from sfu.model import Grant, Kind, Source
from sfu.room_events import EventLimit
from sfu.views import AdminCommand

from ..scene import Scene, grant, scene, turn

TOKEN = Grant("backend", room_admin=True, token_create=True, room_create=True, room_list=True, key="key", jti="J1")


async def told(it: Scene) -> list[tuple[str, AdminCommand]]:
    await turn()
    page = await it.sfu.execute(ListEvents(ADMINISTRATOR, limit=500))
    return [(event.room.name, event.command) for event in page.events if event.command is not None]


UNRECORDED = {
    # They read.
    *(commands.ListRooms, commands.ShowRoom, commands.ListTracks, commands.ShowTrack, commands.ListParticipants),
    *(commands.ListEvents, commands.ShowParticipant, commands.ListSubscriptions, commands.ExplainSubscriptions),
    *(commands.ListIceServers, commands.ShowCounters, commands.FindMediaSession),
    # A client sends them for itself.
    *(commands.DeclareTrack, commands.UnpublishTrack, commands.AnswerOffer, commands.NoteToken, commands.Leave),
    *(commands.Join, commands.Resume, commands.OpenMediaSession, commands.TrickleIce, commands.RestartIce),
    commands.EndMediaSession,
}


def test_every_command_is_recorded_or_has_a_reason_not_to_be() -> None:
    assert DETAILS.keys() | UNRECORDED == commands.NEEDS.keys() and not DETAILS.keys() & UNRECORDED


CASES: list[tuple[Any, str, dict[str, str]]] = [
    (
        lambda by: commands.CreateRoom(by, "new", {"locked": True, "metadata": "private"}),
        "new",
        {"detail": "locked=true, metadata"},
    ),
    (lambda by: commands.CreateRoom(by, "new", {}), "new", {}),
    (lambda by: commands.PutRoom(by, "new", {"last_n": 3}), "new", {"detail": "last_n=3"}),
    (lambda by: commands.ChangeRoom(by, "room", {"max_participants": 5}), "room", {"detail": "max_participants=5"}),
    (lambda by: commands.SendData(by, "room", b"xyz"), "room", {"detail": "octets=3 receivers=1"}),
    (
        lambda by: commands.ChangeParticipant(by, "room", "ada", name="A", permissions={"can_publish": False}),
        "room",
        {"identity": "ada", "detail": "name, can_publish=false"},
    ),
    (
        lambda by: commands.DelegateGrant(by, Grant("eve", jti="id", expires=9)),
        "",
        {"identity": "eve", "detail": "jti=id expires=9"},
    ),
    (lambda by: commands.MuteTrack(by, "room", "ada", "TRACK", True), "room", {"identity": "ada", "detail": "muted"}),
    (
        lambda by: commands.SetSubscriptions(by, "room", "ada", [("TRACK", {})]),
        "room",
        {"identity": "ada", "detail": "tracks=1"},
    ),
    (
        lambda by: commands.Subscribe(by, "room", "ada", [], False),
        "room",
        {"identity": "ada", "detail": "tracks=0 on=false"},
    ),
    (lambda by: commands.RemoveParticipant(by, "room", "ada"), "room", {"identity": "ada"}),
    (lambda by: commands.ReadmitParticipant(by, "room", "ada", "J2"), "room", {"identity": "ada", "detail": "jti=J2"}),
    (lambda by: commands.ReadmitParticipant(by, "gone", "ada"), "", {"identity": "ada"}),
    (lambda by: commands.DeleteRoom(by, "room"), "room", {}),
]


@pytest.mark.parametrize(("make", "room", "expected"), CASES)
async def test_a_command_is_an_event_that_says_who_sent_it(make: Any, room: str, expected: dict[str, str]) -> None:
    async with scene() as it:
        ada = await it.client("ada")
        await ada.connect("application")
        track = await ada.publish(Kind.AUDIO, Source.MICROPHONE)
        command: Command[Any] = make(TOKEN)
        if isinstance(command, commands.MuteTrack):
            command = commands.MuteTrack(TOKEN, "room", "ada", track, True)
            expected = {**expected, "track": track}
        elif isinstance(command, commands.SetSubscriptions):
            bob = await it.client("bob")
            await bob.connect("application")
            command = commands.SetSubscriptions(TOKEN, "room", "bob", [(track, {})])
            expected = {**expected, "identity": "bob"}
        await it.sfu.execute(command)
        name = CAPITALS[type(command).__name__]
        assert await told(it) == [(room, AdminCommand(name, "token", "key", "backend", jti="J1", **expected))]


CAPITALS = {
    "CreateRoom": "create_room",
    "PutRoom": "put_room",
    "ChangeRoom": "change_room",
    "DeleteRoom": "delete_room",
    "SendData": "send_data",
    "ChangeParticipant": "change_participant",
    "RemoveParticipant": "remove_participant",
    "ReadmitParticipant": "readmit_participant",
    "MuteTrack": "mute_track",
    "SetSubscriptions": "set_subscriptions",
    "Subscribe": "subscribe",
    "DelegateGrant": "delegate_grant",
}


async def test_a_moderator_is_named_by_its_session_and_what_one_does_for_itself_is_no_command() -> None:
    async with scene() as it:
        ada = await it.client("ada", grant_=replace(grant("ada"), room_admin=True))
        bob = await it.client("bob")
        await bob.connect("application")
        track = await bob.publish(Kind.AUDIO, Source.MICROPHONE)
        by_ada, by_bob = Member("room", ada.sid), Member("room", bob.sid)
        await it.sfu.execute(commands.MuteTrack(by_bob, "room", None, track, True))
        await it.sfu.execute(commands.MuteTrack(by_ada, "room", "bob", track, True))
        ((_, told_of),) = await told(it)
        assert (told_of.by, told_of.author, told_of.sid) == ("participant", "ada", ada.sid)


async def test_what_is_refused_or_changes_nothing_or_only_reads_is_no_event() -> None:
    async with scene() as it:
        await it.client("ada")
        with pytest.raises(NotFound):
            await it.sfu.execute(commands.RemoveParticipant(TOKEN, "room", "nobody"))
        await it.sfu.execute(commands.ListRooms(TOKEN))
        await it.sfu.execute(commands.ShowRoom(TOKEN, "room"))
        assert await told(it) == []
        # The room exists with these options.
        await it.sfu.execute(commands.CreateRoom(ADMINISTRATOR, "other"))
        await it.sfu.execute(commands.CreateRoom(TOKEN, "other"))
        assert [(room, one.by) for room, one in await told(it)] == [("other", "administrator")]


async def test_a_limit_that_refuses_a_command_is_an_event_of_the_room() -> None:
    async with scene() as it:
        await it.sfu.execute(commands.CreateRoom(TOKEN, "room", {"max_participants": 1}))
        await it.client("ada")
        await turn()
        for identity in ("bob", "eve"):
            with pytest.raises(RoomFull):
                await it.sfu.execute(commands.Join(grant(identity), "room"))
        page = await it.sfu.execute(ListEvents(ADMINISTRATOR))
        hits = [(event.room.name, event.limit) for event in page.events if event.limit is not None]
        assert hits == [("room", EventLimit("max_participants", 1, "bob"))]


async def test_the_removal_of_events_does_not_name_whom_it_was_about() -> None:
    async with scene() as it:
        await it.client("ada")
        await it.sfu.execute(commands.RemoveParticipant(TOKEN, "room", "ada"))
        await turn()
        assert await it.sfu.execute(commands.DeleteEvents(TOKEN, "ada")) == 3
        assert await told(it) == [
            ("", AdminCommand("delete_events", "token", "key", "backend", jti="J1", detail="events=3"))
        ]
