"""What the participants of a room are told over their WebSockets: a reader of facts that speaks our own protocol.

Who is new, has changed or has left is told in one message a turn, before all else: a room of fifty that fills in one
turn is one message for each of them.
"""

from collections.abc import Iterable, Mapping, Sequence

from sfu import facts
from sfu.context import Context
from sfu.model import DisconnectReason, ParticipantInfo, SubscriptionState
from sfu.room.participant import Participant
from sfu.room.room import Room
from sfu.signalling import messages
from sfu.signalling.outbox import LEFT, Tail, weigh

REASONS: Mapping[DisconnectReason, tuple[str, bool]] = {
    DisconnectReason.CLIENT_INITIATED: ("you left", False),
    DisconnectReason.DUPLICATE_IDENTITY: ("somebody joined with your identity, and takes your place", False),
    DisconnectReason.SERVER_SHUTDOWN: ("this server stops: join again elsewhere, or in a while", True),
    DisconnectReason.PARTICIPANT_REMOVED: ("you were removed from the room", False),
    DisconnectReason.ROOM_DELETED: ("the room was closed", False),
    DisconnectReason.SIGNAL_CLOSE: ("your connection was gone for too long", True),
    DisconnectReason.CONNECTION_TIMEOUT: ("your media was gone for too long", True),
    DisconnectReason.MEDIA_FAILURE: ("your media connection failed", True),
    DisconnectReason.JOIN_FAILURE: ("you were not let in", False),
}
"""What a participant that leaves is told, and whether to join again."""


class View:
    """Of one room. It holds the tail of every participant that signals."""

    def __init__(self, context: Context, room: Room) -> None:
        self._context = context
        self._room = room
        self._members = room.members
        self._failures = context.failures
        self._tails: dict[str, Tail] = {}
        """By sid, also of those who have left and were not told yet."""
        self._failed: dict[str, None] = {}
        """Sids of participants that could not be described."""

    def tail(self, participant: Participant) -> Tail:
        """Where its messages go: from the first call on, until it has left."""
        return self._tails.setdefault(participant.sid, Tail(self._context.config.outbox))

    def joined(self, participant: Participant, *, resumed: bool = False) -> messages.Joined:
        """All that a client starts from."""
        others = (p for p in self._members if p is not participant and not p.is_hidden)
        config = self._context.config
        return messages.Joined(
            room=self._room.info(),
            you=participant.info(),
            participants=tuple(p.info() for p in others),
            resume_secret=participant.resume_secret or "",
            server=messages.ServerInfo(version=config.version, resume_window=config.resume_window),
            slots=participant.viewing.shown(),
            resumed=resumed,
        )

    def poll_failed(self) -> Iterable[str]:
        """Sids of participants that could not be described since the last call: the others have to hear of them."""
        failed, self._failed = self._failed, {}
        return failed

    def read(self, entries: Sequence[facts.Entry]) -> None:
        told = [entry.fact for entry in entries]
        self._tell_participants(told)
        if any(isinstance(fact, facts.RoomChanged) for fact in told):
            self._tell_all(messages.Room(self._room.info()))
        for fact in told:
            self._tell(fact)

    def _tell_participants(self, told: Iterable[facts.Fact]) -> None:
        changed: dict[str, None] = {}
        gone: list[ParticipantInfo] = []
        for fact in told:
            match fact:
                case facts.ParticipantJoined(sid=sid) | facts.ParticipantChanged(sid=sid):
                    changed[sid] = None
                case facts.ParticipantHidden(info=info) | facts.ParticipantLeft(info=info, was_hidden=False):
                    gone.append(info)
        described = [self._describe(sid) for sid in changed]
        news = (*gone, *(info for info in described if info is not None))
        if news:
            self._tell_all(messages.Participants(news))

    def _describe(self, sid: str) -> ParticipantInfo | None:
        """What the others hear of it. A hidden participant hears of itself, and nobody else does."""
        participant = self._members.get(sid)
        if participant is None:
            return None
        try:
            info = participant.info()
        except Exception as error:
            # The others are told of in time, this one with the next tick.
            self._failures.note("notice", error, f"sid={sid}")
            self._failed[sid] = None
            return None
        if not participant.is_hidden:
            return info
        self._put(sid, messages.Participants((info,)))
        return None

    def _tell(self, fact: facts.Fact) -> None:
        match fact:
            case facts.ParticipantLeft(info=info, reason=reason):
                sentence, rejoin = REASONS[reason]
                self._put(info.sid, messages.Left(reason, sentence, "rejoin" if rejoin else "none"))
                tail = self._tails.pop(info.sid, None)
                if tail is not None:
                    tail.shut(LEFT)
            case facts.DrainStarted(deadline=deadline):
                self._tell_all(messages.Draining(deadline))
            case facts.TrackUnpublished(owner=owner, track=track, reason=reason, is_kept=False):
                self._put(owner, messages.Unpublished(track, reason))
            case facts.TrackMuted(owner=owner, track=track, is_muted=is_muted, by_moderator=True):
                self._put(owner, messages.Muted(track, is_muted))
            case facts.EncodingsWanted(owner=owner, track=track, encodings=encodings, paused=paused):
                self._put(owner, messages.Wanted(track, encodings, paused))
            case facts.BackupWanted(owner=owner, track=track, is_wanted=is_wanted):
                self._put(owner, messages.Backup(track, is_wanted))
            case facts.SlotsChanged(subscriber=subscriber, slots=slots):
                self._put(subscriber, messages.Slots(slots))
            case facts.SectionsMissing(subscriber=subscriber, audio=audio, video=video):
                self._put(subscriber, messages.Renegotiate(audio, video))
            case facts.SubscriptionChanged(subscriber=subscriber, state=state):
                self._put(subscriber, _subscription(state))
            case facts.SpeakersChanged(speakers=speakers):
                self._tell_all(messages.Speakers(speakers))
            case facts.DominantSpeakerChanged(participant=participant, track=track):
                self._tell_all(messages.DominantSpeaker(participant, track))

    def _tell_all(self, message: messages.ServerMessage) -> None:
        """All who are in the room. Those who have left hear nothing more than that."""
        octets = weigh(message)
        for sid in self._tails:
            if sid in self._members:
                self._put(sid, message, octets)

    def _put(self, sid: str, message: messages.ServerMessage, octets: int | None = None) -> None:
        tail = self._tails.get(sid)
        if tail is None:  # WHIP and WHEP have no WebSocket.
            return
        try:
            tail.put(message, octets)
        except Exception as error:
            # Most messages go to many: the participants behind this one have to hear it, too.
            self._failures.note("tell", error, f"sid={sid}")


def _subscription(state: SubscriptionState) -> messages.Subscription:
    return messages.Subscription(
        state.track,
        state.state,
        state.layer,
        state.width,
        state.height,
        state.bitrate,
        state.reason,
        state.cause,
        state.mime,
    )
