"""The encodings of one track: their order in the offer, what arrived of each, and their ranks.

The plane names an encoding by its place in the offer. Everywhere else `Layer.spatial` is its rank, lowest first. This
module translates.
"""

from collections.abc import Iterable

from sfu.model import Layer
from sfu.plane import LayerRate
from sfu.policy import ranks


class Simulcast:
    def __init__(self) -> None:
        self.offered: tuple[str, ...] = ()
        """RIDs in the order of the offer. A RID is empty if encodings differ by SSRC only. One entry: no simulcast."""
        self.ranking: tuple[int, ...] = ()
        """Indexes into `offered`, lowest rank first."""
        self._seen: list[ranks.Seen] = []
        """The sizes and rates of encodings when they last arrived, by place in `offered`."""
        self._rival: tuple[int, ...] = ()
        """The last measured ranking. It replaces `ranking` if it is measured again."""

    @property
    def is_several(self) -> bool:
        return len(self.offered) > 1

    def offer(self, rids: tuple[str, ...]) -> bool:
        """Sets the encodings in the order of the offer. True: they changed, so ranks mean other encodings."""
        known = {rid: seen for rid, seen in zip(self.offered, self._seen, strict=True) if rid}
        before = [self.offered[place] for place in self.ranking]
        self.offered, self._rival = rids, ()
        self._seen = [known.get(rid, ranks.Seen()) for rid in rids]
        is_same = len(known) == len(rids) and sorted(before) == sorted(rids)
        if is_same:
            self.ranking = tuple(rids.index(rid) for rid in before)
        elif before != list(rids):
            self.ranking = ranks.ranked(self._seen, range(len(rids)))
        return not is_same and before != list(rids)

    def measure(self, layers: Iterable[LayerRate], whole: int) -> dict[int, int]:
        """Ranks the encodings by what arrives now. Returns the new ranks by the old ones; empty: unchanged.

        `whole`: pixels of the picture as its publisher declares; 0: unknown. If all encodings had arrived before, a
        different ranking must be seen twice, because keyframes of a new size arrive one after another.
        """
        is_new = False
        for rate in layers:
            place = rate.layer.spatial
            if not self.is_several or place >= len(self._seen):
                continue
            last = self._seen[place]
            is_new |= not last.is_known
            width, height = (rate.width, rate.height) if rate.width else (last.width, last.height)
            self._seen[place] = ranks.Seen(width, height, max(rate.bps, last.bps * ranks.FADES))
        ranking = ranks.ranked(self._seen, self.ranking, whole)
        if ranking == self.ranking or not (is_new or ranking == self._rival):
            self._rival = ranking
            return {}
        before, self.ranking = self.ranking, ranking
        return {rank: ranking.index(place) for rank, place in enumerate(before)}

    def rank(self, spatial: int) -> int:
        """Returns the rank of an encoding that the plane names. The plane orders spatial layers of SVC itself."""
        return self.ranking.index(spatial) if self.is_several and spatial < len(self.ranking) else spatial

    def place(self, rank: int) -> int:
        """Returns the plane's name of an encoding."""
        return self.ranking[rank] if self.is_several and rank < len(self.ranking) else rank

    def named(self, ladder: Iterable[Layer]) -> tuple[Layer, ...]:
        """Returns a ladder with the plane's names."""
        return tuple(Layer(self.place(rung.spatial), rung.temporal) for rung in ladder)

    def sizes(self) -> dict[int, tuple[int, int]]:
        """Width and height of each encoding when it last arrived, by rank."""
        seen = (self._seen[place] for place in self.ranking)
        return {rank: (of.width, of.height) for rank, of in enumerate(seen) if of.pixels}

    def known(self) -> frozenset[int]:
        """Ranks of the encodings that arrived once."""
        return frozenset(rank for rank, place in enumerate(self.ranking) if self._seen[place].is_known)

    def names(self) -> list[str]:
        """Names for messages, in the order of the offer: the RID, otherwise the place."""
        return [rid or f"#{place}" for place, rid in enumerate(self.offered, 1)]
