"""RUNNING -> DRAINING -> CLOSED, and who may join when. The transitions are here and nowhere else."""

import math
from enum import StrEnum

from sfu.errors import Unavailable


class State(StrEnum):
    RUNNING = "running"
    DRAINING = "draining"
    """Nobody new; those inside have until the deadline."""
    CLOSED = "closed"


class Lifecycle:
    def __init__(self) -> None:
        self.state = State.RUNNING
        self.deadline = math.inf
        """On the service's clock: when those inside are let go."""

    def admit(self) -> None:
        """Raises if nobody new may come in."""
        if self.state is State.DRAINING:
            raise Unavailable("this server is draining: join again elsewhere, or in a while")
        if self.state is State.CLOSED:
            raise Unavailable("this server is closed")

    def drain(self, deadline: float) -> bool:
        """Begins to drain, or brings the deadline forward. False: nothing changed."""
        if self.state is State.CLOSED or deadline >= self.deadline:
            return False
        self.state = State.DRAINING
        self.deadline = deadline
        return True

    def close(self) -> None:
        self.state = State.CLOSED
