"""Streams that real publishers were reported to send: their order, their number, their repairs and their clocks.

The inputs are written here by hand, as small as they show the case; the numbers are the reports they come from.
"""

from itertools import pairwise

import pytest

from sfu.explain import SURPLUS

from .field import VIEWER, Peer, Stream, frames, picture, vp8, vp8_number
from .server import Server
from .test_field_cases import MID, RID, offer, video
from .waiting import when

SIZES = {"big": (1280, 720), "mid": (640, 360), "low": (320, 180)}
REPAIRED = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"
RTX = ("a=rtpmap:97 rtx/90000", "a=fmtp:97 apt=96")
SECOND = 2**32
RATE = 90_000


def simulcast(*rids: str) -> str:
    named = "\n".join(f"a=rid:{rid} send" for rid in rids)
    return offer(video(f"a=extmap:1 {MID}", f"a=extmap:2 {RID}", named, f"a=simulcast:send {';'.join(rids)}"))


def grouped(*ssrcs: int) -> str:
    cnames = "\n".join(f"a=ssrc:{ssrc} cname:c" for ssrc in ssrcs)
    return offer(video(f"a=extmap:1 {MID}", f"a=ssrc-group:SIM {' '.join(map(str, ssrcs))}", cnames))


class Camera:
    """Streams of one picture in several sizes. A keyframe of one is asked for by its SSRC."""

    def __init__(self, peer: Peer, streams: list[tuple[Stream, tuple[int, int]]]) -> None:
        self.streams = streams
        self.asked = {stream.ssrc for stream, _ in streams}
        peer.on_request = self.asked.add

    def send(self, number: int) -> None:
        for stream, size in self.streams:
            stream.send(vp8(number, size if stream.ssrc in self.asked else None), 3000 * number)
            self.asked.discard(stream.ssrc)


def sizes(viewer: Peer) -> list[tuple[int, int]]:
    return [size for packet in viewer.media(96) if (size := picture(packet)) is not None]


# livekit/livekit#3719, livekit/livekit#3692, obsproject/obs-studio#10885, meetecho/janus-gateway#2385
ORDERS = ["big mid low", "low mid big", "mid big low", "big low mid", "low big mid", "mid low big"]


@pytest.mark.parametrize(
    ("order", "names"), [*((order, "rids") for order in ORDERS), (ORDERS[0], "numbers"), (ORDERS[0], "group")]
)
async def test_the_sizes_in_the_keyframes_decide_not_the_order_of_the_offer(
    server: Server, room: str, order: str, names: str
) -> None:
    words = order.split()
    rids = words if names == "rids" else ["0", "1", "2"]
    ssrcs = [900, 901, 902]
    text = grouped(*ssrcs) if names == "group" else simulcast(*rids)
    publisher = Peer.open(server, "whip", room, "publisher", text)
    async with publisher as sending, Peer.open(server, "whep", room, "viewer", VIEWER) as watching:
        streams = []
        for ssrc, rid, word in zip(ssrcs, rids, words, strict=True):
            named = {1: b"0"} | ({} if names == "group" else {2: rid.encode()})
            streams.append((Stream(sending, ssrc, 96, extensions=named), SIZES[word]))
        camera = Camera(sending, streams)
        async for number in frames(200, 0.02):
            camera.send(number)
        await when(lambda: SIZES["big"] in sizes(watching), "the viewer is shown 1280x720")
        assert sizes(watching)[-1] == SIZES["big"]
        [track] = (await server.ask("GET", f"/v1/rooms/{room}/tracks"))["tracks"]
        assert [one["offered"] for one in track["encodings"]] == [words.index(word) for word in ("low", "mid", "big")]
        assert [one["width"] for one in track["encodings"] if one["active"]] == [320, 640, 1280]


# meetecho/janus-gateway#2673
async def test_of_three_pairs_in_one_section_one_is_shown_whole(server: Server, room: str) -> None:
    pairs = [(101, 102), (201, 202), (301, 302)]
    groups = [f"a=ssrc-group:FID {one} {repair}" for one, repair in pairs]
    cnames = [f"a=ssrc:{ssrc} cname:c" for pair in pairs for ssrc in pair]
    text = offer(video(f"a=extmap:4 {MID}", *RTX, *groups, *cnames, formats="96 97"))
    publisher = Peer.open(server, "whip", room, "publisher", text)
    async with publisher as sending, Peer.open(server, "whep", room, "viewer", VIEWER) as watching:
        first = ((101, 100), (201, 200), (301, 300))
        streams = [Stream(sending, ssrc, 96, sequence, {4: b"0"}) for ssrc, sequence in first]
        camera = Camera(sending, [(stream, (320, 180)) for stream in streams])
        async for number in frames(80, 0.02):
            camera.send(number)
        await when(lambda: len(watching.media(96)) >= 60, "most of one stream is shown")
        numbers = [vp8_number(packet.payload) for packet in watching.media(96)]
        assert all(two - one == 1 for one, two in pairwise(numbers)), "one after another, each once"
        assert {ssrc for _, ssrc in sending.requests} <= {101}, "nothing is asked of the others"
        [told] = (await server.ask("GET", f"/v1/rooms/{room}/participants/viewer/explain"))["subscriptions"]
        assert SURPLUS in told["publisher"]
        assert any("SSRC 201, 301" in decision["detail"] for decision in told["decisions"])


