"""The RTCP that a light client sends and receives (RFC 3550 s6, RFC 4585, transport-wide feedback)."""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

SENDER_REPORT, RECEIVER_REPORT, SDES, BYE, TRANSPORT_FEEDBACK, PAYLOAD_FEEDBACK = 200, 201, 202, 203, 205, 206
NACK, TRANSPORT_CC = 1, 15
PLI, FIR = 1, 4

NTP_EPOCH = 2_208_988_800
"""Seconds from 1900 to 1970."""
TICK = 250e-6
REFERENCE = 64e-3
"""Seconds: units of the deltas and of the reference time of transport-wide feedback."""


@dataclass(frozen=True, slots=True)
class Report:
    """A report block (RFC 3550 s6.4.1); `delay` in units of 1/65536 s."""

    ssrc: int
    fraction_lost: int = 0
    lost: int = 0
    highest: int = 0
    jitter: int = 0
    last_sr: int = 0
    delay: int = 0


def sender_report(ssrc: int, now: float, timestamp: int, packets: int, octets: int) -> bytes:
    """Returns a sender report, with the CNAME, which connects tracks. `now` is Unix time in seconds."""
    ntp = int((now + NTP_EPOCH) * 2**32) & (2**64 - 1)
    body = struct.pack("!IQIII", ssrc, ntp, timestamp & 0xFFFF_FFFF, packets & 0xFFFF_FFFF, octets & 0xFFFF_FFFF)
    cname = struct.pack("!IBB", ssrc, 1, 4) + b"wire" + bytes(2)
    return _packet(SENDER_REPORT, 0, body) + _packet(SDES, 1, cname)


def receiver_report(ssrc: int, reports: Sequence[Report]) -> bytes:
    body = struct.pack("!I", ssrc)
    for report in reports[:31]:
        lost = min(max(report.lost, 0), 0x7F_FFFF)
        body += struct.pack("!IB", report.ssrc, report.fraction_lost) + lost.to_bytes(3)
        body += struct.pack("!IIII", report.highest, report.jitter, report.last_sr, report.delay)
    return _packet(RECEIVER_REPORT, len(reports[:31]), body)


def nack(ssrc: int, media: int, lost: Sequence[int]) -> bytes:
    """Returns a NACK with one entry per number. Losses are too few here for bit masks."""
    body = struct.pack("!II", ssrc, media) + b"".join(struct.pack("!HH", number, 0) for number in lost)
    return _packet(TRANSPORT_FEEDBACK, NACK, body)


def pli(ssrc: int, media: int) -> bytes:
    return _packet(PAYLOAD_FEEDBACK, PLI, struct.pack("!II", ssrc, media))


def bye(ssrc: int) -> bytes:
    return _packet(BYE, 1, struct.pack("!I", ssrc))


def transport_feedback(ssrc: int, media: int, count: int, arrivals: Sequence[tuple[int, float]]) -> bytes:
    """Returns a feedback packet (draft-holmer-rmcat-transport-wide-cc-extensions-01 s3.1). `arrivals`: extended number
    and time in seconds, ascending, at least one; `count` numbers the feedback packets."""
    base, first = arrivals[0]
    reference = int(first / REFERENCE)
    symbols, deltas = bytearray(arrivals[-1][0] - base + 1), bytearray()
    clock = reference * int(REFERENCE / TICK)
    for number, arrived in arrivals:
        ticks = int(arrived / TICK)
        delta, clock = ticks - clock, ticks
        if 0 <= delta < 256:
            symbols[number - base] = 1
            deltas.append(delta)
        else:
            symbols[number - base] = 2
            deltas += struct.pack("!h", min(max(delta, -32_768), 32_767))
    body = struct.pack("!IIHH", ssrc, media, base & 0xFFFF, len(symbols))
    body += (reference & 0xFF_FFFF).to_bytes(3) + bytes([count & 0xFF])
    for at in range(0, len(symbols), 7):  # vectors of seven symbols of two bits
        chunk = 0b11
        for symbol in symbols[at : at + 7].ljust(7, b"\0"):
            chunk = chunk << 2 | symbol
        body += chunk.to_bytes(2)
    body += deltas
    return _packet(TRANSPORT_FEEDBACK, TRANSPORT_CC, body + bytes(-len(body) % 4))


def packets(compound: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yields type, count or format, and body of each packet. Stops at a malformed packet."""
    at = 0
    while at + 4 <= len(compound):
        first, type_, words = struct.unpack_from("!BBH", compound, at)
        end = at + 4 + 4 * words
        if first >> 6 != 2 or end > len(compound):
            return
        yield type_, first & 0x1F, compound[at + 4 : end]
        at = end


def nacked(body: bytes) -> tuple[int, list[int]]:
    """Returns the media SSRC and the sequence numbers of a generic NACK's body (RFC 4585 s6.2.1)."""
    (media,) = struct.unpack_from("!I", body, 4)
    numbers = []
    for first, mask in struct.iter_unpack("!HH", body[8:]):
        numbers.append(first)
        numbers += [first + 1 + bit & 0xFFFF for bit in range(16) if mask >> bit & 1]
    return media, numbers


def _packet(type_: int, count: int, body: bytes) -> bytes:
    return struct.pack("!BBH", 0x80 | count, type_, len(body) // 4) + body
