"""Offers and packets that real clients were reported to send: each is replayed, and what is right is asserted.

The inputs are written here by hand, as small as they show the case; the numbers are the reports they come from.
"""

from contextlib import AsyncExitStack

import pytest

from loadtest.wire import Refused
from sfu.negotiation.sdp import SessionDescription

from .field import VIEWER, Peer, Stream, frames, picture, vp8, vp8_number
from .server import Server
from .waiting import until, when

TRANSPORT = """\
a=ice-ufrag:field
a=ice-pwd:fieldfieldfieldfieldfield
a=fingerprint:sha-256 AB
a=setup:actpass
"""
MID = "urn:ietf:params:rtp-hdrext:sdes:mid"
RID = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
LEVEL = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
ABS_SEND_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"


def offer(*sections: str, bundle: str = "0") -> str:
    group = f"a=group:BUNDLE {bundle}\n" if bundle else ""
    return f"v=0\no=- 20518 0 IN IP4 0.0.0.0\ns=-\nt=0 0\n{group}{''.join(sections)}"


def section(line: str, *lines: str, mid: str = "0") -> str:
    """A section of a publisher with one transport for all sections."""
    named = [f"a=mid:{mid}"] if mid else []
    return "\n".join([line, "c=IN IP4 0.0.0.0", *named, *lines, "a=rtcp-mux", "a=sendonly", TRANSPORT])


def audio(*lines: str, formats: str = "111", mid: str = "0") -> str:
    return section(f"m=audio 9 UDP/TLS/RTP/SAVPF {formats}", *lines, mid=mid)


def video(*lines: str, formats: str = "96", mid: str = "0") -> str:
    vp8 = ("a=rtpmap:96 VP8/90000", "a=rtcp-fb:96 nack", "a=rtcp-fb:96 nack pli")
    return section(f"m=video 9 UDP/TLS/RTP/SAVPF {formats}", *vp8, *lines, mid=mid)


GATEWAY = offer(
    "m=audio 20040 RTP/SAVPF 109 111 0 101\nc=IN IP4 192.0.2.10\n"
    "a=rtpmap:109 OPUS/16000\na=rtpmap:111 OPUS/48000/2\na=rtpmap:101 telephone-event/8000\n"
    f"a=rtcp:20041\na=rtcp-mux\na=sendrecv\n{TRANSPORT}"
    "a=candidate:mU8 1 UDP 2130706431 192.0.2.10 20040 typ host\n",
    bundle="",
)
THREE_RIDS = "\n".join(f"a=rid:{rid} send" for rid in ("high", "medium", "low"))

# pion/webrtc#879 · meetecho/janus-gateway#1072, lynckia/licode#1100 · pion/webrtc#463 · aiortc/aiortc#951
ANSWERED = [
    pytest.param(
        GATEWAY,
        ["a=rtpmap:111 opus/48000/2", "a=rtpmap:0 PCMU/8000"],
        ["a=mid", "BUNDLE", "m=audio 0 "],
        id="offer-without-mid",
    ),
    pytest.param(
        offer(
            video(
                f"a=extmap:1 {MID}", f"a=extmap:4/sendonly {RID}", THREE_RIDS, "a=simulcast: send rid=high;medium;low"
            )
        ),
        ["a=simulcast: recv rid=high;medium;low", "a=rid:low recv"],
        [],
        id="simulcast-draft-03",
    ),
    pytest.param(
        offer(audio("a=rtpmap:111 opus/48000")), ["a=rtpmap:111 opus/48000/2"], [], id="opus-without-channels-alone"
    ),
    pytest.param(
        offer(audio("a=rtpmap:111 opus/48000", "a=rtpmap:0 PCMU/8000", formats="111 0")),
        ["UDP/TLS/RTP/SAVPF 111 0\r\n", "a=rtpmap:111 opus/48000/2"],
        [],
        id="opus-without-channels-before-pcmu",
    ),
    pytest.param(
        offer(audio("a=rtpmap:111 opus/48000/1")),
        ["a=rtpmap:111 opus/48000/2"],
        [],
        id="opus-without-channels-one-channel",
    ),
    pytest.param(
        offer(
            audio("a=rtpmap:111 opus/48000/2", f"a=extmap:1 {MID}", f"a=extmap:2 {LEVEL}"),
            video(f"a=extmap:1 {MID}", f"a=extmap:2 {ABS_SEND_TIME}", mid="1"),
            bundle="0 1",
        ),
        [f"a=extmap:1 {MID}", "a=group:BUNDLE 0 1"],
        ["a=extmap:2"],
        id="extension-id-means-two",
    ),
]


