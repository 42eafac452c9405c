"""The published tracks as they arrive at the plane: their ids there, and the consequences of their measured layers."""

from collections.abc import Mapping

from sfu import explain
from sfu.facts import Facts, PublishingChanged
from sfu.failures import Failures
from sfu.model import Layer, Rate
from sfu.plane import _native
from sfu.room.decisions import Decisions, States
from sfu.room.dynacast import EncodingRequests
from sfu.room.members import Members
from sfu.room.participant import Participant
from sfu.room.tracks import Track
from sfu.room.turn import Turn


class Arrivals:
    def __init__(
        self, members: Members, facts: Facts, failures: Failures, publishers: EncodingRequests, turn: Turn
    ) -> None:
        self.by_plane_id: dict[int, Track] = {}
        """The tracks that the plane receives, including backups."""
        self._members = members
        self._facts = facts
        self._failures = failures
        self._publishers = publishers
        self._turn = turn
        self._plane_ids: dict[str, int] = {}
        """The key of each track in `by_plane_id`, by sid."""

    def index(self, track: Track) -> None:
        """Records the id of a track in the plane."""
        self.withdraw(track)
        if track.plane_id is not None:
            self.by_plane_id[track.plane_id] = track
            self._plane_ids[track.sid] = track.plane_id

    def withdraw(self, track: Track) -> None:
        self.by_plane_id.pop(self._plane_ids.pop(track.sid, 0), None)

    def handle_layers(self, event: _native.Layers) -> Track | None:
        """Handles the measured layers of a track. Returns the track if its `TrackInfo` changed."""
        track = self.by_plane_id.get(event.track)
        if track is None:
            return None
        codec, shape, ranking, rates = track.codec, track.shape(), track.simulcast.ranking, track.rates
        seen = track.handle_layers(event)
        if track.simulcast.ranking != ranking:
            self._rerank(track, ranking)
        alive = {at.spatial for at in track.rates}
        unwanted = {spatial for spatial in range(len(track.simulcast.offered)) if not track.is_wanted(spatial)}
        changes = track.publishing.arriving(
            track.codec,
            alive,
            unwanted=unwanted,
            encrypted=event.encrypted,
            deaf=event.deaf,
            surplus=event.surplus,
            lacks_parameters=event.lacks_parameters,
            loss=event.loss,
            round_trip=event.round_trip,
        )
        for change in changes:
            self._note(track, change)
        is_reshaped = track.shape() != shape
        if is_reshaped:
            # An encoding that never arrived is not stopped. This one can be stopped now.
            self._publishers.touch()
        is_repriced = _is_repriced(rates, track.rates)
        decisions, states = Decisions(), States()
        for sid in (track.primary or track).viewers:
            viewer = self._members.get(sid)
            if viewer is None:
                continue
            if is_repriced:
                viewer.bandwidth.touch()
            try:
                self._update_layers(viewer, track, is_recoded=track.codec != codec, is_reshaped=is_reshaped)
                states.add(sid, viewer.reports.layers_news(track, decisions))
            except Exception as error:
                self._failures.note("subscriber", error, f"sid={sid}")
                self._turn.plan([sid])
        states.append_to(self._facts)
        return track if seen and track.primary is None else None

    def _update_layers(self, viewer: Participant, track: Track, *, is_recoded: bool, is_reshaped: bool) -> None:
        if is_recoded and viewer.current.handle_codec(track):
            self._turn.plan([viewer.sid])
        # Measured frame rates always vary. They matter only to subscribers that request a frame rate.
        if is_reshaped or viewer.viewing.wishes.of(track.primary or track).fps:
            self._turn.decide(viewer, track.primary or track)

    def _rerank(self, track: Track, before: tuple[int, ...]) -> None:
        """Handles a new ranking of the encodings."""
        moved = {rank: track.simulcast.rank(place) for rank, place in enumerate(before)}
        offered = track.simulcast.names()
        names = [offered[place] for place in track.simulcast.ranking]
        track.publishing.rerank(moved)
        self._note(track, explain.reranked(names, offered))
        for sid in (track.primary or track).viewers:
            viewer = self._members.get(sid)
            if viewer is not None:
                viewer.current.rerank(track, moved)

    def _note(self, track: Track, change: str) -> None:
        """Notes what the publisher does with a track or its backup."""
        backup_of = track.primary
        sid = (backup_of or track).sid
        self._facts.append(PublishingChanged(track.owner, sid, change, is_backup=backup_of is not None))


REPRICED = 0.1
"""The relative change of a bit rate that lets subscribers allocate their bandwidth again soon."""


def _is_repriced(before: Mapping[Layer, Rate], after: Mapping[Layer, Rate]) -> bool:
    return before.keys() != after.keys() or any(
        abs(rate.bps - before[layer].bps) > before[layer].bps * REPRICED for layer, rate in after.items()
    )
