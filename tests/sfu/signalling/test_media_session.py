"""WHIP and WHEP: participants without a WebSocket."""

from typing import Any

import pytest

from sfu.errors import NegotiationError, NotAllowed, Stale
from sfu.model import DisconnectReason, Kind, ParticipantKind, Source
from sfu.plane import AudioLevels, Layer, LayerRate, Layers, TransportState
from sfu.signalling import messages
from sfu.signalling.media_session import MediaSession

from ...live import media_sessions_of
from ..scene import Scene, grant, open_session, scene, sdp, tracks_of, turn

SEND = [("audio", "sendonly"), ("video", "sendonly")]
DIRECTIONS = ("a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive")
RECEIVE = [("audio", "recvonly"), ("video", "recvonly")]


async def whip(it: Scene, identity: str, sections: list[tuple[str, str]] = SEND, **may: Any) -> MediaSession:
    session = open_session(it.sfu, grant(identity, **may), "room", ParticipantKind.INGRESS, sdp(sections, identity))
    await turn()
    return session


async def whep(
    it: Scene, identity: str, sections: list[tuple[str, str]] = RECEIVE, participant: str | None = None, **may: Any
) -> MediaSession:
    session = open_session(
        it.sfu, grant(identity, **may), "room", ParticipantKind.VIEWER, sdp(sections, identity), participant=participant
    )
    await turn()
    return session


def shows(it: Scene, session: MediaSession) -> dict[str, str | None]:
    """Identity and source in each section."""
    tracks = {t.plane_id: f"{t.identity} {t.source.value}" for t in session.room.forwarding.tracks.values()}
    slots = session.participant.transport.slots
    return {mid: tracks.get(it.plane.sources.get(id)) for mid, id in slots.items()}


async def test_whip_publishes_camera_and_microphone_to_those_in_the_room() -> None:
    async with scene() as it:
        bob = await it.client("bob")
        await bob.connect("audio recvonly", "video recvonly")
        session = await whip(it, "studio")
        assert shows(it, session) == {}
        assert bob.shows() == {"0": tracks_of(session.room)[0].track.sid, "1": tracks_of(session.room)[1].track.sid}
        info = bob.last(messages.Participants).participants[0]
        assert (info.kind, [t.source for t in info.tracks]) == (
            ParticipantKind.INGRESS,
            [Source.MICROPHONE, Source.CAMERA],
        )


async def test_whip_is_answered_recvonly_also_where_it_offers_to_receive() -> None:
    async with scene() as it:
        await whip(it, "studio")
        session = await whip(it, "second", [("audio", "sendrecv"), ("video", "sendrecv"), ("video", "recvonly")])
        directions = [line for line in session.answer.splitlines() if line in DIRECTIONS]
        assert directions == ["a=recvonly", "a=recvonly", "a=inactive"]
        assert shows(it, session) == {}


async def test_whep_sees_everybody_and_is_seen_by_nobody() -> None:
    async with scene() as it:
        await whip(it, "studio")
        bob = await it.client("bob")
        await turn()
        bob.heard()
        viewer = await whep(it, "viewer")
        assert shows(it, viewer) == {"0": "studio microphone", "1": "studio camera"}
        assert bob.heard(messages.Participants) == []
        assert viewer.room.info().num_participants == 2
        assert viewer.participant.identity == "viewer" and viewer.participant.is_hidden


async def test_a_viewer_that_waits_is_shown_what_is_published_without_renegotiation() -> None:
    async with scene() as it:
        viewer = await whep(it, "viewer")
        assert shows(it, viewer) == {"0": None, "1": None}
        await whip(it, "studio")
        assert shows(it, viewer) == {"0": "studio microphone", "1": "studio camera"}


async def test_a_viewer_of_one_participant_sees_that_one_alone_also_if_it_comes_later() -> None:
    async with scene() as it:
        await whip(it, "first")
        viewer = await whep(it, "viewer", participant="second")
        assert shows(it, viewer) == {"0": None, "1": None}
        await whip(it, "second")
        assert shows(it, viewer) == {"0": "second microphone", "1": "second camera"}


