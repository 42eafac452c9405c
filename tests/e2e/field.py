"""Replays offers and packets of unusual clients over WHIP and WHEP, octet by octet.

`Peer` signals and connects, `Stream` numbers and sends packets of one SSRC, `Peer.packets`, `requests`, `nacks` and
`reports` say what came back. Nothing is answered automatically: a case itself retransmits or sends keyframes.
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
"""The SSRC of a viewer's receiver reports and requests."""
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
"""An offer of one video section, VP8 with retransmissions or H.264."""


@dataclass(frozen=True, slots=True)
class Packet:
    """A received RTP packet. `at`: CLOCK_MONOTONIC in seconds."""

    at: float
    ssrc: int
    payload_type: int
    sequence: int
    timestamp: int
    marker: bool
    payload: bytes
    """Without padding. A retransmission begins with the original number (RFC 4588 s4)."""


@dataclass(frozen=True, slots=True)
class Report:
    """A received sender report."""

    at: float
    ssrc: int
    ntp: float
    """Seconds since the epoch of Unix."""
    timestamp: int


class Peer:
    """A client that offers a given text and sends given packets. Create it on a running loop."""

    def __init__(self, offer: str) -> None:
        identity = dtls.identity()
        self.transport = Transport(identity, self._on_rtp, self._on_rtcp)
        self.offer = _with_transport(offer, self.transport.ufrag, self.transport.password, identity.fingerprint)
        self.answer = ""
        self.location = ""
        self.packets: list[Packet] = []
        """Media and retransmissions, without padding packets."""
        self.reports: list[Report] = []
        self.requests: list[tuple[float, int]] = []
        """Keyframe requests, PLI or FIR: time and SSRC."""
        self.nacks: list[tuple[float, int, int]] = []
        """Time, SSRC and sequence number."""
        self.on_request: Callable[[int], None] = lambda ssrc: None
        """Called with the SSRC of each keyframe request."""
        self.on_nack: Callable[[int, int], None] = lambda ssrc, sequence: None
        """Called with the SSRC and the sequence number of each requested packet."""
        self.is_cut = False
        """True: it receives nothing."""

    @classmethod
    @asynccontextmanager
    async def open(cls, server: Server, door: str, room: str, identity: str, offer: str) -> AsyncIterator[Self]:
        """Connects by `whip` or `whep` until the block ends. Raises Refused."""
        peer = cls(offer)
        await peer.signal(server, door, room, identity)
        try:
            await peer.transport.connect(sdp.remote(peer.answer))
            yield peer
        finally:
            await request("DELETE", peer.location, token(identity, room))
            peer.transport.close()

    async def signal(self, server: Server, door: str, room: str, identity: str) -> None:
        """Offers only."""
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
    """One SSRC of a peer. Numbers its packets one by one and stores them."""

    peer: Peer
    ssrc: int
    payload_type: int
    sequence: int = 1000
    """The number of the last packet."""
    extensions: Mapping[int, bytes] = field(default_factory=dict)
    """Header extensions by id, in the one-byte form (RFC 8285 s4.2). A case may change them."""
    sent: dict[int, tuple[int, bytes]] = field(default_factory=dict)
    """Timestamp and payload of each packet, by sequence number."""
    packets: int = 0
    octets: int = 0

    def send(self, payload: bytes, timestamp: int, *, marker: bool = True, is_lost: bool = False) -> int:
        """Sends a packet. Returns the sequence number. `is_lost`: it is numbered but not sent."""
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
        """Retransmits a packet of another stream on this one (RFC 4588 s4). Does nothing for packets that do not
        exist."""
        if sequence in original.sent:
            timestamp, payload = original.sent[sequence]
            self.send(sequence.to_bytes(2) + payload, timestamp)

    def report(self, timestamp: int, *, now: float | None = None) -> None:
        """Sends a sender report: at `now`, in seconds since the epoch, the media had this timestamp."""
        at = time.time() if now is None else now
        self.peer.transport.send_rtcp(rtcp.sender_report(self.ssrc, at, timestamp, self.packets, self.octets))


async def frames(count: int, interval: float) -> AsyncIterator[int]:
    """Yields numbers from 0, one per `interval` seconds; catches up after delays."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    for number in range(count):
        await asyncio.sleep(max(0.0, began + number * interval - loop.time()))
        yield number


def vp8(number: int, size: tuple[int, int] | None = None) -> bytes:
    """Returns a frame of one packet (RFC 7741): a keyframe of this size, or a frame that depends on the one before."""
    descriptor = b"\x90\x80" + struct.pack("!H", 0x8000 | number & 0x7FFF)
    frame = b"\x11\x02\x00" if size is None else b"\x10\x02\x00\x9d\x01\x2a" + struct.pack("<HH", *size)
    return (descriptor + frame).ljust(48, b"\0")


def vp8_number(payload: bytes) -> int:
    """Returns the picture id of a frame of `vp8`. A viewer receives ids with the same distances as the source's."""
    return int.from_bytes(payload[2:4]) & 0x7FFF


def picture(packet: Packet) -> tuple[int, int] | None:
    """Returns the size of a VP8 keyframe of `vp8`. None: it is no keyframe."""
    at = packet.payload.find(b"\x9d\x01\x2a", 4, 12)
    return None if at < 0 else struct.unpack_from("<HH", packet.payload, at + 3)


def _with_transport(offer: str, ufrag: str, password: str, fingerprint: str) -> str:
    """Returns the offer with this client's ICE and DTLS lines instead of the original ones."""
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
