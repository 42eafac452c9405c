"""Commands: each has a handler, a right and a row in the table; and rights are enforced."""

import dataclasses
import re
from typing import Any

import pytest

from sfu import commands
from sfu.commands import ADMINISTRATOR, ANYONE, Command, Departed, Member
from sfu.errors import InvalidRequest, LimitExceeded, NotAllowed, NotFound, SfuError, Stale
from sfu.execution import HANDLERS
from sfu.limits import WISHES
from sfu.model import Declaration, Grant, Kind, ParticipantKind, Permissions, Source, WishChanges
from sfu.signalling import messages

from ...live import rooms_of
from ..scene import Client, Scene, grant, scene, turn

BASES = {commands.Command, commands.OfRoom, commands.OfTrack, commands.OfParticipant, commands.OfMediaSession}
ALL = {
    kind
    for kind in vars(commands).values()
    if isinstance(kind, type) and issubclass(kind, Command) and kind not in BASES
}


def test_every_command_has_a_handler_a_right_and_a_row() -> None:
    rows = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", commands.__doc__ or "", re.M))))
    assert len(ALL) > 20
    assert set(HANDLERS) == set(commands.NEEDS) == ALL
    assert rows == {kind.__name__ for kind in ALL}


def test_commands_and_results_are_frozen_data() -> None:
    for kind in ALL:
        assert dataclasses.is_dataclass(kind) and kind.__dataclass_params__.frozen, kind  # type: ignore[attr-defined]


LISTER = Grant("backend", room_list=True)
CREATOR = Grant("backend", room_create=True)
MODERATOR = Grant("backend", room_admin=True)
OF_ALL = Grant("backend", room_admin=True, room_list=True)
OF_ROOM = Grant("backend", room_admin=True, room="room")
OF_ANOTHER = Grant("backend", room_admin=True, room="other")
NOBODY = Grant("alice", room_join=True)
ASKERS: dict[str, commands.Asker] = {
    "administrator": ADMINISTRATOR,
    "lister": LISTER,
    "creator": CREATOR,
    "moderator": MODERATOR,
    "moderator of all rooms": OF_ALL,
    "moderator of the room": OF_ROOM,
    "moderator of another": OF_ANOTHER,
    "token without rights": NOBODY,
    "anyone": ANYONE,
}
MODERATORS = {"administrator", "moderator", "moderator of all rooms", "moderator of the room"}
RIGHTS: list[tuple[str, Any, set[str]]] = [
    ("create", lambda by: commands.CreateRoom(by, "new"), {"administrator", "creator"}),
    ("put", lambda by: commands.PutRoom(by, "new"), {"administrator", "creator"}),
    ("list rooms", lambda by: commands.ListRooms(by), {"administrator", "lister", "moderator of all rooms"}),
    ("show a room", lambda by: commands.ShowRoom(by, "room"), {*MODERATORS, "lister"}),
    ("change a room", lambda by: commands.ChangeRoom(by, "room", {"metadata": "m"}), MODERATORS),
    ("delete a room", lambda by: commands.DeleteRoom(by, "room"), {*MODERATORS, "creator"}),
    ("list tracks", lambda by: commands.ListTracks(by, "room"), MODERATORS),
    ("send data", lambda by: commands.SendData(by, "room", b"x"), MODERATORS),
    ("list participants", lambda by: commands.ListParticipants(by, "room"), MODERATORS),
    ("list events of a room", lambda by: commands.ListEvents(by, "room"), MODERATORS),
    ("delete events of a room", lambda by: commands.DeleteEvents(by, "ada", "room"), MODERATORS),
    ("delete events", lambda by: commands.DeleteEvents(by, "ada"), {"administrator", "moderator of all rooms"}),
    ("list events", lambda by: commands.ListEvents(by), {"administrator", "moderator of all rooms"}),
    ("show a participant", lambda by: commands.ShowParticipant(by, "room", "alice"), MODERATORS),
    ("change a participant", lambda by: commands.ChangeParticipant(by, "room", "alice", name="A"), MODERATORS),
    ("mute a source", lambda by: commands.MuteSource(by, "room", "alice", Source.CAMERA, True), MODERATORS),
    ("readmit", lambda by: commands.ReadmitParticipant(by, "room", "alice"), MODERATORS),
    ("subscriptions", lambda by: commands.ListSubscriptions(by, "room", "alice"), MODERATORS),
    ("set subscriptions", lambda by: commands.SetSubscriptions(by, "room", "alice", [], []), MODERATORS),
    ("subscribe", lambda by: commands.Subscribe(by, "room", "alice", [], True), MODERATORS),
    ("explain", lambda by: commands.ExplainSubscriptions(by, "room", "alice"), MODERATORS),
    ("remove", lambda by: commands.RemoveParticipant(by, "room", "alice"), MODERATORS),
    ("join", lambda by: commands.Join(by, "room"), {"token without rights"}),
    (
        "list ICE servers",
        lambda by: commands.ListIceServers(by, "room"),
        {"administrator", "token without rights", "anyone"},
    ),
    ("leave", lambda by: commands.Leave(by), set()),
    ("stop a capture", lambda by: commands.StopCapture(by, 1), {"administrator"}),
    ("drain", lambda by: commands.Drain(by, 60.0), {"administrator"}),
]


