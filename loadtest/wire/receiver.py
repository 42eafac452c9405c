"""The receiver of a light client: counts and measures packets by SSRC, and sends the feedback that an SFU expects."""

import asyncio
import random
import struct
import time
from dataclasses import dataclass, field

from loadtest.wire import media, rtcp
from loadtest.wire.sdp import TRANSPORT_CC, VP8, VP8_RTX
from loadtest.wire.transport import Transport

FEEDBACK_INTERVAL = 0.1
"""Seconds; Chromium sends transport-wide feedback every 50 to 250 ms."""
REPORT_INTERVAL = 1.0
"""Seconds between receiver reports, as Chromium sends them for video."""
HEADER = struct.Struct("!BBHII")
TRANSPORT_CC_ELEMENT = TRANSPORT_CC << 4 | 1
"""ID and length of the element of RFC 8285 s4.2."""


@dataclass(slots=True)
class Reception:
    """One SSRC, or the RTX stream of one. Times are CLOCK_MONOTONIC in seconds."""

    payload_type: int
    first_at: float
    packets: int = 0
    octets: int = 0
    gaps: int = 0
    """The number of skipped sequence numbers, whether or not they arrived later."""
    highest: int = -1
    """Extended sequence number."""
    start: int = 0
    keyframe_at: float | None = None
    """When the first packet of the first keyframe arrived."""
    last_at: float = 0.0
    last_sr: int = 0
    last_sr_at: float = 0.0
    encodings: list[tuple[float, int]] = field(default_factory=list)
    """When the encoding changed, and to which, among the decrypted packets."""
    longest_gap: float = 0.0
    """The longest time between two packets in seconds. The measuring code resets it to 0."""
    repaired: set[int] = field(default_factory=set)
    """On an RTX stream: the original numbers of its packets (RFC 4588)."""


class Receiver:
    """`sample`: one packet of this many is decrypted for its latency. Until the first keyframe all are decrypted."""

    def __init__(self, *, sample: int = 1) -> None:
        self.receptions: dict[int, Reception] = {}
        self.packets = 0
        self.latencies: list[float] = []
        """Latencies of the decrypted packets in seconds."""
        self.refused = 0
        """The number of packets that could not be decrypted."""
        loop = asyncio.get_running_loop()
        self.first_packet: asyncio.Future[float] = loop.create_future()
        self.first_keyframe: asyncio.Future[float] = loop.create_future()
        """The times of video; both are on the clock of `time.monotonic`."""
        self._sample = sample
        self._ssrc = random.randrange(1, 2**32)
        self._arrivals: list[tuple[int, float]] = []
        self._transport_number = -1
        self._feedback_count = 0
        self._report_due = 0.0

    def by_kind(self, payload_type: int) -> list[Reception]:
        return [one for one in self.receptions.values() if one.payload_type == payload_type]

    def handle_rtp(self, datagram: bytes, transport: Transport) -> None:
        if len(datagram) < HEADER.size:
            return
        now = time.monotonic()
        first, second, sequence, _, ssrc = HEADER.unpack_from(datagram)
        reception = self.receptions.get(ssrc)
        if reception is None:
            reception = self.receptions[ssrc] = Reception(second & 0x7F, now)
        reception.packets += 1
        reception.octets += len(datagram)
        if reception.last_at:
            reception.longest_gap = max(reception.longest_gap, now - reception.last_at)
        reception.last_at = now
        self.packets += 1
        if reception.highest < 0:
            reception.highest = reception.start = sequence
        else:
            step = (sequence - reception.highest + 0x8000 & 0xFFFF) - 0x8000
            if step > 0:
                reception.highest += step
                reception.gaps += step - 1
        if first & 0x10:
            self._note_arrival(datagram, 12 + 4 * (first & 0x0F), now)
        if not self.first_packet.done():
            self.first_packet.set_result(now)
        waits = reception.keyframe_at is None and reception.payload_type == VP8
        if waits or reception.payload_type == VP8_RTX or reception.packets % self._sample == 0:
            self._look_inside(datagram, reception, transport, now)

    def _look_inside(self, datagram: bytes, reception: Reception, transport: Transport, now: float) -> None:
        packet = transport.unprotect_rtp(datagram)
        if packet is None:
            self.refused += 1
            return
        at = 12 + 4 * (packet[0] & 0x0F)
        if packet[0] & 0x10:
            at += 4 + 4 * int.from_bytes(packet[at + 2 : at + 4])
        payload = packet[at : -packet[-1] or None] if packet[0] & 0x20 else packet[at:]
        if reception.payload_type == VP8_RTX:
            if len(payload) > 2:
                reception.repaired.add(int.from_bytes(payload[:2]))
            return
        if (origin := media.origin(payload)) is not None:
            latency, encoding = origin
            self.latencies.append(latency)
            if not reception.encodings or reception.encodings[-1][1] != encoding:
                reception.encodings.append((now, encoding))
        if reception.keyframe_at is None and reception.payload_type == VP8 and media.is_keyframe(payload):
            reception.keyframe_at = now
            if not self.first_keyframe.done():
                self.first_keyframe.set_result(now)

    def _note_arrival(self, datagram: bytes, at: int, now: float) -> None:
        """Records the transport-wide number from the one-byte elements (RFC 8285 s4.2)."""
        if datagram[at : at + 2] != b"\xbe\xde":
            return
        end = at + 4 + 4 * int.from_bytes(datagram[at + 2 : at + 4])
        at += 4
        while at < end:
            element = datagram[at]
            if element == TRANSPORT_CC_ELEMENT:
                number = datagram[at + 1] << 8 | datagram[at + 2]
                if self._transport_number < 0:
                    self._transport_number = number
                self._transport_number += (number - self._transport_number + 0x8000 & 0xFFFF) - 0x8000
                self._arrivals.append((self._transport_number, now))
                return
            at += 2 + (element & 0x0F) if element else 1

    def handle_rtcp(self, compound: bytes) -> None:
        for type_, _, body in rtcp.packets(compound):
            if type_ == rtcp.SENDER_REPORT and len(body) >= 24:
                ssrc, ntp = struct.unpack_from("!IQ", body)
                if reception := self.receptions.get(ssrc):
                    reception.last_sr, reception.last_sr_at = ntp >> 16 & 0xFFFF_FFFF, time.monotonic()

    def poll_rtcp(self, now: float) -> list[bytes]:
        """Returns the compounds that are due. Call it every `FEEDBACK_INTERVAL`."""
        due = []
        if self._arrivals:
            arrivals, self._arrivals = self._arrivals, []
            by_number = sorted(dict(arrivals).items())
            media_ssrc = next(iter(self.receptions))
            due.append(rtcp.transport_feedback(self._ssrc, media_ssrc, self._feedback_count, by_number))
            self._feedback_count += 1
        if now >= self._report_due:
            self._report_due = now + REPORT_INTERVAL * random.uniform(0.8, 1.2)
            reports = [
                rtcp.Report(
                    ssrc,
                    lost=one.highest - one.start + 1 - one.packets,
                    highest=one.highest & 0xFFFF_FFFF,
                    last_sr=one.last_sr,
                    delay=int((now - one.last_sr_at) * 65_536) if one.last_sr else 0,
                )
                for ssrc, one in self.receptions.items()
                if one.payload_type != VP8_RTX
            ]
            due.append(rtcp.receiver_report(self._ssrc, reports))
        return due

    def nack(self, ssrc: int, lost: list[int]) -> bytes:
        return rtcp.nack(self._ssrc, ssrc, lost)

    def pli(self, ssrc: int) -> bytes:
        return rtcp.pli(self._ssrc, ssrc)
