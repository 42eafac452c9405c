"""The reception of one track by a bot: frames, sizes, and whether the picture is the one that was sent."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from av import AudioFrame, VideoFrame
from numpy.typing import NDArray

from loadtest import testcard, tone
from sfu.views import TrackInfo


@dataclass(slots=True)
class Received:
    identity: str
    """The publisher's identity."""
    info: TrackInfo
    frames: int = 0
    """The number of decoded frames."""
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    """Frames by width and height."""
    size: tuple[int, int] = (0, 0)
    """The size of the last frame."""
    cards: Counter[int] = field(default_factory=Counter)
    """Frames that were readable test cards, by the number of the card."""
    reading: testcard.Reading | None = None
    """The reading of the last readable frame."""
    advanced: int = 0
    """How often the counter of a card increased, which shows that the picture moves."""
    went_back: int = 0
    """How often the counter decreased."""
    unreadable: int = 0
    """The number of frames without a readable test card."""
    pitch: float | None = None
    """The last pitch in hertz. None: silence."""
    _heard: list[NDArray[np.int16]] = field(default_factory=list)

    def handle_video(self, frame: VideoFrame) -> None:
        self.frames += 1
        self.size = (frame.width, frame.height)
        self.sizes[self.size] += 1
        reading = testcard.read(frame)
        if reading is None:
            self.unreadable += 1
            return
        if self.reading is not None and self.reading.card == reading.card:
            step = (reading.counter - self.reading.counter) % 0x1_0000
            self.advanced += 0 < step < 0x8000
            self.went_back += step >= 0x8000
        self.cards[reading.card] += 1
        self.reading = reading

    def handle_audio(self, frame: AudioFrame) -> None:
        self.frames += 1
        self._heard.append(tone.samples_of(frame))
        if sum(part.size for part in self._heard) >= tone.WINDOW:
            self.pitch = tone.pitch(np.concatenate(self._heard), frame.sample_rate)
            self._heard.clear()

    def hears(self, card: int) -> bool:
        """Returns whether the last pitch is that of this card."""
        return self.pitch is not None and abs(self.pitch - tone.frequency_of(card)) <= 7.5

    def summary(self) -> dict[str, object]:
        """Returns a summary for people and for JSON."""
        common: dict[str, object] = {
            "participant": self.identity,
            "source": self.info.source.value,
            "kind": self.info.kind.value,
            "mime": self.info.mime,
            "frames": self.frames,
        }
        if self.info.kind.value == "audio":
            return common | {"pitch_hz": self.pitch}
        return common | {
            "sizes": {f"{width}x{height}": count for (width, height), count in self.sizes.items()},
            "cards": dict(self.cards),
            "unreadable": self.unreadable,
            "went_back": self.went_back,
        }
