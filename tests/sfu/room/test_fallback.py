"""Codec fallback: a client that cannot decode a track is told the codec, or receives the backup, sent while needed."""

import pytest

from sfu.errors import NotFound
from sfu.model import BackupCodec, Cause, Kind, Quality, Source
from sfu.plane import Layer as PlaneLayer
from sfu.plane import LayerRate, Layers
from sfu.signalling import messages
from sfu.views import BackupInfo, SubscriptionState

from ..scene import Client, Scene, scene, tracks_of
from . import test_subscriptions as simulcast

REASON = "this client cannot decode AV1"


async def publisher(it: Scene, mime: str = "video/VP8") -> tuple[Client, str]:
    """Alice sends AV1, and could send the same in another codec."""
    alice = await it.client("alice", features=("wanted",))
    alice.codecs = ("AV1", "VP8")
    backup = BackupCodec("c-backup", mime)
    published = await alice.ask(messages.Publish, cid="c", kind=Kind.VIDEO, source=Source.CAMERA, backup=backup)
    await offer(alice, "video sendonly", "c")
    return alice, published.track.sid


async def offer(client: Client, section: str, cid: str) -> str:
    """Adds a section; returns the sid of its track."""
    mid = str(len(client.sections))
    answer = await client.offer(section, tracks={mid: cid})
    return str(answer.mids[mid])


async def viewer(it: Scene, identity: str, *codecs: str) -> Client:
    client = await it.client(identity)
    client.codecs = codecs
    await client.connect("video recvonly")
    return client


THREE = ((150_000, 320, 180), (500_000, 640, 360), (1_500_000, 1280, 720))
"""Bits per second and size of each encoding."""


async def backed_up(it: Scene, section: str = "video") -> tuple[Client, Client, str, str]:
    """Bob cannot decode what alice sends, and alice sends the backup too: with the sids of both tracks."""
    alice, camera = await publisher(it)
    bob = await viewer(it, "bob", "VP8")
    await it.say(arriving(alice.plane_track(camera), "av1"))
    return alice, bob, camera, await offer(alice, f"{section} sendonly", "c-backup")


