"""What a room forwards: its published tracks, and which changes concern which subscribers.

Changes only mark subscribers. `turn.py` applies them once per turn of the event loop.
"""

from collections.abc import Iterable

from sfu.context import Context
from sfu.facts import Facts
from sfu.model import Kind
from sfu.plane import _native
from sfu.policy.allocator import Link
from sfu.room.arrivals import Arrivals
from sfu.room.bandwidth import Bandwidth
from sfu.room.dynacast import EncodingRequests
from sfu.room.members import Members
from sfu.room.mutes import Mutes
from sfu.room.notes import Notes
from sfu.room.overview import Overview
from sfu.room.participant import Participant
from sfu.room.ranking import Ranking
from sfu.room.records import Records
from sfu.room.requests import SubscriptionRequests
from sfu.room.sound import Sound
from sfu.room.speech import Speech
from sfu.room.tracks import Track
from sfu.room.turn import Turn


class Forwarding:
    def __init__(
        self, context: Context, members: Members, facts: Facts, notes: Notes, records: Records, sound: Sound
    ) -> None:
        self.tracks: dict[str, Track] = {}
        """Published tracks by sid."""
        self._members = members
        self._bandwidths: dict[str, Bandwidth] = {}
        """The bandwidths that are estimated, by the sid of their subscriber."""
        self.speech = Speech(self.tracks, facts)
        self._publishers = EncodingRequests(members, facts, context.now, context.failures)
        self._sound = sound
        self.ranking = Ranking(members, self.tracks, self.speech.spoke)
        self.overview = Overview(members, self.tracks, self.ranking, records)
        self._turn = Turn(context, members, facts, notes, self.tracks, self.ranking, self._publishers)
        self._mutes = Mutes(context, members, facts, self._turn)
        self.requests = SubscriptionRequests(self.overview, self._turn)
        self.arrivals = Arrivals(members, facts, context.failures, self._publishers, self._turn)

    def set_policy(self, last_n: int, on_stage: tuple[str, ...], loudest: int) -> None:
        """Sets which participants a large room shows and hears, see `RoomOptions`."""
        self._sound.set_loudest(loudest)
        if self.ranking.set_policy(last_n, on_stage):
            self._turn.plan_all()
            self._reweigh()

    # Tracks

    def publish(self, track: Track) -> None:
        self.arrivals.index(track)
        self._mutes.add(track)
        self._publishers.publish(track)
        if track.primary is not None:
            self._turn.plan(track.primary.viewers)
            return
        self.tracks[track.sid] = track
        self._sound.touch(track)
        self._turn.plan_all()

    def withdraw(self, track: Track) -> None:
        if track.backup is not None:
            self.withdraw(track.backup)
        self._publishers.withdraw(track)
        self._mutes.withdraw(track)
        self.arrivals.withdraw(track)
        if track.primary is not None:
            self._turn.plan(track.primary.viewers)
        if self.tracks.pop(track.sid, None) is None:
            return
        self.ranking.reorder()
        self.speech.quiet(track)
        self._sound.touch(track)
        for participant in self._members:
            participant.viewing.forget(track)
        self._turn.plan(track.viewers)

    def move(self, track: Track) -> None:
        """Handles a track whose id in the plane changed."""
        self._sound.touch(track)
        self.arrivals.index(track)
        self._mutes.add(track)
        self._publishers.request_again(track)
        self._turn.plan((track.primary or track).viewers)

    def reshape(self, track: Track) -> None:
        """Handles a track whose encodings changed, or their order: the same ladder may name other encodings now."""
        primary = track.primary or track
        for sid in primary.viewers:
            viewer = self._members.get(sid)
            if viewer is not None:
                viewer.viewing.rename(track)
                self._turn.decide(viewer, primary)
        self._publishers.touch()

    def mute(self, track: Track) -> None:
        """Handles a track that was muted or unmuted. The plane stops its media for all subscribers at once."""
        self._sound.touch(track)
        if track.is_muted:
            self.speech.quiet(track)
        self._mutes.change(track)

    def owner_changed(self, publisher: Participant) -> None:
        """Handles a publisher that was hidden or became visible."""
        if publisher.is_hidden:
            for track in publisher.tracks.values():
                self.speech.quiet(track)
        self._turn.plan_all()

    # Subscribers

    def report_again(self, member: Participant) -> None:
        """Reports slots and own tracks again, because the client starts from a snapshot and lost the earlier
        reports."""
        member.viewing.report_again()
        for track in member.tracks.values():
            self._publishers.request_again(track)
        self.touch(member)

    def refuse(self, subscriber: Participant, event: _native.Refused) -> None:
        """Handles a slot whose track the plane cannot send. The subscriber may need a backup."""
        subscriber.current.handle_refused(event)
        self.touch(subscriber)
        self.news(subscriber)

    def touch(self, subscriber: Participant) -> None:
        """Marks a subscriber whose sections, wishes or permissions changed."""
        self._turn.plan([subscriber.sid])

    def forget(self, subscriber: Participant) -> None:
        subscriber.viewing.clear()
        self._publishers.touch()
        self._turn.forget(subscriber.sid)
        self._bandwidths.pop(subscriber.sid, None)
        self.speech.forget(subscriber)

    # Bandwidth

    def estimate(self, subscriber: Participant, link: Link) -> None:
        """Handles an estimate of what a subscriber's network carries. If that is less than what is sent, `flush`
        allocates at once, otherwise in a later turn."""
        self._bandwidths[subscriber.sid] = subscriber.bandwidth
        if subscriber.bandwidth.estimate(link):
            self._turn.reallocate(subscriber.sid)

    def _reweigh(self) -> None:
        """Handles tracks that are now more or less important than others."""
        for bandwidth in self._bandwidths.values():
            bandwidth.touch()

    # Speaking

    def handle_levels(self, levels: Iterable[tuple[int, bytes]], now: float) -> None:
        heard = []
        for id, samples in levels:
            track = self.arrivals.by_plane_id.get(id)
            if (
                track is not None
                and track.kind is Kind.AUDIO
                and not track.is_muted
                and not self.ranking.is_hidden(track)
            ):
                heard.append((track, samples))
        if not self.speech.record(heard, now):
            return
        self._turn.plan_all()
        self._reweigh()
        self._sound.handle_dominant()

    def handle_timeout(self, now: float) -> None:
        self.speech.handle_timeout(now)
        self._publishers.handle_timeout()
        for sid, bandwidth in self._bandwidths.items():
            if bandwidth.due() <= now:
                self._turn.reallocate(sid)

    def has_work(self) -> bool:
        """Returns whether `flush` has work."""
        return self._sound.has_work() or self._mutes.has_work() or self._turn.has_work() or self._publishers.has_work()

    # The end of a turn

    def flush(self) -> None:
        """Applies the changes of this turn. If one subscriber fails, it is tried again in a later turn."""
        self._mutes.flush()
        if self._sound.has_work():
            self._sound.flush(self.ranking.by_join(), self.speech.dominant)
        self._turn.flush()

    # Events of the plane

    def news(self, subscriber: Participant) -> None:
        """Marks a subscriber with slots that the plane reported about. `flush` reports them."""
        self._turn.report(subscriber.sid)
