"""The command of a backend that makes tokens without the secret of an API key."""

from dataclasses import dataclass

from sfu.commands.base import Command
from sfu.model import Grant


@dataclass(frozen=True, slots=True)
class DelegateGrant(Command[Grant]):
    """Returns the grant of a token that the author may hand out. NotAllowed: it has a room, right or lifetime that the
    author's token lacks."""

    grant: Grant
    """Without a key: it is signed with that of the author's token."""

    @property
    def identity(self) -> str:
        return self.grant.identity
