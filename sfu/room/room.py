"""A room: a group of participants who may receive one another. It is assigned to one worker of the plane.

Changes are only marked. `flush` reports them once per turn of the event loop: if fifty participants join in one turn,
each of them receives one message.
"""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Unpack

from sfu import names
from sfu.context import Context
from sfu.errors import LimitExceeded, NotFound
from sfu.facts import (
    DrainStarted,
    Facts,
    ParticipantChanged,
    ParticipantJoined,
    ParticipantLeft,
    Reader,
    RoomChanged,
)
from sfu.failures import Failures
from sfu.model import Client, DisconnectReason, Grant, ParticipantKind, RoomChanges, RoomOptions, new_sid
from sfu.negotiation.transport import MediaState
from sfu.plane import Event, _native
from sfu.quotas import Quotas
from sfu.quoting import quote
from sfu.revocations import Revocations
from sfu.room.admission import Admission
from sfu.room.forwarding import Forwarding
from sfu.room.journal import Journal
from sfu.room.members import Members, Membership
from sfu.room.messaging import Messaging, unseal
from sfu.room.moderation import Moderation
from sfu.room.negotiations import Negotiations
from sfu.room.notes import Notes
from sfu.room.participant import Participant
from sfu.room.records import Records
from sfu.room.sound import Sound
from sfu.views import ParticipantInfo, RoomInfo

log = logging.getLogger(__name__)

OnMessage = Callable[[str, ParticipantInfo, bytes], None]
"""Receives the room, the sender and the payload of a message to the server."""


