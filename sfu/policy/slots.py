"""Which track each receive section shows: what is wanted and what is shown -> what to show, and what is missing.

Who comes first, where not all have a place: who is on stage, shared screens, who spoke last, who joined first; and what
is visible before all that is not. A track keeps its slot, so that nothing on a screen jumps. Audio and camera of one
participant prefer the slots of the same index: the n-th audio and the n-th video section are one stream for the
browser, which plays them in sync.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sfu.model import Kind, Source

SCREEN = (Source.SCREEN_SHARE, Source.SCREEN_SHARE_AUDIO)
PARTNER = {
    Source.CAMERA: Source.MICROPHONE,
    Source.MICROPHONE: Source.CAMERA,
    Source.SCREEN_SHARE: Source.SCREEN_SHARE_AUDIO,
    Source.SCREEN_SHARE_AUDIO: Source.SCREEN_SHARE,
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A track that a subscriber wants. Ids are the caller's."""

    track: str
    participant: str
    kind: Kind
    source: Source


@dataclass(frozen=True, slots=True)
class Selection:
    """What one subscriber, or all of the same wishes and number of sections, are to be shown."""

    wanted: tuple[Wanted, ...]
    """Those for which there are sections, most wanted first."""
    tracks: frozenset[str]
    """Their ids. While these are the same, so is the plan: a track keeps its slot."""
    missing: tuple[int, int]
    """Wanted and visible tracks that have no section, of audio and of video."""
    last_n: int
    beyond: frozenset[str] = frozenset()
    """Ids of wanted tracks that `last_n` excludes."""


NOTHING = Selection((), frozenset(), (0, 0), 0)


def order(tracks: Sequence[Wanted], on_stage: Mapping[str, int], spoke: Mapping[str, int]) -> list[Wanted]:
    """Orders tracks by priority, for all subscribers of the room. `tracks` are in the order in which their participants
    joined.

    `on_stage`: participants and their rank, lowest first. `spoke`: participants and when they last were the dominant
    speaker, as a number that grows.
    """
    last = len(on_stage)
    return sorted(
        tracks,
        key=lambda track: (
            on_stage.get(track.participant, last),
            track.source not in SCREEN,
            -spoke.get(track.participant, 0),
        ),
    )


def choose(wanted: Sequence[Wanted], unseen: Collection[str], last_n: int) -> list[Wanted]:
    """Of the ordered tracks, those for one subscriber: what it sees first, and at most `last_n` of video (0: all)."""
    if unseen:
        wanted = sorted(wanted, key=lambda track: track.track in unseen)
    beyond = {track.track for track in [one for one in wanted if one.kind is Kind.VIDEO][last_n:]} if last_n else set()
    return [track for track in wanted if track.track not in beyond] if beyond else list(wanted)


def select(wanted: Sequence[Wanted], unseen: Collection[str], last_n: int, sections: tuple[int, int]) -> Selection:
    """`wanted`, most wanted first, and the numbers of sections, audio and video -> what one subscriber is shown."""
    chosen = choose(wanted, unseen, last_n)
    audio = [track for track in chosen if track.kind is Kind.AUDIO]
    video = [track for track in chosen if track.kind is Kind.VIDEO]
    places = (audio[: sections[0]], video[: sections[1]])
    without = (audio[sections[0] :], video[sections[1] :])
    shown = tuple(track for tracks in places for track in tracks)
    return Selection(
        wanted=shown,
        tracks=frozenset(track.track for track in shown),
        missing=(_seen(without[0], unseen), _seen(without[1], unseen)),
        last_n=last_n,
        beyond=frozenset(t.track for t in wanted) - {t.track for t in chosen} if last_n else frozenset(),
    )


def plan(
    wanted: Sequence[Wanted],
    sections: Sequence[tuple[str, Kind]],
    present: Mapping[str, str | None],
) -> Mapping[str, str | None]:
    """`wanted`, most wanted first, and `sections` (mid and kind, in the order of the SDP) -> the track of each, by mid.

    `present` is what they show now; a track in it that is no longer wanted is taken out.
    """
    columns: dict[Kind, list[str]] = {kind: [] for kind in Kind}
    for mid, kind in sections:
        columns[kind].append(mid)
    of_kind: dict[Kind, list[Wanted]] = {kind: [] for kind in Kind}
    for track in wanted:
        of_kind[track.kind].append(track)
    chosen = {kind: of_kind[kind][: len(columns[kind])] for kind in Kind}

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
    return shown


def growth(missing: int, sections: int, limit: int) -> int:
    """Returns how many sections to request: a quarter more than needed, so that a room fills with few new offers."""
    if missing == 0:
        return 0
    return max(0, min(missing + sections // 4, limit - sections))


def _seen(tracks: Sequence[Wanted], unseen: Collection[str]) -> int:
    return sum(1 for track in tracks if track.track not in unseen) if unseen else len(tracks)


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
