"""Generates a tone for each card, and detects which tone is received."""

import numpy as np
from av import AudioFrame
from numpy.typing import NDArray

RATE = 48_000
SAMPLES = 960
"""Samples in a frame of 20 ms."""
WINDOW = RATE // 5
"""Samples for the detection of a pitch, with a resolution of 5 Hz."""
AUDIBLE = 200.0
"""16-bit samples with a lower root mean square are silence."""


def frequency_of(card: int) -> int:
    """Returns the frequency of a card in hertz. Neighbours are 20 Hz apart."""
    return 300 + 20 * (card % 64)


def play(card: int, position: int) -> AudioFrame:
    """Returns 20 ms of a card's tone from sample `position` on: mono, 16 bits."""
    phase = 2 * np.pi * frequency_of(card) * (position + np.arange(SAMPLES)) / RATE
    samples = (np.sin(phase) * 8_000).astype(np.int16)
    frame = AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
    frame.sample_rate = RATE
    return frame


def samples_of(frame: AudioFrame) -> NDArray[np.int16]:
    """Returns the samples of the first channel."""
    samples = frame.to_ndarray()
    channel = samples[0] if frame.format.is_planar else samples.reshape(-1, len(frame.layout.channels))[:, 0]
    return np.asarray(channel, dtype=np.int16)


def pitch(samples: NDArray[np.int16], rate: int = RATE) -> float | None:
    """Returns the loudest tone in hertz. None: silence."""
    heard = samples.astype(np.float64)
    if np.sqrt(np.mean(heard**2)) < AUDIBLE:
        return None
    spectrum = np.abs(np.fft.rfft(heard * np.hanning(heard.size)))
    return float(np.argmax(spectrum) * rate / heard.size)