@pytest.mark.parametrize(("text", "has", "has_not"), ANSWERED)
async def test_an_odd_offer_is_answered_and_connects(
    server: Server, room: str, text: str, has: list[str], has_not: list[str]
) -> None:
    async with Peer.open(server, "whip", room, "odd", text) as peer:
        assert [line for line in has if line not in peer.answer] == []
        assert [line for line in has_not if line in peer.answer] == []
        assert not any(section.port == 0 for section in SessionDescription.parse(peer.answer).sections)


async def test_what_is_not_bundled_is_refused_and_the_setting_is_named(server: Server, room: str) -> None:
    """GStreamer's webrtcbin, whose bundle policy is `none` unless it is set."""
    text = offer(audio("a=rtpmap:111 opus/48000/2"), video(mid="1"), bundle="")
    with pytest.raises(Refused, match=r"^422: .*max-bundle"):
        await Peer(text).signal(server, "whip", room, "gstreamer")


async def test_a_viewer_without_the_only_codec_is_told_which_it_is(server: Server, room: str) -> None:
    h264 = section("m=video 9 UDP/TLS/RTP/SAVPF 98", "a=rtpmap:98 H264/90000", "a=fmtp:98 packetization-mode=1")
    lines = VIEWER.splitlines(keepends=True)
    vp8_only = "".join(line for line in lines if ":98" not in line).replace("96 97 98", "96 97")
    async with Peer.open(server, "whip", room, "publisher", offer(h264)) as sending:
        stream = Stream(sending, 77, 98)

        async def published() -> str:
            stream.send(bytes.fromhex("65888400") + bytes(40), stream.sequence * 3000)
            return str(await server.ask("GET", f"/v1/rooms/{room}/tracks"))

        await until(published, lambda tracks: "video/H264" in tracks, "its codec is known")
        with pytest.raises(Refused, match=r"^422: .*video/H264"):
            await Peer(vp8_only).signal(server, "whep", room, "viewer")


async def test_packets_of_a_case_reach_a_viewer_as_they_are(server: Server, room: str) -> None:
    """The replayer itself: what it sends arrives, what it loses is asked for and repaired."""
    lines = (f"a=extmap:1 {MID}", "a=rtpmap:97 rtx/90000", "a=fmtp:97 apt=96", "a=ssrc-group:FID 77 78")
    publisher = Peer.open(server, "whip", room, "publisher", offer(video(*lines, formats="96 97")))
    async with publisher as sending, Peer.open(server, "whep", room, "viewer", VIEWER) as watching:
        stream, repairs = Stream(sending, 77, 96, extensions={1: b"0"}), Stream(sending, 78, 97)
        sending.on_nack = lambda _, sequence: repairs.repair(stream, sequence)
        answered = 0
        async for number in frames(60, 0.02):
            is_keyframe = number == 0 or len(sending.requests) > answered
            answered = len(sending.requests)
            stream.send(vp8(number, (320, 180) if is_keyframe else None), 3000 * number, is_lost=number == 30)
            stream.report(3000 * number)
        await when(lambda: len(numbers(watching)) >= 50, "the viewer has what was sent since it was shown something")
        assert max(numbers(watching)) - min(numbers(watching)) + 1 == len(numbers(watching)), "and nothing is missing"
        assert [sequence for _, ssrc, sequence in sending.nacks if ssrc == 77] == [1031]
        assert picture(watching.media(96)[0]) == (320, 180)
        assert watching.reports


