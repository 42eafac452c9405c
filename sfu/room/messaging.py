"""Groups the data channels of a room. The plane forwards messages within groups of channels.

On the room's channels each participant who may publish data reaches every participant, by sid. On channels with any
other label it reaches the participants who opened a channel with the same label.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sfu.failures import Failures
from sfu.negotiation.channels import LOSSY, RELIABLE, SERVER
from sfu.plane.binding import Binding
from sfu.room.members import Members
from sfu.room.participant import Participant

ENVELOPED = (RELIABLE, LOSSY)
"""Labels of channels whose messages have an envelope with destination and sender."""


@dataclass(slots=True)
class _Group:
    id: int
    size: int = 0
    """The number of channels in the group."""


class Messaging:
    """Keeps one group for each label. A channel leaves its group when it closes, also in the plane."""

    def __init__(self, binding: Binding, members: Members, failures: Failures, worker: int, owner: str) -> None:
        self._binding = binding
        self._members = members
        self._failures = failures
        self._worker = worker
        self._owner = owner
        self._dirty: dict[str, None] = {}
        """Sids of participants whose channels or permissions changed."""
        self._groups: dict[str, _Group] = {}
        """Groups by label."""
        self._joined: dict[str, dict[int, tuple[str, bool]]] = {}
        """The membership that the plane has, by sid and channel: the label, and whether the participant may send."""

    def touch(self, participant: Participant) -> None:
        """Marks a participant that joined or left, or whose channels or permissions changed."""
        self._dirty[participant.sid] = None

    def expect(self, participant: Participant) -> None:
        """Queues reliable messages until the participant's offer arrives. WHIP and WHEP sessions have already made
        one."""
        if participant.signals:
            participant.channels.expect()
            self.touch(participant)

    def has_work(self) -> bool:
        """Returns whether `flush` has groups to change."""
        return bool(self._dirty)

    def flush(self) -> None:
        dirty, self._dirty = self._dirty, {}
        for sid in dirty:
            try:
                self._update(sid)
            except Exception as error:
                # A later turn tries again.
                self._failures.note("group", error, f"sid={sid}")
                self._dirty[sid] = None

    def close(self) -> None:
        """Removes all groups, after everybody has left the room."""
        self.flush()
        for group in self._groups.values():
            self._binding.remove(group.id)
        self._groups.clear()

    def send(self, to: Sequence[Participant], payload: bytes, *, reliable: bool) -> int:
        """Sends a message of the server. Returns the number of receivers with an open or opening channel for it."""
        label = RELIABLE if reliable else LOSSY
        channels = [channel for p in to if (channel := p.channels.own.get(label)) is not None]
        if channels:
            self._binding.plane.send(channels, seal(SERVER, payload), text=False)
        return len(channels)

    def _update(self, sid: str) -> None:
        participant = self._members.get(sid)
        channels = participant.channels.by_id() if participant is not None else {}
        joined = self._joined.setdefault(sid, {})
        for channel in joined.keys() - channels.keys():
            label, _ = joined.pop(channel)
            self._shrink(label)
        if participant is None:
            del self._joined[sid]
            return
        may_send = participant.permissions.can_publish_data
        for channel, label in channels.items():
            if joined.get(channel) != (label, may_send):
                group = self._group(label)
                self._binding.plane.join_group(group.id, channel, sid, may_send=may_send)
                group.size += channel not in joined
                joined[channel] = (label, may_send)

    def _group(self, label: str) -> _Group:
        group = self._groups.get(label)
        if group is None:
            group = _Group(self._binding.new_id(self._worker, self._owner))
            self._binding.plane.add_group(group.id, enveloped=label in ENVELOPED)
            self._groups[label] = group
        return group

    def _shrink(self, label: str) -> None:
        group = self._groups[label]
        group.size -= 1
        if group.size == 0:
            del self._groups[label]
            self._binding.remove(group.id)


def seal(sender: str, payload: bytes) -> bytes:
    """Returns the envelope of the room's channels: one octet n, n octets with the sender's name, then the payload."""
    name = sender.encode()
    return bytes([len(name)]) + name + payload


def unseal(message: bytes) -> bytes:
    """Returns the payload of an envelope. The channel identifies the sender."""
    return message[1 + message[0] :]
