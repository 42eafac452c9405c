"""The last offer of each participant, within a budget: an offer often repeats most sections of the one before it."""

from collections import Counter, OrderedDict

from sfu.negotiation.body import Body
from sfu.negotiation.sdp import SessionDescription

SECTION_WEIGHT = 4096
"""Octets, roughly, of a section without its text and its body, and of its answer."""


class Previous:
    """Offers by participant. `budget`: the maximum octets of all, roughly. A body that several offers share counts
    once, because the sections of a browser share theirs."""

    def __init__(self, budget: int) -> None:
        self.weight = 0
        self._budget = budget
        self._kept: OrderedDict[str, SessionDescription] = OrderedDict()
        self._bodies: Counter[Body] = Counter()
        """How many sections have a body."""

    def __len__(self) -> int:
        return len(self._kept)

    def find(self, owner: str) -> SessionDescription | None:
        """Returns the last offer of a participant. None: there is none, or it was dropped for others."""
        return self._kept.get(owner)

    def keep(self, owner: str, offer: SessionDescription) -> None:
        """Replaces the last offer of a participant. Drops the oldest offers of others to stay within the budget. An
        offer of more than a sixteenth of the budget is not kept."""
        self.drop(owner)
        own = _own_weight(offer)
        if own + sum(body.weight for body in {section.body for section in offer.sections}) > self._budget // 16:
            return
        self._kept[owner] = offer
        self.weight += own
        for section in offer.sections:
            if not self._bodies[section.body]:
                self.weight += section.body.weight
            self._bodies[section.body] += 1
        while self.weight > self._budget:
            self.drop(next(iter(self._kept)))

    def drop(self, owner: str) -> None:
        offer = self._kept.pop(owner, None)
        if offer is None:
            return
        self.weight -= _own_weight(offer)
        for section in offer.sections:
            self._bodies[section.body] -= 1
            if not self._bodies[section.body]:
                del self._bodies[section.body]
                self.weight -= section.body.weight


def _own_weight(offer: SessionDescription) -> int:
    # A character of Latin script takes one octet, others up to four.
    texts = (offer.session, *offer.sections)
    return sum(len(part.text) * (1 if part.text.isascii() else 4) for part in texts) + SECTION_WEIGHT * len(texts)
