"""Publishing: declaring, binding to a section, changing, unpublishing. A bad offer changes nothing."""

from typing import Any

import pytest

from sfu.config import Config
from sfu.errors import Unavailable
from sfu.model import Kind, Source
from sfu.signalling import messages

from ..scene import FINGERPRINT, Scene, scene, sdp


async def test_a_section_is_bound_by_name_then_by_msid_then_by_kind() -> None:
    async with scene() as it:
        alice = await it.client("alice")
        sids = {}
        for cid in ("named", "track-1", "other"):
            published = await alice.ask(messages.Publish, cid=cid, kind=Kind.VIDEO, source=Source.CAMERA)
            sids[cid] = published.track.sid
        answer = await alice.offer("video sendonly", "video sendonly", "video sendonly", tracks={"0": "named"})
        assert answer.mids == {"0": sids["named"], "1": sids["track-1"], "2": sids["other"]}


async def test_a_section_that_was_not_declared_is_not_received() -> None:
    async with scene() as it:
        alice = await it.client("alice")
        answer = await alice.offer("audio sendrecv", "video sendonly")
        assert answer.mids == {} and not it.plane.tracks
        assert "a=sendonly" in answer.sdp and "a=inactive" in answer.sdp


@pytest.mark.parametrize(
    ("tracks", "sentence"),
    [
        ({"0": "nothing"}, "the section '0' names the track 'nothing', which is not published"),
        ({"0": "voice"}, "the video section '0' names the track 'voice', which is audio"),
        ({"0": "face", "1": "face"}, "two sections name the track 'face'"),
    ],
)
async def test_an_offer_that_names_a_wrong_track_is_refused_and_changes_nothing(
    tracks: dict[str, str], sentence: str
) -> None:
    async with scene() as it:
        alice = await it.client("alice")
        await alice.ask(messages.Publish, cid="voice", kind=Kind.AUDIO)
        await alice.ask(messages.Publish, cid="face", kind=Kind.VIDEO)
        before = list(it.plane.commands)
        error = await alice.offer("video sendonly", "video sendonly", tracks=tracks)
        assert error == messages.Error(3, "negotiation_failed", sentence)
        assert it.plane.commands == before
        answer = await alice.offer(tracks={"0": "face"})
        assert isinstance(answer, messages.Answer), "and a good one afterwards is answered"


async def test_a_bad_offer_in_a_call_leaves_the_call_as_it_is() -> None:
    async with scene() as it:
        alice = await it.client("alice")
        await alice.connect("audio recvonly")
        commands = len(it.plane.commands)
        for text, sentence in [("v=0", ""), (sdp([("video", "recvonly")]), "the section '0' is now 'video'")]:
            error = await alice.ask(messages.Offer, sdp=text)
            assert isinstance(error, messages.Error) and error.code == "negotiation_failed"
            assert sentence in error.message
        assert len(it.plane.commands) == commands


@pytest.mark.parametrize(
    ("may", "source", "sentence"),
    [
        ({"can_publish": False}, Source.CAMERA, "you may not publish in this room"),
        ({"can_publish_sources": (Source.MICROPHONE,)}, Source.CAMERA, "you may not publish the source camera"),
    ],
)
async def test_a_declaration_beyond_the_grant_is_refused(may: dict[str, Any], source: Source, sentence: str) -> None:
    async with scene() as it:
        alice = await it.client("alice", **may)
        error = await alice.ask(messages.Publish, cid="x", kind=Kind.VIDEO, source=source)
        assert error == messages.Error(1, "not_allowed", sentence)


