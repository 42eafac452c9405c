"""Makes the captures of `tests/data/packets` again: the packets of browsers without SRTP.

`python -m tests.e2e.capture [name ...]` (from the top of the repository) takes a minute. A browser's offer is answered
as by the service; aiortc's ICE and DTLS receive the packets, which go to a file.
"""

import asyncio
import re
import struct
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from aiortc import RTCCertificate, RTCIceGatherer, RTCIceTransport
from aiortc.rtcdtlstransport import RTCDtlsFingerprint, RTCDtlsParameters, RTCDtlsTransport
from aiortc.rtcicetransport import RTCIceParameters

from loadtest.wire import rtcp
from sfu.negotiation.negotiation import Allow, Negotiated, negotiate
from sfu.negotiation.sdp import SessionDescription
from sfu.negotiation.specs import Local

from .browser import Browser
from .chromium import chromium
from .firefox import firefox
from .site import site

FOLDER = Path(__file__).parents[1] / "data" / "packets"
KEYFRAME_INTERVAL = 0.5
"""Seconds between keyframe requests, which give places to switch at."""
FPS = 20
START_BITRATE = 1_500
"""The start bit rate of the browser in kbit/s: without feedback it cannot find a higher one."""
KEPT = 256
"""Octets of a packet that are kept: all parsed fields, and a little of the picture."""
PLAIN, ENCRYPTED = 0, 0xA5


@dataclass(frozen=True, slots=True)
class Shape:
    """The size of the best encoding, or of the best spatial layer."""

    width: int
    height: int
    bitrate: int
    """Bits per second."""


SMALL = Shape(320, 180, 150_000)
# libwebrtc, svc_config.cc: no layer is smaller than 240x135, and each has a bit rate below which it is not sent.
TWO_LAYERS = Shape(480, 270, 300_000)
THREE_LAYERS = Shape(960, 540, 800_000)


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    codec: str
    mode: str
    encodings: int = 1
    shape: Shape = SMALL
    key: int = PLAIN
    browser: Literal["chromium", "firefox"] = "chromium"
    without: str = ""
    """A header extension that the answer omits."""
    seconds: float = 2.2

    def sender(self) -> dict[str, Any]:
        """Returns an argument of `offer` in `pages/peer.js`."""
        encodings = []
        for rid, scale in list(zip("qhf", (4, 2, 1), strict=True))[-self.encodings :]:
            encoding = {
                "maxBitrate": self.shape.bitrate // scale,
                "scaleResolutionDownBy": scale,
                "scalabilityMode": self.mode,
            }
            encodings.append(encoding | ({"rid": rid} if self.encodings > 1 else {}))
        size = {"width": self.shape.width, "height": self.shape.height, "fps": FPS}
        return {"kind": "video", "codec": self.codec, "encodings": encodings, "key": self.key, **size}


ROWS = (
    Row("vp8-simulcast-l1t1", "vp8", "L1T1", 3),
    Row("vp8-simulcast-l1t3", "vp8", "L1T3", 3),
    Row("vp8-simulcast-l1t3-numbers", "vp8", "L1T3", 3, without="dependency-descriptor"),
    Row("vp8-simulcast-encrypted", "vp8", "L1T3", 3, key=ENCRYPTED),
    Row("vp8-simulcast-firefox", "vp8", "L1T1", 3, browser="firefox"),
    Row("h264-simulcast", "h264", "L1T3", 3),
    Row("vp9-l1t3", "vp9", "L1T3"),
    Row("vp9-l2t2", "vp9", "L2T2", shape=TWO_LAYERS),
    Row("vp9-l3t3", "vp9", "L3T3", shape=THREE_LAYERS),
    Row("vp9-l3t3-key", "vp9", "L3T3_KEY", shape=THREE_LAYERS),
    Row("vp9-simulcast", "vp9", "L1T3", 3),
    Row("av1-l1t3", "av1", "L1T3"),
    Row("av1-l2t2", "av1", "L2T2", shape=TWO_LAYERS),
    Row("av1-l3t3", "av1", "L3T3", shape=THREE_LAYERS),
    Row("av1-l3t3-key", "av1", "L3T3_KEY", shape=THREE_LAYERS),
    Row("av1-simulcast", "av1", "L1T3", 3),
    Row("av1-l3t3-encrypted", "av1", "L3T3", shape=THREE_LAYERS, key=ENCRYPTED),
)


class Tap(RTCDtlsTransport):
    """Keeps decrypted packets with their times of arrival."""

    def __init__(self, ice: RTCIceTransport) -> None:
        super().__init__(ice, [RTCCertificate.generateCertificate()])
        self.began = time.monotonic()
        self.rtp: list[tuple[float, bytes]] = []
        self.rtcp: list[tuple[float, bytes]] = []

    async def _handle_rtp_data(self, data: bytes, arrival_time_ms: int) -> None:
        self.rtp.append((time.monotonic(), data))

    async def _handle_rtcp_data(self, data: bytes) -> None:
        self.rtcp.append((time.monotonic(), data))

    async def ask_keyframes(self) -> None:
        for ssrc in {ssrc_of(packet) for _, packet in self.rtp}:
            await self._send_rtp(rtcp.pli(1, ssrc))


def ssrc_of(packet: bytes) -> int:
    return int.from_bytes(packet[8:12])


