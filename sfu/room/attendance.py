"""The attendance of a room: adds participants, and removes those who depart, are replaced, or were absent for too long.
Reports that participants joined, changed and left.
"""

from collections.abc import Callable
from contextlib import ExitStack

from sfu.context import Context
from sfu.facts import Facts, ParticipantChanged, ParticipantJoined, ParticipantLeft
from sfu.model import DisconnectReason, ParticipantKind
from sfu.room.admission import Admission
from sfu.room.forwarding import Forwarding
from sfu.room.members import Membership
from sfu.room.messaging import Messaging
from sfu.room.participant import Participant


class Attendance:
    def __init__(
        self,
        context: Context,
        membership: Membership,
        admission: Admission,
        forwarding: Forwarding,
        messaging: Messaging,
        facts: Facts,
        *,
        on_enter: Callable[[Participant], None],
        on_depart: Callable[[Participant], None],
        flush_soon: Callable[[], None],
    ) -> None:
        self._context = context
        self._membership = membership
        self._admission = admission
        self._forwarding = forwarding
        self._messaging = messaging
        self._facts = facts
        self._on_enter = on_enter
        self._on_depart = on_depart
        self._flush_soon = flush_soon
        self.was_entered = False
        """True if somebody has ever entered."""
        self.empty_since = context.now()
        """When the last participant departed, or the room was created."""

    def enter(self, participant: Participant) -> None:
        """Adds a participant. Another one with this identity is removed and receives the reason; a viewer is
        renamed."""
        present = self._membership.named(participant.identity)
        if present is not None and present.kind is ParticipantKind.VIEWER:
            self._membership.rename(present, self._admission.free_identity(present.grant.identity))
        elif present is not None:
            self.depart(present, DisconnectReason.DUPLICATE_IDENTITY)
        self._admission.begin(participant)
        self.was_entered = True
        self._membership.add(participant)
        self._on_enter(participant)
        self._messaging.expect(participant)
        self._facts.append(ParticipantJoined(participant.info()))

    def note(self, participant: Participant) -> None:
        """Reports that the `ParticipantInfo` changed."""
        participant.changed()
        self._facts.append(ParticipantChanged(participant.sid))

    def depart(self, participant: Participant, reason: DisconnectReason) -> None:
        """Removes a participant and everything it owns, even if a part of that fails."""
        if not self._membership.remove(participant):
            return
        self._on_depart(participant)
        participant.resume_secret = None
        self.empty_since = self._context.now()
        self._flush_soon()
        with ExitStack() as parts:
            # The callbacks run from the last to the first. All run, even if another one raises.
            parts.callback(self._note_departure, participant, reason)
            parts.callback(participant.transport.close)
            parts.callback(self._context.reading.forget, participant.sid)
            parts.callback(participant.channels.close)
            parts.callback(self._messaging.touch, participant)
            parts.callback(self._forwarding.forget, participant)
            for track in reversed(list(participant.tracks.values())):
                parts.callback(self._forwarding.withdraw, track)

    def clear(self, reason: DisconnectReason) -> None:
        """Removes everybody."""
        for participant in list(self._membership):
            with self._context.failures.contained("departure", f"sid={participant.sid}"):
                self.depart(participant, reason)

    def handle_timeout(self, now: float) -> None:
        """Removes participants who were absent for too long."""
        # Almost all are present in each tick.
        for participant in [one for one in self._membership if one.is_absent]:
            with self._context.failures.contained("departure", f"sid={participant.sid}"):
                self._handle_absence(participant, now)

    def _handle_absence(self, participant: Participant, now: float) -> None:
        at = participant.departs_at()
        if at is not None and at <= now:
            gone = participant.signals
            self.depart(participant, DisconnectReason.SIGNAL_CLOSE if gone else DisconnectReason.CONNECTION_TIMEOUT)

    def _note_departure(self, participant: Participant, reason: DisconnectReason) -> None:
        participant.disconnect_reason = reason
        participant.changed()
        self._facts.append(
            ParticipantLeft(participant.info(), reason, participant.is_hidden, participant.transport.octets())
        )
