"""Logs each participant that joins or leaves a room."""

import logging
from collections.abc import Sequence

from sfu.facts import Entry, ParticipantJoined, ParticipantLeft

log = logging.getLogger(__name__)


class Journal:
    def __init__(self, room: str) -> None:
        self._room = room
        """The room's name."""

    def read(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            match entry.fact:
                case ParticipantJoined(info=info):
                    log.info(
                        "joined: room=%s identity=%s sid=%s kind=%s", self._room, info.identity, info.sid, info.kind
                    )
                case ParticipantLeft(info=info, reason=reason):
                    log.info("left: room=%s identity=%s sid=%s why=%s", self._room, info.identity, info.sid, reason)
