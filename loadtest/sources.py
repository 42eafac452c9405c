"""The media that a bot sends: a test card with its tone, or a file."""

import asyncio
import time
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from aiortc import MediaStreamTrack
from aiortc.contrib.media import MediaPlayer
from av import AudioFrame, VideoFrame

from loadtest import testcard, tone

VIDEO_CLOCK = 90_000


@dataclass(slots=True)
class Source:
    """The tracks to publish."""

    video: MediaStreamTrack | None = None
    audio: MediaStreamTrack | None = None

    def stop(self) -> None:
        for track in (self.video, self.audio):
            if track is not None:
                track.stop()


def card(number: int, width: int = 320, height: int = 180, fps: int = 15, *, sound: bool = True) -> Source:
    """Returns test card `number`, 0 to 255, with its tone. Width and height must be even."""
    return Source(CardTrack(number, width, height, fps), ToneTrack(number) if sound else None)


def file(path: Path) -> Source:
    """Returns a looped file in any format of FFmpeg. Raises FileNotFoundError, or ValueError if it has no media."""
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    player = MediaPlayer(str(path), loop=True)
    if player.video is None and player.audio is None:
        raise ValueError(f"{path} has neither picture nor sound")
    return Source(player.video, player.audio)


class CardTrack(MediaStreamTrack):
    """Produces frames in real time. An encoder that is too slow gets fewer frames, not late ones."""

    kind = "video"

    def __init__(self, card: int, width: int, height: int, fps: int) -> None:
        super().__init__()
        self.card, self.width, self.height, self.fps = card, width, height, fps
        self._began: float | None = None
        self._counter = -1

    async def recv(self) -> VideoFrame:
        now = time.monotonic()
        self._began = now if self._began is None else self._began
        self._counter = max(self._counter + 1, int((now - self._began) * self.fps))
        await asyncio.sleep(max(0.0, self._began + self._counter / self.fps - now))
        frame = testcard.draw(self.card, self._counter, self.width, self.height)
        frame.pts = self._counter * VIDEO_CLOCK // self.fps
        frame.time_base = Fraction(1, VIDEO_CLOCK)
        return frame


class ToneTrack(MediaStreamTrack):
    kind = "audio"

    def __init__(self, card: int) -> None:
        super().__init__()
        self.card = card
        self._began: float | None = None
        self._position = 0

    async def recv(self) -> AudioFrame:
        now = time.monotonic()
        self._began = now if self._began is None else self._began
        await asyncio.sleep(max(0.0, self._began + self._position / tone.RATE - now))
        frame = tone.play(self.card, self._position)
        frame.pts = self._position
        frame.time_base = Fraction(1, tone.RATE)
        self._position += tone.SAMPLES
        return frame
