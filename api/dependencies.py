"""Dependencies of routes: names in the path, the service, the settings, and the grant of the token.

All are `async`, because the framework runs other functions in a thread, and the service belongs to the event loop.
"""

import re
from typing import Annotated

from fastapi import Depends, FastAPI
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import HTTPConnection

from api import auth
from api.connections import subscriber
from api.http_protocols import CONNECTION
from api.settings import Settings
from sfu import limits
from sfu.errors import Unauthenticated, Unavailable
from sfu.model import Grant
from sfu.service import Sfu

PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)*", re.ASCII)
"""Segments of a path that need no quoting (RFC 3986 s2.3)."""

SLASH = "\udc2f"
"""Replaces a `/` in a name during routing: a decoded path never contains half of a surrogate pair."""


class NameConvertor(Convertor[str]):
    """`{room:name}` in the path of a route."""

    regex = "[^/]+"

    def convert(self, value: str) -> str:
        return value.replace(SLASH, "/")

    def to_string(self, value: str) -> str:
        return value.replace("/", SLASH)


register_url_convertor("name", NameConvertor())

_bearer = HTTPBearer(
    auto_error=False,
    scheme_name="token",
    bearerFormat="JWT",
    description="HS256, `iss` an API key, `sub` an identity, `video` the grant (PROTOCOL.md).",
)


def opened(app: FastAPI) -> Sfu:
    """Returns the application's service. Raises Unavailable if it failed or is not open: the lifespan of a mounted
    application is run by the outer application only."""
    sfu = getattr(app.state, "sfu", None)
    if sfu is None:
        raise Unavailable("the service is not open: the application that mounts it must run its lifespan")
    assert isinstance(sfu, Sfu)
    if sfu.failure is not None:
        raise Unavailable(f"the service has failed and must be restarted: {sfu.failure}")
    return sfu


def reached_at(connection: HTTPConnection) -> str | None:
    """Returns the server's address at which the request arrived."""
    server = connection.scope.get("server")
    return str(server[0]) if server else None


async def _sfu(connection: HTTPConnection) -> Sfu:
    return opened(connection.app)


async def _settings(connection: HTTPConnection) -> Settings:
    settings = connection.app.state.settings
    assert isinstance(settings, Settings)
    return settings


SfuDep = Annotated[Sfu, Depends(_sfu)]
SettingsDep = Annotated[Settings, Depends(_settings)]


async def _possible_grant(
    request: HTTPConnection,
    settings: SettingsDep,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Grant | None:
    if credentials is None:
        return None
    grant = auth.verify(credentials.credentials, settings.keys)
    know(request)
    return grant


async def _grant(
    request: HTTPConnection,
    settings: SettingsDep,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Grant:
    grant = await _possible_grant(request, settings, credentials)
    if grant is None:
        raise Unauthenticated("a token is needed: 'Authorization: Bearer <token>'")
    return grant


def prefix_of(connection: HTTPConnection) -> str:
    """Returns the client's prefix of the service's paths: where the application is mounted (`root_path`), and what a
    proxy removed (X-Forwarded-Prefix)."""
    mounted = str(connection.scope.get("root_path", "")).rstrip("/")
    forwarded = connection.headers.get("x-forwarded-prefix", "").rstrip("/")
    if len(forwarded) > limits.NAME_CHARACTERS or not PREFIX.fullmatch(forwarded):
        forwarded = ""
    return forwarded if mounted and forwarded.endswith(mounted) else forwarded + mounted


def address_of(connection: HTTPConnection) -> str:
    """Returns the address of the client, for limits by address. Behind a trusted proxy it is from X-Forwarded-For."""
    return subscriber(connection.client.host) if connection.client is not None else ""


def know(connection: HTTPConnection) -> None:
    """Marks the connection as known: a token, or a session's secret, was valid on it. See `api/connections.py`."""
    known = connection.scope.get(CONNECTION)
    if known is not None:
        known.know()


GrantDep = Annotated[Grant, Depends(_grant)]
PossibleGrantDep = Annotated[Grant | None, Depends(_possible_grant)]
"""None: the request has no token. A wrong one is refused."""
