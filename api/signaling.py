"""The WebSocket of PROTOCOL.md: receives messages for a participant, sends its outbox, and renews its token."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from api import auth, messages
from api.dependencies import SettingsDep, SfuDep, address_of, know, reached_at
from api.errors import close_code, problem_of
from api.http_protocols import CONNECTION, WebSocketProtocol
from sfu import limits
from sfu.bucket import Bucket
from sfu.errors import InvalidRequest, SfuError, Unauthenticated, Unavailable
from sfu.lifecycle import State
from sfu.model import Grant
from sfu.quoting import octets
from sfu.service import Sfu
from sfu.signalling.messages import Error, Join, Token
from sfu.signalling.outbox import Outgoing
from sfu.signalling.requests import SignallingSession, cost
from sfu.signalling.sessions import refusal
from sfu_client import new_jti

log = logging.getLogger(__name__)
router = APIRouter()

SUBPROTOCOL = "sfu.v1"
BEARER = "bearer."
NO_TEXT = 1003
INTERNAL = 1011
LONGEST_WAIT = 86_400.0
"""Seconds between two checks of a token that lives for longer than twice this."""


class NotText(InvalidRequest):
    """The first message is a binary frame."""


@dataclass(frozen=True, slots=True)
class Knock:
    """The result of the handshake, before the first message: a grant for a room, or the reason for a refusal."""

    room: str
    grant: Grant | None = None
    refusal: SfuError | None = None


@router.websocket("/v1/rtc")
async def rtc(websocket: WebSocket, sfu: SfuDep, settings: SettingsDep) -> None:
    """Connects to the room that the token names."""
    await _receive_guest(websocket, sfu, settings.keys, "")


@router.websocket("/v1/rooms/{room:name}/rtc")
async def rtc_of_room(room: str, websocket: WebSocket, sfu: SfuDep, settings: SettingsDep) -> None:
    await _receive_guest(websocket, sfu, settings.keys, room)


async def _receive_guest(websocket: WebSocket, sfu: Sfu, keys: Mapping[str, str], room: str) -> None:
    knock = _knock(websocket, sfu, keys, room)
    # A browser hides the status of a refused handshake from its page, so the refusal is sent after the handshake. A
    # resume needs no token, but only its first message shows that it is a resume.
    may_wait = "origin" in websocket.headers or "resume" in websocket.query_params
    if knock.refusal is not None and not may_wait:
        await websocket.send_denial_response(problem_of(knock.refusal))
        return
    await websocket.accept(SUBPROTOCOL if SUBPROTOCOL in websocket.scope["subprotocols"] else None)
    try:
        if knock.grant is not None:
            know(websocket)
        join = await _first_message(websocket)
        if knock.refusal is not None and join.resume is None:
            raise knock.refusal
        address, via = address_of(websocket), reached_at(websocket)
        async with sfu.attach(knock.grant, knock.room, join, address=address, via=via) as session:
            know(websocket)
            code = await _converse(websocket, session, keys)
        reason = ""
    except WebSocketDisconnect:
        return
    except SfuError as error:
        code, reason = NO_TEXT if isinstance(error, NotText) else close_code(error), str(error)
        with contextlib.suppress(WebSocketDisconnect):
            await websocket.send_text(messages.encode(0, refusal(error)).decode())
    except Exception as error:
        # The session is kept and can be resumed over another connection.
        sfu.failures.note("websocket", error, f"room={knock.room}")
        code, reason = INTERNAL, "an internal error occurred; the server logged it"
    await _close(websocket, code, reason)


def _knock(websocket: WebSocket, sfu: Sfu, keys: Mapping[str, str], room: str) -> Knock:
    try:
        grant = auth.verify(_token_of(websocket), keys)
    except auth.Expired as expired:
        return Knock(room or expired.room, refusal=expired)
    except Unauthenticated as refused:
        return Knock(room, refusal=refused)
    room = sfu.name_of(room or grant.room)
    try:
        if not room:
            raise InvalidRequest("the token names no room: connect to /v1/rooms/{room}/rtc")
        auth.admits(grant, room)
        sfu.require_valid(grant, room)
        if sfu.state is not State.RUNNING:
            raise Unavailable("this server is draining: join elsewhere, or later")
        sfu.require_budget(grant, address_of(websocket))
    except SfuError as refused:
        return Knock(room, refusal=refused)
    return Knock(room, grant)


def _token_of(websocket: WebSocket) -> str:
    scheme, _, token = websocket.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return token.strip()
    for offered in websocket.scope["subprotocols"]:
        if offered.startswith(BEARER):
            return str(offered.removeprefix(BEARER))
    if "access_token" in websocket.query_params:
        return websocket.query_params["access_token"]
    raise Unauthenticated("a token is needed: as Authorization, as access_token, or as a subprotocol 'bearer.<token>'")


async def _first_message(websocket: WebSocket) -> Join:
    try:
        async with asyncio.timeout(limits.FIRST_MESSAGE_SECONDS):
            received = await websocket.receive()
    except TimeoutError:
        waited = f"{limits.FIRST_MESSAGE_SECONDS:g} seconds"
        raise InvalidRequest(f"no message arrived within {waited}: the first message must be join") from None
    if received["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(received.get("code", 1005))
    text = received.get("text")
    if text is None:
        raise NotText("messages are text, not binary")
    if octets(text) > limits.FIRST_MESSAGE_OCTETS:
        raise InvalidRequest(f"the first message has at most {limits.FIRST_MESSAGE_OCTETS} octets")
    message = messages.decode(text)
    if not isinstance(message, Join):
        raise InvalidRequest("the first message must be join")
    return message


async def _converse(websocket: WebSocket, session: SignallingSession, keys: Mapping[str, str]) -> int | None:
    """Runs the session until one side ends it. Returns the close code to send. None: the client is gone."""
    outbox = session.outbox
    async with asyncio.TaskGroup() as tasks:
        listening = tasks.create_task(_listen(websocket, session))
        sending = tasks.create_task(_send_outbox(websocket, session))
        lost = tasks.create_task(outbox.lost.wait())
        renewing = tasks.create_task(_renew(session, keys))
        await asyncio.wait((listening, sending, lost), return_when=asyncio.FIRST_COMPLETED)
        for task in (listening, sending, lost, renewing):
            task.cancel()
    if outbox.close_code is not None:
        return outbox.close_code
    return listening.result() if listening.done() and not listening.cancelled() else None


async def _listen(websocket: WebSocket, session: SignallingSession) -> int | None:
    budget = Bucket(limits.MESSAGES_PER_SECOND, limits.MESSAGE_BURST, time.monotonic())
    while True:
        received = await websocket.receive()
        if received["type"] == "websocket.disconnect":
            return None
        text = received.get("text")
        if text is None:
            session.send(Error(0, InvalidRequest.code, "messages are text, not binary"))
            return NO_TEXT
        try:
            message = messages.decode(text)
        except InvalidRequest as error:
            session.send(Error(messages.request_id(text), error.code, str(error)))
            await _pause(budget, 1 + octets(text) / limits.COST_OCTETS)
            continue
        # Nothing is dropped: a client that exceeds its budget is read more slowly.
        await _pause(budget, cost(message, octets(text)))
        await session.handle(message)


async def _pause(budget: Bucket, spent: float) -> None:
    wait = budget.spend(time.monotonic(), spent)
    if wait > 0:
        await asyncio.sleep(wait)


async def _send_outbox(websocket: WebSocket, session: SignallingSession) -> None:
    protocol = websocket.scope.get(CONNECTION)
    ours = protocol if isinstance(protocol, WebSocketProtocol) else None
    if ours is not None:
        session.outbox.write = partial(_write, ours)
    with contextlib.suppress(WebSocketDisconnect):
        async for seq, outgoing in session.outbox.outgoing():
            text = messages.encode(seq, outgoing)
            if ours is None or not ours.write_text(text):
                await websocket.send_text(text.decode())


def _write(protocol: WebSocketProtocol, seq: int, outgoing: Outgoing) -> bool:
    """Sends a message at once, so that a message to many wakes no task for each. False: the task sends it."""
    try:
        return protocol.write_text(messages.encode(seq, outgoing))
    except Exception:
        # The task meets the same exception, and its connection ends.
        return False


async def _renew(session: SignallingSession, keys: Mapping[str, str]) -> None:
    """Sends a new token at half the life of the previous one, and immediately when permissions change, because earlier
    tokens may be revoked then. The token grants the present permissions."""
    issued, expires = session.grant.issued, float(session.grant.expires)
    # The client may have missed a token that was sent before the snapshot.
    is_due = session.is_snapshot
    while expires and session.grant.key in keys:
        now = time.time()
        issued = issued or now
        due = issued + (expires - issued) / 2
        if due > now and not is_due:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(due - now, LONGEST_WAIT)):
                    is_due = await session.grant_changed.wait()
            continue
        is_due = False
        session.grant_changed.clear()
        life = max(expires - issued, 1.0)
        grant = replace(session.grant, jti=new_jti())
        session.send(Token(auth.sign(grant, keys[grant.key], ttl=life, now=now)))
        issued, expires = now, now + life
        await session.note_token(issued, expires, grant.jti)


async def _close(websocket: WebSocket, code: int | None, reason: str) -> None:
    if code is None:
        return
    with contextlib.suppress(WebSocketDisconnect, RuntimeError, TimeoutError):
        async with asyncio.timeout(limits.CLOSE_SECONDS):
            # RFC 6455 s5.5: a control frame carries at most 125 octets, two of them the code.
            await websocket.close(code, reason.encode()[:123].decode(errors="ignore"))
