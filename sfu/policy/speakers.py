"""Active speakers, from audio levels. The dominant speaker is in `dominance`.

Each track has an observation window of 400 ms. It is speech if 40 % of it was louder than -35 dBov. Its level is the
loudest, reduced by the share of silence (20 log10 of the share), smoothed over two windows. A track that was not heard
for two windows is silent. Levels are reported in eighths, so that a steady voice causes no reports. (livekit:
audiolevel.go)
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

WINDOW = 0.4
"""Seconds."""
SAMPLES = 20
"""Samples of 20 ms in a window."""
ACTIVE_DBOV = 35
"""-dBov. A level as loud as this, or louder, is speech."""
ACTIVE_SHARE = 0.4
SMOOTHING = 2 / (2 + 1)
"""An exponential average over N = 2 windows."""
STEPS = 8

ACTIVE_LEVEL = 10 ** (-ACTIVE_DBOV / 20)
LOUD = bytes(range(ACTIVE_DBOV + 1))


@dataclass(frozen=True, slots=True)
class Change:
    track: str
    level: float
    """0 to 1, in eighths."""
    active: bool


class _Voice:
    """One track's window and its smoothed level."""

    __slots__ = ("active", "heard", "level", "loudest", "observed", "reported")

    def __init__(self, now: float) -> None:
        self.heard = now
        self.observed = 0
        """The number of samples in the window so far. `active` is the number of loud ones."""
        self.active = 0
        self.loudest = 127
        self.level = 0.0
        self.reported = 0.0

    def record(self, levels: bytes, now: float) -> None:
        self.heard = now
        self.observed += len(levels)
        self.loudest = min(self.loudest, *levels)
        self.active += len(levels) - len(levels.translate(None, LOUD))
        if self.observed < SAMPLES:
            return
        share = self.active / self.observed
        linear = 0.0
        if share >= ACTIVE_SHARE:
            linear = 10 ** (-(self.loudest - 20 * math.log10(share)) / 20)
        self.level += (linear - self.level) * SMOOTHING if linear else -self.level
        self.observed, self.active, self.loudest = 0, 0, 127

    def is_active(self) -> bool:
        return self.level >= ACTIVE_LEVEL

    def quantised(self) -> float:
        return math.ceil(min(self.level, 1.0) * STEPS) / STEPS if self.is_active() else 0.0


class Speakers:
    """The speakers of one room. Call `record` with levels and `changes` for the differences."""

    def __init__(self) -> None:
        self._voices: dict[str, _Voice] = {}
        self._looked = -math.inf

    def is_quiet(self) -> bool:
        """Returns whether nothing can change until a level is recorded."""
        return not self._voices

    def record(self, levels: Iterable[tuple[str, bytes]], now: float) -> None:
        """Records levels of tracks since the last report, one per 20 ms, in -dBov: 0 loudest, 127 silent (RFC 6464)."""
        for track, samples in levels:
            voice = self._voices.get(track)
            if voice is None:
                voice = self._voices[track] = _Voice(now)
            voice.record(samples, now)

    def remove(self, track: str) -> Change | None:
        """Removes a track that is muted or unpublished. Returns the change to report."""
        voice = self._voices.pop(track, None)
        return Change(track, 0.0, False) if voice is not None and voice.reported else None

    def changes(self, now: float) -> list[Change]:
        """Returns the changes since the previous call, at most once per window."""
        if now - self._looked < WINDOW - 1e-6:
            return []
        self._looked = now
        changes = []
        for track, voice in list(self._voices.items()):
            if now - voice.heard >= 2 * WINDOW:
                del self._voices[track]
                voice.level = 0.0
            level = voice.quantised()
            if level != voice.reported:
                voice.reported = level
                changes.append(Change(track, level, level > 0))
        return changes
