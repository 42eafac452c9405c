"""The HTTP client of the `sfu` commands: address and key of a running service, and errors as sentences."""

import json
import os
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urlencode

import httpx

from api import auth, devfile
from api.settings import CLIENT, TABLE, SettingsError
from sfu.model import Grant

TIMEOUT = 10.0
TOKEN_TTL = 60.0
"""Seconds."""
SILENCE = 60.0
"""Seconds after which a stream of events has failed. The service sends something every 15."""
POLL = 0.25
"""Seconds between two polls of a drain."""


class ClientError(Exception):
    """One sentence."""


def credentials() -> tuple[str, str]:
    """Returns the key that signs tokens, and its secret."""
    environ = os.environ
    if environ.get("SFU_API_KEY") or environ.get("SFU_API_SECRET"):
        if not (environ.get("SFU_API_KEY") and environ.get("SFU_API_SECRET")):
            raise SettingsError("Only one of SFU_API_KEY and SFU_API_SECRET is set: set both.")
        if len(environ["SFU_API_SECRET"].encode()) < auth.MIN_SECRET:
            raise SettingsError(f"SFU_API_SECRET has fewer than {auth.MIN_SECRET} bytes: servers refuse it.")
        return environ["SFU_API_KEY"], environ["SFU_API_SECRET"]
    if environ.get("SFU_KEYS"):
        try:
            keys = next(setting for setting in TABLE if setting.name == "keys").parse(environ["SFU_KEYS"])
        except ValueError as error:
            raise SettingsError(f"SFU_KEYS {error}.") from None
        for key, secret in keys.items():
            return str(key), str(secret)
    kept = devfile.load()
    if kept is None:
        known = ", ".join(name for name in CLIENT if name != "SFU_URL")
        raise SettingsError(
            f"There is no key to sign with: set {known}, or SFU_KEYS, or start `sfu serve --dev` in this folder first."
        )
    return kept.key, kept.secret


def call(method: str, path: str, body: Any = None) -> Any:
    """Returns the service's reply. Raises ClientError."""
    return _ask(method, _url() + path, headers={"Authorization": f"Bearer {_token()}"}, body=body)


def _token() -> str:
    key, secret = credentials()
    admin = Grant(identity="sfu-cli", room_admin=True, room_create=True, room_list=True, key=key)
    return auth.sign(admin, secret, ttl=TOKEN_TTL, now=time.time())


def pages(path: str, name: str) -> dict[str, Any]:
    """Returns all pages of a list as one reply. Raises ClientError."""
    entries: list[Any] = []
    after = ""
    while True:
        reply = call("GET", f"{path}?after={quote(after, safe='')}" if after else path)
        entries += reply[name]
        after = reply.get("next", "")
        if not after:
            return {name: entries}


def events(**parameters: str) -> Iterator[dict[str, Any]]:
    """Yields the events that are kept now. Raises ClientError."""
    more = True
    while more:
        body = call("GET", "/v1/events?" + urlencode(parameters))
        yield from body["events"]
        more, parameters["after"] = bool(body["next"]), body["next"]


def follow(path: str, **parameters: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields the kind and the data of each item of a stream of events, until the service ends it. Raises
    ClientError."""
    url = _url() + path
    headers = {"Authorization": f"Bearer {_token()}", "Accept": "text/event-stream"}
    with (
        _sentences(url),
        httpx.Client(timeout=httpx.Timeout(TIMEOUT, read=SILENCE), verify=_trust(url)) as http,
        http.stream("GET", url, headers=headers, params=parameters) as reply,
    ):
        if not reply.is_success:
            reply.read()
            raise _refused(reply, url)
        kind, data = "message", ""
        for line in reply.iter_lines():
            name, _, value = line.partition(": ")
            if name == "event":
                kind = value
            elif name == "data":
                data = value
            elif not line and data:
                yield kind, json.loads(data)
                kind, data = "message", ""


def path(*parts: str) -> str:
    return "".join("/" + quote(part, safe="") for part in parts)


def internal(method: str, path: str, purpose: str) -> Any:
    """Returns the reply of the internal listener. Raises ClientError."""
    return _ask(method, _internal_url(purpose) + path)


def _internal_url(purpose: str) -> str:
    environ = os.environ
    port = environ.get("SFU_INTERNAL_PORT")
    if not port:
        raise SettingsError(
            f"SFU_INTERNAL_PORT is not set: set it to the service's internal port, which {purpose} connects to."
        )
    host = (environ.get("SFU_INTERNAL_HOST") or environ.get("SFU_HOST") or "127.0.0.1").split(",")[0].strip()
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def drain(limit: float | None, *, wait: bool) -> None:
    """Starts a drain. With `wait`, returns when all participants have left or the service has ended."""
    url = _internal_url("drain") + "/drain"
    state = _ask("POST", url + (f"?limit={limit:g}" if limit is not None else ""))
    while wait and state["state"] not in ("closed", "failed") and state["participants"]:
        time.sleep(POLL)
        try:
            state = _ask("GET", url)
        except NobodyThere:
            return


class NobodyThere(ClientError):
    pass


def _url() -> str:
    url = os.environ.get("SFU_URL")
    if not url:
        kept = devfile.load()
        url = kept.url if kept and kept.url else "http://127.0.0.1:7880"
    scheme, _, host = url.partition("://")
    if scheme not in ("http", "https") or not host.strip("/"):
        raise SettingsError(f"SFU_URL needs to begin with http:// or https:// and a host, not {url!r}.")
    return url.rstrip("/")


def _ask(method: str, url: str, *, headers: dict[str, str] | None = None, body: Any = None) -> Any:
    with _sentences(url), httpx.Client(timeout=TIMEOUT, verify=_trust(url)) as http:
        reply = http.request(method, url, headers=headers, json=body)
    if reply.is_success:
        return reply.json() if reply.content else None
    raise _refused(reply, url)


@contextmanager
def _sentences(url: str) -> Iterator[None]:
    """Turns failures of the connection into a ClientError."""
    origin = _origin(url)
    try:
        yield
    except httpx.TransportError as error:
        if isinstance(error, httpx.ConnectError) and "certificate" not in str(error).lower():
            raise NobodyThere(f"Nothing answers at {origin}: is the service running, and SFU_URL right?") from None
        raise ClientError(f"The request to {origin} failed: {str(error).rstrip('.')}.") from None
    except httpx.InvalidURL:
        raise ClientError(f"{origin} is not a valid URL: check SFU_URL.") from None


def _refused(reply: httpx.Response, url: str) -> ClientError:
    try:
        detail = reply.json()["detail"]
    except (ValueError, KeyError, TypeError):
        detail = f"{_origin(url)} answered {reply.status_code}, and may not be an SFU: check SFU_URL."
    return ClientError(str(detail))


def _origin(url: str) -> str:
    return "/".join(url.split("/", 3)[:3])


def _trust(url: str) -> ssl.SSLContext | bool:
    """Returns the TLS trust for a URL: the self-signed certificate of --lan if this folder has one, else the
    default."""
    kept = devfile.load() if url.startswith("https://") else None
    if kept is None or not kept.certificate:
        return True
    context = ssl.create_default_context()
    context.load_verify_locations(cadata=kept.certificate)
    return context
