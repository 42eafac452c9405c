"""What can go wrong. The message of each exception is a sentence.

ClientError
├─ Unreachable            no connection was made: the service did nothing
├─ RequestFailed          the connection or the time limit ended: the service may have done it
├─ InvalidAnswer          the reply is not that of an SFU
├─ EventsMissed           events are no longer kept: read the state of the rooms
├─ WebhookRefused         a request is no genuine webhook of the service
└─ ApiError               the service refused, with a problem document (RFC 9457)
   ├─ InvalidRequest      400, 405, 413, 415, 422
   ├─ Unauthenticated     401
   ├─ NotAllowed          403
   ├─ NotFound            404
   ├─ Conflict            409
   ├─ Stale               412, 428
   ├─ TooManyRequests     429
   └─ Unavailable         503
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

DETAIL = 2_000
"""Characters of a refusal that are kept."""


class ClientError(Exception):
    """The base of all exceptions of this package."""


class Unreachable(ClientError):
    """No connection was made."""


class RequestFailed(ClientError):
    """The connection failed, or the time limit passed, after the request may have arrived."""


class InvalidAnswer(ClientError):
    """The reply is not that of an SFU, or too long."""


class EventsMissed(ClientError):
    """Events after `after` are no longer kept, or the service keeps another database."""

    def __init__(self, after: str) -> None:
        super().__init__(f"Events after {after or 'the beginning'} are no longer kept: read the state of the rooms.")
        self.after = after


class WebhookRefused(ClientError):
    """The request is not a genuine, recent webhook: answer it with 401."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One mistake in a request."""

    where: str
    message: str


class ApiError(ClientError):
    """The service refused a request.

    `status`: of HTTP. `code`: for programs, for example `not_found`. `detail`: a sentence. `retry_after`: seconds, or
    None. `limit`: the limit that a 429 names. `faults`: the mistakes in the body or query.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        retry_after: float | None = None,
        limit: str = "",
        faults: tuple[Fault, ...] = (),
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.retry_after = retry_after
        self.limit = limit
        self.faults = faults


class InvalidRequest(ApiError):
    pass


class Unauthenticated(ApiError):
    pass


class NotAllowed(ApiError):
    pass


class NotFound(ApiError):
    pass


class Conflict(ApiError):
    pass


class Stale(ApiError):
    pass


class TooManyRequests(ApiError):
    pass


class Unavailable(ApiError):
    pass


KINDS: Mapping[int, type[ApiError]] = {
    400: InvalidRequest,
    401: Unauthenticated,
    403: NotAllowed,
    404: NotFound,
    405: InvalidRequest,
    409: Conflict,
    412: Stale,
    413: InvalidRequest,
    415: InvalidRequest,
    422: InvalidRequest,
    428: Stale,
    429: TooManyRequests,
    503: Unavailable,
}


def refusal(status: int, headers: Mapping[str, str], body: Any) -> ApiError | None:
    """Returns the exception of a problem document. None: the body is none."""
    if not isinstance(body, Mapping) or not isinstance(body.get("detail"), str):
        return None
    faults = body.get("errors")
    return KINDS.get(status, ApiError)(
        status,
        str(body.get("code", "")),
        body["detail"][:DETAIL],
        retry_after=_seconds(headers.get("retry-after", "")),
        limit=str(body.get("limit", "")),
        faults=tuple(
            Fault(str(one.get("where", "")), str(one.get("message", "")))
            for one in (faults if isinstance(faults, list) else ())
            if isinstance(one, Mapping)
        ),
    )


def _seconds(text: str) -> float | None:
    return float(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None