@pytest.mark.parametrize("asker", ASKERS)
@pytest.mark.parametrize(("command", "may"), [row[1:] for row in RIGHTS], ids=[row[0] for row in RIGHTS])
async def test_a_command_is_carried_out_for_those_who_have_the_right(asker: str, command: Any, may: set[str]) -> None:
    async with scene() as it:
        await it.client("alice")
        if asker in may:
            await it.sfu.execute(command(ASKERS[asker]))
        else:
            with pytest.raises(NotAllowed):
                await it.sfu.execute(command(ASKERS[asker]))


@pytest.mark.parametrize("asker", ASKERS)
@pytest.mark.parametrize("command", [commands.ShowTrack, commands.RemoveTrack, commands.RequestKeyframe])
async def test_a_track_is_looked_up_for_moderators_only(asker: str, command: Any) -> None:
    async with scene() as it:
        await it.client("alice")
        with pytest.raises(NotFound if asker in MODERATORS else NotAllowed):
            await it.sfu.execute(command(ASKERS[asker], "room", "TR_none"))


@pytest.mark.parametrize("asker", ASKERS)
async def test_the_administrator_alone_reads_counters_of_which_there_are_none_without_a_transport(asker: str) -> None:
    async with scene() as it:
        await it.client("alice")
        with pytest.raises(NotFound if asker == "administrator" else NotAllowed):
            await it.sfu.execute(commands.ShowCounters(ASKERS[asker], "room", "alice"))


async def test_the_right_is_checked_before_anything_is_looked_up() -> None:
    async with scene() as it:
        with pytest.raises(NotAllowed):
            await it.sfu.execute(commands.ShowParticipant(OF_ANOTHER, "room", "ghost"))
        with pytest.raises(NotFound, match="there is no room 'room'"):
            await it.sfu.execute(commands.ShowParticipant(OF_ROOM, "room", "ghost"))


def member(client: Client) -> Member:
    return Member("room", client.sid)


async def test_a_participant_may_ask_for_itself_and_not_for_others() -> None:
    async with scene() as it:
        alice, bob = await it.client("alice"), await it.client("bob")
        camera = await alice.camera()
        for itself in (None, "alice"):
            muted = await it.sfu.execute(commands.MuteTrack(member(alice), "room", itself, camera, True))
            assert muted.tracks[0].muted
        with pytest.raises(NotAllowed, match="moderating"):
            await it.sfu.execute(commands.MuteTrack(member(bob), "room", "alice", camera, True))
        # The identity of a token is not the participant: its client would be muted by whoever has a copy.
        with pytest.raises(NotAllowed, match="moderating"):
            await it.sfu.execute(commands.MuteTrack(NOBODY, "room", "alice", camera, True))
        with pytest.raises(InvalidRequest, match="names no participant"):
            await it.sfu.execute(commands.MuteTrack(ADMINISTRATOR, "room", None, camera, True))


async def test_a_session_is_resumed_by_whoever_has_its_secret_and_no_other_identity() -> None:
    async with scene() as it:
        alice = await it.client("alice")
        resume = commands.Resume(ANYONE, "room", alice.sid, alice.secret)
        assert await it.sfu.execute(resume) == member(alice)
        assert await it.sfu.execute(dataclasses.replace(resume, by=NOBODY)) == member(alice)
        for wrong in ({"secret": "guess"}, {"sid": "PA_other"}, {"room": "other"}, {"by": grant("bob")}):
            with pytest.raises(Stale):
                await it.sfu.execute(dataclasses.replace(resume, **wrong))


async def test_who_joins_and_never_connects_leaves_after_the_resume_window() -> None:
    async with scene() as it:
        await it.sfu.execute(commands.Join(grant("alice"), "room"))
        await it.pass_time(it.sfu.config.resume_window - 0.1)
        assert rooms_of(it.sfu)["room"].members.named("alice") is not None
        await it.pass_time(0.2)
        assert rooms_of(it.sfu)["room"].members.named("alice") is None


async def test_a_participant_may_not_change_its_own_permissions() -> None:
    async with scene() as it:
        alice = await it.client("alice", can_update_own_metadata=True)
        change = commands.ChangeParticipant(member(alice), "room", None, permissions={"can_publish": False})
        with pytest.raises(NotAllowed, match="your own permissions"):
            await it.sfu.execute(change)
        assert (await it.sfu.execute(dataclasses.replace(change, permissions=None, name="A"))).name == "A"


