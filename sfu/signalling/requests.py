"""Requests of a client over its WebSocket, message by message. Each is answered, or refused with a sentence."""

import asyncio
from typing import assert_never

from sfu import limits
from sfu.errors import InvalidRequest, LimitExceeded, NotAllowed, SfuError
from sfu.model import Declaration, DisconnectReason, Grant
from sfu.negotiation.sdp import SessionDescription
from sfu.room.participant import Participant
from sfu.room.room import Room
from sfu.room.wishes import Changes
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
"""Requests that are done immediately. An offer is parsed first, which may take a while."""


class Session:
    """The connection between a WebSocket and its participant. `outbox` has the messages to send."""

    def __init__(
        self, room: Room, participant: Participant, tail: Tail, outbox: Outbox, *, is_snapshot: bool = False
    ) -> None:
        self.room = room
        self.participant = participant
        self.tail = tail
        self.outbox = outbox
        self.is_snapshot = is_snapshot
        """It resumed after it missed too many messages, which are lost."""

    @property
    def grant(self) -> Grant:
        """The present grant of the participant, for its next token."""
        return self.participant.grant

    @property
    def grant_changed(self) -> asyncio.Event:
        """Set when permissions changed, so present tokens say otherwise or are revoked. The caller clears it."""
        return self.participant.grant_changed

    def note_token(self, issued: float, expires: float, jti: str = "") -> None:
        """Records a token that was sent; times are in seconds since the epoch."""
        self.room.note_token(self.participant, issued, expires, jti)

    def send(self, message: messages.ServerMessage) -> None:
        """Sends a reply, or a message for this connection only."""
        try:
            self.tail.put(message)
        except Exception as error:
            self.room.failures.note("tell", error, f"sid={self.participant.sid}")

    async def handle(self, message: messages.ClientMessage) -> None:
        """Handles a request and puts the reply into the outbox. Waits while the client does not read its replies."""
        await self.outbox.space()
        if self._is_over():
            return
        try:
            if isinstance(message, messages.Offer):
                offer = await self.participant.read_offer(message.sdp)
                if not self._is_over():
                    self._answer(message, offer)
            else:
                self._handle(message)
        except SfuError as error:
            self.send(messages.Error(getattr(message, "id", 0), error.code, str(error)))
        except Exception as error:
            # The client hears that this request failed, and keeps its connection.
            self.room.failures.note("request", error, f"type={message.type} sid={self.participant.sid}")
            self.send(
                messages.Error(getattr(message, "id", 0), SfuError.code, "something failed here; it is in the log")
            )

    def _is_over(self) -> bool:
        """It is gone, or was replaced by another connection of the same session, and speaks there."""
        return self.outbox.close_code is not None or self.participant.sid not in self.room.members

    def _answer(self, request: messages.Offer, offer: SessionDescription) -> None:
        outcome = self.room.offer(self.participant, offer, request.tracks)
        self.send(messages.Answer(request.id, outcome.answer, outcome.mids, outcome.undeclared))

    def _handle(self, message: Immediate) -> None:
        room, participant = self.room, self.participant
        match message:
            case messages.Publish():
                track = participant.declare(_declaration(message))
                self.send(messages.Published(message.id, message.cid, track.info()))
            case messages.Unpublish():
                room.unpublish(participant, participant.publishing.find(message.track), "you unpublished it")
                self._ok(message.id)
            case messages.Mute():
                room.mute(participant, message.track, message.muted)
                self._ok(message.id)
            case messages.Subscribe():
                room.subscribe(participant, message.tracks, message.on)
                self._ok(message.id)
            case messages.Settings():
                room.demand(participant, _demands(message))
                self._ok(message.id)
            case messages.Update():
                if not participant.permissions.can_update_own_metadata:
                    raise NotAllowed("you may not change your own name, metadata and attributes")
                room.update_participant(
                    participant, name=message.name, metadata=message.metadata, attributes=message.attributes
                )
                self._ok(message.id)
            case messages.Candidate():
                pass  # As an ICE lite agent we learn addresses from the checks.
            case messages.Leave():
                room.depart(participant, DisconnectReason.CLIENT_INITIATED)
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


def _demands(message: messages.Settings) -> dict[str, Changes]:
    if len(message.tracks) > limits.WISHES:
        raise LimitExceeded(f"one message settings names at most {limits.WISHES} tracks, not {len(message.tracks)}")
    wishes: list[messages.Settings | messages.TrackSettings] = [message] if message.track else []
    wishes += message.tracks
    if not wishes:
        raise InvalidRequest("settings names no track: give track, or tracks")
    return {wish.track: changes(wish) for wish in wishes}


def changes(asked: messages.TrackSettings | messages.Settings) -> Changes:
    """What a message, or a body that says the same, changes of the wish for its track."""
    return Changes(
        quality=asked.quality,
        width=asked.width,
        height=asked.height,
        fps=asked.fps,
        priority=asked.priority,
        visible=asked.visible,
    )