async def test_sections_are_filled_in_the_order_the_publishers_joined() -> None:
    async with scene() as it:
        alice, bob = await it.client("alice"), await it.client("bob")
        await bob.camera()
        await alice.camera()
        viewer = await whep(it, "viewer", [("video", "recvonly")] * 2)
        assert shows(it, viewer) == {"0": "alice camera", "1": "bob camera"}


async def test_with_too_few_sections_a_viewer_follows_the_dominant_speaker_and_screens_first() -> None:
    async with scene() as it:
        alice, bob = await it.client("alice"), await it.client("bob")
        for client in (alice, bob):
            await client.microphone()
            await client.camera()
        viewer = await whep(it, "viewer")
        assert shows(it, viewer) == {"0": "alice microphone", "1": "alice camera"}
        voice = next(iter(bob.participant.tracks.values())).plane_id
        assert voice is not None
        await it.say(AudioLevels([(voice, bytes([90] * 5))]))
        for _ in range(20):
            await it.say(AudioLevels([(voice, bytes([10, 25, 12, 30, 15]))]))
            await it.pass_time(0.1)
        assert shows(it, viewer) == {"0": "bob microphone", "1": "bob camera"}
        screen = await alice.publish(Kind.VIDEO, Source.SCREEN_SHARE)
        assert shows(it, viewer)["1"] == "alice screen_share"
        await alice.ask(messages.Unpublish, track=screen)
        assert shows(it, viewer)["1"] == "bob camera"


@pytest.mark.parametrize(
    ("kind", "sections", "sentence"),
    [
        (ParticipantKind.INGRESS, RECEIVE, "the offer sends nothing that may be published here"),
        (ParticipantKind.VIEWER, SEND, "the offer has no section that receives"),
        (ParticipantKind.VIEWER, [("application", "")], "the offer has no section that receives"),
    ],
)
async def test_an_offer_in_which_nothing_fits_is_refused_and_leaves_nothing_behind(
    kind: ParticipantKind, sections: list[tuple[str, str]], sentence: str
) -> None:
    async with scene() as it:
        alice = await it.client("alice")
        await turn()
        alice.heard()
        with pytest.raises(NegotiationError, match=sentence):
            open_session(it.sfu, grant("alice"), "room", kind, sdp(sections))
        await turn()
        assert alice.heard() == [] and alice.room.members.find("alice").sid == alice.sid, "nobody was replaced"
        plane = it.plane
        assert not (plane.transports or plane.tracks or plane.slots) and len(plane.channels) == 1, "hers is awaited"
        assert not media_sessions_of(it.sfu)


async def test_the_grant_must_allow_it() -> None:
    async with scene() as it:
        with pytest.raises(NotAllowed, match="this token does not allow publishing"):
            await whip(it, "studio", can_publish=False)
        with pytest.raises(NotAllowed, match="this token does not allow subscribing"):
            await whep(it, "viewer", can_subscribe=False)
        with pytest.raises(NegotiationError):
            await whip(it, "studio", [("video", "sendonly")], can_publish_sources=(Source.MICROPHONE,))


async def test_a_session_is_found_by_its_id_until_it_is_closed() -> None:
    async with scene() as it:
        session = await whip(it, "studio")
        assert media_sessions_of(it.sfu)[session.id] is session and len(session.id) >= 32
        session.close()
        assert session.id not in media_sessions_of(it.sfu)
        assert not it.plane.transports and not it.plane.tracks
        session.close()


@pytest.mark.parametrize(
    ("state", "reason"),
    [("failed", DisconnectReason.MEDIA_FAILURE), ("closed", DisconnectReason.CLIENT_INITIATED)],
)
async def test_a_session_ends_with_its_transport(state: Any, reason: DisconnectReason) -> None:
    async with scene() as it:
        session = await whip(it, "studio")
        id = session.participant.transport.id
        assert id is not None
        await it.say(TransportState(id, state, "test"))
        assert not session.is_open and session.participant.disconnect_reason is reason


async def test_a_session_that_never_connects_or_falls_silent_goes_after_the_window() -> None:
    async with scene() as it:
        never = await whip(it, "never")
        silent = await whip(it, "silent")
        id = silent.participant.transport.id
        assert id is not None
        await it.say(TransportState(id, "connected", ""))
        await it.pass_time(31)
        assert not never.is_open and silent.is_open
        await it.say(TransportState(id, "disconnected", ""))
        await it.pass_time(29)
        assert silent.is_open
        await it.pass_time(2)
        assert silent.participant.disconnect_reason is DisconnectReason.CONNECTION_TIMEOUT


