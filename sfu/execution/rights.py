"""Finds the author of a command, and checks that it has the right that the command needs."""

from typing import Any, NamedTuple

from sfu import commands
from sfu.commands import Command, Departed, Member, Right
from sfu.errors import InvalidRequest, NotAllowed
from sfu.model import Grant
from sfu.quoting import quote
from sfu.room.participant import Participant
from sfu.room.room import Room
from sfu.rooms import Rooms


class Standing(NamedTuple):
    """The author of a command, when the command is carried out."""

    grant: Grant | None
    """None: the administrator, or a client without a token."""
    participant: Participant | None
    room: Room | None
    """The room of the participant."""

    @classmethod
    def of(cls, by: commands.Asker, rooms: Rooms) -> "Standing":
        """Raises Departed if the author is a participant that has left its room."""
        if isinstance(by, Grant):
            return cls(by, None, None)
        if not isinstance(by, Member):
            return cls(None, None, None)
        room = rooms.get(by.room)
        participant = room.members.get(by.sid) if room is not None else None
        if participant is None:
            raise Departed("you have left this room")
        return cls(participant.grant, participant, room)

    def own(self) -> tuple[Room, Participant]:
        """Returns the author, a participant that acts for itself (`Right.OWN`)."""
        assert self.room is not None and self.participant is not None
        return self.room, self.participant

    def find(self, rooms: Rooms, command: commands.OfParticipant[Any]) -> tuple[Room, Participant]:
        """Returns the participant that the command is about. Raises NotFound."""
        if command.identity is None:
            if self.participant is None:
                raise InvalidRequest("the command names no participant")
            return self.own()
        room = rooms.find(command.room)
        return room, room.members.find(command.identity)

    def require(self, command: Command[Any]) -> None:
        """Raises NotAllowed if the author lacks the right that the command needs."""
        right = commands.NEEDS[type(command)]
        if right is Right.OWN:
            if self.participant is None:
                raise NotAllowed("only the participant itself may send this command")
            return
        if right is Right.CREATE_TOKENS:
            if not isinstance(command.by, Grant) or not command.by.token_create:
                raise NotAllowed("this token does not allow making tokens (tokenCreate)")
            return
        if isinstance(command.by, commands.Administrator) or right in (Right.JOIN, Right.SESSION):
            return
        if right is Right.OWN_OR_MODERATE and self.is_own(command):
            return
        grant = self.grant
        if right is Right.ADMINISTER or grant is None:
            raise NotAllowed("only the administrator of the service may send this command")
        if right is Right.CREATE_ROOMS:
            if not grant.room_create:
                raise NotAllowed("this token does not allow creating rooms (roomCreate)")
        elif right is Right.LIST_ROOMS:
            if not grant.room_list:
                raise NotAllowed("this token does not allow listing rooms (roomList)")
        elif right is Right.FOLLOW and getattr(command, "room", None) is None:
            if not (grant.room_admin and grant.room_list) or grant.room:
                raise NotAllowed(
                    "this token does not allow following all rooms (roomAdmin without a room, and roomList)"
                )
        elif not ((right is Right.VIEW_ROOM and grant.room_list) or (right is Right.CLOSE_ROOM and grant.room_create)):
            _require_moderator(grant, command)

    def is_own(self, command: Command[Any]) -> bool:
        """Returns whether a participant acts for itself."""
        if self.room is None or self.participant is None or not isinstance(command, commands.OfParticipant):
            return False
        itself = (self.room.name, self.participant.identity)
        return command.identity is None or (command.room, command.identity) == itself

    def require_moderator(self, command: Command[Any]) -> None:
        """Raises NotAllowed if the author may not moderate the room of the command."""
        if isinstance(command.by, commands.Administrator):
            return
        if self.grant is None:
            raise NotAllowed("only the administrator of the service may send this command")
        _require_moderator(self.grant, command)

    def moderates(self, room: str) -> bool:
        return self.grant is not None and self.grant.room_admin and self.grant.room in ("", room)


def _require_moderator(grant: Grant, command: Any) -> None:
    room: str = command.room
    if not grant.room_admin:
        raise NotAllowed("this token does not allow moderating a room (roomAdmin)")
    if grant.room and grant.room != room:
        raise NotAllowed(f"this token is for the room {quote(grant.room)}, not for {quote(room)}")
