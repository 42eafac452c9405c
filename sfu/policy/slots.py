"""Assigns tracks to receive sections: from wanted and shown tracks to the new assignment and the missing sections.

If there are too few sections, the order is: participants of `on_stage`, shared screens, the last speakers, the first to
join. Visible tracks precede all that are not visible. A track keeps its slot, so that nothing on a screen jumps. Audio
and camera of one participant prefer slots of the same index: browsers treat the n-th audio and the n-th video section
as one stream and play them in sync.
"""

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from sfu.model import Kind, Source

SCREEN = (Source.SCREEN_SHARE, Source.SCREEN_SHARE_AUDIO)
PARTNER = {
    Source.CAMERA: Source.MICROPHONE,
    Source.MICROPHONE: Source.CAMERA,
    Source.SCREEN_SHARE: Source.SCREEN_SHARE_AUDIO,
    Source.SCREEN_SHARE_AUDIO: Source.SCREEN_SHARE,
}


@dataclass(frozen=True, slots=True)
class Claim:
    """A track that a subscriber wants. Ids are the caller's."""

    track: str
    participant: str
    kind: Kind
    source: Source


class Column:
    """The tracks of one kind that subscribers want, highest priority first. It never changes."""

    __slots__ = ("_partners", "_places", "claims", "ids")

    def __init__(self, claims: Iterable[Claim]) -> None:
        self.claims = tuple(claims)
        self.ids = tuple([claim.track for claim in self.claims])
        self._places = {id: place for place, id in enumerate(self.ids)}
        self._partners = {(claim.participant, claim.source): claim.track for claim in self.claims}

    def without(self, own: Iterable[str]) -> tuple[str, ...]:
        """Returns the tracks except for a subscriber's own ones, which are few."""
        ids, places = self.ids, self._places
        for place in sorted([places[id] for id in own if id in places], reverse=True):
            ids = ids[:place] + ids[place + 1 :]
        return ids

    def among(self, tracks: Iterable[str]) -> list[Claim]:
        """Returns those of few tracks that are of this kind."""
        places = self._places
        return [self.claims[place] for place in sorted([places[id] for id in tracks if id in places])]

    def partner(self, track: Claim) -> str | None:
        """Returns the track of this kind that is played in sync with a track of the other one."""
        source = PARTNER.get(track.source)
        return self._partners.get((track.participant, source)) if source is not None else None


class Ranked(NamedTuple):
    """The tracks that a subscriber wants, by kind."""

    audio: Column
    video: Column


class Selection(NamedTuple):
    """The tracks to show to one subscriber, or to all with the same wishes and numbers of sections."""

    wanted: Ranked
    """All wanted tracks."""
    tracks: frozenset[str]
    """The tracks with a section. While these are equal, the plan is equal, because a track keeps its slot."""
    missing: tuple[int, int]
    """The numbers of wanted and visible tracks without a section: audio and video."""
    last_n: int
    beyond: frozenset[str] = frozenset()
    """Ids of wanted tracks that `last_n` excludes."""


NOTHING = Selection(Ranked(Column(()), Column(())), frozenset(), (0, 0), 0)


def order(tracks: Sequence[Claim], on_stage: Mapping[str, int], spoke: Mapping[str, int]) -> list[Claim]:
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


def ranked(wanted: Iterable[Claim], unseen: Collection[str] = ()) -> Ranked:
    """Returns the wanted tracks by kind. `wanted`: highest priority first. Tracks in `unseen` are not visible and come
    last."""
    if unseen:
        wanted = sorted(wanted, key=lambda track: track.track in unseen)
    audio: list[Claim] = []
    video: list[Claim] = []
    for track in wanted:
        (audio if track.kind is Kind.AUDIO else video).append(track)
    return Ranked(Column(audio), Column(video))


def select(
    wanted: Ranked,
    last_n: int,
    sections: tuple[int, int],
    *,
    own: Collection[str] = (),
    unseen: Collection[str] = (),
) -> Selection:
    """Returns the selection of one subscriber.

    `last_n`: the most video tracks (0: all). `sections`: numbers of audio and video. `own`: tracks of the subscriber
    itself, which it is not shown.
    """
    audio, video = wanted.audio.without(own), wanted.video.without(own)
    most, (hears, sees) = last_n or len(video), sections
    return Selection(
        wanted,
        frozenset(audio[:hears] + video[: min(most, sees)]),
        (_visible(audio[hears:], unseen), _visible(video[sees:most], unseen)),
        last_n,
        frozenset(video[most:]),
    )


