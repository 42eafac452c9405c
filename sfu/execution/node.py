"""The state of this process that commands are carried out on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sfu.captures import Captures
from sfu.config import Config
from sfu.execution.joins import Joins
from sfu.history.history import History
from sfu.plane import _native
from sfu.rooms import Rooms
from sfu.signalling.media_session import MediaSessions

if TYPE_CHECKING:
    from sfu.execution.rights import Standing


@dataclass(frozen=True, slots=True)
class Node:
    config: Config
    rooms: Rooms
    sessions: MediaSessions
    joins: Joins
    captures: Captures
    history: History
    counters: Callable[[int], _native.Counters | None]
    """What the plane counted of a transport, by its id."""
    drain: Callable[[float | None], None]


Handler = Callable[[Node, Any, "Standing"], Any]
"""Carries out a command of one type, after the right was checked. A handler is synchronous, so that no other
request comes between a check and the change. If it needs only what a thread keeps, it returns an awaitable."""
