"""Which frames a publisher encoded, and which of them a viewer was sent, as `pages/cipher.js` records both.

Frames are compared and counted, not timed: the claims hold however busy the machine is. A viewer's frames are recorded
when all their packets have come, before its jitter buffer and its decoder.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any

SAME = 1_350
"""Ticks of 90 kHz: frames of encodings that are nearer than half a picture at 30 a second are of one picture."""
OVERTAKEN = 30
"""Pictures. Where a browser has packets of several encodings to send it sends them in turn: the picture of a small
encoding overtakes the keyframe of a large one that was captured before it."""
LATE = 6
"""Pictures: so late the last ones of a large encoding come behind the keyframe of a small one, to which we switched."""
CYCLE = 1 << 32
"""Of RTP timestamps."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of one encoding; of SVC one spatial layer of a picture."""

    ssrc: int
    timestamp: int
    spatial: int
    temporal: int
    is_key: bool
    fingerprint: int
    """Of its last octets."""
    number: int
    """Of the publisher's frames of one SSRC each has another."""
    needs: tuple[int, ...]
    """Numbers of the frames that it refers to."""

    @property
    def looks(self) -> tuple[int, ...]:
        """What both ends agree on."""
        return self.fingerprint, self.is_key, self.spatial, self.temporal

    @classmethod
    def read(cls, entry: Sequence[Any]) -> "Frame":
        """One entry of a record."""
        ssrc, timestamp, spatial, temporal, is_key, fingerprint, number, needs = entry
        return cls(ssrc, timestamp, spatial, temporal, is_key, fingerprint, number or 0, tuple(needs or ()))


@dataclass(frozen=True, slots=True)
class Shown:
    """One frame that the viewer was sent, as its publisher had it."""

    picture: int
    """The number of the captured picture, of those that were encoded at all."""
    frame: Frame


class Trace:
    def __init__(self, encoded: Sequence[Frame], sent: Sequence[Frame]) -> None:
        """`encoded` in the order in which the publisher encoded it; `sent` is all that one slot of the viewer got."""
        self.captured = _captured(encoded)
        self.wrong: list[str] = []
        """What the viewer should not have been sent, or should have been and was not."""
        self.loose: list[Shown] = []
        """Frames of upper temporal layers that refer to something which was not sent."""
        self.shown = self._find(encoded, sent)
        self.runs = [list(run) for _, run in groupby(self.shown, lambda one: one.frame.ssrc)]
        """From one switch of encodings to the next."""
        for run in self.runs:
            self._check_run(run)
        for before, after in pairwise(self.runs):
            if before[-1].picture > after[0].picture + OVERTAKEN:
                self.wrong.append(f"the picture goes back from {before[-1]} to {after[0]}")
        self._check_whole(encoded)

    def _find(self, encoded: Sequence[Frame], sent: Sequence[Frame]) -> list[Shown]:
        """Each of the viewer's frames among those of the publisher, in the viewer's order."""
        unsent: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for index, frame in enumerate(encoded):
            unsent[frame.looks].append(index)
        found, last = [], 0
        for frame in _ordered(sent):
            same = unsent[frame.looks]
            if not same:
                self.wrong.append(f"a frame that was never encoded, or was sent before: {frame}")
                continue
            # Of a small picture that hardly moves two frames may end alike (H.264 and VP8: seconds apart).
            last = min(same, key=lambda index: abs(index - last))
            same.remove(last)
            found.append(Shown(self.captured[last], encoded[last]))
        return found

    def _check_run(self, run: Sequence[Shown]) -> None:
        """It begins with a keyframe, goes on in the order of the source, and all that a frame refers to was sent.

        What lies before the keyframe does not count: where an encoder of Chromium dropped a frame after it, the next
        one of another layer names the frame before it in its place."""
        if not run[0].frame.is_key:
            self.wrong.append(f"an encoding that begins without a keyframe: {run[0]}")
        for last, one in pairwise(run):
            if (one.picture, one.frame.spatial) <= (last.picture, last.frame.spatial):
                self.wrong.append(f"the picture goes back from {last} to {one}")
        there: set[int] = set()
        since = 0
        for one in run:
            if one.frame.is_key:
                since = one.frame.number
            missing = {number for number in one.frame.needs if number >= since} - there
            if missing and one.frame.temporal == 0:
                self.wrong.append(f"a frame without {missing}, which it refers to: {one}")
            elif missing:
                self.loose.append(one)
            there.add(one.frame.number)

    def _check_whole(self, encoded: Sequence[Frame]) -> None:
        """Of each picture of the lowest temporal layer something was sent, as long as its encoding was shown: up to the
        first picture of the next one. Of SVC that holds if the encoder made the spatial layer that was shown."""
        lowest: dict[int, dict[int, set[int]]] = defaultdict(lambda: defaultdict(set))
        for picture, frame in zip(self.captured, encoded, strict=True):
            if frame.temporal == 0:
                lowest[frame.ssrc][picture].add(frame.spatial)
        ends = [run[0].picture - LATE for run in self.runs[1:]] + [self.shown[-1].picture if self.shown else 0]
        for run, end in zip(self.runs, ends, strict=True):
            shown = {one.picture: one.frame.spatial for one in run}
            spatial = 0
            for picture in range(run[0].picture, end):
                spatial = shown.get(picture, spatial)
                if picture not in shown and spatial in lowest[run[0].frame.ssrc][picture]:
                    self.wrong.append(f"nothing was sent of picture {picture}, which is of the lowest temporal layer")


def _ordered(frames: Sequence[Frame]) -> list[Frame]:
    """By timestamp: what was lost and repaired is recorded late."""
    if not frames:
        return []
    first = frames[0].timestamp
    return sorted(frames, key=lambda frame: (_signed(frame.timestamp - first), frame.spatial))


def _captured(encoded: Sequence[Frame]) -> list[int]:
    """The number of the picture that each frame is of. The timestamps of encodings differ by constants."""
    apart: dict[int, Counter[int]] = defaultdict(Counter)
    last: dict[int, int] = {}
    for frame in encoded:
        last[frame.ssrc] = frame.timestamp
        apart[frame.ssrc][_signed(frame.timestamp - last[encoded[0].ssrc])] += 1
    constant = {ssrc: counts.most_common(1)[0][0] for ssrc, counts in apart.items()}
    pictures: list[int] = []
    current: dict[int, int] = {}
    begun, number = 0, -1
    for frame in encoded:
        tick = _signed(frame.timestamp - constant[frame.ssrc] - encoded[0].timestamp)
        is_next = current.get(frame.ssrc, frame.timestamp) != frame.timestamp
        if is_next or not current or abs(tick - begun) >= SAME:
            current, begun, number = {}, tick, number + 1
        current[frame.ssrc] = frame.timestamp
        pictures.append(number)
    return pictures


def _signed(ticks: int) -> int:
    return (ticks + CYCLE // 2) % CYCLE - CYCLE // 2
