"""WHIP (RFC 9725) and WHEP as a client: one POST for a session, one DELETE to end it. No HTTP library in the way."""

import asyncio
import time
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from loadtest.wire.client import Client


class Refused(Exception):
    """The server said no; the status and its sentence."""


@dataclass(slots=True)
class Session:
    """A client that is connected, and the resource that stands for it. Times: CLOCK_MONOTONIC, seconds."""

    client: Client
    location: str
    token: str
    began: float
    """When the TCP connection was begun."""
    answered: float
    connected: float

    async def end(self) -> None:
        """DELETE, then the transport."""
        await request("DELETE", self.location, self.token)
        self.client.close()


async def open_session(url: str, token: str, client: Client, limit: float = 10.0) -> Session:
    """`url`: of the WHIP or WHEP door. Raises Refused, ConnectError, HandshakeError."""
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
    """Status, headers by lower-case name, and body. One connection for one request, plain HTTP/1.1."""
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
