"""Assigns tracks to receive sections: from wanted and shown tracks to the new assignment and the missing sections.

If there are too few sections, the order is: participants on stage, shared screens, the last speakers, the first to
join. Visible tracks precede all that are not visible. A track keeps its slot, so that nothing on a screen jumps. Audio
and camera of one participant prefer slots of the same index: browsers treat the n-th audio and the n-th video section
as one stream and play them in sync.
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
    """The tracks to show to one subscriber, or to all with the same wishes and numbers of sections."""

    wanted: tuple[Wanted, ...]
    """Tracks with a section, highest priority first."""
    tracks: frozenset[str]
    """The ids of `wanted`. While these are equal, the plan is equal, because a track keeps its slot."""
    missing: tuple[int, int]
    """The numbers of wanted and visible tracks without a section: audio and video."""
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
    """Returns the tracks for one subscriber: visible ones first, and at most `last_n` video tracks (0: all)."""
    if unseen:
        wanted = sorted(wanted, key=lambda track: track.track in unseen)
    beyond = {track.track for track in [one for one in wanted if one.kind is Kind.VIDEO][last_n:]} if last_n else set()
    return [track for track in wanted if track.track not in beyond] if beyond else list(wanted)


def select(wanted: Sequence[Wanted], unseen: Collection[str], last_n: int, sections: tuple[int, int]) -> Selection:
    """Returns the selection of one subscriber. `wanted`: highest priority first. `sections`: numbers of audio and
    video."""
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
    """Returns the track of each section, by mid. `wanted`: highest priority first. `sections`: mid and kind, in the
    order of the SDP.

    `present`: the tracks that sections show now. Tracks that are no longer wanted are removed.
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
    """Returns the preferred index if free, else one that is free in the other kind too, else the first free one."""
    other = columns[Kind.AUDIO if kind is Kind.VIDEO else Kind.VIDEO]
    free = [index for index, mid in enumerate(columns[kind]) if shown[mid] is None]
    if preferred in free and preferred is not None:
        return preferred
    for index in free:
        if index >= len(other) or shown[other[index]] is None:
            return index
    return free[0]