async def test_tracks_are_bounded_and_their_names_too() -> None:
    async with scene(Config(max_tracks=2)) as it:
        alice = await it.client("alice")
        for fields, code in [
            ({"cid": ""}, "invalid_request"),
            ({"cid": "a" * 257}, "limit_exceeded"),
            ({"cid": "a", "name": "n" * 257}, "limit_exceeded"),
            ({"cid": "a", "width": -1}, "invalid_request"),
            ({"cid": "a", "height": 10**400}, "invalid_request"),
            ({"cid": "a", "width": 65_535}, None),
            ({"cid": "a"}, "conflict"),
            ({"cid": "b"}, None),
            ({"cid": "c"}, "limit_exceeded"),
        ]:
            answer = await alice.ask(messages.Publish, kind=Kind.AUDIO, **fields)
            assert getattr(answer, "code", None) == code, fields


async def test_a_section_that_stops_sending_unpublishes_its_track() -> None:
    async with scene() as it:
        alice = await it.client("alice")
        bob = await it.client("bob")
        await bob.connect("video recvonly")
        camera = await alice.camera()
        bob.heard()
        alice.sections[0] = ("video", "inactive")
        await alice.offer()
        assert alice.last(messages.Unpublished).track == camera
        assert bob.last(messages.Slots).slots == {"0": None}
        assert bob.last(messages.Participants).participants[0].tracks == ()
        assert not it.plane.tracks


async def test_an_unpublished_track_may_be_published_again_in_the_same_section() -> None:
    async with scene() as it:
        alice = await it.client("alice")
        camera = await alice.camera(cid="cam")
        assert isinstance(await alice.ask(messages.Unpublish, track=camera), messages.Ok)
        assert not it.plane.tracks
        answer = await alice.offer(tracks={"0": "cam"})
        assert answer.mids == {}, "an offer on its way while it was unpublished is no mistake"
        published = await alice.ask(messages.Publish, cid="cam", kind=Kind.VIDEO, source=Source.CAMERA)
        answer = await alice.offer(tracks={"0": "cam"})
        assert answer.mids == {"0": published.track.sid} and published.track.sid != camera


async def test_another_track_in_the_same_section_takes_over_its_slots() -> None:
    async with scene() as it:
        alice = await it.client("alice")
        bob = await it.client("bob")
        await bob.connect("video recvonly")
        await alice.camera(cid="front")
        back = await alice.ask(messages.Publish, cid="back", kind=Kind.VIDEO, source=Source.CAMERA)
        await alice.offer(tracks={"0": "back"})
        assert bob.shows() == {"0": back.track.sid}
        assert list(alice.participant.tracks) == [back.track.sid]


async def test_simulcast_encodings_are_told_to_the_plane_lowest_first() -> None:
    async with scene() as it:
        alice = await it.client("alice")
        await alice.ask(messages.Publish, cid="c", kind=Kind.VIDEO, source=Source.CAMERA)
        alice.sections.append(("video/3", "sendonly"))
        await alice.offer(tracks={"0": "c"})
        (spec,) = it.plane.tracks.values()
        assert [encoding.rid for encoding in spec.encodings] == ["q", "h", "f"]
        assert alice.participant.info().tracks[0].simulcast
        assert (spec.nack, spec.pli, spec.fir) == (True, True, True)


async def test_an_offer_that_changes_nothing_commands_nothing() -> None:
    async with scene() as it:
        alice = await it.client("alice")
        await alice.connect("audio recvonly", "application")
        await alice.camera()
        commands = len(it.plane.commands)
        await alice.offer(tracks={"2": "camera-2"})
        assert len(it.plane.commands) == commands


async def test_a_new_association_is_a_new_transport_and_everybody_is_shown_what_they_were() -> None:
    async with scene() as it:
        alice = await it.client("alice")
        bob = await it.client("bob")
        await bob.connect("video recvonly")
        camera = await alice.camera()
        old = alice.transport
        text = sdp(alice.sections, "freshice", FINGERPRINT.replace("CD", "EF"))
        await alice.ask(messages.Offer, sdp=text, tracks={"0": "camera-0"})
        assert alice.transport != old and set(it.plane.transports) == {alice.transport, bob.transport}
        assert it.plane.sources[bob.slot("0")] == alice.plane_track(camera)
        assert bob.shows() == {"0": camera}


