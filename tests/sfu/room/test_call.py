"""A call: join, offer, publish, subscribe, leave."""

from sfu.model import DisconnectReason, Kind, ParticipantState, Source
from sfu.signalling import messages
from sfu.views import SlotInfo

from ...live import rooms_of
from ..scene import scene, turn


async def test_a_join_gets_a_snapshot_of_the_room_and_is_announced_to_the_others() -> None:
    async with scene() as it:
        alice = await it.client("alice")
        await turn()
        alice.heard()
        bob = await it.client("bob")
        await turn()
        (news,) = alice.heard(messages.Participants)
        assert [p.identity for p in news.participants] == ["bob"]
        joined = bob.last(messages.Joined)
        assert joined.you.identity == "bob" and joined.you.name == "Bob"
        assert [p.identity for p in joined.participants] == ["alice"]
        assert joined.room.name == "room" and joined.room.num_participants == 2


async def test_an_offer_makes_a_transport_with_the_credentials_of_its_answer() -> None:
    async with scene() as it:
        alice = await it.client("alice")
        answer = await alice.offer("audio recvonly", "video recvonly", "application")
        (spec,) = it.plane.transports.values()
        assert f"a=ice-ufrag:{spec.ice.local_ufrag}" in answer.sdp
        assert (spec.ice.remote_ufrag, spec.dtls_role) == (alice.ufrag, "server")
        assert "a=candidate" in answer.sdp and "127.0.0.1 7882" in answer.sdp
        assert len(it.plane.slots) == 2
        assert it.plane.count("open_sctp") == 1


async def test_a_participant_becomes_active_when_its_transport_connects() -> None:
    async with scene() as it:
        alice = await it.client("alice")
        bob = await it.client("bob")
        states = []
        await bob.offer("audio recvonly")
        states += [p.state for m in alice.heard(messages.Participants) for p in m.participants if p.identity == "bob"]
        await bob.media("connected")
        states += [p.state for m in alice.heard(messages.Participants) for p in m.participants if p.identity == "bob"]
        assert states == [ParticipantState.JOINED, ParticipantState.ACTIVE]


async def test_a_published_track_is_told_and_put_into_a_free_slot() -> None:
    async with scene() as it:
        alice = await it.client("alice")
        bob = await it.client("bob")
        await bob.connect("audio recvonly", "video recvonly")
        bob.heard()
        camera = await alice.camera(name="front")
        (news,) = bob.heard(messages.Participants)
        (track,) = news.participants[0].tracks
        assert (track.sid, track.kind, track.source, track.name) == (camera, Kind.VIDEO, Source.CAMERA, "front")
        assert bob.last(messages.Slots).slots == {"1": SlotInfo(camera, alice.sid)}
        assert bob.shows() == {"0": None, "1": camera}
        assert bob.ladder("1") == [(2, 3), (1, 3), (0, 3)], "one stream may hold spatial layers"


async def test_what_was_published_before_the_join_is_shown_after_the_first_offer() -> None:
    async with scene() as it:
        alice = await it.client("alice")
        camera, microphone = await alice.camera(), await alice.microphone()
        bob = await it.client("bob")
        assert {t.sid for p in bob.last(messages.Joined).participants for t in p.tracks} == {camera, microphone}
        await bob.connect("audio recvonly", "video recvonly")
        assert bob.shows() == {"0": microphone, "1": camera}


async def test_more_sections_are_asked_for_once_and_filled_when_they_come() -> None:
    async with scene() as it:
        alice = await it.client("alice")
        camera = await alice.camera()
        screen = await alice.publish(Kind.VIDEO, Source.SCREEN_SHARE)
        bob = await it.client("bob")
        await bob.connect("video recvonly")
        assert bob.shows() == {"0": screen}, "the screen goes before the camera"
        assert bob.heard(messages.Renegotiate) == [messages.Renegotiate(audio=0, video=1)]
        await bob.offer()
        assert bob.heard(messages.Renegotiate) == [], "it has been asked, and did not offer more"
        await bob.offer("video recvonly")
        assert bob.shows() == {"0": screen, "1": camera}


async def test_a_client_that_does_not_offer_is_asked_for_more_sections_once_however_many_tracks_come() -> None:
    async with scene() as it:
        alice, bob = await it.client("alice"), await it.client("bob")
        await bob.connect("video recvonly")
        for _ in range(5):
            await alice.camera()
        assert bob.heard(messages.Renegotiate) == [messages.Renegotiate(audio=0, video=1)]
        await bob.offer("video recvonly")
        assert bob.heard(messages.Renegotiate) == [messages.Renegotiate(audio=0, video=3)]


async def test_a_client_that_leaves_takes_its_tracks_along() -> None:
    async with scene() as it:
        alice = await it.client("alice")
        bob = await it.client("bob")
        await bob.connect("video recvonly")
        await alice.camera()
        bob.heard()
        await alice.session.handle(messages.Leave("leave"))
        await turn()
        (news,) = bob.heard(messages.Participants)
        assert news.participants[0].state is ParticipantState.DISCONNECTED
        assert news.participants[0].disconnect_reason is DisconnectReason.CLIENT_INITIATED
        assert bob.shows() == {"0": None}
        assert alice.last(messages.Left).reason is DisconnectReason.CLIENT_INITIATED
        assert alice.session.outbox.close_code == 1000
        assert list(it.plane.transports) == [bob.transport] and not it.plane.tracks


async def test_everything_that_belonged_to_the_last_one_is_gone_from_the_plane() -> None:
    async with scene() as it:
        for _ in range(3):
            alice = await it.client("alice")
            await alice.connect("audio recvonly", "video recvonly", "application")
            await alice.camera()
            await alice.session.handle(messages.Leave("leave"))
            await turn()
        plane = it.plane
        assert not (plane.transports or plane.tracks or plane.slots or plane.channels)
        assert rooms_of(it.sfu)["room"]._context.binding.owners == {}
