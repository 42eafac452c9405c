"""What can be refused, as exceptions. A bad datagram is none of these: it is counted in the plane.

SfuError                      something asked for cannot be done; `str()` is a sentence for the one who asked
 ├─ InvalidRequest            the request itself is wrong
 │   ├─ NegotiationError      an offer that cannot be answered
 │   └─ PreconditionRequired  it must say which ICE session it means
 ├─ Unauthenticated           no token, or one that does not hold
 ├─ NotAllowed                the grant does not reach so far
 ├─ NotFound                  no such room, participant, track or session
 ├─ Conflict                  it exists, with other options
 │   └─ Contended             two publishers replace each other under one identity
 ├─ RoomFull                  it has as many participants as it may
 ├─ TooManyRequests           a key, an address or the service has as much as it may: later
 ├─ LimitExceeded             what was sent is longer, or more, than is allowed
 ├─ Stale                     an ETag or a resume names something that has moved on
 └─ Unavailable               draining or closed: elsewhere, or later

ImportError
 └─ NativeModuleError         the packet plane cannot be imported: only whoever installed the package can fix it
"""

from sfu import limits


class SfuError(Exception):
    """A request was refused. `code` is for programs: one word per kind, the same in WebSocket errors and problem
    documents."""

    code = "internal"


class InvalidRequest(SfuError):
    code = "invalid_request"


class NegotiationError(InvalidRequest):
    code = "negotiation_failed"


class PreconditionRequired(InvalidRequest):
    code = "precondition_required"


class Unauthenticated(SfuError):
    code = "unauthenticated"


class NotAllowed(SfuError):
    code = "not_allowed"


class NotFound(SfuError):
    code = "not_found"


class Conflict(SfuError):
    code = "conflict"


class Contended(Conflict):
    """Two publishers replace each other under one identity. `retry_after` is in seconds."""

    retry_after = int(limits.TAKEOVER_SECONDS)


class RoomFull(SfuError):
    code = "room_full"


class TooManyRequests(SfuError):
    """A limit was reached. `limit` names it, `retry_after` is in seconds."""

    code = "too_many_requests"

    def __init__(self, sentence: str, limit: str, retry_after: int = 1) -> None:
        super().__init__(sentence)
        self.limit = limit
        self.retry_after = retry_after


class LimitExceeded(SfuError):
    """A request, name, text or list is too long."""

    code = "limit_exceeded"


class Stale(SfuError):
    code = "stale"


class Unavailable(SfuError):
    """The service is draining, closed or failed. `retry_after` is in seconds."""

    code = "unavailable"

    def __init__(self, sentence: str, retry_after: int = 5) -> None:
        super().__init__(sentence)
        self.retry_after = retry_after


class NativeModuleError(ImportError):
    """The native module cannot be imported. `str()` states what is wrong and how to fix it."""

    def __init__(self, found: str, fix: str) -> None:
        super().__init__(f"The native module {found}: {fix}.")
        self.found = found
        self.fix = fix
