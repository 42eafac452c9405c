"""The base of all commands, their authors, and the rights that they need."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Generic, Protocol, TypeVar

from sfu.errors import NotFound
from sfu.model import Grant

R = TypeVar("R")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Administrator:
    """The process itself: a program that embeds the service, or the internal listener. It has every right."""


ADMINISTRATOR = Administrator()


@dataclass(frozen=True, slots=True)
class Member:
    """A participant, over its own connection. Its present permissions count, not those of its token."""

    room: str
    sid: str


@dataclass(frozen=True, slots=True)
class Anyone:
    """A client without a token: it names its media session by the unguessable id."""


ANYONE = Anyone()

Asker = Administrator | Member | Grant | Anyone
"""A grant stands for a client with a verified token."""


class Departed(NotFound):
    """The participant that sent the command has left its room."""


class Right(Enum):
    """The right that the author of a command needs. The administrator has all of them."""

    CREATE_ROOMS = auto()
    LIST_ROOMS = auto()
    VIEW_ROOM = auto()
    """roomList, or roomAdmin for the room."""
    FOLLOW = auto()
    """roomAdmin for the room; for all rooms roomAdmin without a room, and roomList."""
    CLOSE_ROOM = auto()
    """roomCreate, or roomAdmin for the room."""
    MODERATE = auto()
    """roomAdmin for the room."""
    OWN_OR_MODERATE = auto()
    """A participant may send it for itself; for another one it needs roomAdmin for the room."""
    OWN = auto()
    """A participant sends it for itself."""
    JOIN = auto()
    """A token with roomJoin for the room. `sfu/execution/joins.py` checks it, after it has counted the attempt."""
    SESSION = auto()
    """Nothing: the command has the unguessable id or secret of a session, which only its client knows."""
    CREATE_TOKENS = auto()
    """tokenCreate. The administrator has no key to sign with."""
    ADMINISTER = auto()


@dataclass(frozen=True, slots=True)
class Command(Generic[R]):
    """A request with a result of type `R`."""

    by: Asker


class Executor(Protocol):
    async def __call__(self, command: Command[R], /) -> R:
        """Carries out the command and returns its result. Raises an SfuError, and has then changed nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a list."""

    entries: Sequence[T]
    next: str = ""
    """If there are more entries, the `after` of the next page. Empty: this is the last page."""
