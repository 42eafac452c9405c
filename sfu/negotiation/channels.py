"""The data channels of one participant: the two with our envelope, declared before it opens them, and its own."""

from sfu.plane import _native
from sfu.plane.binding import Binding

RELIABLE = "sfu-reliable"
LOSSY = "sfu-lossy"
SERVER = "server"
"""The destination, and the sender, that is the server itself."""


class Channels:
    """Labels and ids. The client opens the channels; ours get our ids, so that routes are there before they are."""

    def __init__(self, binding: Binding, worker: int, owner: str) -> None:
        self.own: dict[str, int] = {}
        """`sfu-reliable` and `sfu-lossy`."""
        self.others: dict[str, dict[int, None]] = {}
        """Any other label, and the channels open under it, oldest first."""
        self._opened: set[int] = set()
        """Of our own, those that are open."""
        self._awaited: set[str] = set()
        """Labels of our own that still have no transport."""
        self._binding = binding
        self._worker = worker
        self._owner = owner

    def expect(self) -> None:
        """An offer is still to come: what others send reliably waits for it."""
        self._declare(None, RELIABLE)

    def open(self, transport: int) -> None:
        """Declares our two channels on a transport that has SCTP."""
        for label in (RELIABLE, LOSSY):
            self._declare(transport, label)

    def forget(self) -> set[str]:
        """The offer came without data. Returns the labels whose routes have changed."""
        labels, self._awaited = self._awaited, set()
        for label in labels:
            self._binding.remove(self.own.pop(label))
        return labels

    def close(self) -> None:
        """The transport is gone, and they with it."""
        self.forget()
        for id in (*self.own.values(), *(id for ids in self.others.values() for id in ids)):
            self._binding.owners.pop(id, None)
        self.own.clear()
        self._opened.clear()
        self.others.clear()

    def handle_state(self, event: _native.ChannelState) -> str | None:
        """A channel opened or closed. Returns the label whose routes have changed, if any have."""
        id = event.channel
        if event.state == "open":
            if id in self.own.values():
                self._opened.add(id)
                return None
            self._binding.owners[id] = self._owner
            self.others.setdefault(event.label, {})[id] = None
            return event.label
        for label, own in self.own.items():
            if own == id:
                self._binding.owners.pop(id, None)
                del self.own[label]
                if id in self._opened:
                    # Closed by the peer, or too slow: it may open it again under the same label. One that never
                    # opened is not declared again: its association is gone, and would close it again.
                    self._opened.discard(id)
                    self._declare(event.transport, label)
                return label
        for label, ids in self.others.items():
            if id in ids:
                del ids[id]
                self._binding.owners.pop(id, None)
                if not ids:
                    del self.others[label]
                return label
        return None

    def is_awaited(self, label: str) -> bool:
        """Declared, and without a transport that messages could come from."""
        return label in self._awaited

    def label(self, channel: int) -> str:
        """Empty if it is not open."""
        for label, own in self.own.items():
            if own == channel:
                return label
        return next((label for label, ids in self.others.items() if channel in ids), "")

    def _declare(self, transport: int | None, label: str) -> None:
        id = self.own[label] if label in self._awaited else self._binding.new_id(self._worker, self._owner)
        self.own[label] = id
        if transport is None:
            self._awaited.add(label)
        else:
            self._awaited.discard(label)
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
