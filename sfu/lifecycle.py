"""The states RUNNING -> DRAINING -> CLOSED and their transitions, and whether a participant may join."""

import math
from enum import StrEnum

from sfu.errors import Unavailable


class State(StrEnum):
    RUNNING = "running"
    DRAINING = "draining"
    """No new participants; present ones have until the deadline."""
    CLOSED = "closed"


class Lifecycle:
    def __init__(self) -> None:
        self.state = State.RUNNING
        self.deadline = math.inf
        """When present participants are removed, on the service's clock."""

    def admit(self) -> None:
        """Raises Unavailable if no new participant may join."""
        if self.state is State.DRAINING:
            raise Unavailable("this server is draining: join elsewhere, or later")
        if self.state is State.CLOSED:
            raise Unavailable("this server is closed")

    def drain(self, deadline: float) -> bool:
        """Starts a drain, or moves the deadline forward. False: nothing changed."""
        if self.state is State.CLOSED or deadline >= self.deadline:
            return False
        self.state = State.DRAINING
        self.deadline = deadline
        return True

    def close(self) -> None:
        self.state = State.CLOSED
