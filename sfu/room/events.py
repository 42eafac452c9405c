"""What the plane reports about the participants of a room: switches, transports, layers, channels, messages, levels."""

import logging
from collections.abc import Callable, Sequence

from sfu.failures import Failures
from sfu.model import DisconnectReason
from sfu.negotiation.transport import MediaState
from sfu.plane import Event, _native
from sfu.policy.allocator import Link
from sfu.room.attendance import Attendance
from sfu.room.forwarding import Forwarding
from sfu.room.members import Members
from sfu.room.messaging import Messaging, unseal
from sfu.room.negotiations import Negotiations
from sfu.room.participant import Participant
from sfu.views import Network, ParticipantInfo

log = logging.getLogger(__name__)

OnMessage = Callable[[str, ParticipantInfo, bytes], None]
"""Receives the room, the sender and the payload of a message to the server."""


class Events:
    def __init__(
        self,
        room: str,
        members: Members,
        attendance: Attendance,
        forwarding: Forwarding,
        messaging: Messaging,
        negotiations: Negotiations,
        failures: Failures,
        flush_soon: Callable[[], None],
        on_message: OnMessage | None,
    ) -> None:
        self._room = room
        """The room's name."""
        self._members = members
        self._attendance = attendance
        self._forwarding = forwarding
        self._messaging = messaging
        self._negotiations = negotiations
        self._failures = failures
        self._flush_soon = flush_soon
        self._on_message = on_message

    def handle(self, sid: str, event: Event) -> None:
        """Handles an event about a participant, by sid."""
        participant = self._members.get(sid)
        if participant is None:
            return
        match event:
            # The most frequent one first.
            case _native.Switched():
                participant.current.handle_switched(event)
                self._forwarding.news(participant)
                self._flush_soon()
            case _native.TransportState():
                self._handle_transport(participant, event)
            case _native.Layers():
                if self._forwarding.arrivals.handle_layers(event) is not None:
                    self._attendance.note(participant)
                if self._forwarding.has_work():
                    self._flush_soon()
            case _native.Estimate():
                if event.transport == participant.transport.id:
                    self._handle_estimate(participant, event)
            case _native.Refused():
                self._forwarding.refuse(participant, event)
                self._flush_soon()
            case _native.ChannelState():
                if event.transport == participant.transport.id and participant.channels.handle_state(event):
                    self._messaging.touch(participant)
                    self._flush_soon()
            case _native.Message():
                if self._on_message is not None:
                    self._hand_over(self._on_message, participant, unseal(event.payload))
            case _native.Buffered():
                log.debug("data waits: sid=%s octets=%d", sid, event.octets)
            case _:
                log.debug("an event that concerns no participant: %s", type(event).__name__)

    def handle_levels(self, levels: Sequence[tuple[int, bytes]], now: float) -> None:
        """Handles audio levels, by the id of the track in the plane."""
        self._forwarding.handle_levels(levels, now)
        if self._forwarding.has_work():
            self._flush_soon()

    def _handle_transport(self, participant: Participant, event: _native.TransportState) -> None:
        if event.transport != participant.transport.id:
            return
        state = MediaState(event.state)
        participant.handle_media(state)
        if state in (MediaState.FAILED, MediaState.CLOSED):
            log.info("media %s: room=%s sid=%s why=%s", state, self._room, participant.sid, event.reason)
            if not participant.signals:
                failed = state is MediaState.FAILED
                self._attendance.depart(
                    participant, DisconnectReason.MEDIA_FAILURE if failed else DisconnectReason.CLIENT_INITIATED
                )
                return
            self._negotiations.lose(participant, event.reason)
        self._attendance.note(participant)

    def _handle_estimate(self, participant: Participant, event: _native.Estimate) -> None:
        queue, round_trip = event.queue * 1_000, event.round_trip * 1_000
        participant.network = Network(
            event.estimate,
            event.budget,
            event.throughput,
            queue,
            event.loss,
            event.loss_limited,
            round_trip,
            event.silent,
        )
        if event.silent:
            # The plane has stopped video by itself. When feedback is back it reports again.
            return
        if event.throughput is None and not participant.bandwidth.is_estimated:
            # Without transport-wide feedback no throughput is ever known. Such an estimate is made from reports, of
            # which none come while nothing is sent: video that is paused would stay so.
            return
        self._forwarding.estimate(participant, Link(event.estimate, queue, event.loss, round_trip))
        if self._forwarding.has_work():
            self._flush_soon()

    def _hand_over(self, on_message: OnMessage, participant: Participant, payload: bytes) -> None:
        try:
            on_message(self._room, participant.info(), payload)
        except Exception as error:
            self._failures.note("on_message", error, f"room={self._room} sid={participant.sid}")