class Layout:
    """The tracks in the sections of subscribers. It never changes, so that all subscribers may share it who have the
    same sections and are shown the same."""

    __slots__ = ("__weakref__", "_codecs", "_mids", "_places", "_shown", "tracks")

    def __init__(
        self,
        mids: tuple[tuple[str, ...], ...],
        shown: tuple[tuple[str | None, ...], ...],
        places: Mapping[str, tuple[int, int]],
        tracks: frozenset[str],
        codecs: tuple[tuple[frozenset[str], ...], ...],
    ) -> None:
        self._codecs = codecs
        """What each of `mids` can decode."""
        self._mids = mids
        """Of the audio sections, then of the video sections, in the order of the SDP."""
        self._shown = shown
        """The tracks of `mids`."""
        self._places = places
        """Kind, as an index of `shown`, and index of the section of each track."""
        self.tracks = tracks
        """All tracks that are shown."""

    @classmethod
    def of(
        cls,
        sections: Iterable[tuple[str, Kind]],
        present: Mapping[str, str | None],
        codecs: Mapping[str, frozenset[str]] = MappingProxyType({}),
    ) -> "Layout":
        """`sections`: mid and kind, in the order of the SDP. `present`: the tracks that they show, by mid. `codecs`:
        what they can decode, by mid."""
        mids: tuple[list[str], list[str]] = ([], [])
        shown: tuple[list[str | None], list[str | None]] = ([], [])
        places: dict[str, tuple[int, int]] = {}
        for mid, kind in sections:
            column, track = COLUMNS[kind], present.get(mid)
            # A track is shown in one slot only, even if `present` has it twice.
            if track in places:
                track = None
            if track is not None:
                places[track] = (column, len(mids[column]))
            mids[column].append(mid)
            shown[column].append(track)
        decodable = tuple(tuple([codecs.get(mid, frozenset()) for mid in of_kind]) for of_kind in mids)
        return cls(tuple(map(tuple, mids)), tuple(map(tuple, shown)), places, frozenset(places), decodable)

    @property
    def key(self) -> Hashable:
        """Equal layouts have equal keys."""
        return (self._mids, self._shown, self._codecs)

    def shown(self) -> dict[str, str | None]:
        """Returns the track of each section, by mid."""
        columns = zip(self._mids, self._shown, strict=True)
        return {mid: track for mids, tracks in columns for mid, track in zip(mids, tracks, strict=True)}

    def fit(self, selection: Selection) -> tuple["Layout", dict[str, Claim | None]]:
        """Returns the layout that shows the selected tracks, for which there are sections, and no others; and the
        changed sections, by mid."""
        now = selection.tracks
        shown = tuple(map(list, self._shown))
        places = dict(self._places)
        changed: dict[str, Claim | None] = {}
        for gone in sorted(self.tracks - now):
            kind, index = places.pop(gone)
            shown[kind][index] = None
            changed[self._mids[kind][index]] = None
        added = now - self.tracks
        if added:
            audio, video = selection.wanted
            # A microphone takes the place of its camera.
            for track, others in (
                *[(one, audio) for one in video.among(added)],
                *[(one, video) for one in audio.among(added)],
            ):
                kind, partner = COLUMNS[track.kind], others.partner(track)
                preferred = places.get(partner) if partner is not None else None
                index = _free_index(shown[kind], shown[1 - kind], preferred[1] if preferred is not None else None)
                places[track.track] = (kind, index)
                shown[kind][index] = track.track
                changed[self._mids[kind][index]] = track
        return Layout(self._mids, tuple(map(tuple, shown)), places, now, self._codecs), changed


COLUMNS = {Kind.AUDIO: 0, Kind.VIDEO: 1}


def _free_index(shown: Sequence[str | None], other: Sequence[str | None], preferred: int | None) -> int:
    """Returns the preferred index if free, else one that is free in the other kind too, else the first free one."""
    if preferred is not None and preferred < len(shown) and shown[preferred] is None:
        return preferred
    index = first = shown.index(None)
    while index < len(other) and other[index] is not None:
        try:
            index = shown.index(None, index + 1)
        except ValueError:
            return first
    return index


def growth(missing: int, sections: int, limit: int) -> int:
    """Returns how many sections to request: a quarter more than needed, so that a room fills with few new offers."""
    if missing == 0:
        return 0
    return max(0, min(missing + sections // 4, limit - sections))


def _visible(tracks: Sequence[str], unseen: Collection[str]) -> int:
    return sum(1 for track in tracks if track not in unseen) if unseen else len(tracks)
