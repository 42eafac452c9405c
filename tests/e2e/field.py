"""Replays what odd clients send, over WHIP and WHEP: an offer as it is, and packets octet by octet.

`Peer` signals and connects, `Stream` numbers and sends packets of one SSRC, `Peer.packets`, `requests`, `nacks` and
`reports` say what came back. Nothing is answered by itself: a case that repairs or sends keyframes does so.
"""

import asyncio
import re
import struct
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Self

from loadtest.wire import Refused, dtls, request, rtcp, sdp
from loadtest.wire.transport import Transport

from .server import Server, token

HEADER = struct.Struct("!BBHII")
OWN_SSRC = 0x5EE
"""Of the receiver reports and requests of a viewer."""
VIEWER = """v=0
o=- 1 1 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0
m=video 9 UDP/TLS/RTP/SAVPF 96 97 98
c=IN IP4 0.0.0.0
a=mid:0
a=ice-ufrag:them
a=ice-pwd:theirpasswordtheirpassword
a=fingerprint:sha-256 AB
a=setup:actpass
a=rtcp-mux
a=recvonly
a=rtpmap:96 VP8/90000
a=rtcp-fb:96 nack
a=rtcp-fb:96 nack pli
a=rtpmap:97 rtx/90000
a=fmtp:97 apt=96
a=rtpmap:98 H264/90000
a=rtcp-fb:98 nack pli
a=fmtp:98 packetization-mode=1;profile-level-id=42e01f
"""
"""Of one video section, VP8 with retransmissions or H.264."""


@dataclass(frozen=True, slots=True)
class Packet:
    """An RTP packet as it came. `at`: CLOCK_MONOTONIC in seconds."""

    at: float
    ssrc: int
    payload_type: int
    sequence: int
    timestamp: int
    marker: bool
    payload: bytes
    """Without padding; of a retransmission with the original number in front (RFC 4588 s4)."""


@dataclass(frozen=True, slots=True)
class Report:
    """A sender report as it came."""

    at: float
    ssrc: int
    ntp: float
    """Seconds since the epoch of Unix."""
    timestamp: int


class Peer:
    """A client that offers a text and sends what it is told to. To be made on a running loop."""

    def __init__(self, offer: str) -> None:
        identity = dtls.identity()
        self.transport = Transport(identity, self._on_rtp, self._on_rtcp)
        self.offer = _with_transport(offer, self.transport.ufrag, self.transport.password, identity.fingerprint)
        self.answer = ""
        self.location = ""
        self.packets: list[Packet] = []
        """Media and retransmissions, padding left out."""
        self.reports: list[Report] = []
        self.requests: list[tuple[float, int]] = []
        """Keyframe requests, PLI or FIR: when, and of which SSRC."""
        self.nacks: list[tuple[float, int, int]] = []
        """When, of which SSRC, and the sequence number."""
        self.on_request: Callable[[int], None] = lambda ssrc: None
        """Called with the SSRC of each keyframe request."""
        self.on_nack: Callable[[int, int], None] = lambda ssrc, sequence: None
        """Called with the SSRC and the sequence number of each packet asked for."""
        self.is_cut = False
        """Nothing that is sent to it arrives."""

    @classmethod
    @asynccontextmanager
    async def open(cls, server: Server, door: str, room: str, identity: str, offer: str) -> AsyncIterator[Self]:
        """Connected by `whip` or `whep` until the block ends. Raises Refused."""
        peer = cls(offer)
        await peer.signal(server, door, room, identity)
        try:
            await peer.transport.connect(sdp.remote(peer.answer))
            yield peer
        finally:
            await request("DELETE", peer.location, token(identity, room))
            peer.transport.close()

    async def signal(self, server: Server, door: str, room: str, identity: str) -> None:
        """Offers, and no more."""
        url = f"{server.url}/v1/{door}"
        status, headers, body = await request(
            "POST", url, token(identity, room), self.offer.encode(), "application/sdp"
        )
        if status != 201:
            raise Refused(f"{status}: {body.decode(errors='replace')}")
        self.answer, self.location = body.decode(), f"{server.url}{headers['location']}"

    def ask_keyframe(self, ssrc: int) -> None:
        self.transport.send_rtcp(_receiver_report() + rtcp.pli(OWN_SSRC, ssrc))

    def ask_again(self, ssrc: int, *sequences: int) -> None:
        self.transport.send_rtcp(_receiver_report() + rtcp.nack(OWN_SSRC, ssrc, sequences))

    def media(self, payload_type: int) -> list[Packet]:
        return [packet for packet in self.packets if packet.payload_type == payload_type]

    def _on_rtp(self, datagram: bytes) -> None:
        packet = None if self.is_cut else self.transport.unprotect_rtp(datagram)
        if packet is None:
            return
        first, second, sequence, timestamp, ssrc = HEADER.unpack_from(packet)
        begin = HEADER.size + 4 * (first & 0x0F)
        if first & 0x10:
            begin += 4 + 4 * int.from_bytes(packet[begin + 2 : begin + 4])
        payload = packet[begin : -packet[-1]] if first & 0x20 else packet[begin:]
        if payload:
            at = time.monotonic()
            self.packets.append(Packet(at, ssrc, second & 0x7F, sequence, timestamp, second >= 0x80, payload))

    def _on_rtcp(self, datagram: bytes) -> None:
        compound = None if self.is_cut else self.transport.unprotect_rtcp(datagram)
        at = time.monotonic()
        for type_, format, body in rtcp.packets(compound or b""):
            if type_ == rtcp.SENDER_REPORT and len(body) >= 16:
                ssrc, ntp, timestamp = struct.unpack_from("!IQI", body)
                self.reports.append(Report(at, ssrc, ntp / 2**32 - rtcp.NTP_EPOCH, timestamp))
            elif type_ == rtcp.PAYLOAD_FEEDBACK and format in (rtcp.PLI, rtcp.FIR) and len(body) >= 8:
                # PLI names the source in the header, FIR in its entry (RFC 5104 s4.3.1).
                ssrc = int.from_bytes(body[8:12] if format == rtcp.FIR else body[4:8])
                self.requests.append((at, ssrc))
                self.on_request(ssrc)
            elif type_ == rtcp.TRANSPORT_FEEDBACK and format == rtcp.NACK and len(body) >= 12:
                ssrc, lost = rtcp.nacked(body)
                for sequence in lost:
                    self.nacks.append((at, ssrc, sequence))
                    self.on_nack(ssrc, sequence)


