"""Handles the requests of a client over its WebSocket. Each receives a reply or an error with a sentence."""

import asyncio
import contextlib
from typing import Protocol, assert_never

from sfu import commands, limits
from sfu.commands import Departed, Executor, Member
from sfu.context import Context
from sfu.errors import InvalidRequest, SfuError
from sfu.model import Declaration, Grant, WishChanges
from sfu.negotiation.sdp import SessionDescription
from sfu.signalling import messages
from sfu.signalling.outbox import Outbox, Tail

Immediate = (
    messages.Join
    | messages.Candidate
    | messages.Publish
    | messages.Unpublish
    | messages.Mute
    | messages.Subscribe
    | messages.Settings
    | messages.Update
    | messages.Leave
)
"""Requests that are handled immediately. An offer is parsed first, which may take a while."""


class SessionOwner(Protocol):
    """What a session uses of its participant: the grant, and when the connection was lost."""

    grant: Grant
    grant_changed: asyncio.Event
    signal_gone: float | None


class SignallingSession:
    """The connection between a WebSocket and its participant. `outbox` has the messages to send."""

    def __init__(
        self,
        by: Member,
        owner: SessionOwner,
        tail: Tail,
        outbox: Outbox,
        context: Context,
        execute: Executor,
        *,
        is_snapshot: bool = False,
    ) -> None:
        self.by = by
        """The participant, as the author of commands."""
        self.owner = owner
        self.tail = tail
        self.outbox = outbox
        self.is_snapshot = is_snapshot
        """True if the client resumed after it missed too many messages. Those are lost."""
        self._context = context
        self._execute = execute

    @property
    def grant(self) -> Grant:
        """The present grant of the participant, for its next token."""
        return self.owner.grant

    @property
    def grant_changed(self) -> asyncio.Event:
        """Set when permissions changed, so that present tokens are outdated or revoked. The caller clears it."""
        return self.owner.grant_changed

    async def note_token(self, issued: float, expires: float, jti: str = "") -> None:
        """Records a token that was sent; times are in seconds since the epoch."""
        with contextlib.suppress(Departed):
            await self._execute(commands.NoteToken(self.by, issued, expires, jti))

    def send(self, message: messages.ServerMessage) -> None:
        """Sends a reply, or a message for this connection only."""
        try:
            self.tail.put(message)
        except Exception as error:
            self._context.failures.note("tell", error, f"sid={self.by.sid}")

    async def handle(self, message: messages.ClientMessage) -> None:
        """Handles a request and puts the reply into the outbox. Waits while the client does not read its replies."""
        await self.outbox.space()
        if self._is_over():
            return
        try:
            if isinstance(message, messages.Offer):
                offer = await self._context.reading.read(message.sdp, self.by.sid)
                if not self._is_over():
                    await self._answer(message, offer)
            else:
                await self._handle(message)
        except Departed:
            return
        except SfuError as error:
            self.send(messages.Error(getattr(message, "id", 0), error.code, str(error)))
        except Exception as error:
            # The client receives an error for this request and keeps its connection.
            self._context.failures.note("request", error, f"type={message.type} sid={self.by.sid}")
            self.send(
                messages.Error(
                    getattr(message, "id", 0), SfuError.code, "an internal error occurred; the server logged it"
                )
            )

    def _is_over(self) -> bool:
        """Returns whether the connection was closed, or replaced by another one of the same session."""
        return self.outbox.close_code is not None

    async def _answer(self, request: messages.Offer, offer: SessionDescription) -> None:
        answered = await self._execute(commands.AnswerOffer(self.by, offer, request.tracks))
        self.send(messages.Answer(request.id, answered.sdp, answered.mids, tuple(answered.undeclared)))

    async def _handle(self, message: Immediate) -> None:
        execute, by, room = self._execute, self.by, self.by.room
        match message:
            case messages.Publish():
                track = await execute(commands.DeclareTrack(by, _declaration(message)))
                self.send(messages.Published(message.id, message.cid, track))
            case messages.Unpublish():
                await execute(commands.UnpublishTrack(by, message.track))
                self._ok(message.id)
            case messages.Mute():
                await execute(commands.MuteTrack(by, room, None, message.track, message.muted))
                self._ok(message.id)
            case messages.Subscribe():
                await execute(commands.Subscribe(by, room, None, message.tracks, message.on))
                self._ok(message.id)
            case messages.Settings():
                await execute(commands.SetSubscriptions(by, room, None, _wishes(message)))
                self._ok(message.id)
            case messages.Update():
                name, metadata, attributes = message.name, message.metadata, message.attributes
                await execute(commands.ChangeParticipant(by, room, None, name, metadata, attributes))
                self._ok(message.id)
            case messages.Candidate():
                pass  # An ICE lite agent learns addresses from connectivity checks.
            case messages.Leave():
                await execute(commands.Leave(by))
            case messages.Join():
                raise InvalidRequest("you have joined already: join is the first message only")
            case _:
                assert_never(message)

    def _ok(self, id: int) -> None:
        self.send(messages.Ok(id))


def cost(message: messages.ClientMessage, octets: int) -> float:
    """Returns the cost of a message of this size in the budget `limits.MESSAGES_PER_SECOND`, at least 1."""
    sections = message.sdp.count("\nm=") if isinstance(message, messages.Offer) else 0
    return 1 + octets / limits.COST_OCTETS + sections / limits.COST_SECTIONS


def _declaration(message: messages.Publish) -> Declaration:
    return Declaration(
        message.cid,
        message.kind,
        message.source,
        message.name,
        message.muted,
        message.width,
        message.height,
        message.stream,
        message.encrypted,
        message.backup,
    )


def _wishes(message: messages.Settings) -> list[tuple[str, WishChanges]]:
    wishes: list[messages.Settings | messages.TrackSettings] = [message] if message.track else []
    wishes += message.tracks
    if not wishes:
        raise InvalidRequest("settings names no track: give track, or tracks")
    return [(wish.track, _changes(wish)) for wish in wishes]


def _changes(asked: messages.TrackSettings | messages.Settings) -> WishChanges:
    return WishChanges(
        quality=asked.quality,
        width=asked.width,
        height=asked.height,
        fps=asked.fps,
        priority=asked.priority,
        visible=asked.visible,
    )
