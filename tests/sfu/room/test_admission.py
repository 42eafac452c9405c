"""Admission: viewers who share a token, and publishers who replace each other under one identity."""

from dataclasses import replace
from typing import Any

import pytest

from sfu import commands
from sfu.config import Config
from sfu.errors import Contended, NotAllowed, NotFound, RoomFull, TooManyRequests
from sfu.model import DisconnectReason, ParticipantKind, PermissionChanges, RoomOptions
from sfu.plane import TransportState
from sfu.signalling import messages
from sfu.signalling.media_session import MediaSession

from ...live import rooms_of
from ..scene import Scene, grant, open_session, scene, sdp, turn

RECEIVE = [("audio", "recvonly"), ("video", "recvonly")]
SEND = [("audio", "sendonly"), ("video", "sendonly")]


def whep(it: Scene, identity: str = "ada", room: str = "room", *, max_viewers: int = 0) -> MediaSession:
    who = replace(grant(identity), max_viewers=max_viewers)
    return open_session(it.sfu, who, room, ParticipantKind.VIEWER, sdp(RECEIVE, "viewer00"))


def whip(it: Scene, identity: str = "ada") -> MediaSession:
    return open_session(it.sfu, grant(identity), "room", ParticipantKind.INGRESS, sdp(SEND, "sender00"))


def names(it: Scene) -> list[str]:
    return list(rooms_of(it.sfu)["room"].participants)


async def permit(it: Scene, session: MediaSession, **changes: Any) -> None:
    permissions = PermissionChanges(**changes)  # type: ignore[typeddict-item]
    identity = session.participant.identity
    change = commands.ChangeParticipant(commands.ADMINISTRATOR, "room", identity, permissions=permissions)
    await it.sfu.execute(change)


async def test_viewers_of_one_token_live_side_by_side_under_numbered_identities() -> None:
    async with scene() as it:
        first, second, third = [whep(it) for _ in range(3)]
        assert names(it) == ["ada", "ada#2", "ada#3"]
        assert [one.participant.info().kind for one in (first, second, third)] == [ParticipantKind.VIEWER] * 3
        second.close()
        assert first.is_open and third.is_open
        whep(it)
        assert names(it) == ["ada", "ada#3", "ada#2"], "a number that is free is given again"


@pytest.mark.parametrize("publishes_by", ["websocket", "whip"])
async def test_a_viewer_ends_no_publisher_of_its_identity_and_a_publisher_ends_no_viewer(publishes_by: str) -> None:
    async with scene() as it:
        early = whep(it)
        if publishes_by == "whip":
            publisher = whip(it)
            assert publisher.is_open
        else:
            client = await it.client("ada")
            await client.connect(*[" ".join(section) for section in SEND])
            publisher = None
        late = whep(it)
        assert rooms_of(it.sfu)["room"].members.find("ada").kind is not ParticipantKind.VIEWER
        assert early.is_open and late.is_open and (publisher is None or publisher.is_open)
        assert sorted(names(it)) == ["ada", "ada#2", "ada#3"]
        assert [early.participant.identity, late.participant.identity] == ["ada#2", "ada#3"]
        assert (await it.sfu.execute(commands.ExplainSubscriptions(commands.ADMINISTRATOR, "room", "ada#2"))).next == ""
        await turn()


async def test_nobody_sees_them_come_be_renamed_or_go() -> None:
    async with scene() as it:
        bob = await it.client("bob")
        await turn()
        bob.heard()
        viewers = [whep(it) for _ in range(3)]
        await turn()
        whip(it)
        await turn()
        viewers[0].close()
        await turn()
        told = [p.identity for message in bob.heard(messages.Participants) for p in message.participants]
        assert set(told) == {"ada"} and bob.room.info().num_participants == 2


async def test_a_token_has_so_many_viewers_and_a_claim_raises_that() -> None:
    async with scene(Config(viewers_per_token=2)) as it:
        for _ in range(2):
            whep(it)
        with pytest.raises(TooManyRequests, match="the token of 'ada' has 2 viewers in this room"):
            whep(it)
        assert len(it.plane.transports) == 2
        whep(it, "bob")
        whep(it, room="other")
        whep(it, max_viewers=3)
        with pytest.raises(TooManyRequests, match="has 3 viewers"):
            whep(it, max_viewers=3)
        with pytest.raises(TooManyRequests, match="has 2 viewers"):
            whep(it, max_viewers=1)