def arriving(track: int, codec: str, width: int = 640) -> Layers:
    return Layers(
        track,
        codec,
        [LayerRate(PlaneLayer(0, 0), 500_000, width, width * 9 // 16, 30.0)],
        False,
        False,
        lacks_parameters=False,
    )  # type: ignore[arg-type]


async def test_who_cannot_decode_a_track_is_told_the_codec_by_message_and_by_rest() -> None:
    async with scene() as it:
        alice = await it.client("alice")
        alice.codecs = ("H265",)
        bob = await viewer(it, "bob", "VP8")
        camera = await alice.camera()
        bob.heard()
        await it.say(arriving(alice.plane_track(camera), "h265"))
        assert bob.last_state() == SubscriptionState(
            camera, "refused", reason="this client cannot decode H265", cause=Cause.CODEC, mime="video/H265"
        )
        (view,) = await bob.subscriptions()
        assert (view.state, view.cause, view.mime) == ("refused", Cause.CODEC, "video/H265")
        assert view.reason == "this client cannot decode H265"


async def test_a_profile_that_only_the_plane_can_tell_is_named_too() -> None:
    async with scene() as it:
        alice, bob = await it.client("alice"), await viewer(it, "bob", "VP8")
        camera = await alice.camera()
        await it.say(arriving(alice.plane_track(camera), "vp8"), bob.refused("0", "no such payload type"))
        assert bob.last_state().reason == "this client cannot decode VP8 of this profile"
        await it.say(bob.switched("0", PlaneLayer(0, 0), "none"))
        assert bob.last_state().state == "active", "the plane knows best"


async def test_a_backup_helps_with_a_profile_too() -> None:
    async with scene() as it:
        alice, camera = await publisher(it)
        bob = await viewer(it, "bob", "AV1", "VP8")
        await it.say(arriving(alice.plane_track(camera), "av1"))
        assert alice.heard(messages.Backup) == []
        await it.say(bob.refused("0", "no such payload type"))
        assert alice.heard(messages.Backup) == [messages.Backup(camera, True)]
        sid = await offer(alice, "video sendonly", "c-backup")
        assert it.plane.sources[bob.slot("0")] == alice.plane_track(sid)


async def test_a_codec_that_changes_on_the_way_is_judged_anew() -> None:
    async with scene() as it:
        alice, bob, camera, backup = await backed_up(it)
        primary = alice.plane_track(camera)
        assert it.plane.sources[bob.slot("0")] == alice.plane_track(backup)
        await it.say(arriving(primary, "vp8"))
        await it.pass_time(0)
        assert it.plane.sources[bob.slot("0")] == primary
        await it.pass_time(5)
        assert alice.last(messages.Backup) == messages.Backup(camera, False)


async def test_the_backup_is_asked_for_while_somebody_needs_it_and_shown_in_the_same_slot() -> None:
    async with scene() as it:
        alice, camera = await publisher(it)
        bob, carol = await viewer(it, "bob", "VP8"), await viewer(it, "carol", "VP8", "AV1")
        primary = alice.plane_track(camera)
        assert bob.shows() == carol.shows() == {"0": camera}
        bob.heard(), carol.heard()

        await it.say(arriving(primary, "av1"), bob.refused("0", "no payload type"))
        assert alice.heard(messages.Backup) == [messages.Backup(camera, True)]
        told = bob.last_state()
        assert (told.state, told.cause, told.mime) == ("pending", Cause.CODEC, "video/AV1")
        assert told.reason == f"{REASON}: the publisher was asked for VP8 too"
        assert tracks_of(bob.room)[0].backup == BackupInfo("video/VP8", wanted=True, active=False)

        sid = await offer(alice, "video/3 sendonly", "c-backup")
        backup = alice.plane_track(sid)
        assert sid != camera
        assert it.plane.sources[bob.slot("0")] == backup and bob.ladder("0") == [(2, 3), (1, 3), (0, 3)]
        assert it.plane.sources[carol.slot("0")] == primary
        assert bob.heard(messages.Slots) == [], "for the viewer it is the same track"
        await it.say(arriving(backup, "vp8"), bob.switched("0", PlaneLayer(0, 0), "none"))
        told = bob.last_state()
        assert (told.track, told.state, told.mime, told.width) == (camera, "active", "video/VP8", 640)
        assert [t.sid for t in alice.participant.info().tracks] == [camera], "nobody hears of a second track"
        assert tracks_of(bob.room)[0].backup == BackupInfo("video/VP8", wanted=True, active=True)


async def test_the_backup_is_stopped_five_seconds_after_the_last_who_needs_it_and_may_be_asked_for_again() -> None:
    async with scene() as it:
        alice, bob, camera, _ = await backed_up(it)
        alice.heard()
        await bob.session.handle(messages.Leave("leave"))
        await it.pass_time(0)
        await it.pass_time(4.9)
        assert alice.heard(messages.Backup) == []
        await it.pass_time(0.2)
        assert alice.heard(messages.Backup) == [messages.Backup(camera, False)]
        alice.sections[1] = ("video", "inactive")
        await alice.offer(tracks={"0": "c"})
        assert alice.heard(messages.Unpublished) == [] and len(it.plane.tracks) == 1

        carol = await viewer(it, "carol", "VP8")
        assert alice.heard(messages.Backup) == [messages.Backup(camera, True)]
        alice.sections[1] = ("video", "sendonly")
        await alice.offer(tracks={"0": "c", "1": "c-backup"})
        assert it.plane.sources[carol.slot("0")] == alice.plane_track(alice.mids["1"])


async def test_a_backup_that_does_not_help_is_not_asked_for() -> None:
    async with scene() as it:
        alice, camera = await publisher(it, "video/VP9")
        bob = await viewer(it, "bob", "VP8")
        await it.say(arriving(alice.plane_track(camera), "av1"))
        assert alice.heard(messages.Backup) == []
        assert bob.last_state().state == "refused"


async def test_a_primary_that_all_viewers_cannot_decode_is_paused_and_the_backup_is_not() -> None:
    async with scene() as it:
        alice, bob, camera, backup = await backed_up(it, "video/3")
        await it.say(simulcast.arriving(alice.plane_track(backup), *THREE))
        await bob.ask(messages.Settings, track=camera, quality=Quality.LOW)
        for _ in range(40):
            await it.pass_time(1)
        told = alice.heard(messages.Wanted)
        assert [(m.track, m.paused, sum(e.wanted for e in m.encodings)) for m in told] == [
            (backup, False, 1),
            (camera, True, 0),
        ]


async def test_a_mute_and_its_end_reach_those_who_see_the_backup() -> None:
    async with scene() as it:
        alice, bob, camera, backup = await backed_up(it)
        with pytest.raises(NotFound):
            await alice.silence(backup, True)
        await alice.silence(camera, True)
        await it.pass_time(0)
        assert bob.ladder("0") == []
        await alice.silence(camera, False)
        await alice.ask(messages.Mute, track=camera, muted=False)
        assert bob.ladder("0") != []


async def test_who_unpublishes_a_track_takes_its_backup_along() -> None:
    async with scene() as it:
        alice, bob, camera, _ = await backed_up(it)
        assert isinstance(await alice.ask(messages.Unpublish, track=camera), messages.Ok)
        assert not it.plane.tracks and bob.shows() == {"0": None}
        assert not alice.room.forwarding.arrivals.by_plane_id
        answer = await alice.ask(messages.Publish, cid="c", kind=Kind.VIDEO, backup=BackupCodec("d", "video/vp8"))
        assert isinstance(answer, messages.Published), "its names are free again"


async def test_a_section_that_ends_takes_the_backup_along() -> None:
    async with scene() as it:
        alice, bob, _, _ = await backed_up(it)
        alice.sections[0] = ("video", "inactive")
        await alice.offer(tracks={"1": "c-backup"})
        assert not it.plane.tracks and bob.shows() == {"0": None}
        assert not alice.room.forwarding.arrivals.by_plane_id
        assert alice.participant.publishing.declared == {}


async def test_after_a_lost_transport_the_backup_is_asked_for_anew() -> None:
    async with scene() as it:
        alice, _, camera, _ = await backed_up(it)
        alice.heard()
        await alice.media("failed")
        alice.sections = alice.sections[:1]
        await alice.offer(tracks={"0": "c"})
        assert alice.heard(messages.Backup) == [messages.Backup(camera, True)]


async def test_a_backup_is_declared_in_order() -> None:
    async with scene() as it:
        alice = await it.client("alice")
        for kind, cid, mime, code in [
            (Kind.VIDEO, "b", "video/theora", "invalid_request"),
            (Kind.VIDEO, "b", "audio/opus", "invalid_request"),
            (Kind.AUDIO, "b", "audio/opus", "invalid_request"),
            (Kind.VIDEO, "", "video/VP8", "conflict"),
            (Kind.VIDEO, "a", "video/VP8", "conflict"),
            (Kind.VIDEO, "b", "video/vp8", None),
        ]:
            answer = await alice.ask(messages.Publish, cid="a", kind=kind, backup=BackupCodec(cid, mime))
            assert getattr(answer, "code", None) == code, (kind, cid, mime)


async def test_a_section_that_is_not_named_is_never_a_backup() -> None:
    async with scene() as it:
        alice, camera = await publisher(it)
        alice.sections.append(("video", "sendonly"))
        answer = await alice.offer(tracks={"0": "c"})
        assert answer.mids == {"0": camera}
