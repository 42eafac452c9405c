"""Server-sent events (HTML Living Standard, section 9.2.6): octets in, items out."""

from collections.abc import Iterator
from dataclasses import dataclass

from .errors import InvalidAnswer

ITEM_OCTETS = 1 << 20
"""The longest item that is read. The largest event of the service is a tenth of it."""


@dataclass(frozen=True, slots=True)
class Item:
    event: str
    data: str
    id: str


class Parser:
    """Items whose end has not arrived are never returned, so a connection that breaks repeats them."""

    def __init__(self) -> None:
        self.retry: float | None = None
        """Seconds that the server asks clients to wait before they connect again. None: it did not say."""
        self._rest = bytearray()
        self._octets = 0
        self._clear()

    def feed(self, piece: bytes) -> Iterator[Item]:
        """Yields the items that this piece completes. Raises InvalidAnswer if one is too long."""
        begin = 0
        while (end := piece.find(b"\n", begin)) >= 0:
            self._keep(piece[begin:end])
            line = self._rest.removesuffix(b"\r").decode("utf-8", "replace")
            self._rest.clear()
            begin = end + 1
            if line:
                self._read(line)
            else:
                if self._data:
                    yield Item(self._event or "message", "\n".join(self._data), self._id)
                self._clear()
        self._keep(piece[begin:])

    def _keep(self, part: bytes) -> None:
        self._octets += len(part)
        if self._octets > ITEM_OCTETS:
            raise InvalidAnswer(f"An item of the stream of events has more than {ITEM_OCTETS} octets.")
        self._rest += part

    def _read(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "event":
                self._event = value
            case "data":
                self._data.append(value)
            case "id":
                self._id = value
            case "retry" if value.isascii() and value.isdecimal() and len(value) < 10:
                self.retry = int(value) / 1000
            case "":
                # A comment belongs to no item.
                self._octets = min(self._octets, sum(map(len, self._data)))

    def _clear(self) -> None:
        self._event, self._id, self._octets = "", "", 0
        self._data: list[str] = []
