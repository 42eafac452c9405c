"""Views of a room's tracks: the published tracks, and the state of each subscription with its reasons."""

from collections.abc import Iterator, Mapping
from typing import Any

from sfu.errors import NotFound
from sfu.model import FIRST, Order
from sfu.quoting import quote
from sfu.room.members import Members
from sfu.room.participant import Participant
from sfu.room.ranking import Ranking
from sfu.room.records import Records
from sfu.room.tracks import MIME, Track
from sfu.views import BackupInfo, Explanation, PublishedTrack, SubscriptionInfo, TrackDetails, TrackViewer


class Overview:
    def __init__(self, members: Members, tracks: Mapping[str, Track], ranking: Ranking, records: Records) -> None:
        self._members = members
        self._tracks = tracks
        """Published tracks by sid. The room owns this mapping."""
        self._ranking = ranking
        self._records = records

    def find(self, subscriber: Participant, sid: str) -> Track:
        """Returns a track that is visible to the subscriber. Raises NotFound."""
        track = self._tracks.get(sid)
        if track is None or track.owner == subscriber.sid or self._ranking.is_hidden(track):
            raise NotFound(f"there is no track {quote(sid)} to subscribe to")
        return track

    def visible_to(self, subscriber: Participant) -> list[Track]:
        """Returns all tracks visible to the subscriber, in the order their publishers joined."""
        tracks = self._ranking.by_join()
        return [track for track in tracks if track.owner != subscriber.sid and not self._ranking.is_hidden(track)]

    def undecodable(self, subscriber: Participant) -> tuple[list[Track], list[Track]]:
        """Returns, of the wanted tracks with sections of their kind, those that it cannot decode, and all."""
        return subscriber.viewing.undecodable(self.visible_to(subscriber))

    def subscriptions(self, subscriber: Participant, after: Order = FIRST) -> Iterator[tuple[Order, SubscriptionInfo]]:
        """Yields the subscription of each visible track `after` this order. It is a generator: a list may be long."""
        for track in self.visible_to(subscriber):
            if track.order > after:
                yield track.order, subscriber.reports.view(track)

    def explain(self, subscriber: Participant, after: Order = FIRST) -> Iterator[tuple[Order, Explanation]]:
        """Yields the explanation of each visible track `after` this order: why it is sent as it is."""
        may_subscribe = subscriber.permissions.can_subscribe
        for track in self.visible_to(subscriber):
            if track.order > after:
                yield track.order, subscriber.reports.explain(track, self._records, may_subscribe=may_subscribe)

    def published(self, after: Order = FIRST) -> Iterator[tuple[Order, PublishedTrack]]:
        for track in self._ranking.by_join():
            if track.order > after:
                yield track.order, PublishedTrack(**self._published(track))

    def details(self, sid: str) -> TrackDetails:
        """Raises NotFound if the track is not published."""
        track = self.find_published(sid)
        layers = [TrackViewer(viewer.identity, viewer.current.layer_of(track)) for viewer in self._viewers(track)]
        return TrackDetails(
            **self._published(track), viewers=tuple(layers), loss=track.loss, round_trip=track.round_trip
        )

    def find_published(self, sid: str) -> Track:
        """Raises NotFound if the track is not published."""
        track = self._tracks.get(sid)
        if track is None:
            raise NotFound(f"there is no published track {quote(sid)}")
        return track

    def _published(self, track: Track) -> Mapping[str, Any]:
        """Returns the fields of a `PublishedTrack`."""
        return {
            "participant": track.identity,
            "track": track.info(),
            "encodings": track.encodings(),
            "subscribers": tuple(viewer.identity for viewer in self._viewers(track)),
            "paused": track.requested is not None and track.requested.paused,
            "backup": _backup(track),
        }

    def _viewers(self, track: Track) -> list[Participant]:
        """Returns the visible participants that have the track in a slot."""
        viewers = [viewer for sid in track.viewers if (viewer := self._members.get(sid)) is not None]
        return [viewer for viewer in viewers if not viewer.is_hidden]


def _backup(track: Track) -> BackupInfo | None:
    backup = track.backup
    if backup is None:
        return None
    return BackupInfo(MIME[backup.codec], backup.is_needed, backup.is_flowing)
