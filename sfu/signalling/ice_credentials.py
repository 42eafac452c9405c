"""When the TURN credentials of the participants of a room were made, and whose must be renewed."""

from collections.abc import Sequence

from sfu.context import Context
from sfu.ice_servers import ice_servers
from sfu.model import IceServer


class IceCredentials:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._due: dict[str, float] = {}
        """When to renew, by sid, in seconds of the monotonic clock. All wait equally long, so the first is the next."""

    def renew(self, sid: str) -> tuple[IceServer, ...]:
        """Returns the ICE servers of a participant with new credentials."""
        turn = self._context.config.turn
        if turn.urls:
            self._due.pop(sid, None)
            self._due[sid] = self._context.now() + turn.ttl / 2
        return ice_servers(self._context.config, sid, self._context.wall())

    def forget(self, sid: str) -> None:
        self._due.pop(sid, None)

    def poll_due(self) -> Sequence[str]:
        """Returns the participants whose credentials must be renewed now, by their sids. The caller renews them."""
        now, found = self._context.now(), []
        for sid, due in self._due.items():
            if due > now:
                break
            found.append(sid)
        return found
