"""A WHIP (RFC 9725) and WHEP client: one POST starts a session, one DELETE ends it. It uses no HTTP library."""

import asyncio
import time
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from loadtest.wire.client import Client


class Refused(Exception):
    """The server refused the request: its status and sentence."""


@dataclass(slots=True)
class Session:
    """A connected client and its WHIP or WHEP resource. Times are CLOCK_MONOTONIC in seconds."""

    client: Client
    location: str
    token: str
    began: float
    """When the TCP connection was started."""
    answered: float
    connected: float

    async def end(self) -> None:
        """Deletes the resource, then closes the client."""
        await request("DELETE", self.location, self.token)
        self.client.close()


async def open_session(url: str, token: str, client: Client, limit: float = 10.0) -> Session:
    """Opens a session and connects. `url`: the WHIP or WHEP endpoint. Raises Refused, ConnectError, HandshakeError."""
    began = time.monotonic()
    status, headers, body = await request("POST", url, token, client.offer.encode(), "application/sdp")
    answered = time.monotonic()
    if status != 201:
        raise Refused(f"{status}: {body.decode(errors='replace')[:500]}")
    await client.connect(body.decode(), limit)
    return Session(client, urljoin(url, headers["location"]), token, began, answered, time.monotonic())


async def request(
    method: str, url: str, token: str = "", body: bytes = b"", content_type: str = ""
) -> tuple[int, dict[str, str], bytes]:
    """Returns status, headers by lower-case name, and body. Each request uses its own connection, plain HTTP/1.1."""
    parts = urlsplit(url)
    path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    lines = [f"{method} {path} HTTP/1.1", f"Host: {parts.netloc}", "Connection: close"]
    if token:
        lines.append(f"Authorization: Bearer {token}")
    if body:
        lines += [f"Content-Type: {content_type}", f"Content-Length: {len(body)}"]
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        length = headers.get("content-length")
        content = await (reader.readexactly(int(length)) if length is not None else reader.read())
    finally:
        writer.close()
    return int(head[0].split(" ")[1]), headers, content