SPS, PPS = bytes.fromhex("6742c01fda014016e840000003004000000f23c60ca8"), bytes.fromhex("68ce3c80")
SPROP = "Z0LAH9oBQBboQAAAAwBAAAAPI8YMqA==,aM48gA=="
IDR, SLICE = bytes.fromhex("658884") + bytes(40), bytes.fromhex("419a00") + bytes(40)


def h264(sprop: str = "") -> str:
    fmtp = "a=fmtp:96 packetization-mode=1;profile-level-id=42e01f" + sprop
    return section("m=video 9 UDP/TLS/RTP/SAVPF 96", "a=rtpmap:96 H264/90000", "a=rtcp-fb:96 nack pli", fmtp)


# bluenviron/mediamtx#5861, paullouisageneau/libdatachannel#1448, meetecho/janus-gateway#3149, Kurento/bugtracker#321
@pytest.mark.parametrize(
    ("sets", "sprop"),
    [
        pytest.param([SPS, PPS], "", id="in-band"),
        pytest.param([PPS, SPS], "", id="in-band, the other way round"),
        pytest.param([], f";sprop-parameter-sets={SPROP}", id="sprop"),
    ],
)
async def test_parameter_sets_that_come_once_reach_a_later_viewer_before_its_first_picture(
    server: Server, room: str, sets: list[bytes], sprop: str
) -> None:
    publisher = Peer.open(server, "whip", room, "publisher", offer(h264(sprop)))
    async with publisher as sending, AsyncExitStack() as later:
        stream, answered = Stream(sending, 77, 96), 0
        for unit in sets:
            stream.send(unit, 0, marker=False)
        watching = None
        async for number in frames(150, 0.015):
            is_keyframe = number % 30 == 0 or len(sending.requests) > answered
            answered = len(sending.requests)
            stream.send(IDR if is_keyframe else SLICE, 3000 * number)
            if number == 70:
                watching = await later.enter_async_context(Peer.open(server, "whep", room, "viewer", VIEWER))
        assert watching
        await when(lambda: any(packet.payload[0] & 0x1F == 5 for packet in watching.media(98)), "a picture came")
        first, second = watching.media(98)[:2]
        assert SPS in first.payload and PPS in first.payload, "an aggregate (RFC 6184 s5.7.1) of both"
        assert (second.payload, second.sequence) == (IDR, first.sequence + 1 & 0xFFFF)


# pion/ion-sfu#540, versatica/mediasoup#232, livekit/livekit#436
@pytest.mark.parametrize("seconds", [2, 4, 7])
async def test_a_viewer_has_a_keyframe_after_an_outage(server: Server, room: str, seconds: int) -> None:
    lines = (f"a=extmap:1 {MID}",)
    publisher = Peer.open(server, "whip", room, "publisher", offer(video(*lines)))
    async with publisher as sending, Peer.open(server, "whep", room, "viewer", VIEWER) as watching:
        stream, asked, heard_after = Stream(sending, 77, 96, extensions={1: b"0"}), 0, None
        answered = 0
        async for number in frames(33 * (seconds + 4), 0.03):
            is_keyframe = number == 0 or len(sending.requests) > answered
            answered = len(sending.requests)
            stream.send(vp8(number, (320, 180) if is_keyframe else None), 3000 * number)
            watching.is_cut = 33 <= number < 33 * (seconds + 1)
            if number % 33 == 32 and watching.packets:
                watching.ask_keyframe(watching.packets[0].ssrc)
                asked += number > 33 * (seconds + 1)
            if heard_after is None and number > 33 * (seconds + 1):
                ahead = numbers(watching) and max(numbers(watching)) > 33 * (seconds + 1)
                keyframes = [packet for packet in watching.media(96) if picture(packet)]
                if ahead and keyframes and vp8_number(keyframes[-1].payload) > 33 * (seconds + 1):
                    heard_after = asked
        assert heard_after is not None and heard_after <= 2, "a picture at its first or second request"


def numbers(viewer: Peer) -> set[int]:
    """The numbers of the received frames."""
    return {vp8_number(packet.payload) for packet in viewer.media(96)}
