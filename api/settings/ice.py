"""Parsers of the settings about ICE servers: addresses (RFC 7064, RFC 7065), credentials, and lists of servers."""

import ipaddress
import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple, Self

from api.auth import MIN_SECRET
from sfu import limits
from sfu.model import IceServer
from sfu.quoting import quote

STUN, TURN = ("stun", "stuns"), ("turn", "turns")
EXAMPLE = "turn:turn.example.com:3478?transport=udp"
URL = re.compile(
    r"(?P<scheme>stuns?|turns?):(?P<host>[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(:(?P<port>[0-9]{1,5}))?"
    r"(\?transport=(?P<transport>udp|tcp))?"
)
TEXT = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")
"""Printable ASCII, because credentials are sent in header fields, too."""


class IceUrl(NamedTuple):
    """The parts of the address of an ICE server."""

    scheme: str
    host: str
    """A name or an address, without brackets."""
    port: int
    transport: str
    """`udp` or `tcp`."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError with the rest of a sentence."""
        found = URL.fullmatch(text) if len(text) <= limits.ICE_URL_CHARACTERS else None
        if found is None:
            raise ValueError(f"needs addresses such as {EXAMPLE}, not {quote(text)}")
        scheme, host = found["scheme"], found["host"].strip("[]")
        if found["host"].startswith("["):
            _require_ipv6(host, text)
        is_secure = scheme.endswith("s")
        port = int(found["port"]) if found["port"] else 5349 if is_secure else 3478
        if not 0 < port < 65536:
            raise ValueError(f"needs addresses with a port from 1 to 65535, not {quote(text)}")
        if scheme in STUN and found["transport"]:
            raise ValueError(f"needs STUN addresses without ?transport (RFC 7064), not {quote(text)}")
        if is_secure and found["transport"] == "udp":
            raise ValueError(f"needs turns: addresses with ?transport=tcp, as browsers have no DTLS, not {quote(text)}")
        return cls(scheme, host, port, found["transport"] or ("tcp" if is_secure else "udp"))

    @property
    def is_secure(self) -> bool:
        """True: over TLS."""
        return self.scheme.endswith("s")


def turn_urls(text: str) -> tuple[str, ...]:
    urls = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    _require_few(urls, "addresses")
    for url in urls:
        if IceUrl.parse(url).scheme not in TURN:
            raise ValueError(f"needs TURN addresses such as {EXAMPLE}, not {quote(url)}: see SFU_ICE_SERVERS for STUN")
    return urls


def turn_secret(text: str) -> str:
    if text and len(text.encode()) < MIN_SECRET:
        raise ValueError(f"has {len(text.encode())} bytes: at least {MIN_SECRET} are needed")
    if text and not re.fullmatch(r"[\x21-\x7e]+", text):
        # coturn reads the secret from a line of its configuration, where spaces end it.
        raise ValueError("needs printable ASCII characters without spaces, for example from: openssl rand -hex 32")
    return text


def ice_servers(text: str) -> tuple[IceServer, ...]:
    if not text:
        return ()
    try:
        listed = json.loads(text)
    except (ValueError, RecursionError):
        listed = None
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise ValueError(
            'needs a JSON list as browsers take it, such as [{"urls": "stun:stun.example.com"}, '
            f'{{"urls": ["{EXAMPLE}"], "username": "ada", "credential": "…"}}]'
        )
    _require_few(listed, "servers")
    return tuple(map(_ice_server, listed))


def hidden(text: str) -> str:
    return "(hidden)" if text else ""


def hidden_ice_servers(text: str) -> str:
    """Returns the addresses of the servers, and that they have credentials."""
    return ", ".join(
        " ".join(server.urls) + (" (credentials hidden)" if server.username else "") for server in ice_servers(text)
    )


def _ice_server(given: dict[str, Any]) -> IceServer:
    if unknown := sorted(given.keys() - {"urls", "username", "credential"}):
        raise ValueError(f"needs servers with urls, username and credential only, not {quote(unknown[0])}")
    urls = given.get("urls", ())
    urls = (urls,) if isinstance(urls, str) else urls
    if not isinstance(urls, list | tuple) or not urls or not all(isinstance(url, str) for url in urls):
        raise ValueError("needs a text, or a list of texts, as urls of each server")
    _require_few(urls, "addresses of one server")
    is_turn = {IceUrl.parse(url).scheme in TURN for url in urls}
    if len(is_turn) > 1:
        raise ValueError("needs STUN and TURN addresses in servers of their own")
    username, credential = given.get("username", ""), given.get("credential", "")
    for name, value in (("username", username), ("credential", credential)):
        if (
            not isinstance(value, str)
            or (value and not TEXT.fullmatch(value))
            or len(value) > limits.ICE_URL_CHARACTERS
        ):
            raise ValueError(f"needs a {name} of at most {limits.ICE_URL_CHARACTERS} printable ASCII characters")
    if True in is_turn and not (username and credential):
        raise ValueError(f"needs a username and a credential for {quote(urls[0])}: browsers require both for TURN")
    if False in is_turn and (username or credential):
        raise ValueError(f"needs no username and no credential for {quote(urls[0])}: STUN has none")
    return IceServer(tuple(urls), username, credential)


def _require_few(found: Sequence[object], what: str) -> None:
    if len(found) > limits.ICE_SERVERS:
        raise ValueError(f"has {len(found)} {what}: at most {limits.ICE_SERVERS} are possible")


def _require_ipv6(host: str, text: str) -> None:
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        raise ValueError(f"needs an IPv6 address in the brackets of {quote(text)}") from None
