"""The dominant speaker of a room, from audio levels of 20 ms.

I. Volfin, I. Cohen, "Dominant speaker identification for multipoint videoconferencing" (2012), with the constants of
Jitsi's DominantSpeakerIdentification. Activity is scored over three spans: immediate (20 ms), medium (100 ms), long (1
s). Every 300 ms a speaker that beats the dominant speaker in all three becomes the dominant speaker. So a cough is too
short to change the dominant speaker, and a silent dominant speaker stays it until another one speaks.

One difference from Jitsi: before the first speech there is no dominant speaker; Jitsi selects any participant.
"""

import math
from collections.abc import Iterable

SAMPLE = 0.02
"""Seconds of one level."""
DECISION = 0.3
"""Seconds between two decisions."""
SILENT = 127
"""-dBov (RFC 6464)."""
STEP = 10
"""Levels per step of the 13 steps of immediate activity. Levels less than this above the noise floor are silence."""
LOUD = 7
"""Samples above this one of the 13 steps count as medium activity."""
MEDIUM, LONG = 5, 10
"""Samples in a medium span, medium spans in a long one."""
FLOOR_WINDOW = 750
"""Samples (15 s) after which a risen noise floor is accepted."""
LEAD = (3.0, 2.0, 0.0)
"""The required lead of the logarithm of a challenger's score: immediate, medium, long."""

HISTORY = (1 << MEDIUM * LONG) - 1
BLOCK = (1 << MEDIUM) - 1


def _scores(trials: int, rate: float) -> tuple[float, ...]:
    """Logarithms of the activity score, for 0 to `trials` active parts: the likelihood ratio of speech and silence."""

    def score(active: int) -> float:
        likelihood = math.log(math.comb(trials, active)) + trials * math.log(0.5)
        return math.log(max(likelihood - math.log(rate) + rate * active, 1e-10))

    return tuple(score(active) for active in range(trials + 1))


IMMEDIATE_SCORES = _scores(13, 0.78)
MEDIUM_SCORES = _scores(MEDIUM, 24.0)
LONG_SCORES = _scores(LONG, 47.0)

Scores = tuple[float, float, float]

NOBODY: Scores = (IMMEDIATE_SCORES[0], MEDIUM_SCORES[0], LONG_SCORES[0])


class _Voice:
    """One track: the activity of its last second, and its noise floor."""

    __slots__ = ("floor", "heard", "history", "newest", "risen", "rising")

    def __init__(self, now: float) -> None:
        self.heard = now
        self.newest = 0
        """The step of the newest sample, 0 to 13."""
        self.history = 0
        """One bit per sample, the newest lowest. 1: the sample was loud."""
        self.floor = 0
        """The noise floor: the lowest level that was sent. 0: none yet. Here levels count upwards from silence."""
        self.rising = 0
        """The lowest level since the noise floor was last set. `risen` is the number of samples since then."""
        self.risen = 0

    def record(self, levels: bytes) -> None:
        for dbov in levels:
            level = max(SILENT - dbov, 0)
            # A level is compared with the noise floor known before it.
            self.newest = level // STEP if level >= self.floor + STEP else 0
            self.history = (self.history << 1 | (self.newest > LOUD)) & HISTORY
            if dbov <= SILENT:
                self._learn(max(level, 1))

    def pass_silence(self, samples: int) -> None:
        """Records that this number of samples was not sent (DTX)."""
        self.newest = 0
        self.history = self.history << min(samples, MEDIUM * LONG) & HISTORY

    def scores(self) -> Scores:
        long, history = 0, self.history
        while history:
            long += history & BLOCK == BLOCK
            history >>= MEDIUM
        medium = (self.history & BLOCK).bit_count()
        return IMMEDIATE_SCORES[self.newest], MEDIUM_SCORES[medium], LONG_SCORES[long]

    def _learn(self, level: int) -> None:
        if not self.floor or level < self.floor:
            self.floor, self.rising, self.risen = level, 0, 0
            return
        self.rising = min(self.rising, level) if self.risen else level
        self.risen += 1
        if self.risen == FLOOR_WINDOW:
            self.floor, self.risen = math.isqrt(self.floor * self.rising), 0


class Dominance:
    """The dominant speaker of one room. Call `record` with levels and `decide` for the result."""

    def __init__(self) -> None:
        self.dominant: str | None = None
        """The track of the dominant speaker; the last one while there is silence."""
        self._voices: dict[str, _Voice] = {}
        self._decided = -math.inf

    def record(self, levels: Iterable[tuple[str, bytes]], now: float) -> None:
        """Records levels of tracks in -dBov (RFC 6464), one per 20 ms; the newest is of `now`."""
        for track, samples in levels:
            voice = self._voices.get(track)
            if voice is None:
                voice = self._voices[track] = _Voice(now - SAMPLE * len(samples))
            missing = round((now - voice.heard) / SAMPLE) - len(samples)
            # Reports arrive slightly earlier or later than their audio. This jitter is not silence.
            if missing > MEDIUM:
                voice.pass_silence(missing)
            voice.record(samples)
            voice.heard = now

    def remove(self, track: str) -> None:
        """Removes a track that is muted or unpublished. It is no longer the dominant speaker."""
        self._voices.pop(track, None)
        if self.dominant == track:
            self.dominant = None

    def decide(self, now: float) -> bool:
        """Updates the dominant speaker, at most once in 300 ms. True: it changed."""
        # Reports arrive every 100 ms, with some jitter.
        if now - self._decided < DECISION - SAMPLE:
            return False
        self._decided = now
        for voice in self._voices.values():
            silent = round((now - voice.heard) / SAMPLE)
            if silent > MEDIUM:
                voice.pass_silence(silent)
                voice.heard = now
        holder = self._voices.get(self.dominant) if self.dominant is not None else None
        holding = holder.scores() if holder is not None else NOBODY
        ahead = {
            track: scores[1]
            for track, voice in self._voices.items()
            if voice.newest and track != self.dominant and _leads(scores := voice.scores(), holding)
        }
        if not ahead:
            return False
        self.dominant = max(ahead, key=ahead.__getitem__)
        return True


def _leads(challenger: Scores, holder: Scores) -> bool:
    return all(own - its > lead for own, its, lead in zip(challenger, holder, LEAD, strict=True))
