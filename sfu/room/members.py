"""The participants of a room. Only its `attendance` adds and removes them."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from sfu.errors import NotFound
from sfu.quoting import quote
from sfu.room.participant import Participant
from sfu.views import ParticipantInfo


class Members:
    """The participants of a room in the order they joined, found by sid or by identity."""

    def __init__(self, room: str) -> None:
        self._room = room
        """The room's name."""
        self._by_sid: dict[str, Participant] = {}
        self._by_identity: dict[str, Participant] = {}
        self._infos: dict[str, ParticipantInfo | None] = {}
        """The infos by sid, in the order of joining. None: it is hidden, or was not described yet."""
        self._changed: set[str] = set()
        """Sids of participants whose info is not in `_infos`, or may have changed."""
        self._hidden: set[str] = set()
        """Sids of participants that the others do not see."""

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

    @property
    def visible_count(self) -> int:
        return len(self._by_sid) - len(self._hidden)

    def infos(self) -> list[ParticipantInfo]:
        """Returns the infos of the participants that the others see."""
        # Each joiner needs them. In a large room it takes longest to reach the participants in memory.
        for sid in list(self._changed):
            participant = self._by_sid[sid]
            info = self._infos[sid] = None if participant.is_hidden else participant.info()
            if info is None or not info.tracks:
                self._changed.discard(sid)
            # Tracks change by themselves, so publishers stay in the set.
        return [info for info in self._infos.values() if info is not None]

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
        self._infos[participant.sid] = None
        self._handle_change(participant)
        participant.on_change = self._handle_change

    def remove(self, participant: Participant) -> bool:
        """Removes a participant. False: it was not a member."""
        if self._by_sid.pop(participant.sid, None) is None:
            return False
        del self._by_identity[participant.identity]
        participant.on_change = None
        self._infos.pop(participant.sid, None)
        self._changed.discard(participant.sid)
        self._hidden.discard(participant.sid)
        return True

    def _handle_change(self, participant: Participant) -> None:
        self._changed.add(participant.sid)
        if participant.is_hidden:
            self._hidden.add(participant.sid)
        else:
            self._hidden.discard(participant.sid)

    def rename(self, participant: Participant, identity: str) -> None:
        """Changes the identity of a participant. The new identity must be free."""
        del self._by_identity[participant.identity]
        participant.rename(identity)
        self._by_identity[identity] = participant