async def test_media_that_failed_for_good_may_be_offered_anew() -> None:
    async with scene() as it:
        alice = await it.client("alice")
        bob = await it.client("bob")
        await bob.connect("video recvonly")
        camera = await alice.camera(cid="cam")
        await alice.media("failed")
        assert bob.shows() == {"0": None} and set(it.plane.transports) == {bob.transport}
        alice.ufrag = "anothers"
        answer = await alice.offer(tracks={"0": "cam"})
        assert answer.mids == {"0": camera}, "the declaration holds"
        assert bob.shows() == {"0": camera}


async def test_the_announced_addresses_are_the_candidates() -> None:
    async with scene(Config(announced_addresses=("192.0.2.1", "2001:db8::1"))) as it:
        alice = await it.client("alice")
        answer = await alice.offer("audio recvonly")
        candidates = [line for line in answer.sdp.splitlines() if line.startswith("a=candidate")]
        assert [line.split()[4] for line in candidates] == ["192.0.2.1", "2001:db8::1"]
        assert all(line.split()[5] == "7882" for line in candidates)


async def test_the_tcp_port_is_announced_beside_those_of_udp_with_lower_priorities() -> None:
    async with scene(Config(announced_addresses=("192.0.2.1", "2001:db8::1"))) as it:
        it.plane.tcp = 443
        alice = await it.client("alice")
        answer = await alice.offer("audio recvonly")
        lines = [line.split() for line in answer.sdp.splitlines() if line.startswith("a=candidate")]
        assert [(line[2], line[4], line[5], line[8:]) for line in lines] == [
            ("udp", "192.0.2.1", "7882", []),
            ("udp", "2001:db8::1", "7882", []),
            ("tcp", "192.0.2.1", "443", ["tcptype", "passive"]),
            ("tcp", "2001:db8::1", "443", ["tcptype", "passive"]),
        ]
        udp = [int(line[3]) for line in lines if line[2] == "udp"]
        tcp = [int(line[3]) for line in lines if line[2] == "tcp"]
        assert sorted(udp + tcp, reverse=True) == udp + tcp, "each kind in the order of preference, UDP first"
        assert len({line[0] for line in lines}) == 4, "each has its foundation"
        assert "m=audio 7882 " in answer.sdp


async def test_rooms_are_spread_over_the_workers_and_ids_name_them() -> None:
    async with scene(Config(workers=3)) as it:
        workers = []
        for name in ("one", "two", "three", "four"):
            client = await it.client("alice", name)
            await client.connect("audio recvonly", "application")
            workers.append(client.transport >> 40)
            ids = [client.transport, client.slot("0"), client.channel("sfu-lossy")]
            assert {id >> 40 for id in ids} == {client.room.worker}
        assert sorted(workers[:3]) == [0, 1, 2]


async def closed_service_says_so(it: Scene) -> None:
    with pytest.raises(Unavailable):
        await it.client("late")


async def test_a_failed_worker_ends_everything_and_says_why() -> None:
    from sfu.plane import WorkerFailed

    async with scene() as it:
        alice = await it.client("alice")
        await it.say(WorkerFailed(worker=0, reason="panicked"))
        assert await it.sfu.wait_failed() == it.sfu.failure == "worker 0 failed: panicked"
        assert alice.last(messages.Left).action == "rejoin"
        await closed_service_says_so(it)


async def test_a_section_that_nobody_declared_is_named_in_the_answer() -> None:
    async with scene() as it:
        alice = await it.client("alice")
        answer = await alice.offer("video sendonly", "audio recvonly", "audio sendrecv", "application")
        assert answer.undeclared == ("0", "2") and answer.mids == {}
        camera = await alice.publish(Kind.VIDEO, Source.CAMERA)
        again = await alice.offer()
        assert list(again.mids.values()) == [camera]
        assert len(again.undeclared) == 2
        await alice.ask(messages.Unpublish, track=camera)
        assert set((await alice.offer()).undeclared) == {"0", "2", "4"}
