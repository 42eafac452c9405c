"""Muting, removing, and changing permissions of present participants."""

from typing import Any

import pytest

from sfu.errors import NotAllowed, NotFound, Stale
from sfu.model import DisconnectReason, Kind, ParticipantState, Permissions, Source
from sfu.signalling import messages

from ...live import rooms_of
from ..scene import START, Client, Scene, grant, scene, turn


async def pair(it: Scene, **may: Any) -> tuple[Client, Client, str]:
    """Alice publishes a camera, Bob is shown it in section 0."""
    alice = await it.client("alice", **may)
    bob = await it.client("bob")
    await bob.connect("video recvonly")
    camera = await alice.camera()
    alice.heard()
    bob.heard()
    return alice, bob, camera


async def test_a_track_muted_by_its_owner_is_not_forwarded_until_it_is_unmuted() -> None:
    async with scene() as it:
        alice, bob, camera = await pair(it)
        assert bob.ladder("0") == [(2, 3), (1, 3), (0, 3)]
        await alice.ask(messages.Mute, track=camera, muted=True)
        assert bob.ladder("0") == []
        assert bob.last(messages.Participants).participants[0].tracks[0].muted
        assert bob.last_state().reason == "muted by its publisher"
        await alice.ask(messages.Mute, track=camera, muted=False)
        assert bob.ladder("0") == [(2, 3), (1, 3), (0, 3)]


async def test_a_moderators_mute_is_told_to_the_owner_who_cannot_undo_it() -> None:
    async with scene() as it:
        alice, bob, camera = await pair(it)
        await alice.silence(camera, True)
        await turn()
        assert alice.last(messages.Muted) == messages.Muted(camera, True)
        assert bob.ladder("0") == []
        assert bob.last_state().reason == "muted by a moderator"
        error = await alice.ask(messages.Mute, track=camera, muted=False)
        assert error.code == "not_allowed"
        await alice.silence(camera, False)
        await turn()
        assert alice.last(messages.Muted) == messages.Muted(camera, False)
        assert bob.ladder("0") == [], "nobody is unmuted by others: it is the owner's turn now"
        await alice.ask(messages.Mute, track=camera, muted=False)
        assert bob.ladder("0") == [(2, 3), (1, 3), (0, 3)]


async def test_one_mutes_only_its_own_tracks() -> None:
    async with scene() as it:
        _, bob, camera = await pair(it)
        error = await bob.ask(messages.Mute, track=camera, muted=True)
        assert error.code == "not_found"


async def test_who_joins_later_sees_and_is_shown_a_muted_track_as_muted() -> None:
    async with scene() as it:
        alice, _, camera = await pair(it)
        await alice.ask(messages.Mute, track=camera, muted=True)
        carol = await it.client("carol")
        await carol.connect("video recvonly")
        assert carol.shows() == {"0": camera} and carol.ladder("0") == []


async def test_a_kicked_participant_is_out_and_comes_back_neither_by_secret_nor_by_token() -> None:
    async with scene() as it:
        alice, bob, _ = await pair(it)
        room = bob.room
        room.moderation.remove("alice")
        await turn()
        left = alice.last(messages.Left)
        assert (left.reason, left.action) == (DisconnectReason.PARTICIPANT_REMOVED, "none")
        assert bob.last(messages.Participants).participants[0].state is ParticipantState.DISCONNECTED
        assert bob.shows() == {"0": None} and list(it.plane.transports) == [bob.transport]
        with pytest.raises(Stale):
            await it.resume(alice)
        with pytest.raises(NotAllowed, match="this token was revoked"):
            await it.client("alice")
        with pytest.raises(NotAllowed, match="this token was revoked"):
            await it.client("alice", grant_=grant("alice", issued=0))
        await it.client("alice", "another")


async def test_a_revocation_outlives_its_room_and_is_forgotten_when_the_tokens_have_expired() -> None:
    async with scene() as it:
        await it.client("alice", grant_=grant("alice", expires=int(START) + 100_000))
        rooms_of(it.sfu).find("room").moderation.remove("alice")
        await it.pass_time(30)
        assert "room" not in rooms_of(it.sfu)
        await it.pass_time(99_970)
        with pytest.raises(NotAllowed):
            await it.client("alice")
        await it.pass_time(100)
        await it.client("alice")


async def test_a_revocation_outlasts_every_token_that_was_ever_sent() -> None:
    async with scene() as it:
        alice = await it.client("alice")
        await alice.session.note_token(START, START + 200_000.5)
        rooms_of(it.sfu).find("room").moderation.remove("alice")
        it.sfu._joins.readmit("room", "alice")
        await it.client("alice", grant_=grant("alice", issued=START + 1))
        await it.pass_time(10)
        rooms_of(it.sfu).find("room").moderation.remove("alice")
        await it.pass_time(199_980)
        with pytest.raises(NotAllowed):
            await it.client("alice")


