"""The participants of a room. Only its `attendance` adds and removes them."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from sfu.errors import NotFound
from sfu.quoting import quote
from sfu.room.participant import Participant


class Members:
    """The participants of a room in the order they joined, found by sid or by identity."""

    def __init__(self, room: str) -> None:
        self._room = room
        """The room's name."""
        self._by_sid: dict[str, Participant] = {}
        self._by_identity: dict[str, Participant] = {}

    def __iter__(self) -> Iterator[Participant]:
        return iter(self._by_sid.values())

    def __len__(self) -> int:
        return len(self._by_sid)

    def __contains__(self, sid: object) -> bool:
        return sid in self._by_sid

    def sids(self) -> list[str]:
        return list(self._by_sid)

    def visible(self) -> list[Participant]:
        """Returns the participants that the others see."""
        return [participant for participant in self._by_sid.values() if not participant.permissions.hidden]

    def get(self, sid: str) -> Participant | None:
        return self._by_sid.get(sid)

    def named(self, identity: str) -> Participant | None:
        return self._by_identity.get(identity)

    def find(self, identity: str) -> Participant:
        """Returns the participant with this identity. Raises NotFound."""
        found = self._by_identity.get(identity)
        if found is None:
            raise NotFound(f"there is no participant {quote(identity)} in the room {quote(self._room)}")
        return found

    @property
    def by_identity(self) -> Mapping[str, Participant]:
        return MappingProxyType(self._by_identity)


class Membership(Members):
    """The mutable form of `Members`, for `Attendance` only."""

    def add(self, participant: Participant) -> None:
        """Adds a participant. Its identity must be free."""
        self._by_sid[participant.sid] = participant
        self._by_identity[participant.identity] = participant

    def remove(self, participant: Participant) -> bool:
        """Removes a participant. False: it was not a member."""
        if self._by_sid.pop(participant.sid, None) is None:
            return False
        del self._by_identity[participant.identity]
        return True

    def rename(self, participant: Participant, identity: str) -> None:
        """Changes the identity of a participant. The new identity must be free."""
        del self._by_identity[participant.identity]
        participant.rename(identity)
        self._by_identity[identity] = participant
