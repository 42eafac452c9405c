"""A tone for each card, and which tone is heard."""

import numpy as np
from av import AudioFrame
from numpy.typing import NDArray

RATE = 48_000
SAMPLES = 960
"""Of a frame: 20 ms."""
WINDOW = RATE // 5
"""Samples that a pitch is read from: 5 Hz apart."""
AUDIBLE = 200.0
"""Root mean square of 16-bit samples below which there is silence."""


def frequency_of(card: int) -> int:
    """Hertz; neighbours are 20 Hz apart."""
    return 300 + 20 * (card % 64)


def play(card: int, position: int) -> AudioFrame:
    """The 20 ms of a card's tone from sample `position` on: mono, 16 bits."""
    phase = 2 * np.pi * frequency_of(card) * (position + np.arange(SAMPLES)) / RATE
    samples = (np.sin(phase) * 8_000).astype(np.int16)
    frame = AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
    frame.sample_rate = RATE
    return frame


def samples_of(frame: AudioFrame) -> NDArray[np.int16]:
    """The first channel."""
    samples = frame.to_ndarray()
    channel = samples[0] if frame.format.is_planar else samples.reshape(-1, len(frame.layout.channels))[:, 0]
    return np.asarray(channel, dtype=np.int16)


def pitch(samples: NDArray[np.int16], rate: int = RATE) -> float | None:
    """Hertz of the loudest tone; None: silence."""
    heard = samples.astype(np.float64)
    if np.sqrt(np.mean(heard**2)) < AUDIBLE:
        return None
    spectrum = np.abs(np.fft.rfft(heard * np.hanning(heard.size)))
    return float(np.argmax(spectrum) * rate / heard.size)