async def test_who_has_left_can_ask_nothing_more() -> None:
    async with scene() as it:
        alice = await it.client("alice")
        await it.sfu.execute(commands.Leave(member(alice)))
        declared = Declaration("cid", Kind.VIDEO, Source.CAMERA)
        with pytest.raises(Departed):
            await it.sfu.execute(commands.DeclareTrack(member(alice), declared))


# One command behind two doors: REST asks by identity with a token, the WebSocket as the participant.

SELF_AND_MODERATOR = [
    (
        "settings of a track",
        lambda by, who, sid: commands.SetSubscriptions(by, "room", who, [(sid, WishChanges(width=320, height=180))]),
    ),
    ("a size that is none", lambda by, who, sid: commands.SetSubscriptions(by, "room", who, [(sid, {"width": -1})])),
    (
        "one wrong track among several",
        lambda by, who, sid: commands.SetSubscriptions(by, "room", who, [(sid, {"width": 320}), ("TR_?", {})]),
    ),
    (
        "too many settings",
        lambda by, who, sid: commands.SetSubscriptions(by, "room", who, [(sid, {"width": 320})] * (WISHES + 1)),
    ),
    ("unsubscribe", lambda by, who, sid: commands.Subscribe(by, "room", who, [sid], False)),
    ("no such track", lambda by, who, sid: commands.Subscribe(by, "room", who, ["TR_?"], True)),
    ("only this", lambda by, who, sid: commands.SetSubscriptions(by, "room", who, [], [sid])),
    ("another name", lambda by, who, sid: commands.ChangeParticipant(by, "room", who, name="Robert")),
    ("a name that is too long", lambda by, who, sid: commands.ChangeParticipant(by, "room", who, name="n" * 257)),
]


async def outcome(it: Scene, bob: Client, command: Command[Any]) -> Any:
    """Returns the result of the command, and the participant's state after it."""
    try:
        await it.sfu.execute(command)
        refused = None
    except SfuError as error:
        refused = (type(error), str(error))
    await turn()
    return refused, [(v.desired, v.wish) for v in await bob.subscriptions()], bob.participant.name


@pytest.mark.parametrize("command", [row[1] for row in SELF_AND_MODERATOR], ids=[row[0] for row in SELF_AND_MODERATOR])
async def test_an_act_is_the_same_for_the_participant_and_for_a_moderator(command: Any) -> None:
    found = []
    for door in ("WebSocket", "REST"):
        async with scene() as it:
            bob = await it.client("bob", can_update_own_metadata=True)
            alice = await it.client("alice")
            await bob.connect("video recvonly")
            camera = await alice.camera()
            by, who = (member(bob), None) if door == "WebSocket" else (OF_ROOM, "bob")
            refused, *state = await outcome(it, bob, command(by, who, camera))
            sentence = refused and (refused[0], refused[1].replace(camera, "TR"))
            found.append((sentence, state))
    assert found[0] == found[1]


async def test_settings_are_bounded_in_one_place() -> None:
    async with scene() as it:
        bob = await it.client("bob")
        many = tuple(messages.TrackSettings(f"TR_{n}") for n in range(WISHES + 1))
        error = await bob.ask(messages.Settings, tracks=many)
        assert (error.code, error.message) == (
            LimitExceeded.code,
            f"one request has settings of at most {WISHES} tracks, not {WISHES + 1}",
        )


async def test_a_muted_track_is_unmuted_by_its_owner_unless_a_moderator_muted_it() -> None:
    async with scene() as it:
        alice = await it.client("alice")
        camera = await alice.camera()

        async def mute(by: commands.Asker, on: bool) -> bool:
            info = await it.sfu.execute(commands.MuteTrack(by, "room", "alice", camera, on))
            return info.tracks[0].muted

        assert await mute(member(alice), True) and not await mute(member(alice), False)
        assert await mute(OF_ROOM, True)
        with pytest.raises(NotAllowed, match="a moderator muted this track"):
            await mute(member(alice), False)
        await mute(OF_ROOM, False)
        assert not await mute(member(alice), False)


async def test_a_session_of_whip_is_opened_for_a_token_only() -> None:
    async with scene() as it:
        opened = commands.OpenMediaSession(grant("eve"), "room", ParticipantKind.INGRESS, "v=0")
        with pytest.raises(InvalidRequest):
            await it.sfu.execute(opened)
        with pytest.raises(NotAllowed):
            await it.sfu.execute(dataclasses.replace(opened, by=ADMINISTRATOR))  # type: ignore[arg-type]


async def test_permissions_not_named_keep_their_value() -> None:
    async with scene() as it:
        alice = await it.client("alice", can_subscribe=False)
        await it.sfu.execute(commands.ChangeParticipant(OF_ROOM, "room", "alice", permissions={"can_publish": False}))
        assert alice.participant.permissions == Permissions(can_publish=False, can_subscribe=False)
