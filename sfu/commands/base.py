"""Who asks, which right a command needs, and what every command is."""

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
    """The process itself: a program that embeds the service, or the internal listener. Nothing is refused to it."""


ADMINISTRATOR = Administrator()


@dataclass(frozen=True, slots=True)
class Member:
    """A participant, over its own connection. Its present permissions count, not those of the token it joined with."""

    room: str
    sid: str


@dataclass(frozen=True, slots=True)
class Anyone:
    """Somebody without a token: the client of a media session, which names it by its unguessable id."""


ANYONE = Anyone()

Asker = Administrator | Member | Grant | Anyone
"""A grant is that of a verified token."""


class Departed(NotFound):
    """The participant that asks has left its room."""


class Right(Enum):
    """What the asker of a command needs. The administrator has all of them."""

    CREATE_ROOMS = auto()
    LIST_ROOMS = auto()
    VIEW_ROOM = auto()
    """roomList, or roomAdmin for the room."""
    CLOSE_ROOM = auto()
    """roomCreate, or roomAdmin for the room."""
    MODERATE = auto()
    """roomAdmin for the room."""
    OWN_OR_MODERATE = auto()
    """A participant may ask it for itself; for another one it needs roomAdmin for the room."""
    OWN = auto()
    """A participant asks it for itself."""
    JOIN = auto()
    """A token with roomJoin for the room. `sfu/execution/joins.py` checks it, after it has counted the attempt."""
    SESSION = auto()
    """Nothing: the command has the unguessable id or secret of a session, which only its client knows."""
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
