"""A room: a group of participants who may receive one another. It is assigned to one worker of the plane.

Changes are only marked. `flush` reports them once per turn of the event loop: if fifty participants join in one turn,
each of them receives one message.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Unpack

from sfu import names
from sfu.context import Context
from sfu.errors import LimitExceeded
from sfu.facts import (
    CommandDone,
    DrainStarted,
    Facts,
    ParticipantChanged,
    Reader,
    RoomChanged,
    RoomFinished,
    RoomStarted,
)
from sfu.model import Candidate, DisconnectReason, EndReason, RoomChanges, RoomOptions, new_sid
from sfu.quotas import Quotas
from sfu.revocations import Revocations
from sfu.room.admission import Admission
from sfu.room.attendance import Attendance
from sfu.room.events import Events, OnMessage
from sfu.room.forwarding import Forwarding
from sfu.room.journal import Journal
from sfu.room.members import Members, Membership
from sfu.room.messaging import Messaging
from sfu.room.moderation import Moderation
from sfu.room.negotiations import Negotiations
from sfu.room.notes import Notes
from sfu.room.participant import Participant
from sfu.room.records import Records
from sfu.room.sound import Sound
from sfu.views import AdminCommand, RoomInfo


class Room:
    """Makes the parts of a room, ends its turns, and keeps its options.

    `admission` makes participants who may enter, `attendance` adds and removes them, and `members` finds them.
    `negotiations` applies their offers, and `moderation` their changes. `forwarding` decides who is shown which track.
    `events` handles what the plane reports.
    """

    def __init__(
        self,
        context: Context,
        name: str,
        options: RoomOptions,
        *,
        worker: int,
        candidates: tuple[Candidate, ...],
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
        members = Membership(self.name)
        self.members: Members = members
        facts = self._facts = Facts(self.sid, context.failures, context.milliseconds, lambda: soon(self))
        self._sound = Sound(context, worker, self.sid)
        notes, records = Notes(context.milliseconds), Records()
        self.forwarding = Forwarding(context, members, facts, notes, records, self._sound)
        self.forwarding.set_policy(options.last_n, options.on_stage, options.loudest)
        self._messaging = Messaging(context.binding, members, context.failures, worker, self.sid)
        facts.readers += (Journal(self.name).read, records.read, *readers)
        self.admission = Admission(context, self.name, members, revocations, notes, worker, candidates)
        self.admission.set_policy(options.locked, options.max_participants)
        self.attendance = Attendance(
            context,
            members,
            self.admission,
            self.forwarding,
            self._messaging,
            facts,
            on_enter=self._handle_entered,
            on_depart=self._handle_departed,
            flush_soon=self.flush_soon,
        )
        self.negotiations = Negotiations(self.attendance, self.forwarding, self._messaging, facts, self.flush_soon)
        self.moderation = Moderation(
            context, self.name, members, self.attendance, self.forwarding, self._messaging, facts, revocations
        )
        self.events = Events(
            self.name,
            members,
            self.attendance,
            self.forwarding,
            self._messaging,
            self.negotiations,
            context.failures,
            self.flush_soon,
            on_message,
        )
        self._context = context
        self._quotas = quotas
        self.key = key
        """The API key that created the room."""
        self._by_participant = by_participant
        """The room of every participant of the service, by sid."""
        self._soon = soon
        self.is_requested = False
        """True: a request made it, and not a join."""
        self.is_kept = False
        """True if the service lists the room. A room that nobody entered may not be listed."""

    # Views and reports

    @property
    def readers(self) -> list[Reader]:
        """The readers that receive the facts of each turn."""
        return self._facts.readers

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
            num_participants=self.members.visible_count,
            num_publishers=sum(p is not None and not p.is_hidden for p in publishers),
            dominant_speaker=dominant.owner if dominant is not None else "",
        )

    @property
    def participants(self) -> Mapping[str, Participant]:
        """Participants by identity, in the order they joined."""
        return self.members.by_identity

    def report_again(self, participant: Participant) -> None:
        """Reports slots and own tracks again, because the client starts from a snapshot and lost the earlier
        reports."""
        self.forwarding.report_again(participant)
        self.flush_soon()

    def report_participant(self, sid: str) -> None:
        """Reports a participant again, because a reader failed to process it."""
        self._facts.append(ParticipantChanged(sid))

    def note_start(self) -> None:
        """Reports that the service lists the room."""
        self._facts.append(RoomStarted(self.name, self.created_at))

    def note_command(self, command: AdminCommand) -> None:
        """Reports a command that was carried out."""
        self._facts.append(CommandDone(command))

    def note_end(self, reason: EndReason) -> None:
        """Reports that the room was closed."""
        self._facts.append(RoomFinished(reason))

    def note_drain(self, deadline: int) -> None:
        """Reports that the service removes everybody at `deadline`, in ms since the epoch."""
        self._facts.append(DrainStarted(deadline))

    # Options and data

    def update(self, **changes: Unpack[RoomChanges]) -> None:
        """Changes the options. A value of None leaves the option unchanged."""
        given = {name: value for name, value in changes.items() if value is not None}
        options = replace(self.options, **given)  # type: ignore[arg-type]  # the names are those of RoomChanges
        if options == self.options:
            return
        self.options = names.room_options(options)
        self.admission.set_policy(options.locked, options.max_participants)
        self.forwarding.set_policy(options.last_n, options.on_stage, options.loudest)
        self._facts.append(RoomChanged())
        self.flush_soon()

    def send_data(self, payload: bytes, *, reliable: bool = True, to: Sequence[str] | None = None) -> int:
        """Sends a message to everybody or to these identities. Returns the number of receivers with a channel for
        it."""
        limit = self._context.config.data.message
        if len(payload) > limit:
            raise LimitExceeded(f"a message has at most {limit} octets, this one has {len(payload)}")
        receivers = list(self.members) if to is None else [self.members.find(name) for name in to]
        return self._messaging.send(receivers, payload, reliable=reliable)

    # Time

    def handle_timeout(self, now: float) -> None:
        failures = self._context.failures
        # A part that fails in every tick must not keep participants in the room.
        with failures.contained("tick", f"room={self.name}"):
            self.forwarding.handle_timeout(now)
        with failures.contained("tick", f"room={self.name}"):
            self.admission.handle_timeout(now)
        with failures.contained("tick", f"room={self.name}"):
            if self._has_work():
                # This includes work that failed in an earlier turn.
                self.flush_soon()
        self.attendance.handle_timeout(now)

    def expires_at(self) -> float | None:
        """Returns when the room expires. None: it is not empty."""
        if len(self.members):
            return None
        timeout = self.options.departure_timeout if self.attendance.was_entered else self.options.empty_timeout
        return self.attendance.empty_since + timeout

    def close(self, reason: DisconnectReason) -> None:
        self.attendance.clear(reason)
        self._sound.close()
        self._messaging.close()

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

    def _handle_entered(self, participant: Participant) -> None:
        self._by_participant[participant.sid] = self
        self._quotas.enter(participant.grant.key)

    def _handle_departed(self, participant: Participant) -> None:
        self._by_participant.pop(participant.sid, None)
        self._quotas.leave(participant.grant.key)
