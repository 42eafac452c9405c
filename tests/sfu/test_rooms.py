"""Rooms: created, found, full, locked, empty, closed; their participants and identities."""

import pytest

from sfu.config import Config
from sfu.errors import (
    Conflict,
    InvalidRequest,
    NegotiationError,
    NotAllowed,
    NotFound,
    RoomFull,
    SfuError,
    TooManyRequests,
)
from sfu.model import DisconnectReason, Grant, ParticipantKind, RoomOptions
from sfu.signalling import messages

from ..live import rooms_of
from .scene import grant, open_session, scene, turn


async def test_a_room_that_exists_with_the_same_options_is_found_again() -> None:
    async with scene() as it:
        options = RoomOptions(max_participants=5)
        room, made = rooms_of(it.sfu).create("room", options)
        assert made and rooms_of(it.sfu).create("room", options) == (room, False)
        room.update(metadata="changed")
        assert rooms_of(it.sfu).create("room", options) == (room, False), "a retry is still the same request"
        with pytest.raises(Conflict, match="the room 'room' exists with other options"):
            rooms_of(it.sfu).create("room", RoomOptions())


async def test_a_join_makes_its_room_unless_that_is_switched_off() -> None:
    async with scene(Config(create_on_demand=False)) as it:
        with pytest.raises(NotFound, match="there is no room 'room'"):
            await it.client("alice")
        rooms_of(it.sfu).create("room")
        await it.client("alice")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("", "a room name must not be empty"),
        ("r" * 257, "a room name has at most 256 characters, this one has 257"),
        ("a\nb", r"a room name has no control characters, but this one has U\+000A"),
    ],
)
async def test_a_bad_name_is_refused(name: str, sentence: str) -> None:
    async with scene() as it:
        with pytest.raises(SfuError, match=sentence):
            rooms_of(it.sfu).create(name)
        with pytest.raises(SfuError, match=sentence):
            await it.client("alice", name)
        assert rooms_of(it.sfu) == {}


@pytest.mark.parametrize(
    ("who", "sentence"),
    [
        (Grant(identity="a"), "this token does not allow joining a room"),
        (Grant(identity="a", room_join=True, room="other"), "this token is for the room 'other', not for 'room'"),
        (Grant(identity="", room_join=True), "an identity must not be empty"),
        (Grant(identity="a" * 257, room_join=True), "an identity has at most 256 characters"),
        (Grant(identity="a", room_join=True, metadata="m" * 65_537), "metadata has at most 65536 octets"),
    ],
)
async def test_a_grant_that_does_not_reach_is_refused(who: Grant, sentence: str) -> None:
    async with scene() as it:
        with pytest.raises(SfuError, match=sentence):
            await it.client("", grant_=who)


async def test_a_full_room_takes_nobody_but_the_hidden_and_who_is_in_already() -> None:
    async with scene() as it:
        rooms_of(it.sfu).create("room", RoomOptions(max_participants=2))
        await it.client("alice")
        await it.client("bob")
        with pytest.raises(RoomFull, match="the room 'room' is full: 2 are in it"):
            await it.client("carol")
        await it.client("ghost", hidden=True)
        await it.client("bob")
        rooms_of(it.sfu).find("room").update(max_participants=3)
        await it.client("carol")
        rooms_of(it.sfu).find("room").update(max_participants=1)
        await it.client("bob")
        with pytest.raises(RoomFull):
            await it.client("dave")


async def test_a_locked_room_takes_nobody_new() -> None:
    async with scene() as it:
        alice = await it.client("alice")
        alice.room.update(locked=True)
        await turn()
        assert alice.last(messages.Room).room.locked
        with pytest.raises(NotAllowed, match="the room 'room' is locked"):
            await it.client("bob")
        await alice.cut()
        await it.resume(alice)
        await it.client("alice")


async def test_a_second_join_with_the_same_identity_replaces_the_first() -> None:
    async with scene() as it:
        first = await it.client("alice")
        await first.connect("audio recvonly")
        bob = await it.client("bob")
        await turn()
        bob.heard()
        second = await it.client("alice")
        await turn()
        left = first.last(messages.Left)
        assert (left.reason, left.action) == (DisconnectReason.DUPLICATE_IDENTITY, "none")
        assert first.session.outbox.close_code == 1000
        (news,) = bob.heard(messages.Participants)
        assert [(p.sid, p.state.value) for p in news.participants] == [
            (first.sid, "disconnected"),
            (second.sid, "joining"),
        ]
        assert not it.plane.transports
        await first.cut()
        assert bob.room.members.find("alice").sid == second.sid


