"""What a room forwards: its published tracks, and the wishes and slots of subscribers.

Changes only mark subscribers. `turn.py` applies them once per turn of the event loop.
"""

from collections.abc import Iterable, Mapping, Sequence

from sfu import explain
from sfu.context import Context
from sfu.errors import NotAllowed
from sfu.facts import Facts, PublishingChanged
from sfu.model import Kind, Wish, WishChanges
from sfu.plane import _native
from sfu.room.decisions import Decisions, States
from sfu.room.dynacast import EncodingRequests
from sfu.room.members import Members
from sfu.room.notes import Notes
from sfu.room.overview import Overview
from sfu.room.participant import Participant
from sfu.room.ranking import Ranking
from sfu.room.records import Records
from sfu.room.sound import Sound
from sfu.room.speech import Speech
from sfu.room.tracks import Track
from sfu.room.turn import Turn
from sfu.room.wishes import changed


class Forwarding:
    def __init__(
        self, context: Context, members: Members, facts: Facts, notes: Notes, records: Records, sound: Sound
    ) -> None:
        self.tracks: dict[str, Track] = {}
        """Published tracks by sid."""
        self.by_plane_id: dict[int, Track] = {}
        self._context = context
        self._members = members
        self._facts = facts
        self.speech = Speech(self.tracks, facts)
        self._publishers = EncodingRequests(members, facts, context.now, context.failures)
        self._sound = sound
        self._plane_ids: dict[str, int] = {}
        """The key of each track in `by_plane_id`, by sid."""
        self._mutes: dict[str, Track] = {}
        """Tracks that were muted or unmuted since the last `flush`, by sid."""
        self._audio_policy_changed = False
        """The audio policy of the room may have to be sent again."""
        self._loudest = 0
        self.ranking = Ranking(members, self.tracks, self.speech.spoke)
        self.overview = Overview(members, self.tracks, self.ranking, records)
        self._turn = Turn(context, members, facts, notes, self.tracks, self.ranking, self._publishers)

    def set_policy(self, last_n: int, on_stage: tuple[str, ...], loudest: int) -> None:
        """Sets which participants a large room shows and hears, see `RoomOptions`."""
        self._audio_policy_changed |= loudest != self._loudest
        self._loudest = loudest
        if self.ranking.set_policy(last_n, on_stage):
            self._turn.plan_all()

    # Tracks

    def publish(self, track: Track) -> None:
        self._index(track)
        self._publishers.publish(track)
        if track.primary is not None:
            self._turn.plan(track.primary.viewers)
            return
        self.tracks[track.sid] = track
        self._audio_policy_changed |= track.kind is Kind.AUDIO
        self._turn.plan_all()

    def withdraw(self, track: Track) -> None:
        if track.backup is not None:
            self.withdraw(track.backup)
        self._publishers.withdraw(track)
        self._mutes.pop(track.sid, None)
        self.by_plane_id.pop(self._plane_ids.pop(track.sid, 0), None)
        if track.primary is not None:
            self._turn.plan(track.primary.viewers)
        if self.tracks.pop(track.sid, None) is None:
            return
        self.ranking.reorder()
        self.speech.quiet(track)
        self._audio_policy_changed |= track.kind is Kind.AUDIO
        for participant in self._members:
            participant.viewing.forget(track)
        self._turn.plan(track.viewers)

    def move(self, track: Track) -> None:
        """Handles a track whose id in the plane changed."""
        self._audio_policy_changed |= track.kind is Kind.AUDIO
        self._index(track)
        self._publishers.request_again(track)
        self._turn.plan((track.primary or track).viewers)

    def reshape(self, track: Track) -> None:
        """Handles a track whose encodings changed, or their order: the same ladder may name other encodings now."""
        for sid in (track.primary or track).viewers:
            viewer = self._members.get(sid)
            if viewer is not None:
                viewer.viewing.rename(track)
        self._reconsider(track.primary or track)
        self._publishers.touch()

    def mute(self, track: Track) -> None:
        """Handles a track that was muted or unmuted. The plane stops its media for all subscribers at once."""
        self._audio_policy_changed |= track.kind is Kind.AUDIO
        if track.is_muted:
            self.speech.quiet(track)
        by = "a moderator" if track.silenced else track.identity if track.muted else ""
        self._note(track, explain.muted(by))
        self._mutes[track.sid] = track

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

    def subscribe(self, subscriber: Participant, tracks: Sequence[str], on: bool) -> None:
        """Subscribes to tracks by sid, or unsubscribes (`on` is False). A refused request changes nothing."""
        found = self._to_show(subscriber, tracks) if on else [self.overview.find(subscriber, sid) for sid in tracks]
        for track in found:
            subscriber.viewing.subscribe(track, on)
        self.touch(subscriber)

    def demand(
        self, subscriber: Participant, demands: Mapping[str, WishChanges], only: Sequence[str] | None = None
    ) -> None:
        """Changes wishes by track sid. `only`: of the present tracks, subscribes to these and unsubscribes from the
        others. A refused request changes nothing."""
        chosen = None if only is None else self._to_show(subscriber, only)
        wishes = subscriber.viewing.wishes
        found = [(self.overview.find(subscriber, sid), changes) for sid, changes in demands.items()]
        for track, wish in [(track, changed(wishes.of(track), **changes)) for track, changes in found]:
            self._show(subscriber, track, wish)
        if chosen is not None:
            for track in self.overview.visible_to(subscriber):
                if wishes.wants(track) is not (track in chosen):
                    subscriber.viewing.subscribe(track, track in chosen)
            self.touch(subscriber)

    def forget(self, subscriber: Participant) -> None:
        subscriber.viewing.clear()
        self._publishers.touch()
        self._turn.forget(subscriber.sid)
        self.speech.forget(subscriber)

    # Speaking

    def handle_levels(self, levels: Iterable[tuple[int, bytes]], now: float) -> None:
        heard = []
        for id, samples in levels:
            track = self.by_plane_id.get(id)
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
        self._audio_policy_changed |= self._loudest > 0

    def handle_timeout(self, now: float) -> None:
        self.speech.handle_timeout(now)
        self._publishers.handle_timeout()

    def has_work(self) -> bool:
        """Returns whether `flush` has work."""
        return self._audio_policy_changed or bool(self._mutes) or self._turn.has_work() or self._publishers.has_work()

    # The end of a turn

    def flush(self) -> None:
        """Applies the changes of this turn. If one subscriber fails, it is tried again in a later turn."""
        self._send_mutes()
        if self._audio_policy_changed:
            self._send_audio_policy()
        self._turn.flush()

    # Events of the plane

    def news(self, subscriber: Participant) -> None:
        """Marks a subscriber with slots that the plane reported about. `flush` reports them."""
        self._turn.report(subscriber.sid)

    def handle_layers(self, event: _native.Layers) -> Track | None:
        """Handles the measured layers of a track. Returns the track if its `TrackInfo` changed."""
        track = self.by_plane_id.get(event.track)
        if track is None:
            return None
        codec, shape, ranking = track.codec, track.shape(), track.simulcast.ranking
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
        )
        for change in changes:
            self._note(track, change)
        is_reshaped = track.shape() != shape
        if is_reshaped:
            # An encoding that never arrived is not stopped. This one can be stopped now.
            self._publishers.touch()
        decisions, states = Decisions(), States()
        for sid in (track.primary or track).viewers:
            viewer = self._members.get(sid)
            if viewer is None:
                continue
            try:
                self._update_layers(viewer, track, is_recoded=track.codec != codec, is_reshaped=is_reshaped)
                for state in viewer.reports.layers_news(track, decisions):
                    states.add(sid, state)
            except Exception as error:
                self._context.failures.note("subscriber", error, f"sid={sid}")
                self._turn.plan([sid])
        states.append_to(self._facts)
        return track if seen and track.primary is None else None

    def _update_layers(self, viewer: Participant, track: Track, *, is_recoded: bool, is_reshaped: bool) -> None:
        if is_recoded and viewer.current.handle_codec(track):
            self._turn.plan([viewer.sid])
        # Measured frame rates always vary. They matter only to subscribers that request a frame rate.
        if is_reshaped or viewer.viewing.wishes.of(track.primary or track).fps:
            self._update_choice(viewer, track.primary or track)

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

    def _to_show(self, subscriber: Participant, tracks: Sequence[str]) -> list[Track]:
        """Returns the tracks to subscribe to, by sid. Raises NotAllowed, NotFound."""
        if tracks and not subscriber.permissions.can_subscribe:
            raise NotAllowed("you may not subscribe in this room")
        return [self.overview.find(subscriber, sid) for sid in tracks]

    def _show(self, subscriber: Participant, track: Track, wish: Wish) -> None:
        before = subscriber.viewing.wishes.of(track)
        subscriber.viewing.demand(track, wish)
        self._update_choice(subscriber, track)
        if wish.visible != before.visible:
            # Visible tracks take precedence if there are too few sections.
            self.touch(subscriber)

    def _send_mutes(self) -> None:
        mutes, self._mutes = self._mutes, {}
        for track in mutes.values():
            try:
                self._send_mute(track)
            except Exception as error:
                # A later turn tries again.
                self._context.failures.note("mute", error, f"sid={track.owner}")
                self._mutes[track.sid] = track

    def _send_mute(self, track: Track) -> None:
        switched = track.is_stopped != track.is_muted
        if switched and track.plane_id is not None:
            self._context.binding.plane.set_muted(track.plane_id, track.is_muted)
        track.is_stopped = track.is_muted
        if track.backup is not None:
            self._send_mute(track.backup)
        for sid in track.viewers:
            viewer = self._members.get(sid)
            if viewer is not None:
                viewer.current.handle_mute(track, switched=switched)
                self._turn.report(sid)

    def _send_audio_policy(self) -> None:
        try:
            self._sound.update(self.ranking.by_join(), self.speech.dominant, self._loudest)
        except Exception as error:
            self._context.failures.note("sound", error)
        else:
            self._audio_policy_changed = False

    def _reconsider(self, track: Track) -> None:
        for sid in track.viewers:
            viewer = self._members.get(sid)
            if viewer is not None:
                self._update_choice(viewer, track)

    def _update_choice(self, viewer: Participant, track: Track) -> None:
        if viewer.viewing.reconsider(track):
            self._turn.decide(viewer.sid)

    def _note(self, track: Track, change: str) -> None:
        """Notes what the publisher does with a track or its backup."""
        backup_of = track.primary
        sid = (backup_of or track).sid
        self._facts.append(PublishingChanged(track.owner, sid, change, is_backup=backup_of is not None))

    def _index(self, track: Track) -> None:
        self.by_plane_id.pop(self._plane_ids.pop(track.sid, 0), None)
        if track.plane_id is not None:
            self.by_plane_id[track.plane_id] = track
            self._plane_ids[track.sid] = track.plane_id
        track.is_stopped = False
        if track.is_muted:
            self._mutes[track.sid] = track
