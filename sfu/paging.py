"""Lists in pages, bounded by the requested number of entries and by the octets that one reply may have.

`next` of a page is `after` of the next request. It names a place, which stays valid when its entry is removed.
"""

import heapq
import re
from collections.abc import Callable, Iterable, Iterator
from json import JSONEncoder
from typing import TypeVar

from sfu import limits
from sfu.errors import InvalidRequest
from sfu.model import Order
from sfu.quoting import quote
from sfu.views import Explanation, ParticipantInfo, PublishedTrack, RoomInfo, SubscriptionInfo, TrackInfo

T = TypeVar("T")

ENTRY = 1024
"""Approximate octets of an entry without its texts and lists of variable length."""
_json = JSONEncoder(ensure_ascii=False).encode
PLACE = re.compile(r"([0-9]{1,15})\.([0-9]{1,15})", re.ASCII)


def by_name(names: Iterable[str], after: str, limit: int) -> list[str]:
    """Returns the names that a page may have, sorted, and one more."""
    return heapq.nsmallest(limit + 1, (name for name in names if name > after))


def by_order(entries: Iterable[tuple[Order, T]]) -> Iterator[tuple[str, T]]:
    return ((f"{joined}.{declared}", entry) for (joined, declared), entry in entries)


def order(after: str) -> Order:
    """Parses the place where the previous page ended. Raises InvalidRequest if it is none."""
    match = PLACE.fullmatch(after or "0.0")
    if match is None:
        raise InvalidRequest(f"the parameter after must be the `next` of the previous page, not {quote(after)}")
    return int(match[1]), int(match[2])


def page(entries: Iterable[tuple[str, T]], limit: int, weigh: Callable[[T], int]) -> tuple[list[T], str]:
    """Returns a page of these entries, each with its place, and the last place if there are more. At most one entry
    more than the page has is made."""
    found: list[T] = []
    last, weight = "", 0
    for place, entry in entries:
        if len(found) == limit or weight >= limits.LIST_OCTETS:
            return found, last
        found.append(entry)
        last, weight = place, weight + weigh(entry)
    return found, ""


# Returns the approximate octets of an entry in JSON; those of texts that clients choose are exact.


def of_room(room: RoomInfo) -> int:
    return ENTRY + octets(room.name) + octets(room.metadata) + octets(room.dominant_speaker) + _texts(room.on_stage)


def of_participant(participant: ParticipantInfo) -> int:
    attributes = _texts(participant.attributes) + _texts(participant.attributes.values())
    own = octets(participant.identity) + octets(participant.name) + octets(participant.metadata)
    return ENTRY + own + attributes + sum(map(_of_track, participant.tracks))


def of_track(track: PublishedTrack) -> int:
    return ENTRY + octets(track.participant) + _of_track(track.track) + _texts(track.subscribers)


def of_subscription(subscription: SubscriptionInfo) -> int:
    return ENTRY + octets(subscription.participant)


def of_explanation(explanation: Explanation) -> int:
    return ENTRY + octets(explanation.participant) + ENTRY // 4 * len(explanation.decisions)


def _of_track(track: TrackInfo) -> int:
    return ENTRY // 2 + octets(track.name) + octets(track.stream)


def octets(text: str) -> int:
    """Returns the octets of a text in JSON: of its UTF-8, with quotes and escape sequences."""
    return len(_json(text).encode(errors="surrogatepass"))


def _texts(texts: Iterable[str]) -> int:
    return sum(octets(text) + 2 for text in texts)