async def capture(browser: Browser, url: str, row: Row) -> None:
    page = await browser.page(url)
    gatherer = RTCIceGatherer()
    await gatherer.gather()
    ice = RTCIceTransport(gatherer)
    tap = Tap(ice)
    try:
        offer = SessionDescription.parse(await page.call("offer", {"sends": [row.sender()]}))
        negotiated = answer(offer, gatherer, tap)
        if row.without:
            lines = [line for line in negotiated.answer.splitlines() if row.without not in line]
            negotiated = replace(negotiated, answer="\r\n".join([*lines, ""]))
        await page.call("accept", with_start_bitrate(negotiated.answer))
        ufrag, password = negotiated.remote_ufrag, negotiated.remote_pwd
        ice._connection.ice_controlling = False
        await ice.start(RTCIceParameters(usernameFragment=ufrag, password=password, iceLite=False))
        fingerprints = [RTCDtlsFingerprint(hash, digest.hex(":")) for hash, digest in negotiated.fingerprints]
        await tap.start(RTCDtlsParameters(fingerprints=fingerprints))
        deadline = time.monotonic() + row.seconds
        while time.monotonic() < deadline:
            await asyncio.sleep(KEYFRAME_INTERVAL)
            await tap.ask_keyframes()
    finally:
        await page.close()
        await tap.stop()
        await ice.stop()
    write(row, negotiated, tap)


def answer(offer: SessionDescription, gatherer: RTCIceGatherer, tap: Tap) -> Negotiated:
    ours = gatherer.getLocalParameters()
    fingerprint = next(f.value for f in tap.getLocalParameters().fingerprints if f.algorithm == "sha-256")
    candidates = tuple((c.ip, c.port) for c in gatherer.getLocalCandidates() if c.type == "host" and ":" not in c.ip)
    local = Local(ours.usernameFragment, ours.password, fingerprint, candidates, "capture")
    negotiated = negotiate(offer, local=local, previous=None, allow=Allow(), new_ssrc=lambda: 1)
    # aiortc's DTLS is client where its ICE is controlled.
    return replace(negotiated, answer=negotiated.answer.replace("a=setup:passive", "a=setup:active"))


def with_start_bitrate(text: str) -> str:
    rtpmap = re.compile(r"(a=rtpmap:(\d+) (?!rtx)\S+/90000\r\n)")
    return rtpmap.sub(rf"\1a=fmtp:\2 x-google-start-bitrate={START_BITRATE}\r\n", text)


def write(row: Row, negotiated: Negotiated, tap: Tap) -> None:
    """Writes two files: an rtpdump of the packets without retransmissions, and the lines of the answer that describe
    them."""
    (publication,) = negotiated.publications
    types = {p.number: p for p in publication.payload_types}
    media = whole([(at, packet) for at, packet in tap.rtp if packet[1] & 0x7F in types])
    (used,) = {types[packet[1] & 0x7F] for _, packet in media}
    reports = [(at, packet) for at, packet in tap.rtcp if packet[1] == rtcp.SENDER_REPORT]
    (FOLDER / f"{row.name}.rtpdump").write_bytes(b"".join(rtpdump(media, reports)))
    kept = (f"a=rtpmap:{used.number} ", f"a=fmtp:{used.number} ", "a=extmap:", "a=simulcast:")
    lines = [line for line in negotiated.answer.splitlines() if line.startswith(kept)]
    (FOLDER / f"{row.name}.sdp").write_text("\n".join([*lines, ""]))
    octets = sum(len(packet) for _, packet in media)
    print(f"{row.name}: {len(media)} packets, {octets} octets, {len(reports)} reports")


def whole(media: list[tuple[float, bytes]]) -> list[tuple[float, bytes]]:
    """Returns the packets without the last, incomplete picture of each stream."""
    ends = {ssrc_of(packet): index for index, (_, packet) in enumerate(media) if packet[1] & 0x80}
    return [one for index, one in enumerate(media) if index <= ends.get(ssrc_of(one[1]), -1)]


def rtpdump(media: Sequence[tuple[float, bytes]], reports: Sequence[tuple[float, bytes]]) -> Iterator[bytes]:
    """Writes the format of rtptools. Each packet has its length with this header, its own length (0: RTCP), and its
    arrival in ms."""
    yield b"#!rtpplay1.0 127.0.0.1/9\n" + struct.pack("!IIIHH", 0, 0, 0x7F00_0001, 9, 0)
    began = media[0][0]
    packets = [(at, packet, len(packet)) for at, packet in media] + [(at, packet, 0) for at, packet in reports]
    for at, packet, length in sorted(packets, key=lambda one: one[0]):
        kept = packet if packet[0] & 0x20 else packet[:KEPT]  # padding is counted in its last octet
        yield struct.pack("!HHI", len(kept) + 8, length, max(0, int((at - began) * 1000))) + kept


async def main(names: Sequence[str]) -> None:
    rows = [row for row in ROWS if not names or row.name in names]
    FOLDER.mkdir(exist_ok=True)
    async with site() as url:
        if any(row.browser == "chromium" for row in rows):
            async with chromium(trials=["WebRTC-LegacySimulcastLayerLimit/Disabled"]) as browser:
                for row in rows:
                    if row.browser == "chromium":
                        await capture(browser, url, row)
        if any(row.browser == "firefox" for row in rows):
            async with firefox() as other:
                for row in rows:
                    if row.browser == "firefox":
                        await capture(other, url, row)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
