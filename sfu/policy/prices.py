"""The price of a layer: the bits per second that it takes of a subscriber's network, measured or assumed."""

from itertools import pairwise

from sfu.model import Rate

OVERHEAD = 40
"""Octets of a packet beside its payload that the estimate counts, too: RTP header (12), extensions (about 12), tag of
AES-GCM (16)."""
PAYLOAD = 1_100
"""Octets of payload in a packet of video. Chromium fills packets to about 1,150 octets with their headers."""
COPIED_FROM = (0.01, 0.04)
"""The loss from which on a packet of audio carries one earlier packet, and two."""
AUDIO_PACKETS = 50.0
"""Packets of audio per second, if not measured: Opus has 20 ms per packet (RFC 7587 s3.2)."""

ASSUMED = (
    (0, 0),
    (320 * 180, 150_000),
    (480 * 270, 350_000),
    (640 * 360, 500_000),
    (960 * 540, 1_200_000),
    (1280 * 720, 2_500_000),
    (1920 * 1080, 4_000_000),
)
"""Pixels, and the target rate of an encoding with so many, until it is measured. libwebrtc: video/config/simulcast.cc,
kSimulcastFormatsVP8. Between two rows the rate is interpolated; above the last row it grows in proportion."""


def video(rate: Rate) -> int:
    """Returns the price of a measured layer of video."""
    return rate.bps + rate.bps * OVERHEAD // PAYLOAD


def audio(rate: Rate, copies: int = 0) -> int:
    """Returns the price of measured audio. `copies`: earlier packets in each packet (RFC 2198)."""
    if not rate.bps:
        return 0
    return rate.bps * (1 + copies) + int(OVERHEAD * 8 * (rate.fps or AUDIO_PACKETS))


def copies(loss: float) -> int:
    """Returns how many earlier packets each packet of audio carries at this loss, 0 to 1. The plane chooses them by the
    same steps: `sfu/plane/core/src/send/protection.rs`."""
    return sum(loss >= step for step in COPIED_FROM)


def assumed(width: int, height: int) -> int:
    """Returns the price of an encoding of this size before it arrives."""
    pixels = width * height
    for (smaller, low), (larger, high) in pairwise(ASSUMED):
        if pixels <= larger:
            return low + (high - low) * (pixels - smaller) // (larger - smaller)
    largest, most = ASSUMED[-1]
    return most * pixels // largest
