"""Dynacast: which encodings of a track its publisher is asked to send, from the demand of its subscribers.

Increases apply immediately, decreases after a delay, so a subscriber that turns pages or resizes a window stops
nothing. The lowest encoding continues after the last subscriber left, so that the next one soon has a picture. Then the
whole track is paused.
"""

from collections.abc import Set
from dataclasses import dataclass

LOWER_AFTER = 3.5
"""Seconds without demand before an encoding is stopped. LiveKit waits for 5 s; our publishers are notified before
that."""

GRACE = 10.0
"""Seconds that a new track has for its first subscriber. Until then all encodings are sent (LiveKit: dynacast manager).
"""

PAUSE_AFTER = 30.0
"""Seconds without a subscriber before a track is paused at its source."""


class Hold:
    """A demand with hysteresis: on immediately, off after a delay."""

    def __init__(self, linger: float, unwanted_since: float, *, is_on: bool) -> None:
        self.is_on = is_on
        self._linger = linger
        self._unwanted_since: float | None = unwanted_since

    def update(self, is_wanted: bool, now: float) -> None:
        if is_wanted:
            self.is_on, self._unwanted_since = True, None
        elif self._unwanted_since is None or self._unwanted_since > now:
            self._unwanted_since = now
        self.handle_timeout(now)

    def handle_timeout(self, now: float) -> None:
        off_at = self.off_at()
        if off_at is not None and off_at <= now:
            self.is_on = False

    def off_at(self) -> float | None:
        """Returns when it turns off. None: it does not."""
        if not self.is_on or self._unwanted_since is None:
            return None
        return self._unwanted_since + self._linger


@dataclass(frozen=True, slots=True)
class EncodingRequest:
    """The encodings that a publisher is asked to send."""

    encodings: tuple[bool, ...]
    """Whether each encoding is wanted, lowest first."""
    paused: bool
    """No encoding is wanted, because there is no subscriber."""


def certain(request: EncodingRequest, known: Set[int]) -> EncodingRequest:
    """Returns the request if only the encodings of the ranks `known` ever arrived. An encoding is stopped only if it is
    certainly better than one that continues. The ranks of encodings that never arrived are a guess."""
    if request.paused:
        return request
    least = min((rank for rank in known if request.encodings[rank]), default=len(request.encodings))
    encodings = tuple(on or rank <= least or rank not in known for rank, on in enumerate(request.encodings))
    return EncodingRequest(encodings, paused=False)


class Dynacast:
    """The demand for one track. Publishers begin with all encodings."""

    def __init__(self, encodings: int, now: float) -> None:
        """`encodings`: the number of encodings. SVC has one, whatever its layers."""
        self.encodings = encodings
        self._track = Hold(PAUSE_AFTER, now, is_on=True)
        self._upper = [Hold(LOWER_AFTER, now + GRACE - LOWER_AFTER, is_on=True) for _ in range(encodings - 1)]
        self._had_viewers = False

    @property
    def request(self) -> EncodingRequest:
        if not self._track.is_on:
            return EncodingRequest((False,) * self.encodings, paused=True)
        return EncodingRequest((True, *(hold.is_on for hold in self._upper)), paused=False)

    def update(self, highest: int | None, now: float) -> None:
        """`highest`: the best encoding that a subscriber needs, from 0. Lower ones stay on as a fallback. None: no
        subscriber needs any."""
        self._had_viewers |= highest is not None
        self._track.update(highest is not None, now)
        for index, hold in enumerate(self._upper, start=1):
            if highest is not None and highest >= index:
                hold.update(True, now)
            elif self._had_viewers:
                hold.update(False, now)
            else:
                hold.handle_timeout(now)

    def handle_timeout(self, now: float) -> None:
        for hold in (self._track, *self._upper):
            hold.handle_timeout(now)

    def due(self) -> float | None:
        """Returns when the result changes without a call."""
        return min((at for hold in (self._track, *self._upper) if (at := hold.off_at()) is not None), default=None)
