"""The client side of our WebSocket protocol: requests with their replies, and resuming after a disconnect."""

import asyncio
import contextlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated
from urllib.parse import quote, urlsplit, urlunsplit

import httpx
from pydantic import Discriminator, TypeAdapter
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.typing import Subprotocol

from sfu.model import Client
from sfu.signalling import messages
from sfu.signalling.messages import ClientMessage, ServerMessage

SUBPROTOCOL = "sfu.v1"
LIMIT = 10.0
"""The time limit for a connection to open and for a reply, in seconds."""
FIRST_RETRY, LONGEST_RETRY = 0.1, 2.0

Request = (
    messages.Offer
    | messages.Publish
    | messages.Unpublish
    | messages.Mute
    | messages.Subscribe
    | messages.Settings
    | messages.Update
)
Reply = messages.Answer | messages.Published | messages.Ok

_client: TypeAdapter[ClientMessage] = TypeAdapter(Annotated[ClientMessage, Discriminator("type")])
_server: TypeAdapter[ServerMessage] = TypeAdapter(Annotated[ServerMessage, Discriminator("type")])


class Refused(Exception):
    """The server refused a request. `code` is its error code, the text its sentence."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class Signaling:
    """One participant's WebSocket. `run` reads it and passes messages that are no replies to `handle`."""

    def __init__(self, url: str, room: str, token: str, handle: Callable[[ServerMessage], None]) -> None:
        self.left: messages.Left | None = None
        """Set when the session has ended."""
        self.resumes = 0
        """The number of resumed disconnects."""
        self._url = url
        self._room = room
        self._token = token
        self._handle = handle
        self._socket: ClientConnection | None = None
        self._session: tuple[str, str] | None = None
        self._window = 30.0
        self._seq = 0
        self._next_id = 1
        self._pending: dict[int, asyncio.Future[Reply]] = {}
        self._open = asyncio.Event()

    def listen(self, handle: Callable[[ServerMessage], None]) -> None:
        """Replaces the handler of messages that are no replies."""
        self._handle = handle

    async def join(self, *, auto_subscribe: bool) -> messages.Joined:
        """Opens the first connection and joins. Raises Refused, or OSError if the server is unreachable."""
        join = messages.Join("join", auto_subscribe, client=Client("sfu-bot", "0.1.0"))
        try:
            first = await self._connect(join)
        except InvalidStatus as refused:
            raise Refused("handshake", _detail(refused)) from None
        if isinstance(first, messages.Joined):
            return first
        raise Refused("unexpected", f"the server began with {first.type}")

    async def run(self) -> None:
        """Reads until the session ends. Resumes after a disconnect as long as the server keeps the session."""
        while self.left is None:
            try:
                await self._read()
            except ConnectionClosed:
                if self.left is None:
                    await self._resume()
        self._fail(Refused(self.left.reason.value, self.left.message))

    async def request(self, request: Request) -> Reply:
        """Sends a request with a new `id` and returns the reply. Raises Refused, TimeoutError, or ConnectionError after
        a disconnect."""
        await self._open.wait()
        id, self._next_id = self._next_id, self._next_id + 1
        future = self._pending[id] = asyncio.get_running_loop().create_future()
        try:
            await self.say(replace(request, id=id))
            return await asyncio.wait_for(future, LIMIT)
        finally:
            self._pending.pop(id, None)

    async def say(self, message: ClientMessage) -> None:
        if self._socket is None:
            raise ConnectionError("not connected")
        await self._socket.send(_client.dump_json(message).decode())

    def cut(self) -> None:
        """Aborts the connection without notifying the server, as a network failure does."""
        if self._socket is not None:
            self._socket.transport.abort()

    async def leave(self) -> None:
        with contextlib.suppress(WebSocketException, ConnectionError, TimeoutError):
            await self.say(messages.Leave("leave"))
            if self._socket is not None:
                async with asyncio.timeout(1.0):
                    await self._socket.wait_closed()

    async def close(self) -> None:
        if self._socket is not None:
            await self._socket.close()

    async def _connect(self, join: messages.Join) -> ServerMessage:
        protocols = [Subprotocol(SUBPROTOCOL), Subprotocol(f"bearer.{self._token}")]
        address = _address(self._url, self._room, resume=join.resume is not None)
        socket = self._socket = await connect(address, subprotocols=protocols, open_timeout=LIMIT, max_size=None)
        try:
            await self.say(join)
            async with asyncio.timeout(LIMIT):
                message = self._decode(await socket.recv(decode=False))
        except BaseException:
            # A cancelled caller does not read this connection, and the server would keep the participant.
            socket.transport.abort()
            raise
        if isinstance(message, messages.Left):
            await socket.close()
            raise Refused(message.reason.value, message.message)
        if isinstance(message, messages.Joined):
            self._session = (message.you.sid, message.resume_secret)
            self._window = message.server.resume_window
        self._open.set()
        return message

    async def _read(self) -> None:
        assert self._socket is not None, "run comes after join"
        async for text in self._socket:
            match self._decode(text):
                case messages.Answer() | messages.Published() | messages.Ok() as reply:
                    future = self._pending.get(reply.id)
                    if future is not None and not future.done():
                        future.set_result(reply)
                case messages.Error() as error:
                    future = self._pending.get(error.id)
                    if future is not None and not future.done():
                        future.set_exception(Refused(error.code, error.message))
                case messages.Token() as fresh:
                    self._token = fresh.token
                case messages.Left() as left:
                    self.left = left
                    self._handle(left)
                    return
                case message:
                    self._handle(message)
        raise ConnectionClosed(None, None)

    async def _resume(self) -> None:
        """Resumes the session. Raises Refused if it has ended, ConnectionError if the server did not reply in time."""
        self._open.clear()
        self._fail(ConnectionError("the connection was cut"))
        assert self._session is not None, "only who has joined resumes"
        wait = FIRST_RETRY
        deadline = asyncio.get_running_loop().time() + self._window
        while True:
            sid, secret = self._session
            try:
                first = await self._connect(messages.Join("join", resume=messages.Resume(sid, secret, self._seq)))
                break
            except (OSError, WebSocketException, TimeoutError) as error:
                if asyncio.get_running_loop().time() + wait > deadline:
                    raise ConnectionError("the server did not come back") from error
                await asyncio.sleep(wait)
                wait = min(wait * 2, LONGEST_RETRY)
        self.resumes += 1
        self._handle(first)

    def _decode(self, text: str | bytes) -> ServerMessage:
        raw = json.loads(text)
        self._seq = max(self._seq, raw.pop("seq", 0))
        return _server.validate_python(raw)

    def _fail(self, error: Exception) -> None:
        for future in self._pending.values():
            if not future.done():
                future.set_exception(error)


async def dev_token(url: str, room: str, name: str) -> str:
    """Returns a token of a server in development mode, with a new identity. Raises Refused."""
    async with httpx.AsyncClient(timeout=LIMIT) as client:
        reply = await client.post(f"{url.rstrip('/')}/v1/dev/token", json={"room": room, "name": name})
    if reply.status_code != 200:
        raise Refused(
            "no_token", f"the server gives no development tokens ({reply.status_code}): name one with --token"
        )
    return str(reply.json()["token"])


def _detail(refused: InvalidStatus) -> str:
    """Returns the sentence of the problem document that refused the handshake."""
    try:
        return str(json.loads(refused.response.body or b"")["detail"])
    except (ValueError, KeyError, TypeError):
        return f"the server answered {refused.response.status_code}, and may not be an SFU"


def _address(url: str, room: str, *, resume: bool) -> str:
    parts = urlsplit(url)
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
    path = f"{parts.path.rstrip('/')}/v1/rooms/{quote(room, safe='')}/rtc"
    # A server that knows of the resume may accept a handshake with an expired token.
    return urlunsplit((scheme, parts.netloc, path, "resume=1" if resume else "", ""))
