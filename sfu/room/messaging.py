"""The routes between the data channels of a room. The plane forwards messages along them.

On the room's channels each participant who may publish data reaches every participant, by sid. Any other label reaches
the participants who opened the same label.
"""

from collections.abc import Sequence
from typing import NamedTuple

from sfu.failures import Failures
from sfu.negotiation.channels import LOSSY, RELIABLE, SERVER
from sfu.plane import _native
from sfu.plane.binding import Binding
from sfu.room.members import Members
from sfu.room.participant import Participant

OWN = (RELIABLE, LOSSY)


class _Given(NamedTuple):
    """What the plane was last told of one label."""

    targets: list[tuple[str, int]]
    senders: dict[int, str | None]
    """By the channel messages come from; None: it may not send any."""


class Messaging:
    def __init__(self, binding: Binding, members: Members, failures: Failures) -> None:
        self._binding = binding
        self._members = members
        self._failures = failures
        self._dirty: set[str] = set()
        """Labels whose members or permissions changed."""
        self._given: dict[str, _Given] = {}
        """Of our own channels, by label."""

    def touch(self, label: str) -> None:
        self._dirty.add(label)

    def touch_all(self, participant: Participant) -> None:
        """Marks all labels of a participant that joined, left, or has other permissions."""
        self._dirty.update(participant.channels.own)
        self._dirty.update(participant.channels.others)

    def has_work(self) -> bool:
        """Whether `flush` has routes to change."""
        return bool(self._dirty)

    def flush(self) -> None:
        for label in sorted(self._dirty):
            try:
                self._route(label)
            except Exception as error:
                # Still dirty, so it is tried again with a later turn.
                self._failures.note("route", error)
            else:
                self._dirty.discard(label)

    def send(self, to: Sequence[Participant], payload: bytes, *, reliable: bool) -> int:
        """Sends a message of the server. Returns the number of receivers with a channel for it, open or opening."""
        label = RELIABLE if reliable else LOSSY
        channels = [channel for p in to if (channel := p.channels.own.get(label)) is not None]
        if channels:
            self._binding.plane.send(channels, seal(SERVER, payload), text=False)
        return len(channels)

    def _route(self, label: str) -> None:
        if label in OWN:
            self._route_own(label)
        else:
            self._route_other(label)

    def _route_own(self, label: str) -> None:
        # One list for all: a message never goes back to the channel it came from.
        reached = [(p, id) for p in self._members if (id := p.channels.own.get(label)) is not None]
        targets = [(participant.sid, channel) for participant, channel in reached]
        senders = {
            channel: participant.sid if participant.permissions.can_publish_data else None
            for participant, channel in reached
            if not participant.channels.is_awaited(label)
        }
        given = self._given.pop(label, _Given([], {}))
        are_same = targets == given.targets
        for channel, sender in senders.items():
            is_known = given.senders.get(channel, "") == sender
            if not is_known or (sender is not None and not are_same):
                to = targets if sender is not None else []
                self._binding.plane.set_route(channel, _native.Route(sender=sender, targets=to, to_server=False))
        self._given[label] = _Given(targets, senders)

    def _route_other(self, label: str) -> None:
        opened = [(p, channel) for p in self._members for channel in p.channels.others.get(label, ())]
        targets = [(participant.sid, channel) for participant, channel in opened]
        for participant, channel in opened:
            allowed = participant.permissions.can_publish_data
            to = [target for target in targets if target[0] != participant.sid] if allowed else []
            self._binding.plane.set_route(channel, _native.Route(sender=None, targets=to, to_server=False))


def seal(sender: str, payload: bytes) -> bytes:
    """Returns the envelope of the room's channels: one octet n, n octets with the sender's name, then the payload."""
    name = sender.encode()
    return bytes([len(name)]) + name + payload


def unseal(message: bytes) -> bytes:
    """Returns the payload of an envelope. The channel identifies the sender."""
    return message[1 + message[0] :]
