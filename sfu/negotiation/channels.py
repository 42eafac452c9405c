"""The data channels of one participant: the two of the room, declared before the client opens them, and its own."""

from sfu.plane import _native
from sfu.plane.binding import Binding

RELIABLE = "sfu-reliable"
LOSSY = "sfu-lossy"
SERVER = "server"
"""The name of the server as destination or sender."""


class Channels:
    """Labels and ids. The client opens the channels. The room's channels have ids chosen by the server, so they are in
    their groups before they open."""

    def __init__(self, binding: Binding, worker: int, owner: str) -> None:
        self.own: dict[str, int] = {}
        """`sfu-reliable` and `sfu-lossy`."""
        self.others: dict[str, dict[int, None]] = {}
        """Open channels with other labels, by label, oldest first."""
        self._opened: set[int] = set()
        """The open channels of the room."""
        self._awaited: set[str] = set()
        """Labels of the room's channels that have no transport yet."""
        self._binding = binding
        self._worker = worker
        self._owner = owner

    def expect(self) -> None:
        """Stores reliable messages of others until the first offer."""
        self._declare(None, RELIABLE)

    def open(self, transport: int) -> None:
        """Declares the room's two channels on a transport with SCTP."""
        for label in (RELIABLE, LOSSY):
            self._declare(transport, label)

    def forget(self) -> None:
        """Handles an offer without data: no channel is awaited any more."""
        labels, self._awaited = self._awaited, set()
        for label in labels:
            self._binding.remove(self.own.pop(label))

    def close(self) -> None:
        """Removes all channels with their transport."""
        self.forget()
        for id in (*self.own.values(), *(id for ids in self.others.values() for id in ids)):
            self._binding.owners.pop(id, None)
        self.own.clear()
        self._opened.clear()
        self.others.clear()

    def by_id(self) -> dict[int, str]:
        """Returns the label of every channel, awaited ones too."""
        others = {id: label for label, ids in self.others.items() for id in ids}
        return {**{id: label for label, id in self.own.items()}, **others}

    def handle_state(self, event: _native.ChannelState) -> bool:
        """Handles a channel that opened or closed. Returns whether `by_id` changed."""
        id = event.channel
        if event.state == "open":
            if id in self.own.values():
                self._opened.add(id)
                return False
            self._binding.owners[id] = self._owner
            self.others.setdefault(event.label, {})[id] = None
            return True
        for label, own in self.own.items():
            if own == id:
                self._binding.owners.pop(id, None)
                del self.own[label]
                if id in self._opened:
                    # The peer closed the channel, or was too slow: it may open it again under the same label. A channel
                    # that never opened is not declared again, because its association has ended and would close it
                    # again.
                    self._opened.discard(id)
                    self._declare(event.transport, label)
                return True
        for label, ids in self.others.items():
            if id in ids:
                del ids[id]
                self._binding.owners.pop(id, None)
                if not ids:
                    del self.others[label]
                return True
        return False

    def label(self, channel: int) -> str:
        """Returns the label of a channel. Empty: it is not open."""
        for label, own in self.own.items():
            if own == channel:
                return label
        return next((label for label, ids in self.others.items() if channel in ids), "")

    def _declare(self, transport: int | None, label: str) -> None:
        id = self.own[label] if label in self._awaited else self._binding.new_id(self._worker, self._owner)
        self._binding.plane.open_channel(
            _native.ChannelSpec(
                id=id,
                transport=transport,
                label=label,
                ordered=label == RELIABLE,
                retransmits=None if label == RELIABLE else 0,
                remote=True,
            )
        )
        self.own[label] = id
        if transport is None:
            self._awaited.add(label)
        else:
            self._awaited.discard(label)
