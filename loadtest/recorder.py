"""Records the media of a bot in a folder: one PNG per second of each video track, one WAV file of each audio track."""

import re
import wave
from fractions import Fraction
from pathlib import Path

import av
from av import AudioFrame, VideoFrame
from av.video.codeccontext import VideoCodecContext

from loadtest import tone
from sfu.views import TrackInfo

INTERVAL = 1.0
"""Seconds between two pictures of a track."""


class Recorder:
    def __init__(self, folder: Path) -> None:
        """Creates the folder. Raises OSError."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.pictures = 0
        self._next: dict[str, float] = {}
        self._counts: dict[str, int] = {}
        self._sounds: dict[str, wave.Wave_write] = {}

    def handle_video(self, identity: str, info: TrackInfo, frame: VideoFrame, now: float) -> None:
        if now < self._next.get(info.sid, 0.0):
            return
        self._next[info.sid] = now + INTERVAL
        count = self._counts[info.sid] = self._counts.get(info.sid, 0) + 1
        name = f"{_stem(identity, info)}-{count:04d}.png"
        (self.folder / name).write_bytes(png(frame))
        self.pictures += 1

    def handle_audio(self, identity: str, info: TrackInfo, frame: AudioFrame) -> None:
        sound = self._sounds.get(info.sid)
        if sound is None:
            path = self.folder / f"{_stem(identity, info)}.wav"
            sound = self._sounds[info.sid] = wave.open(str(path), "wb")  # noqa: SIM115, close() does
            sound.setnchannels(1)
            sound.setsampwidth(2)
            sound.setframerate(frame.sample_rate)
        sound.writeframes(tone.samples_of(frame).tobytes())

    def close(self) -> None:
        for sound in self._sounds.values():
            sound.close()
        self._sounds.clear()


def png(frame: VideoFrame) -> bytes:
    """Returns the picture as a PNG file."""
    picture = frame.reformat(format="rgb24")
    encoder = av.CodecContext.create("png", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = picture.width, picture.height, "rgb24"
    encoder.time_base = Fraction(1, 1)
    picture.pts, picture.time_base = 0, encoder.time_base
    return b"".join(bytes(packet) for packet in [*encoder.encode(picture), *encoder.encode(None)])


def _stem(identity: str, info: TrackInfo) -> str:
    # Applications choose identities, so they may contain any characters.
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", f"{identity}-{info.source.value}-{info.sid}").lstrip(".")
