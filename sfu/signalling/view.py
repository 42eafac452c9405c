"""Turns the facts of a room into messages of our WebSocket protocol to its participants.

Participants that joined, changed or left are reported in one message per turn, before everything else: if fifty
participants join in one turn, each of them receives one message. In rooms of more than `limits.SMALL_ROOM` what others
do waits for the next tick of the service, and a newcomer until it is connected (`news.py`); what concerns one
participant leaves at once.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence

from sfu import facts, limits
from sfu.context import Context
from sfu.model import DisconnectReason
from sfu.room.participant import Participant
from sfu.room.room import Room
from sfu.signalling import messages
from sfu.signalling.ice_credentials import IceCredentials
from sfu.signalling.news import CONNECTING, News, SpeechNews
from sfu.signalling.outbox import LEFT, Outgoing, Tail
from sfu.views import ParticipantInfo

REASONS: Mapping[DisconnectReason, tuple[str, bool]] = {
    DisconnectReason.CLIENT_INITIATED: ("you left", False),
    DisconnectReason.DUPLICATE_IDENTITY: ("another participant joined with your identity and replaced you", False),
    DisconnectReason.SERVER_SHUTDOWN: ("this server stops: join elsewhere, or later", True),
    DisconnectReason.PARTICIPANT_REMOVED: ("you were removed from the room", False),
    DisconnectReason.ROOM_DELETED: ("the room was closed", False),
    DisconnectReason.SIGNAL_CLOSE: ("your WebSocket was disconnected for too long", True),
    DisconnectReason.CONNECTION_TIMEOUT: ("your media connection was silent for too long", True),
    DisconnectReason.MEDIA_FAILURE: ("your media connection failed", True),
    DisconnectReason.JOIN_FAILURE: ("you were not admitted", False),
}
"""The sentence for a participant that leaves, and whether it should join again."""


class View:
    """The view of one room. It has the tail of every participant with a WebSocket."""

    def __init__(self, context: Context, room: Room) -> None:
        self._context = context
        self._room = room
        self._members = room.members
        self._failures = context.failures
        self._tails: dict[str, Tail] = {}
        """Tails by sid, including those of participants that left and were not notified yet."""
        self._failed: dict[str, None] = {}
        """Sids of participants that could not be described."""
        self._news = News()
        self._speech = SpeechNews()
        self._ice = IceCredentials(context)
        self._room_changed = False

    def tail(self, participant: Participant) -> Tail:
        """Returns the tail of a participant. It exists from the first call until the participant has left."""
        return self._tails.setdefault(participant.sid, Tail(self._context.config.outbox))

    def joined(self, participant: Participant, *, resumed: bool = False) -> messages.Joined:
        """Returns the snapshot that a client starts from."""
        config, you = self._context.config, participant.info()
        self._news.skip(participant.sid)
        return messages.Joined(
            room=self._room.info(),
            you=you,
            participants=tuple([info for info in self._members.infos() if info is not you]),
            resume_secret=participant.resume_secret or "",
            server=messages.ServerInfo(version=config.version, resume_window=config.resume_window),
            slots=participant.viewing.shown(),
            ice_servers=self._ice.renew(participant.sid),
            resumed=resumed,
        )

    def resumed(self, participant: Participant, seq: int) -> messages.Resumed:
        """Returns the reply to a client that missed no message before `seq`."""
        return messages.Resumed(seq, self._ice.renew(participant.sid))

    def poll_failed(self) -> Iterable[str]:
        """Returns the sids of participants that could not be described since the last call. They must be reported
        again."""
        failed, self._failed = self._failed, {}
        return failed

    def handle_timeout(self) -> None:
        """Sends what waited in a large room, and new credentials where the present ones are half expired."""
        for sid in self._ice.poll_due():
            self._put(sid, messages.IceServers(self._ice.renew(sid)))
        self._news.release(self._context.now())
        self._send_news()
        self._send_speech()

    def read(self, entries: Sequence[facts.Entry]) -> None:
        happened = [entry.fact for entry in entries]
        self._room_changed |= any(isinstance(fact, facts.RoomChanged) for fact in happened)
        self._note_participants(happened)
        if not self._is_large:
            self._news.release(math.inf)
            self._send_news()
            self._news.forget()
        for fact in happened:
            self._send_fact(fact)
        self._send_speech()

    @property
    def _is_large(self) -> bool:
        return len(self._members) > limits.SMALL_ROOM

    def _note_participants(self, happened: Iterable[facts.Fact]) -> None:
        joined: dict[str, None] = {}
        changed: dict[str, None] = {}
        for fact in happened:
            match fact:
                case facts.ParticipantJoined(info=info):
                    joined[info.sid] = None
                case facts.ParticipantChanged(sid=sid):
                    changed[sid] = None
                case facts.ParticipantHidden(info=info) | facts.ParticipantLeft(info=info, was_hidden=False):
                    self._news.add(info)
        for sid in joined | changed:
            described = self._describe(sid)
            if described is None:
                continue
            if sid in joined and described.state in CONNECTING:
                self._news.hold(described, self._context.now() + limits.NEWCOMER_SECONDS)
            else:
                self._news.add(described)
            if sid in changed and self._is_large:
                # The others receive it later, the participant itself at once.
                self._put(sid, messages.Participants((described,)))

    def _send_news(self) -> None:
        """Sends every participant what it has not been sent of the others and of the room."""
        if not self._news.is_empty:
            is_large = self._is_large
            for sid in self._present():
                self._introduce(sid, knows_itself=is_large)
            self._news.clear()
        if self._room_changed:
            self._room_changed = False
            self._send_to_all(messages.Room(self._room.info()))

    def _note_speech(self, change: messages.Speakers | messages.DominantSpeaker) -> None:
        self._speech.add(change)
        if not self._is_large:
            self._send_speech()

    def _send_speech(self) -> None:
        interval = limits.SPEECH_SECONDS if self._is_large else 0.0
        for message in self._speech.take(self._context.now(), interval):
            self._send_to_all(message)

    def _introduce(self, sid: str, *, knows_itself: bool) -> None:
        """Sends a participant what it has not been sent of the others."""
        for outgoing in self._news.take(sid, knows_itself=knows_itself):
            self._put(sid, outgoing)

    def _describe(self, sid: str) -> ParticipantInfo | None:
        """Returns the info for other participants. None: there is nothing to report to them. A hidden participant
        receives its own."""
        participant = self._members.get(sid)
        if participant is None:
            return None
        try:
            info = participant.info()
        except Exception as error:
            # The other participants are reported now, this one with the next tick.
            self._failures.note("notice", error, f"sid={sid}")
            self._failed[sid] = None
            return None
        if not participant.is_hidden:
            return info
        self._put(sid, messages.Participants((info,)))
        return None

    def _send_fact(self, fact: facts.Fact) -> None:
        match fact:
            # The most frequent one first.
            case facts.SubscriptionsChanged(subscribers=subscribers, states=states):
                self._send_to(subscribers, messages.Subscriptions(states))
            case facts.ParticipantLeft(info=info, reason=reason):
                sentence, rejoin = REASONS[reason]
                self._put(info.sid, messages.Left(reason, sentence, "rejoin" if rejoin else "none"))
                self._ice.forget(info.sid)
                tail = self._tails.pop(info.sid, None)
                if tail is not None:
                    tail.shut(LEFT)
            case facts.DrainStarted(deadline=deadline):
                self._send_to_all(messages.Draining(deadline))
            case facts.TrackUnpublished(owner=owner, track=track, reason=reason, is_kept=False):
                self._put(owner, messages.Unpublished(track, reason))
            case facts.TrackMuted(owner=owner, track=track, is_muted=is_muted, by_moderator=True):
                self._put(owner, messages.Muted(track, is_muted))
            case facts.EncodingsWanted(owner=owner, track=track, encodings=encodings, paused=paused):
                self._put(owner, messages.Wanted(track, encodings, paused))
            case facts.BackupWanted(owner=owner, track=track, is_wanted=is_wanted):
                self._put(owner, messages.Backup(track, is_wanted))
            case facts.SlotsChanged(subscribers=subscribers, slots=slots):
                self._send_to(subscribers, messages.Slots(slots))
            case facts.SectionsMissing(subscribers=subscribers, audio=audio, video=video):
                self._send_to(subscribers, messages.Renegotiate(audio, video))
            case facts.SpeakersChanged(speakers=speakers):
                self._note_speech(messages.Speakers(speakers))
            case facts.DominantSpeakerChanged(participant=participant, track=track):
                self._note_speech(messages.DominantSpeaker(participant, track))

    def _send_to(self, sids: Sequence[str], message: messages.ServerMessage) -> None:
        outgoing, named = Outgoing.of(message, is_shared=len(sids) > 1), self._news.introduced(_named(message))
        # It is called for each member of a large room, several times for one change.
        tails, news, note = self._tails, self._news, self._failures.note
        for sid in sids:
            tail = tails.get(sid)
            if tail is None:  # WHIP and WHEP have no WebSocket.
                continue
            if named and news.introduces(sid, named):
                self._introduce(sid, knows_itself=self._is_large)
            try:
                tail.put(outgoing)
            except Exception as error:
                # The remaining ones must still receive this message.
                note("tell", error, f"sid={sid}")

    def _send_to_all(self, message: messages.ServerMessage) -> None:
        """Sends a message to all who are in the room. Those who have left receive only `left`."""
        self._send_to(self._present(), message)

    def _present(self) -> list[str]:
        return self._members.sids()

    def _put(self, sid: str, message: messages.ServerMessage | Outgoing) -> None:
        tail = self._tails.get(sid)
        if tail is None:
            return
        try:
            tail.put(message)
        except Exception as error:  # Not `contained`, which takes as long as the rest: each change calls this for all.
            self._failures.note("tell", error, f"sid={sid}")


def _named(message: messages.ServerMessage) -> Collection[str]:
    """Returns the sids of the participants and tracks of others that a message names."""
    match message:
        case messages.Slots(slots=slots):
            return [sid for slot in slots.values() if slot is not None for sid in (slot.participant, slot.track)]
        case messages.Subscriptions(subscriptions=states):
            return [state.track for state in states]
        case messages.Speakers(speakers=speakers):
            return [sid for speaker in speakers for sid in (speaker.participant, speaker.track)]
        case messages.DominantSpeaker(participant=participant, track=track):
            return [participant, track]
        case _:
            return ()