async def test_viewers_count_in_the_limit_of_the_room() -> None:
    async with scene(Config(room=RoomOptions(max_participants=3))) as it:
        await it.client("bob")
        for _ in range(2):
            whep(it)
        with pytest.raises(RoomFull, match="the room 'room' is full"):
            whep(it)
        with pytest.raises(RoomFull, match="the room 'room' is full"):
            await it.client("ada")
        await it.client("recorder", hidden=True)
        await it.client("bob")


async def test_a_locked_room_takes_no_more_viewers_of_a_token_that_is_in() -> None:
    async with scene() as it:
        whep(it)
        rooms_of(it.sfu)["room"].update(locked=True)
        with pytest.raises(NotAllowed, match="is locked"):
            whep(it)
        with pytest.raises(NotAllowed, match="is locked"):
            await it.client("ada")


async def test_removing_a_token_s_identity_removes_all_its_viewers_and_revokes_it() -> None:
    async with scene() as it:
        viewers = [whep(it) for _ in range(3)]
        viewers[0].close()
        rooms_of(it.sfu)["room"].moderation.remove("ada")
        assert not any(viewer.is_open for viewer in viewers)
        with pytest.raises(NotAllowed, match="revoked"):
            whep(it)
        with pytest.raises(NotFound):
            rooms_of(it.sfu)["room"].moderation.remove("ada")


async def test_removing_one_viewer_leaves_the_others_and_the_token() -> None:
    async with scene() as it:
        first, second, third = [whep(it) for _ in range(3)]
        await permit(it, second, can_subscribe=False)
        rooms_of(it.sfu)["room"].moderation.remove("ada#2")
        assert [one.is_open for one in (first, second, third)] == [True, False, True]
        assert whep(it).participant.identity == "ada#2"


async def test_a_second_publisher_replaces_the_first_and_the_third_within_ten_seconds_is_refused() -> None:
    async with scene() as it:
        first = whip(it)
        gone = first.participant.transport.id
        second = whip(it)
        assert (first.is_open, second.is_open) == (False, True)
        assert ("remove", gone) in it.plane.commands, "which says close_notify"
        assert first.participant.disconnect_reason is DisconnectReason.DUPLICATE_IDENTITY
        with pytest.raises(Contended, match=r"several publishers replace each other as 'ada': .* try again in 10 s"):
            whip(it)
        assert second.is_open
        whip(it, "bob")


async def test_two_encoders_that_reconnect_for_ever_do_not_end_each_other_for_ever() -> None:
    async with scene() as it:
        await it.client("bob")
        whip(it)
        winner = whip(it)
        await it.say(TransportState(winner.participant.transport.id or 0, "connected", ""))
        for _ in range(100):
            await it.pass_time(2)
            with pytest.raises(Contended):
                whip(it)
        assert winner.is_open
        await it.pass_time(10)
        whip(it)
        assert not winner.is_open, "one that waits has its turn"


async def test_an_encoder_that_went_silent_is_replaced_at_once() -> None:
    async with scene() as it:
        whip(it)
        second = whip(it)
        await it.say(TransportState(second.participant.transport.id or 0, "disconnected", "silent"))
        assert whip(it).is_open


async def test_an_encoder_that_left_in_order_is_followed_at_once() -> None:
    async with scene() as it:
        for _ in range(5):
            whip(it).close()


async def test_what_is_known_of_publishers_is_forgotten() -> None:
    async with scene() as it:
        whip(it)
        room = rooms_of(it.sfu)["room"]
        await it.pass_time(11)
        assert room.admission._begun == {}


async def test_the_room_of_nobody_who_has_gone_is_kept() -> None:
    async with scene() as it:
        for _ in range(2):
            client = await it.client("bob")
            await client.connect("application")
            whep(it)
            whip(it)
            await it.pass_time(11)
        assert len(rooms_of(it.sfu)._by_participant) == len(rooms_of(it.sfu)["room"].members) == 4
        rooms_of(it.sfu).delete("room")
        assert rooms_of(it.sfu)._by_participant == {}
        assert it.sfu._context.binding.owners == {}


async def test_a_permission_taken_from_a_shared_token_s_first_viewer_concerns_the_token() -> None:
    async with scene() as it:
        first = whep(it)
        await permit(it, first, can_publish=False, can_subscribe=False, hidden=True)
        with pytest.raises(NotAllowed, match="revoked"):
            whep(it)
