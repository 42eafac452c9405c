"""Which track each receive section shows: what is wanted and what is shown -> what to show, and what is missing.

A track keeps its slot, so that nothing on a screen jumps. Audio and camera of one participant prefer the slots of the
same index: the n-th audio and the n-th video section are one stream for the browser, which plays them in sync. Where
there are fewer sections than tracks, a shared screen goes before cameras, then the order of `wanted` decides.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sfu.model import Kind, Source

PARTNER = {
    Source.CAMERA: Source.MICROPHONE,
    Source.MICROPHONE: Source.CAMERA,
    Source.SCREEN_SHARE: Source.SCREEN_SHARE_AUDIO,
    Source.SCREEN_SHARE_AUDIO: Source.SCREEN_SHARE,
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A track somebody wants to see or hear. Ids are the caller's."""

    track: str
    participant: str
    kind: Kind
    source: Source


@dataclass(frozen=True, slots=True)
class Plan:
    shown: Mapping[str, str | None]
    """Every section, by mid, and its track."""
    missing: Mapping[Kind, int]
    """Wanted tracks without a section."""


def plan(wanted: Sequence[Wanted], sections: Sequence[tuple[str, Kind]], present: Mapping[str, str | None]) -> Plan:
    """`wanted`, most wanted first, and `sections` (mid and kind, in the order of the SDP) -> what each shows.

    `present` is what they show now; a track in it that is no longer wanted is taken out.
    """
    columns = {kind: [mid for mid, of in sections if of is kind] for kind in Kind}
    chosen = {kind: _first(wanted, kind, len(columns[kind])) for kind in Kind}
    wanted_of = {kind: sum(1 for track in wanted if track.kind is kind) for kind in Kind}

    keep = {track.track for tracks in chosen.values() for track in tracks}
    shown: dict[str, str | None] = {}
    place: dict[str, int] = {}
    for mids in columns.values():
        for index, mid in enumerate(mids):
            showing = present.get(mid)
            # A track shows in one slot only, also if the caller's map says otherwise.
            if showing not in keep or showing in place:
                showing = None
            shown[mid] = showing
            if showing is not None:
                place[showing] = index

    by_source = {(track.participant, track.source): track.track for tracks in chosen.values() for track in tracks}
    for kind in (Kind.VIDEO, Kind.AUDIO):
        for track in chosen[kind]:
            if track.track in place:
                continue
            partner = by_source.get((track.participant, PARTNER.get(track.source, Source.UNKNOWN)))
            index = _free_index(columns, kind, shown, place.get(partner) if partner else None)
            shown[columns[kind][index]] = track.track
            place[track.track] = index
    missing = {kind: wanted_of[kind] - len(chosen[kind]) for kind in Kind}
    return Plan(shown, missing)


def growth(missing: int, sections: int, limit: int) -> int:
    """How many more sections to ask for: a quarter in reserve, so that a room of N fills with few re-offers each."""
    if missing == 0:
        return 0
    return max(0, min(missing + sections // 4, limit - sections))


def _first(wanted: Sequence[Wanted], kind: Kind, count: int) -> list[Wanted]:
    of_kind = [track for track in wanted if track.kind is kind]
    of_kind.sort(key=lambda track: track.source is not Source.SCREEN_SHARE)
    return of_kind[:count]


def _free_index(
    columns: Mapping[Kind, Sequence[str]], kind: Kind, shown: Mapping[str, str | None], preferred: int | None
) -> int:
    """The preferred index if it is free; else one whose twin of the other kind is free too; else the first free one."""
    other = columns[Kind.AUDIO if kind is Kind.VIDEO else Kind.VIDEO]
    free = [index for index, mid in enumerate(columns[kind]) if shown[mid] is None]
    if preferred in free and preferred is not None:
        return preferred
    for index in free:
        if index >= len(other) or shown[other[index]] is None:
            return index
    return free[0]
