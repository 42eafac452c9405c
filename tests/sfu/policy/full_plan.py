"""The plan of one subscriber, computed from the whole state: slow and simple, as a reference for `sfu.policy.slots`."""

from collections.abc import Collection, Mapping, Sequence

from sfu.model import Kind, Source
from sfu.policy.slots import PARTNER, Claim


def choose(wanted: Sequence[Claim], unseen: Collection[str], last_n: int) -> list[Claim]:
    """Returns the tracks for one subscriber: visible ones first, and at most `last_n` video tracks (0: all)."""
    if unseen:
        wanted = sorted(wanted, key=lambda track: track.track in unseen)
    beyond = {track.track for track in [one for one in wanted if one.kind is Kind.VIDEO][last_n:]} if last_n else set()
    return [track for track in wanted if track.track not in beyond] if beyond else list(wanted)


def plan(
    wanted: Sequence[Claim],
    sections: Sequence[tuple[str, Kind]],
    present: Mapping[str, str | None],
) -> Mapping[str, str | None]:
    """Returns the track of each section, by mid. `wanted`: highest priority first. `sections`: mid and kind, in the
    order of the SDP.

    `present`: the tracks that sections show now. Tracks that are no longer wanted are removed.
    """
    columns: dict[Kind, list[str]] = {kind: [] for kind in Kind}
    for mid, kind in sections:
        columns[kind].append(mid)
    of_kind: dict[Kind, list[Claim]] = {kind: [] for kind in Kind}
    for track in wanted:
        of_kind[track.kind].append(track)
    chosen = {kind: of_kind[kind][: len(columns[kind])] for kind in Kind}

    keep = {track.track for tracks in chosen.values() for track in tracks}
    shown: dict[str, str | None] = {}
    place: dict[str, int] = {}
    for mids in columns.values():
        for index, mid in enumerate(mids):
            showing = present.get(mid)
            # A track is shown in one slot only, even if `present` has it twice.
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
    return shown


def _free_index(
    columns: Mapping[Kind, Sequence[str]], kind: Kind, shown: Mapping[str, str | None], preferred: int | None
) -> int:
    """Returns the preferred index if free, else one that is free in the other kind too, else the first free one."""
    other = columns[Kind.AUDIO if kind is Kind.VIDEO else Kind.VIDEO]
    free = [index for index, mid in enumerate(columns[kind]) if shown[mid] is None]
    if preferred in free and preferred is not None:
        return preferred
    for index in free:
        if index >= len(other) or shown[other[index]] is None:
            return index
    return free[0]
