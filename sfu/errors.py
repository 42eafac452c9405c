"""The exceptions of refused requests. A bad datagram raises none of them: the plane counts it.

SfuError                      the request cannot be fulfilled; `str()` is a sentence for the client
 ├─ InvalidRequest            the request itself is wrong
 │   ├─ NegotiationError      the offer cannot be answered
 │   └─ PreconditionRequired  the request must name its ICE session
 ├─ Unauthenticated           there is no token, or it is not valid
 ├─ NotAllowed                the grant does not permit the request
 ├─ NotFound                  there is no such room, participant, track or session
 ├─ Conflict                  it exists, with other options
 │   └─ Contended             two publishers replace each other under one identity
 ├─ RoomFull                  the room has its maximum of participants
 ├─ TooManyRequests           a key, an address or the service has reached a limit: try again later
 ├─ LimitExceeded             a request, name, text or list is too long
 ├─ Stale                     an ETag or a resume names something that has changed since
 └─ Unavailable               the service is draining, closed or failed: use another server, or try again later

StateError                    the service cannot start, because it cannot use the folder of its state

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


class StateError(Exception):
    """The folder of the service's state cannot be used. `str()` is a sentence for the operator."""


class NativeModuleError(ImportError):
    """The native module cannot be imported. `str()` states what is wrong and how to fix it."""

    def __init__(self, found: str, fix: str) -> None:
        super().__init__(f"The native module {found}: {fix}.")
        self.found = found
        self.fix = fix
