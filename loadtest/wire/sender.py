"""One track that a light client sends: paces frames, retransmits on NACK, and sends a keyframe on PLI."""

import asyncio
import random
import struct
import time
from collections import OrderedDict

from loadtest.wire import rtcp
from loadtest.wire.media import Opus, Vp8
from loadtest.wire.sdp import (
    AUDIO_LEVEL,
    MID_EXTENSION,
    OPUS,
    RID_EXTENSION,
    TRANSPORT_CC,
    VP8,
    VP8_RTX,
    Section,
    new_ssrc,
)
from loadtest.wire.transport import Transport

HISTORY = 512
"""The number of packets kept for retransmission."""
REPORT_INTERVAL = 1.0
"""Seconds between sender reports."""
SPEECH, PAUSE = 0x80 | 20, 80
"""RFC 6464: a voice at -20 dBov, and no voice at -80."""
WORD, BREATH = 50, 5
"""Packets from one pause to the next, and packets of a pause. The server treats audio without pauses as noise."""


class Sender:
    """A track, or one encoding of a simulcast. Simulcast encodings have their own SSRC and are not repaired."""

    def __init__(
        self, section: Section, source: Vp8 | Opus | None = None, *, rid: str = "", ssrc: int | None = None
    ) -> None:
        assert section.ssrc is not None
        self.section = section
        self.ssrc = ssrc or (new_ssrc() if rid else section.ssrc)
        self.rid = rid.encode()
        self.source: Vp8 | Opus = source or (Vp8() if section.kind == "video" else Opus())
        self.packets = 0
        self.octets = 0
        self.nacked = 0
        self.keyframe_requests = 0
        # RFC 3711 s3.3.1: below 2^15, or a loss at the start might be taken for a wrap.
        self._sequence = random.randrange(2**15)
        self._rtx_sequence = random.randrange(2**15)
        self._offset = random.getrandbits(32)
        self._history: OrderedDict[int, bytes] = OrderedDict()
        self._report_due = 0.0

    async def run(self, transport: Transport, numbers: "Numbers") -> None:
        """Sends until cancelled. The schedule is absolute: delayed frames are sent late, and the rate is kept."""
        loop = asyncio.get_running_loop()
        due = loop.time() + random.random() * self.source.interval  # publishers of a room are not synchronised
        while True:
            await asyncio.sleep(due - loop.time())
            self.send_frame(transport, numbers)
            due += self.source.interval

    def send_frame(self, transport: Transport, numbers: "Numbers") -> None:
        timestamp = self.source.timestamp + self._offset & 0xFFFF_FFFF
        payloads = self.source.next_frame()
        payload_type = VP8 if self.section.kind == "video" else OPUS
        for index, payload in enumerate(payloads):
            last = index == len(payloads) - 1
            marker = 0x80 if last and self.section.kind == "video" else 0
            self._sequence = self._sequence + 1 & 0xFFFF
            header = struct.pack(
                "!BBHII", 0x90, marker | payload_type, self._sequence, timestamp, self.ssrc
            ) + self._extensions(numbers)
            packet = header + payload
            if not self.rid and self.section.rtx_ssrc:
                self._history[self._sequence] = packet
                if len(self._history) > HISTORY:
                    self._history.popitem(last=False)
            self.packets += 1
            self.octets += len(payload)
            transport.send_rtp(packet)
        now = time.monotonic()
        if now >= self._report_due:
            self._report_due = now + REPORT_INTERVAL
            transport.send_rtcp(rtcp.sender_report(self.ssrc, time.time(), timestamp, self.packets, self.octets))

    def handle_pli(self) -> None:
        """Makes the next frame a keyframe. Like an encoder, it makes none between two frames."""
        self.keyframe_requests += 1
        if isinstance(self.source, Vp8):
            self.source.wants_keyframe = True

    def handle_nack(self, lost: list[int], transport: Transport, numbers: "Numbers") -> None:
        """Retransmits packets (RFC 4588 s4): the original number comes before the payload."""
        for number in lost:
            packet = self._history.get(number)
            if packet is None or self.section.rtx_ssrc is None:
                continue
            self.nacked += 1
            self._rtx_sequence = self._rtx_sequence + 1 & 0xFFFF
            first, second, _, timestamp, _ = struct.unpack_from("!BBHII", packet)
            header = struct.pack(
                "!BBHII", first, second & 0x80 | VP8_RTX, self._rtx_sequence, timestamp, self.section.rtx_ssrc
            )
            payload = packet[12 + 4 + 4 * int.from_bytes(packet[14:16]) :]
            transport.send_rtp(header + self._extensions(numbers) + number.to_bytes(2) + payload)

    def _extensions(self, numbers: "Numbers") -> bytes:
        """Returns the extensions in the one-byte form (RFC 8285 s4.2): MID, transport-wide number and, for audio, the
        level."""
        mid = self.section.mid.encode()
        elements = bytes([MID_EXTENSION << 4 | len(mid) - 1]) + mid
        elements += bytes([TRANSPORT_CC << 4 | 1]) + numbers.next().to_bytes(2)
        if self.rid:
            elements += bytes([RID_EXTENSION << 4 | len(self.rid) - 1]) + self.rid
        if self.section.kind == "audio":
            level = PAUSE if self.packets % WORD < BREATH else SPEECH
            elements += bytes([AUDIO_LEVEL << 4, level])
        elements += bytes(-len(elements) % 4)
        return b"\xbe\xde" + (len(elements) // 4).to_bytes(2) + elements


class Numbers:
    """Transport-wide sequence numbers: one sequence for all tracks of a transport."""

    def __init__(self) -> None:
        self._last = 0

    def next(self) -> int:
        self._last = self._last + 1 & 0xFFFF
        return self._last