def fragment(ufrag: str) -> str:
    return f"a=ice-ufrag:{ufrag}\r\na=ice-pwd:anotherpasswordanotherpass\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\n"


async def test_an_ice_restart_has_a_new_etag_and_our_new_credentials() -> None:
    async with scene() as it:
        session = await whip(it, "studio")
        etag, before = session.etag, session.participant.transport.local
        answer = session.restart(fragment("restarted"))
        (command,) = [command for command in it.plane.commands if command[0] == "restart_ice"]
        assert answer is not None and f"a=ice-ufrag:{command[2].local_ufrag}" in answer
        assert command[2].local_ufrag != before.ufrag and command[2].remote_ufrag == "restarted"
        assert session.etag != etag


async def test_trickled_candidates_are_accepted_and_those_of_another_session_are_stale() -> None:
    async with scene() as it:
        session = await whip(it, "studio")
        text = fragment("studio").replace("anotherpasswordanotherpass", "clientpasswordclientpassword")
        session.trickle(text)
        assert session.restart(text) is None and it.plane.count("restart_ice") == 0
        with pytest.raises(Stale):
            session.trickle(fragment("another"))


async def test_a_kick_ends_a_session_and_its_token() -> None:
    async with scene() as it:
        session = await whip(it, "studio")
        session.room.moderation.remove("studio")
        assert not session.is_open
        with pytest.raises(NotAllowed, match="this token was revoked"):
            await whip(it, "studio")


@pytest.mark.parametrize(
    ("codecs", "undecodable"),
    [(("H264", "VP8"), ()), (("VP8",), ("video/H264",)), (("AV1", "VP8"), ("video/H264",))],
)
async def test_a_viewer_hears_what_of_the_room_it_cannot_decode(
    codecs: tuple[str, ...], undecodable: tuple[str, ...]
) -> None:
    async with scene() as it:
        await published(it, h264=True, opus=True)
        offer = sdp(RECEIVE, "viewer", codecs=codecs)
        assert open_session(it.sfu, grant("viewer"), "room", ParticipantKind.VIEWER, offer).undecodable == undecodable


async def test_a_viewer_that_can_decode_nothing_is_refused_with_the_codec_that_it_lacks() -> None:
    async with scene() as it:
        await published(it, h264=True, opus=False)
        offer = sdp(RECEIVE, "viewer", codecs=("VP8",))
        before = len(it.plane.transports)
        with pytest.raises(NegotiationError) as error:
            open_session(it.sfu, grant("viewer"), "room", ParticipantKind.VIEWER, offer)
        assert str(error.value) == ("the offer has no codec for what is published (video/H264)")
        assert len(it.plane.transports) == before
        audio_alone = sdp([("audio", "recvonly")], "viewer")
        assert open_session(it.sfu, grant("viewer"), "room", ParticipantKind.VIEWER, audio_alone).undecodable == ()


async def test_a_viewer_that_comes_first_is_not_refused() -> None:
    async with scene() as it:
        await published(it, h264=False, opus=False)
        assert (await whep(it, "viewer")).undecodable == ()


async def published(it: Scene, *, h264: bool, opus: bool) -> None:
    """A studio; of what is true the first packets have come, so that its codec is known."""
    sections = [("video", "sendonly"), *([("audio", "sendonly")] if opus else [])]
    offer = sdp(sections, "studio", codecs=("H264",))
    session = open_session(it.sfu, grant("studio"), "room", ParticipantKind.INGRESS, offer)
    await turn()
    for track in session.participant.tracks.values():
        codec = "h264" if track.kind is Kind.VIDEO else "opus"
        if track.plane_id is not None and (h264 if track.kind is Kind.VIDEO else opus):
            await it.say(
                Layers(
                    track.plane_id,
                    codec,
                    [LayerRate(Layer(0, 0), 40_000, 0, 0, 50.0)],
                    False,
                    False,
                    lacks_parameters=False,
                )
            )
