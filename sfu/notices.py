"""What those in a room hear of one another and of the room itself: noted while things happen, told once a turn."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from sfu import messages
from sfu.failures import Failures
from sfu.model import DisconnectReason, ParticipantInfo, ParticipantState, RoomInfo
from sfu.participant import Participant

FAREWELLS: Mapping[DisconnectReason, tuple[str, bool]] = {
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
"""What someone who goes is told, and whether to join anew."""


class Notices:
    def __init__(self, members: Mapping[str, Participant], info: Callable[[], RoomInfo], failures: Failures) -> None:
        self._members = members
        """By sid; the room's own map."""
        self._info = info
        self._failures = failures
        self._changed: dict[str, None] = {}
        """Sids of those whose `info` others shall hear of."""
        self._gone: list[ParticipantInfo] = []
        self._is_room_other = False

    def come(self, participant: Participant) -> None:
        self._changed[participant.sid] = None

    def note(self, participant: Participant) -> None:
        """Something visible of it is different."""
        participant.version += 1
        self._changed[participant.sid] = None

    def note_room(self) -> None:
        self._is_room_other = True

    def hide(self, participant: Participant) -> None:
        """It is there still, and for the others it is gone."""
        self._gone.append(replace(participant.info(), state=ParticipantState.DISCONNECTED))

    def go(self, participant: Participant, reason: DisconnectReason) -> None:
        """It is no longer a member: it is told why, and the others that it went."""
        participant.disconnect_reason = reason
        participant.version += 1
        self._changed.pop(participant.sid, None)
        if not participant.is_hidden:
            self._gone.append(participant.info())
        sentence, rejoin = FAREWELLS[reason]
        participant.tell(messages.Left(reason, sentence, "rejoin" if rejoin else "none"))

    def tell_all(self, message: messages.ServerMessage) -> None:
        for participant in self._members.values():
            participant.tell(message)

    def has_work(self) -> bool:
        """There is something for `flush` to tell."""
        return bool(self._changed or self._gone or self._is_room_other)

    def flush(self) -> None:
        told, self._gone = self._gone, []
        changed, self._changed = self._changed, {}
        for sid in changed:
            participant = self._members.get(sid)
            if participant is None:
                continue
            try:
                info = participant.info()
            except Exception as error:
                # The others are told of in time, this one with a later turn.
                self._failures.note("notice", error, f"sid={sid}")
                self._changed[sid] = None
                continue
            if participant.is_hidden:
                participant.tell(messages.Participants((info,)))
            else:
                told.append(info)
        if told:
            self.tell_all(messages.Participants(tuple(told)))
        if self._is_room_other:
            self.tell_all(messages.Room(self._info()))
            self._is_room_other = False
