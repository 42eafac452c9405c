"""The consequences of offers and of ended transports for a room: which tracks it has, and who is reached by data."""

from collections.abc import Callable, Mapping

from sfu.facts import Facts, TrackMuted, TrackPublished, TrackUnpublished
from sfu.negotiation.sdp import SessionDescription
from sfu.room.attendance import Attendance
from sfu.room.forwarding import Forwarding
from sfu.room.messaging import Messaging
from sfu.room.participant import Participant
from sfu.room.publications import Outcome


class Negotiations:
    def __init__(
        self,
        attendance: Attendance,
        forwarding: Forwarding,
        messaging: Messaging,
        facts: Facts,
        flush_soon: Callable[[], None],
    ) -> None:
        self._attendance = attendance
        self._forwarding = forwarding
        self._messaging = messaging
        self._facts = facts
        self._flush_soon = flush_soon

    def offer(self, participant: Participant, offer: SessionDescription, named: Mapping[str, str]) -> Outcome:
        """Answers an offer and applies its consequences."""
        before = participant.state
        outcome = participant.answer(offer, named)
        self.follow(participant, outcome)
        if outcome.withdrawn or outcome.published or participant.state is not before:
            self._attendance.note(participant)
        return outcome

    def follow(self, participant: Participant, outcome: Outcome) -> None:
        """Applies the consequences of an answered offer for other participants."""
        for track in outcome.withdrawn:
            self._forwarding.withdraw(track)
            if track.primary is None:
                self._facts.append(TrackUnpublished(participant.sid, track.sid, "its m-section no longer sends"))
        for track in outcome.published:
            self._forwarding.publish(track)
            if track.primary is None:
                self._facts.append(TrackPublished(participant.sid, track.info()))
                if track.silenced:
                    # Its source was muted before it was published.
                    self._facts.append(TrackMuted(participant.sid, track.sid, is_muted=True, by_moderator=True))
        for track in outcome.moved:
            self._forwarding.move(track)
        for track in outcome.reshaped:
            self._forwarding.reshape(track)
        self._messaging.touch(participant)
        self._forwarding.touch(participant)
        self._flush_soon()

    def lose(self, participant: Participant, reason: str) -> None:
        """Withdraws the tracks of a participant whose transport ended. It may offer them again."""
        self._messaging.touch(participant)
        for track in participant.lose_transport():
            self._forwarding.withdraw(track)
            if track.primary is None:
                self._facts.append(TrackUnpublished(participant.sid, track.sid, reason, is_kept=True))
        self._messaging.expect(participant)