async def test_a_kick_of_nobody_is_not_found() -> None:
    async with scene() as it:
        room, _ = rooms_of(it.sfu).create("room")
        with pytest.raises(NotFound, match="there is no participant 'ghost' in the room 'room'"):
            room.moderation.remove("ghost")


async def test_taking_back_publishing_unpublishes_and_revokes() -> None:
    async with scene() as it:
        alice, bob, camera = await pair(it)
        await alice.change(permissions=Permissions(can_publish=False))
        await turn()
        assert alice.last(messages.Unpublished) == messages.Unpublished(camera, "you may no longer publish it")
        assert bob.shows() == {"0": None} and not it.plane.tracks
        assert alice.last(messages.Participants).participants[0].permissions.can_publish is False
        assert alice.session.grant_changed.is_set() and not alice.session.grant.permissions.can_publish
        await alice.cut()
        with pytest.raises(Stale, match="your session was revoked"):
            await it.resume(alice)
        with pytest.raises(NotAllowed):
            await it.client("alice")
        again = await it.client("alice", grant_=grant("alice", issued=START + 0.5, can_publish=False))
        assert bob.last(messages.Participants)
        assert again.room is bob.room


async def test_taking_back_a_source_unpublishes_that_one_only() -> None:
    async with scene() as it:
        alice, _, camera = await pair(it)
        screen = await alice.publish(Kind.VIDEO, Source.SCREEN_SHARE)
        await alice.change(permissions=Permissions(can_publish_sources=(Source.CAMERA,)))
        await turn()
        assert list(alice.participant.tracks) == [camera]
        assert alice.last(messages.Unpublished).track == screen


async def test_taking_back_subscribing_empties_the_slots_and_giving_it_fills_them() -> None:
    async with scene() as it:
        alice, bob, camera = await pair(it)
        await bob.change(permissions=Permissions(can_subscribe=False))
        await turn()
        assert bob.shows() == {"0": None}
        assert (await bob.ask(messages.Subscribe, tracks=(camera,), on=True)).code == "not_allowed"
        await bob.change(permissions=Permissions())
        await turn()
        assert bob.shows() == {"0": camera}
        assert alice.room is bob.room


async def test_more_permissions_revoke_nothing() -> None:
    async with scene() as it:
        alice = await it.client("alice", can_publish=False)
        await alice.change(permissions=Permissions())
        await alice.cut()
        await it.resume(alice)


async def test_a_hidden_participant_is_seen_by_itself_only_and_so_are_its_tracks() -> None:
    async with scene() as it:
        alice = await it.client("alice")
        await alice.connect("video recvonly")
        alice.heard()
        ghost = await it.client("ghost", hidden=True)
        await ghost.camera()
        assert alice.heard(messages.Participants) == [] and alice.shows() == {"0": None}
        assert ghost.heard(messages.Participants), "it hears of itself"
        assert alice.room.info().num_participants == 1
        await ghost.change(permissions=Permissions())
        await turn()
        assert alice.last(messages.Participants).participants[0].identity == "ghost"
        assert alice.shows()["0"] is not None
        await ghost.change(permissions=Permissions(hidden=True))
        await turn()
        assert alice.last(messages.Participants).participants[0].state is ParticipantState.DISCONNECTED
        assert alice.shows() == {"0": None}


async def test_one_changes_itself_where_the_grant_allows_it() -> None:
    async with scene() as it:
        alice = await it.client("alice")
        bob = await it.client("bob", can_update_own_metadata=True)
        await turn()
        alice.heard()
        assert (await alice.ask(messages.Update, name="Queen")).code == "not_allowed"
        await bob.ask(messages.Update, name="Bobby", attributes={"mood": "fine", "hand": "up"})
        await bob.ask(messages.Update, metadata="{}", attributes={"hand": ""})
        versions = [m.participants[0] for m in alice.heard(messages.Participants)]
        assert (versions[-1].name, versions[-1].metadata, versions[-1].attributes) == ("Bobby", "{}", {"mood": "fine"})
        assert [p.version for p in versions] == sorted({p.version for p in versions})
        assert bob.session.grant.name == "Bobby", "a fresh token says what is so now"


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"name": "n" * 257}, "a display name has at most 256 characters, this one has 257"),
        ({"metadata": "ü" * 40_000}, "metadata has at most 65536 octets, this has 80000"),
        ({"attributes": {"": "x"}}, "an attribute needs a key"),
        ({"attributes": {"k": "v" * 65_536}}, "attributes have at most 65536 octets in all, these have 65537"),
        ({"attributes": {str(i): "x" for i in range(257)}}, "there are at most 256 attributes, not 257"),
    ],
)
async def test_what_is_too_long_changes_nothing(fields: dict[str, object], sentence: str) -> None:
    async with scene() as it:
        alice = await it.client("alice", can_update_own_metadata=True)
        before = alice.participant.info()
        assert (await alice.ask(messages.Update, **fields)).message == sentence
        assert alice.participant.info() == before