class Room:
    def __init__(
        self,
        context: Context,
        name: str,
        options: RoomOptions,
        *,
        worker: int,
        candidates: tuple[tuple[str, int], ...],
        revocations: Revocations,
        quotas: Quotas,
        key: str,
        by_participant: dict[str, "Room"],
        soon: Callable[["Room"], None],
        on_message: OnMessage | None,
        readers: Sequence[Reader] = (),
    ) -> None:
        self.name = names.room_name(name)
        self.sid = new_sid("RM")
        self.options = names.room_options(options)
        self.made_with = options
        self.worker = worker
        self.created_at = context.milliseconds()
        self._membership = Membership()
        self.members: Members = self._membership
        self._facts = Facts(self.sid, context.failures, context.milliseconds, lambda: soon(self))
        self._sound = Sound(context, worker, self.sid)
        self._notes, records = Notes(context.milliseconds), Records()
        self.forwarding = Forwarding(context, self.members, self._facts, self._notes, records, self._sound)
        self.forwarding.set_policy(options.last_n, options.on_stage, options.loudest)
        self._messaging = Messaging(context.binding, self.members, context.failures, worker, self.sid)
        self._facts.readers += (Journal(self.name).read, records.read, *readers)
        self._admission = Admission(context, self.name, self.members, revocations)
        self.moderation = Moderation(
            context, self.name, self.forwarding, self._messaging, self._facts, self._note, revocations
        )
        self.negotiations = Negotiations(self.forwarding, self._messaging, self._facts, self._note, self.flush_soon)
        self._context = context
        self._candidates = candidates
        self._revocations = revocations
        self._quotas = quotas
        self.key = key
        """The API key that created the room."""
        self._by_participant = by_participant
        """The room of every participant of the service, by sid."""
        self._soon = soon
        self._on_message = on_message
        self._order = 0
        self._was_entered = False
        self.is_kept = False
        """True if the service lists the room. A room that nobody entered may not be listed."""
        self._empty_since = context.now()

    # Views

    @property
    def readers(self) -> list[Reader]:
        """The readers that receive the facts of each turn."""
        return self._facts.readers

    @property
    def failures(self) -> Failures:
        return self._context.failures

    def info(self) -> RoomInfo:
        publishers = map(self.members.get, {track.owner for track in self.forwarding.tracks.values()})
        dominant = self.forwarding.speech.dominant
        return RoomInfo(
            sid=self.sid,
            name=self.name,
            created_at=self.created_at,
            max_participants=self.options.max_participants,
            empty_timeout=self.options.empty_timeout,
            departure_timeout=self.options.departure_timeout,
            metadata=self.options.metadata,
            locked=self.options.locked,
            last_n=self.options.last_n,
            on_stage=self.options.on_stage,
            loudest=self.options.loudest,
            num_participants=len(self.members.visible()),
            num_publishers=sum(p is not None and not p.is_hidden for p in publishers),
            dominant_speaker=dominant.owner if dominant is not None else "",
        )

    @property
    def participants(self) -> Mapping[str, Participant]:
        """Participants by identity, in the order they joined."""
        return self.members.by_identity

    def participant(self, identity: str) -> Participant:
        found = self.members.named(identity)
        if found is None:
            raise NotFound(f"there is no participant {quote(identity)} in the room {quote(self.name)}")
        return found

    # Participants

    def prepare(
        self,
        grant: Grant,
        kind: ParticipantKind,
        *,
        auto_subscribe: bool = True,
        only: str | None = None,
        client: Client | None = None,
        via: str | None = None,
    ) -> Participant:
        """Returns a new participant that may `enter`. Raises if the room is locked or full, or the token revoked."""
        identity = self._admission.admit(grant, kind, self.options)
        self._order += 1
        return Participant(
            self._context,
            grant,
            kind,
            self._notes,
            identity=identity,
            worker=self.worker,
            order=self._order,
            # The address that the client has reached once is the most likely to be reachable again.
            candidates=tuple(sorted(self._candidates, key=lambda candidate: candidate[0] != via)),
            auto_subscribe=auto_subscribe,
            only=only,
            client=client,
        )

    def enter(self, participant: Participant) -> None:
        """Adds a participant. Another one with this identity is removed and receives the reason; a viewer is
        renamed."""
        present = self.members.named(participant.identity)
        if present is not None and present.kind is ParticipantKind.VIEWER:
            self._membership.rename(present, self._admission.free_identity(present.grant.identity))
        elif present is not None:
            self.depart(present, DisconnectReason.DUPLICATE_IDENTITY)
        self._admission.begin(participant)
        self._was_entered = True
        self._membership.add(participant)
        self._by_participant[participant.sid] = self
        self._quotas.enter(participant.grant.key)
        self.negotiations.expect_data(participant)
        self._facts.append(ParticipantJoined(participant.sid, participant.identity, participant.kind))

    def remove(self, identity: str, reason: DisconnectReason = DisconnectReason.PARTICIPANT_REMOVED) -> None:
        """Removes a participant for a moderator, together with all viewers who share the token, and revokes earlier
        tokens. A viewer with a numbered identity (`ada#2`) is removed alone, and the token stays valid."""
        present = self.members.named(identity)
        gone = [present] if present is not None and present.shares_token else self._sessions_of(identity)
        for participant in gone or [self.participant(identity)]:
            if participant.grant.identity == identity:
                self.moderation.revoke(participant)
            self.depart(participant, reason)

    def _sessions_of(self, identity: str) -> list[Participant]:
        return [p for p in self.members if p.grant.identity == identity]

    def depart(self, participant: Participant, reason: DisconnectReason) -> None:
        """Removes a participant and everything it owns, even if a part of that fails."""
        if not self._membership.remove(participant):
            return
        self._by_participant.pop(participant.sid, None)
        self._quotas.leave(participant.grant.key)
        participant.resume_secret = None
        self._empty_since = self._context.now()
        self.flush_soon()
        with ExitStack() as parts:
            # The callbacks run from the last to the first. All run, even if another one raises.
            parts.callback(self._note_departure, participant, reason)
            parts.callback(participant.transport.close)
            parts.callback(self._context.reading.forget, participant.sid)
            parts.callback(participant.channels.close)
            parts.callback(self._messaging.touch, participant)
            parts.callback(self.forwarding.forget, participant)
            for track in reversed(list(participant.tracks.values())):
                parts.callback(self.forwarding.withdraw, track)

    def close(self, reason: DisconnectReason) -> None:
        for participant in list(self.members):
            try:
                self.depart(participant, reason)
            except Exception as error:
                self._context.failures.note("departure", error, f"sid={participant.sid}")
        self._sound.close()
        self._messaging.close()

    def expires_at(self) -> float | None:
        """Returns when the room expires. None: it is not empty."""
        if len(self.members):
            return None
        return self._empty_since + (self.options.departure_timeout if self._was_entered else self.options.empty_timeout)

    def report_again(self, participant: Participant) -> None:
        """Reports slots and own tracks again, because the client starts from a snapshot and lost the earlier
        reports."""
        self.forwarding.report_again(participant)
        self.flush_soon()

    def report_participant(self, sid: str) -> None:
        """Reports a participant again, because a reader failed to process it."""
        self._facts.append(ParticipantChanged(sid))

    def note_drain(self, deadline: int) -> None:
        """Reports that the service removes everybody at `deadline`, in ms since the epoch."""
        self._facts.append(DrainStarted(deadline))

    def note_token(self, participant: Participant, issued: float, expires: float, jti: str = "") -> None:
        """Records a token that was sent to the participant, in seconds since the epoch. Revocations must outlast it."""
        self._revocations.renew(self.name, participant.grant, jti)
        participant.grant = replace(participant.grant, issued=issued, expires=math.ceil(expires), jti=jti)

    # Options

    def update(self, **changes: Unpack[RoomChanges]) -> None:
        """Changes the options. A value of None leaves the option unchanged."""
        given = {name: value for name, value in changes.items() if value is not None}
        options = replace(self.options, **given)  # type: ignore[arg-type]  # the names are those of RoomChanges
        if options == self.options:
            return
        self.options = names.room_options(options)
        self.forwarding.set_policy(options.last_n, options.on_stage, options.loudest)
        self._facts.append(RoomChanged())
        self.flush_soon()

    # Data

    def send_data(self, payload: bytes, *, reliable: bool = True, to: Sequence[str] | None = None) -> int:
        """Sends a message to everybody or to these identities. Returns the number of receivers with a channel for
        it."""
        limit = self._context.config.data.message
        if len(payload) > limit:
            raise LimitExceeded(f"a message has at most {limit} octets, this one has {len(payload)}")
        receivers = list(self.members) if to is None else [self.participant(name) for name in to]
        return self._messaging.send(receivers, payload, reliable=reliable)

    # Events of the plane

    def handle_event(self, sid: str, event: Event) -> None:
        participant = self.members.get(sid)
        if participant is None:
            return
        match event:
            # The most frequent one first.
            case _native.Switched():
                participant.viewing.handle_switched(event)
                self.forwarding.news(participant)
                self.flush_soon()
            case _native.TransportState():
                self._handle_transport(participant, event)
            case _native.Layers():
                if self.forwarding.handle_layers(event) is not None:
                    self._note(participant)
                if self.forwarding.has_work():
                    self.flush_soon()
            case _native.Refused():
                self.forwarding.refuse(participant, event)
                self.flush_soon()
            case _native.ChannelState():
                if event.transport == participant.transport.id and participant.channels.handle_state(event):
                    self._messaging.touch(participant)
                    self.flush_soon()
            case _native.Message():
                if self._on_message is not None:
                    self._hand_over(self._on_message, participant, unseal(event.payload))
            case _native.Buffered():
                log.debug("data waits: sid=%s octets=%d", sid, event.octets)
            case _:
                log.debug("an event that concerns no participant: %s", type(event).__name__)

    def handle_levels(self, levels: Sequence[tuple[int, bytes]], now: float) -> None:
        self.forwarding.handle_levels(levels, now)
        if self.forwarding.has_work():
            self.flush_soon()

    def handle_timeout(self, now: float) -> None:
        failures = self._context.failures
        # A part that fails in every tick must not keep participants in the room.
        with failures.contained("tick", f"room={self.name}"):
            self.forwarding.handle_timeout(now)
        with failures.contained("tick", f"room={self.name}"):
            self._admission.handle_timeout(now)
        with failures.contained("tick", f"room={self.name}"):
            if self._has_work():
                # This includes work that failed in an earlier turn.
                self.flush_soon()
        for participant in list(self.members):
            with failures.contained("departure", f"sid={participant.sid}"):
                self._handle_absence(participant, now)

    # The end of a turn

    def flush_soon(self) -> None:
        """Calls `flush` at the end of this turn of the loop."""
        self._soon(self)

    def flush(self) -> None:
        """Applies the changes of this turn and passes the facts to their readers."""
        for part in (self.forwarding, self._messaging, self._facts):
            try:
                part.flush()
            except Exception as error:
                self._context.failures.note("turn", error, f"room={self.name}")

    # Internal

    def _has_work(self) -> bool:
        return self.forwarding.has_work() or self._messaging.has_work() or self._facts.is_pending

    def _handle_absence(self, participant: Participant, now: float) -> None:
        at = participant.departs_at()
        if at is not None and at <= now:
            gone = participant.signals
            self.depart(participant, DisconnectReason.SIGNAL_CLOSE if gone else DisconnectReason.CONNECTION_TIMEOUT)

    def _hand_over(self, on_message: OnMessage, participant: Participant, payload: bytes) -> None:
        try:
            on_message(self.name, participant.info(), payload)
        except Exception as error:
            self._context.failures.note("on_message", error, f"room={self.name} sid={participant.sid}")

    def _note(self, participant: Participant) -> None:
        """Reports that the `ParticipantInfo` changed."""
        participant.changed()
        self._facts.append(ParticipantChanged(participant.sid))

    def _note_departure(self, participant: Participant, reason: DisconnectReason) -> None:
        participant.disconnect_reason = reason
        participant.changed()
        self._facts.append(ParticipantLeft(participant.info(), reason, participant.is_hidden))

    def _handle_transport(self, participant: Participant, event: _native.TransportState) -> None:
        if event.transport != participant.transport.id:
            return
        state = MediaState(event.state)
        participant.handle_media(state)
        if state in (MediaState.FAILED, MediaState.CLOSED):
            log.info("media %s: room=%s sid=%s why=%s", state, self.name, participant.sid, event.reason)
            if not participant.signals:
                failed = state is MediaState.FAILED
                self.depart(
                    participant, DisconnectReason.MEDIA_FAILURE if failed else DisconnectReason.CLIENT_INITIATED
                )
                return
            self.negotiations.lose(participant, event.reason)
        self._note(participant)
