"""A moving test card that a program can read at any size: the number of the card and of the frame.

The picture, in parts of its width and height:

    rows 0-3 of 8, 8 columns    32 cells, black or white: the frame counter (16 bits), the card's number (8), a CRC (8)
    rows 4-5                    stripes in the card's colour, for people
    rows 6-7                    a white bar on black, 1/8 wide, whose place repeats the counter

A cell of a picture of 80x45 is 10x5 pixels, which stays readable after simulcast scaling and on a poor network.
"""

from dataclasses import dataclass

import numpy as np
from av import VideoFrame
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

COLUMNS = 8
STEPS = 64
"""The number of places of the bar. Then it starts again from the left."""
BLACK, WHITE, MIDDLE = 16, 235, 125
"""Luma of BT.601 limited range."""
MARGIN = 35
"""A cell nearer to the middle than this is not readable."""
SALT = 0xA5
"""Salt of the CRC, so that a black picture is not a valid card."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The content of a test card."""

    card: int
    """0 to 255."""
    counter: int
    """Frames since the card began, modulo 65,536."""


def draw(card: int, counter: int, width: int, height: int) -> VideoFrame:
    """Returns frame `counter` of a card. Width and height must be even."""
    counter &= 0xFFFF
    picture = np.full((height * 3 // 2, width), 128, dtype=np.uint8)
    luma = picture[:height]
    octets = bytes([counter >> 8, counter & 0xFF, card & 0xFF])
    for row, octet in enumerate((*octets, _crc(octets))):
        for column in range(COLUMNS):
            is_set = octet >> (COLUMNS - 1 - column) & 1
            luma[_span(row, 8, height), _span(column, COLUMNS, width)] = WHITE if is_set else BLACK
    stripes = (np.arange(width) * COLUMNS // width * 24 + counter * 2) % 160 + 48
    luma[_span(2, 4, height)] = stripes.astype(np.uint8)
    luma[height * 3 // 4 :] = BLACK
    left = round(_bar(counter) * width)
    luma[height * 3 // 4 :, left : left + width // 8] = WHITE

    # The chroma planes lie below, two of their rows in one of the array. Only the stripes are coloured.
    chroma = picture[height:].reshape(2, height // 2, width // 2)
    chroma[0, height // 4 : height * 3 // 8] = 64 + card * 37 % 128
    chroma[1, height // 4 : height * 3 // 8] = 64 + card * 91 % 128
    return VideoFrame.from_ndarray(picture, format="yuv420p")


def read(frame: VideoFrame) -> Reading | None:
    """Reads a test card. None: the frame is no test card, or too damaged."""
    luma = luma_of(frame)
    height, width = luma.shape
    if width < COLUMNS * 4 or height < 32:
        return None
    octets = []
    for row in range(4):
        octet = 0
        for column in range(COLUMNS):
            cell = _middle(luma[_span(row, 8, height), _span(column, COLUMNS, width)])
            if abs(cell - MIDDLE) < MARGIN:
                return None
            octet = octet << 1 | (cell > MIDDLE)
        octets.append(octet)
    high, low, card, crc = octets
    if _crc(bytes([high, low, card])) != crc:
        return None
    counter = high << 8 | low
    strip = luma[height * 13 // 16 : height * 15 // 16].mean(axis=0)
    bright = np.flatnonzero(strip > MIDDLE)
    if bright.size == 0 or abs(bright.mean() / width - 1 / 16 - _bar(counter)) > 1 / 32:
        return None
    return Reading(card, counter)


def luma_of(frame: VideoFrame) -> Pixels:
    """Returns the Y plane without the padding of its lines."""
    if not frame.format.name.startswith("yuv"):
        frame = frame.reformat(format="yuv420p")
    plane = frame.planes[0]
    lines = np.frombuffer(memoryview(plane), dtype=np.uint8).reshape(-1, plane.line_size)
    return lines[: frame.height, : frame.width]


def _span(index: int, count: int, size: int) -> slice:
    return slice(index * size // count, (index + 1) * size // count)


def _middle(cell: Pixels) -> float:
    """Returns the mean of the inner quarter, because codecs lose detail at the edges."""
    height, width = cell.shape
    inner = cell[height // 4 : max(height * 3 // 4, height // 4 + 1), width // 4 : max(width * 3 // 4, width // 4 + 1)]
    return float(inner.mean())


def _bar(counter: int) -> float:
    """Returns where the bar begins, from 0 to 7/8."""
    return counter % STEPS / STEPS * 7 / 8


def _crc(octets: bytes) -> int:
    """Returns the CRC-8 with the polynomial 0x07."""
    crc = 0
    for octet in octets:
        crc ^= octet
        for _ in range(8):
            crc = (crc << 1 ^ (0x07 if crc & 0x80 else 0)) & 0xFF
    return crc ^ SALT
