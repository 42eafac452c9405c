# Made from aio/connection.py by scripts/make-sync-client.
"""Requests to a service: time limits, bounded replies, and refusals as exceptions."""

import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from ..address import TokenSource
from ..errors import ClientError, InvalidAnswer, RequestFailed, Unavailable, Unreachable, refusal
from ..reply import Reply

PROXY = (502, 503, 504)
"""What proxies answer while the service is away."""
REPLY_OCTETS = 64 << 20
"""The longest reply. A page of 1,000 entries has at most a few megabytes."""


class Connection:
    """`timeout`: seconds for each request. `verify`: True, or the context of a private authority. `transport`: of
    tests, or of an application in the same process (`httpx.WSGITransport`)."""

    def __init__(
        self,
        base: str,
        token: TokenSource | None,
        timeout: float,
        verify: ssl.SSLContext | bool,
        transport: httpx.BaseTransport | None,
    ) -> None:
        self.base = base
        self._token = token
        self._timeout = timeout
        # Reading the authorities of the system takes 50 ms, and HTTP needs none.
        verify = verify if base.startswith("https:") else False
        self._http = httpx.Client(timeout=timeout, verify=verify, transport=transport, follow_redirects=False)

    def close(self) -> None:
        self._http.close()

    def ask(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, Any] | None = None,
        json: Any = None,
        content: str | None = None,
        headers: dict[str, str] | None = None,
        token: str | None = None,
    ) -> Reply:
        """Returns the successful reply. `path`: under the base, or a URL. `token`: None: the client's; empty:
        none. Raises ClientError."""
        url = path if "://" in path else self.base + path
        begun = time.monotonic()
        sent = self._headers(headers, token)
        with self._sentences(self._timeout):
            request = self._http.build_request(method, url, params=query, json=json, content=content, headers=sent)
            arriving = self._http.send(request, stream=True)
            try:
                reply = self._read(arriving, begun)
            finally:
                arriving.close()
        if not arriving.is_success:
            raise self._refused(reply)
        return reply

    @contextmanager
    def stream(
        self, path: str, *, query: dict[str, Any], headers: dict[str, str], silence: float
    ) -> Iterator[httpx.Response]:
        """Yields a successful reply whose body is not read yet. `silence`: seconds without an octet after which it has
        failed. Raises ClientError, also within the block."""
        limits = httpx.Timeout(self._timeout, read=silence)
        with (
            self._sentences(silence),
            self._http.stream(
                "GET", self.base + path, params=query, headers=self._headers(headers, None), timeout=limits
            ) as reply,
        ):
            if not reply.is_success:
                raise self._refused(self._read(reply, time.monotonic()))
            yield reply

    def _headers(self, headers: dict[str, str] | None, token: str | None) -> dict[str, str]:
        if token is None and self._token is not None:
            token = self._token()
        return {**({"Authorization": f"Bearer {token}"} if token else {}), **(headers or {})}

    def _read(self, reply: httpx.Response, begun: float) -> Reply:
        """Reads the body. The library's limit is for each octet; this one is for the whole request."""
        pieces, octets = [], 0
        for piece in reply.iter_bytes():
            octets += len(piece)
            pieces.append(piece)
            if octets > REPLY_OCTETS:
                raise InvalidAnswer(f"The reply of {self.base} has more than {REPLY_OCTETS} octets.")
            if time.monotonic() - begun > self._timeout:
                raise RequestFailed(f"The request to {self.base} took longer than {self._timeout:g} s.")
        return Reply(reply.status_code, reply.headers, b"".join(pieces))

    @contextmanager
    def _sentences(self, limit: float) -> Iterator[None]:
        """Turns failures of the connection into exceptions of this package. `limit`: seconds for its next octet."""
        try:
            yield
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError) as error:
            if "certificate" in str(error).lower():
                raise RequestFailed(f"The request to {self.base} failed: {str(error).rstrip('.')}.") from error
            raise Unreachable(f"Nothing answers at {self.base}: is the service running, and the URL right?") from error
        except httpx.TimeoutException as error:
            raise RequestFailed(f"The request to {self.base} took longer than {limit:g} s.") from error
        except (httpx.TransportError, httpx.DecodingError) as error:
            why = str(error).rstrip(".") or type(error).__name__
            raise RequestFailed(f"The request to {self.base} failed: {why}.") from error

    def _refused(self, reply: Reply) -> ClientError:
        try:
            body = reply.json()
        except ValueError:
            body = None
        found = refusal(reply.status, reply.headers, body)
        if found is None and reply.status in PROXY:
            found = Unavailable(reply.status, "", f"A proxy of {self.base} answered {reply.status}.")
        return found or InvalidAnswer(f"{self.base} answered {reply.status}, and may not be an SFU: check the URL.")