# algesten/str0m#346, livekit/livekit#2601, livekit/livekit#4800, pion/webrtc#2759
async def test_a_repair_that_only_its_fid_line_names_is_found_beside_rids(server: Server, room: str) -> None:
    rids = {"hi": (3001, (1280, 720)), "mid": (2001, (640, 360)), "lo": (1001, (320, 180))}
    lines = [f"a=extmap:3 {MID}", f"a=extmap:8/sendonly {RID}", f"a=extmap:9/sendonly {REPAIRED}", *RTX]
    lines += [f"a=rid:{rid} send" for rid in rids] + ["a=simulcast:send hi;mid;lo"]
    lines += [f"a=ssrc-group:FID {ssrc} {ssrc + 1}" for ssrc, _ in rids.values()]
    publisher = Peer.open(server, "whip", room, "publisher", offer(video(*lines, formats="96 97")))
    async with publisher as sending, Peer.open(server, "whep", room, "viewer", VIEWER) as watching:
        streams = {}
        for rid, (ssrc, _) in rids.items():
            streams[ssrc] = Stream(sending, ssrc, 96, ssrc, {3: b"0", 8: rid.encode()})
        repairs = {ssrc: Stream(sending, ssrc + 1, 97) for ssrc in streams}
        sending.on_nack = lambda ssrc, sequence: repairs[ssrc].repair(streams[ssrc], sequence)
        asked = set(streams)
        sending.on_request = asked.add
        async for number in frames(150, 0.02):
            for ssrc, size in rids.values():
                if number == 20:
                    streams[ssrc].extensions = {}
                payload = vp8(number, size if ssrc in asked else None)
                # Lost after it was known what is shown: a lost keyframe is another case.
                streams[ssrc].send(payload, 3000 * number, is_lost=number >= 60 and number % 10 == 7)
                asked.discard(ssrc)
        shown = lambda: {vp8_number(packet.payload) for packet in watching.media(96)}  # noqa: E731
        await when(lambda: shown() >= shown_from(watching, 149), "all of them came, the lost ones again")
        lost = [sequence for _, ssrc, sequence in sending.nacks if ssrc == 3001]
        assert len(lost) >= 8 and all(lost.count(sequence) <= 3 for sequence in lost)


def shown_from(viewer: Peer, last: int) -> set[int]:
    """All numbers up to the last one that was sent, from those of the end of what came."""
    newest = max(vp8_number(packet.payload) for packet in viewer.media(96))
    return set(range(newest - 90, newest + 1))


# obsproject/obs-studio#7926
async def test_a_first_sender_report_of_nowhere_does_not_move_the_clock_of_viewers(server: Server, room: str) -> None:
    publisher = Peer.open(server, "whip", room, "publisher", offer(video(f"a=extmap:1 {MID}")))
    async with publisher as sending, Peer.open(server, "whep", room, "viewer", VIEWER) as watching:
        stream = Stream(sending, 9, 96, extensions={1: b"0"})
        camera, first = Camera(sending, [(stream, (320, 180))]), 862_000_000
        async for number in frames(250, 0.02):
            timestamp = first + 1_800 * number
            stream.send(vp8(number, (320, 180) if stream.ssrc in camera.asked else None), timestamp)
            camera.asked.discard(stream.ssrc)
            if number % 50 == 10:
                stream.report(0xFFFF_FFFF if number == 10 else timestamp)
        await when(lambda: len(watching.reports) >= 3, "the viewer has reports")
        for report in watching.reports:
            packet = max((one for one in watching.media(96) if one.at <= report.at), key=lambda one: one.at)
            ahead = (report.timestamp - packet.timestamp + SECOND // 2) % SECOND - SECOND // 2
            assert abs(ahead / RATE - (report.at - packet.at)) < 1.0, report
