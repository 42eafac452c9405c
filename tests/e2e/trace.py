"""Compares the frames that a publisher encoded with those that a viewer was sent; `pages/cipher.js` records both.

Frames are compared and counted, not timed, so the results do not depend on the load of the machine. A viewer's frame is
recorded when all its packets have arrived, before the jitter buffer and the decoder.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any

SAME = 1_350
"""Ticks of 90 kHz. Frames of two encodings that are closer than half a picture at 30 a second belong to one picture."""
OVERTAKEN = 30
"""Pictures. A browser sends packets of several encodings alternately, so the picture of a small encoding can overtake
the keyframe of a large one that was captured earlier."""
LATE = 6
"""Pictures by which the last ones of a large encoding can arrive after the keyframe of a small one that is switched
to."""
CYCLE = 1 << 32
"""The wrap of RTP timestamps."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of one encoding; of SVC one spatial layer of a picture."""

    ssrc: int
    timestamp: int
    spatial: int
    temporal: int
    is_key: bool
    fingerprint: int
    """A hash of its last octets."""
    number: int
    """Unique among the publisher's frames of one SSRC."""
    needs: tuple[int, ...]
    """The numbers of the frames that it refers to."""

    @property
    def looks(self) -> tuple[int, ...]:
        """Returns the properties that are equal at both ends."""
        return self.fingerprint, self.is_key, self.spatial, self.temporal

    @classmethod
    def read(cls, entry: Sequence[Any]) -> "Frame":
        """Parses one entry of a record."""
        ssrc, timestamp, spatial, temporal, is_key, fingerprint, number, needs = entry
        return cls(ssrc, timestamp, spatial, temporal, is_key, fingerprint, number or 0, tuple(needs or ()))


@dataclass(frozen=True, slots=True)
class Shown:
    """One frame that the viewer was sent, as the publisher encoded it."""

    picture: int
    """The number of the captured picture, counting encoded pictures only."""
    frame: Frame


class Trace:
    def __init__(self, encoded: Sequence[Frame], sent: Sequence[Frame]) -> None:
        """`encoded`: in the order of encoding. `sent`: all frames that one slot of the viewer received."""
        self.captured = _captured(encoded)
        self.wrong: list[str] = []
        """Frames that were sent wrongly, or wrongly not sent."""
        self.loose: list[Shown] = []
        """Frames of upper temporal layers that refer to a frame that was not sent."""
        self.shown = self._find(encoded, sent)
        self.runs = [list(run) for _, run in groupby(self.shown, lambda one: one.frame.ssrc)]
        """The runs between two switches of encodings."""
        for run in self.runs:
            self._check_run(run)
        for before, after in pairwise(self.runs):
            if before[-1].picture > after[0].picture + OVERTAKEN:
                self.wrong.append(f"the picture goes back from {before[-1]} to {after[0]}")
        self._check_whole(encoded)

    def _find(self, encoded: Sequence[Frame], sent: Sequence[Frame]) -> list[Shown]:
        """Finds each of the viewer's frames among those of the publisher, in the viewer's order."""
        unsent: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for index, frame in enumerate(encoded):
            unsent[frame.looks].append(index)
        found, last = [], 0
        for frame in _ordered(sent):
            same = unsent[frame.looks]
            if not same:
                self.wrong.append(f"a frame that was never encoded, or was sent before: {frame}")
                continue
            # Two frames of a small, nearly still picture may end with equal octets (H.264 and VP8: seconds apart).
            last = min(same, key=lambda index: abs(index - last))
            same.remove(last)
            found.append(Shown(self.captured[last], encoded[last]))
        return found

    def _check_run(self, run: Sequence[Shown]) -> None:
        """Checks that a run begins with a keyframe, keeps the source's order, and has all frames that it refers to.

        References to frames before the keyframe are ignored: if Chromium's encoder dropped a frame after it, the next
        frame of another layer refers to the frame before the keyframe instead."""
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
        """Checks that something was sent of each picture of the lowest temporal layer while its encoding was shown:
        until the first picture of the next one. With SVC it applies if the encoder made the shown spatial layer."""
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
    """Sorts by timestamp, because repaired frames are recorded late."""
    if not frames:
        return []
    first = frames[0].timestamp
    return sorted(frames, key=lambda frame: (_signed(frame.timestamp - first), frame.spatial))


def _captured(encoded: Sequence[Frame]) -> list[int]:
    """Returns the number of the picture of each frame. The timestamps of encodings differ by constants."""
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