async def test_a_replaced_client_can_say_nothing_more() -> None:
    async with scene() as it:
        first = await it.client("alice")
        await it.client("alice")
        await turn()
        before = list(it.plane.commands)
        assert await first.offer("audio recvonly") is None
        assert it.plane.commands == before


async def test_an_empty_room_goes_after_its_time() -> None:
    async with scene() as it:
        rooms_of(it.sfu).create("never", RoomOptions(empty_timeout=300))
        alice = await it.client("alice", "left")
        await it.pass_time(299)
        assert set(rooms_of(it.sfu)) == {"never", "left"}
        await it.pass_time(2)
        assert set(rooms_of(it.sfu)) == {"left"}, "nobody ever joined"
        await alice.session.handle(messages.Leave("leave"))
        await it.pass_time(19)
        assert set(rooms_of(it.sfu)) == {"left"}
        await it.pass_time(2)
        assert rooms_of(it.sfu) == {}, "the last one left"


async def test_who_was_not_let_in_is_nobody_who_left() -> None:
    async with scene() as it:
        rooms_of(it.sfu).create("room", RoomOptions(empty_timeout=300, departure_timeout=1))
        with pytest.raises(NegotiationError):
            open_session(it.sfu, grant("alice"), "room", ParticipantKind.INGRESS, "v=0")
        await it.pass_time(299)
        assert set(rooms_of(it.sfu)) == {"room"}


async def test_a_closed_room_lets_everybody_go_with_the_reason() -> None:
    async with scene() as it:
        alice = await it.client("alice")
        await alice.connect("audio recvonly")
        rooms_of(it.sfu).delete("room")
        await turn()
        left = alice.last(messages.Left)
        assert (left.reason, left.message) == (DisconnectReason.ROOM_DELETED, "the room was closed")
        assert not it.plane.transports and rooms_of(it.sfu) == {}
        with pytest.raises(NotFound):
            rooms_of(it.sfu).delete("room")


async def test_metadata_changed_is_told_once_and_unchanged_not_at_all() -> None:
    async with scene() as it:
        alice = await it.client("alice")
        alice.heard()
        alice.room.update(metadata="a")
        alice.room.update(metadata="b")
        await turn()
        assert [m.room.metadata for m in alice.heard(messages.Room)] == ["b"]
        alice.room.update(metadata="b")
        await turn()
        assert alice.heard(messages.Room) == []


@pytest.mark.parametrize("fields", [{"max_participants": -1}, {"empty_timeout": -1.0}, {"departure_timeout": -1.0}])
async def test_options_out_of_range_change_nothing(fields: dict[str, float]) -> None:
    async with scene() as it:
        room, _ = rooms_of(it.sfu).create("room")
        with pytest.raises(InvalidRequest):
            room.update(**fields)  # type: ignore[arg-type]
        assert room.options == RoomOptions()


async def test_rooms_are_bounded() -> None:
    async with scene(Config(max_rooms=1)) as it:
        rooms_of(it.sfu).create("one")
        with pytest.raises(TooManyRequests, match="this server has 1 rooms"):
            await it.client("alice", "two")


async def test_a_second_join_message_is_an_error() -> None:
    async with scene() as it:
        alice = await it.client("alice")
        await alice.session.handle(messages.Join("join"))
        assert alice.last(messages.Error).message == "you have joined already: join is the first message only"


async def test_a_candidate_is_accepted_and_not_needed() -> None:
    async with scene() as it:
        alice = await it.client("alice")
        alice.heard()
        before = list(it.plane.commands)
        await alice.session.handle(messages.Candidate("candidate", "candidate:1 1 udp 1 192.0.2.1 1 typ host"))
        assert alice.heard() == [] and it.plane.commands == before


async def test_an_exception_of_the_block_is_not_wrapped() -> None:
    with pytest.raises(RuntimeError, match="as it is"):
        async with scene() as it:
            await it.client("alice", grant_=grant("alice"))
            raise RuntimeError("as it is")
    assert it.plane.closed
