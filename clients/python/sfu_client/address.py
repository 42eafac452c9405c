"""Addresses: the URL of a service, and paths with names in them."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from .tokens import AccessToken

TOKEN_TTL = 60.0
"""Seconds. A token is made for each request."""
IDENTITY = "backend"

TokenSource = Callable[[], str]


def base_of(url: str) -> str:
    """Returns the URL without a final slash. It may have a path, under which the service is mounted. Raises
    ValueError."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
        httpx.URL(url)
    except (ValueError, httpx.InvalidURL):
        host = None
    if host is None or parts.scheme not in ("http", "https") or parts.query or parts.fragment:
        raise ValueError(f"The URL of the service needs to begin with http:// or https:// and a host, not {url!r}.")
    return url.rstrip("/")


def path(*parts: str) -> str:
    """Returns a path of these segments. A segment of dots alone is quoted, too, because clients resolve it."""
    return "".join("/" + (quote(part, safe="") if part.strip(".") else part.replace(".", "%2E")) for part in parts)


def session_url(base: str, location: str) -> str:
    """Returns the URL of a WHIP or WHEP session. Raises ValueError if it is not one of this service."""
    origin = httpx.URL(base)
    try:
        url = origin.join(location)
    except httpx.InvalidURL:
        url = httpx.URL("")
    if (url.scheme, url.host, url.port) != (origin.scheme, origin.host, origin.port):
        raise ValueError(f"The session {location!r} is not one of {base}.")
    return str(url)


def token_source(token: str | TokenSource, key: str, secret: str) -> TokenSource:
    """Returns what makes the token of a request: the given one, or an administrator's that is signed here."""
    if token and (key or secret):
        raise ValueError("Give either a token, or a key and its secret.")
    if callable(token):
        return token
    if token:
        return lambda: token
    if not key or not secret:
        raise ValueError("A client needs a key and its secret, or a token.")
    admin = AccessToken(identity=IDENTITY, room_admin=True, room_create=True, room_list=True)
    return lambda: admin.sign(key, secret, ttl=TOKEN_TTL)


def given(**fields: Any) -> dict[str, Any]:
    """Returns the fields that are not None."""
    return {name: value for name, value in fields.items() if value is not None}


def ice_servers(headers: httpx.Headers) -> tuple[str, ...]:
    """Returns the values of the Link headers that name ICE servers (RFC 9725 s4.6)."""
    return tuple(value for value in headers.get_list("link") if 'rel="ice-server"' in value)
