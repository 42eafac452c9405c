"""Keeps rooms over a restart: those that a request made, or whose options a request changed.

A reader of facts. What a restart finds is made again, with its options and without participants.
"""

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict

from sfu.errors import SfuError
from sfu.facts import Entry, RoomChanged, RoomFinished, RoomStarted
from sfu.model import EndReason, RoomOptions
from sfu.room.room import Room
from sfu.rooms import Rooms

log = logging.getLogger(__name__)

Keep = Callable[[Sequence[tuple[str, str]]], None]
"""Writes rooms, each as its name and JSON. Empty JSON: it is kept no more."""


class KeptRooms:
    def __init__(self, rooms: Callable[[], Rooms], keep: Keep) -> None:
        self._rooms = rooms
        self._keep = keep
        self._names: dict[str, str] = {}
        """The names of listed rooms, by sid."""

    def read(self, entries: Sequence[Entry]) -> None:
        changed: dict[str, str] = {}
        for entry in entries:
            match entry.fact:
                case RoomStarted(name=name):
                    self._names[entry.room] = name
                    changed[name] = self._text(name)
                case RoomChanged() if entry.room in self._names:
                    changed[self._names[entry.room]] = self._text(self._names[entry.room])
                case RoomFinished(reason=reason):
                    ended = self._names.pop(entry.room, None)
                    # A shutdown ends rooms that the next start makes again.
                    if ended is not None and reason is not EndReason.SERVER_SHUTDOWN:
                        changed[ended] = self._text(ended)
        if changed:
            self._keep(list(changed.items()))

    def restore(self, kept: Sequence[tuple[str, str]]) -> None:
        """Makes the rooms of an earlier process."""
        for name, text in kept:
            try:
                values = json.loads(text)
                # A later version may have more options.
                known = {field: value for field, value in values.items() if field in RoomOptions.__dataclass_fields__}
                options = RoomOptions(**{**known, "on_stage": tuple(values["on_stage"])})
                self._rooms().create(name, options, key=values["key"])
            except (SfuError, KeyError, TypeError, ValueError) as error:
                log.warning("a room was not made again after the restart: room=%s why=%s", name, error)

    def _text(self, name: str) -> str:
        room = self._rooms().get(name)
        return "" if room is None or not is_kept(room) else json.dumps({**asdict(room.options), "key": room.key})


def is_kept(room: Room) -> bool:
    return room.is_requested or room.options != room.made_with