@dataclass(slots=True)
class Stream:
    """One SSRC of a peer: what it sends is numbered one by one, and remembered."""

    peer: Peer
    ssrc: int
    payload_type: int
    sequence: int = 1000
    """Of the packet sent last."""
    extensions: Mapping[int, bytes] = field(default_factory=dict)
    """By id, in the one-byte form (RFC 8285 s4.2); a case may set others, or none, as it goes on."""
    sent: dict[int, tuple[int, bytes]] = field(default_factory=dict)
    """Timestamp and payload of each packet, by sequence number."""
    packets: int = 0
    octets: int = 0

    def send(self, payload: bytes, timestamp: int, *, marker: bool = True, is_lost: bool = False) -> int:
        """Returns the sequence number. `is_lost`: it is numbered, and does not arrive."""
        self.sequence = self.sequence + 1 & 0xFFFF
        self.sent[self.sequence] = timestamp, payload
        self.packets += 1
        self.octets += len(payload)
        if not is_lost:
            second = self.payload_type | 0x80 * marker
            first = 0x90 if self.extensions else 0x80
            header = HEADER.pack(first, second, self.sequence, timestamp & 0xFFFF_FFFF, self.ssrc)
            self.peer.transport.send_rtp(header + _elements(self.extensions) + payload)
        return self.sequence

    def repair(self, original: "Stream", sequence: int) -> None:
        """Sends a packet of another stream once more, on this one (RFC 4588 s4). What was never sent is not."""
        if sequence in original.sent:
            timestamp, payload = original.sent[sequence]
            self.send(sequence.to_bytes(2) + payload, timestamp)

    def report(self, timestamp: int, *, now: float | None = None) -> None:
        """A sender report that says: at `now`, in seconds since the epoch, the timestamp was that."""
        at = time.time() if now is None else now
        self.peer.transport.send_rtcp(rtcp.sender_report(self.ssrc, at, timestamp, self.packets, self.octets))


async def frames(count: int, interval: float) -> AsyncIterator[int]:
    """Numbers from 0 on, one each `interval` seconds; what was late is caught up with."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    for number in range(count):
        await asyncio.sleep(max(0.0, began + number * interval - loop.time()))
        yield number


def vp8(number: int, size: tuple[int, int] | None = None) -> bytes:
    """A frame of one packet (RFC 7741): a keyframe of that size, or one that needs the frame before it."""
    descriptor = b"\x90\x80" + struct.pack("!H", 0x8000 | number & 0x7FFF)
    frame = b"\x11\x02\x00" if size is None else b"\x10\x02\x00\x9d\x01\x2a" + struct.pack("<HH", *size)
    return (descriptor + frame).ljust(48, b"\0")


def vp8_number(payload: bytes) -> int:
    """The picture id of a frame that `vp8` made. What a viewer gets of one source has the source's distances."""
    return int.from_bytes(payload[2:4]) & 0x7FFF


def picture(packet: Packet) -> tuple[int, int] | None:
    """The size that a VP8 keyframe as `vp8` makes it says; None of what is no keyframe."""
    at = packet.payload.find(b"\x9d\x01\x2a", 4, 12)
    return None if at < 0 else struct.unpack_from("<HH", packet.payload, at + 3)


def _with_transport(offer: str, ufrag: str, password: str, fingerprint: str) -> str:
    """The offer with the ICE and DTLS lines of this client, in every place where it has some."""
    text = re.sub(r"\r?\n", "\r\n", offer)
    for name, value in (("ice-ufrag", ufrag), ("ice-pwd", password), ("fingerprint", f"sha-256 {fingerprint}")):
        text, count = re.subn(rf"(?m)^a={name}:[^\r\n]*", f"a={name}:{value}", text)
        assert count, f"the offer of the case has no a={name}"
    return text


def _elements(extensions: Mapping[int, bytes]) -> bytes:
    if not extensions:
        return b""
    block = b"".join(bytes([id << 4 | len(value) - 1]) + value for id, value in extensions.items())
    block += bytes(-len(block) % 4)
    return b"\xbe\xde" + (len(block) // 4).to_bytes(2) + block


def _receiver_report() -> bytes:
    return rtcp.receiver_report(OWN_SSRC, [])
