"""Synthetic VP8 and Opus payloads that an SFU accepts as real. Each ends with the time at which it was sent."""

import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

MARK = b"sfu-wire"
STAMP = struct.Struct("!8sqB")
"""The end of a payload: the mark, CLOCK_MONOTONIC in ns (shared by all processes of a machine), and the encoding."""

VP8_PAYLOAD = 1_176
"""Octets. With RTP header, extensions and tag the datagram has about 1,200."""
FPS = 30
BITRATE = 1_500_000
KEYFRAME_FACTOR = 3
"""A keyframe is larger than other frames by this factor."""
TEMPORAL = (0, 2, 1, 2)
"""Temporal ids of successive frames with three temporal layers (L1T3)."""

OPUS_INTERVAL = 0.02
OPUS_PAYLOAD = 80


@dataclass(slots=True)
class Vp8:
    """Frames of 1.5 Mbit/s at 30 fps: five or six packets each, the first a keyframe and after that on demand."""

    bitrate: int = BITRATE
    fps: int = FPS
    width: int = 640
    height: int = 360
    encoding: int = 0
    """The index of the encoding in a simulcast, lowest first."""
    temporal: Sequence[int] = (0,)
    """Temporal ids of successive frames."""
    wants_keyframe: bool = True
    frames: int = 0
    keyframes: int = 0
    octets: int = 0
    keyframe_octets: int = 0
    _base: int = field(default=0, repr=False)
    """TL0PICIDX of the last frame of temporal layer 0."""
    _pattern: int = field(default=0, repr=False)
    _owed: float = field(default=0.0, repr=False)
    clock_rate = 90_000

    @property
    def timestamp(self) -> int:
        return self.frames * self.clock_rate // self.fps

    @property
    def interval(self) -> float:
        return 1 / self.fps

    def next_frame(self) -> list[bytes]:
        """Returns the payloads of one frame (RFC 7741): picture id of 15 bits, TL0PICIDX and temporal id."""
        keyframe, self.wants_keyframe = self.wants_keyframe, False
        self._owed += self.bitrate / 8 / self.fps / VP8_PAYLOAD
        count = max(1, int(self._owed))
        self._owed -= int(self._owed)
        if keyframe:
            count *= KEYFRAME_FACTOR
            self.keyframes += 1
            self._pattern = 0
        temporal = self.temporal[self._pattern % len(self.temporal)]
        # Receivers can switch up at frames that depend on layer 0 only: here all but the second of layer 2.
        sync = 0x20 if temporal == 1 or (temporal == 2 and self._pattern % 4 == 1) else 0
        self._pattern += 1
        self._base += temporal == 0
        numbers = struct.pack("!HBB", 0x8000 | self.frames & 0x7FFF, self._base & 0xFF, temporal << 6 | sync)
        # RFC 6386 s9.1: frame tag (bit 0 clear: keyframe; version 0, shown, size), start code, size.
        size = struct.pack("<HH", self.width, self.height)
        tag = b"\x10\x02\x00\x9d\x01\x2a" + size if keyframe else b"\x11\x02\x00"
        self.frames += 1
        payloads = []
        for index in range(count):
            head = (b"\x90" if index == 0 else b"\x80") + b"\xe0" + numbers + (tag if index == 0 else b"")
            payloads.append(stamped(head.ljust(VP8_PAYLOAD - STAMP.size, b"\xa5"), self.encoding))
        self.octets += count * VP8_PAYLOAD
        self.keyframe_octets += count * VP8_PAYLOAD if keyframe else 0
        return payloads


def simulcast() -> dict[str, Vp8]:
    """Returns three encodings by RID, lowest first, with the proportions of a browser."""
    sizes = {"q": (320, 180, 150_000), "h": (640, 360, 500_000), "f": (1280, 720, 1_500_000)}
    return {
        rid: Vp8(bitrate=bitrate, width=width, height=height, encoding=index, temporal=TEMPORAL)
        for index, (rid, (width, height, bitrate)) in enumerate(sizes.items())
    }


@dataclass(slots=True)
class Opus:
    """50 packets a second. Their first octet states wide-band CELT (RFC 6716 s3.1)."""

    packets: int = 0
    clock_rate = 48_000

    @property
    def timestamp(self) -> int:
        return self.packets * 960

    @property
    def interval(self) -> float:
        return OPUS_INTERVAL

    def next_frame(self) -> list[bytes]:
        self.packets += 1
        return [stamped(b"\xfc".ljust(OPUS_PAYLOAD - STAMP.size, b"\x5a"))]


def stamped(payload: bytes, encoding: int = 0) -> bytes:
    return payload + STAMP.pack(MARK, time.monotonic_ns(), encoding)


def origin(payload: bytes) -> tuple[float, int] | None:
    """Returns the seconds since the payload was created, and its encoding. None: it is not one of these payloads."""
    if len(payload) < STAMP.size:
        return None
    mark, sent, encoding = STAMP.unpack_from(payload, len(payload) - STAMP.size)
    return ((time.monotonic_ns() - sent) / 1e9, encoding) if mark == MARK else None


def is_keyframe(payload: bytes) -> bool:
    """Returns whether a VP8 payload with a descriptor like ours starts a keyframe."""
    return len(payload) > 6 and payload[0] & 0x17 == 0x10 and payload[1] & 0xB0 == 0xA0 and payload[6] & 1 == 0
