"""A server with our protocol: it answers offers with its own aiortc peer, and records a bot's messages."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from websockets.asyncio.server import ServerConnection, serve
from websockets.typing import Subprotocol

from api.messages import decode, encode
from loadtest import envelope
from sfu.model import DisconnectReason, Kind, ParticipantKind, ParticipantState, Permissions, Source
from sfu.signalling import messages
from sfu.signalling.messages import ClientMessage, ServerMessage
from sfu.views import ParticipantInfo, RoomInfo, SlotInfo, TrackInfo


def person(identity: str, tracks: Sequence[TrackInfo] = (), version: int = 1) -> ParticipantInfo:
    return ParticipantInfo(
        sid=f"PA_{identity}",
        identity=identity,
        name=identity.title(),
        state=ParticipantState.ACTIVE,
        kind=ParticipantKind.STANDARD,
        metadata="",
        attributes={},
        permissions=Permissions(),
        joined_at=0,
        version=version,
        tracks=tuple(tracks),
    )


def track(sid: str, kind: Kind, source: Source) -> TrackInfo:
    return TrackInfo(sid=sid, kind=kind, source=source)


ROOM = RoomInfo("RM_1", "lobby", 0, 0, 300.0, 20.0, "", False, 0, (), 0, 1, 0, "")


@dataclass
class FakeServer:
    url: str = ""
    others: list[ParticipantInfo] = field(default_factory=list)
    shows: list[tuple[MediaStreamTrack, SlotInfo]] = field(default_factory=list)
    """Tracks for the receive sections, in their order, by kind."""
    refuses: messages.Left | None = None
    resumable: bool = True
    heard: list[ClientMessage] = field(default_factory=list)
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    """Path, offered subprotocols and resume flag of each connection."""
    received: dict[str, MediaStreamTrack] = field(default_factory=dict)
    """Tracks that the bot sends, by kind."""
    data: list[tuple[str, bytes]] = field(default_factory=list)
    """Destination and payload."""
    pc: RTCPeerConnection = field(default_factory=lambda: RTCPeerConnection(RTCConfiguration(iceServers=[])))
    _seq: int = 0
    _socket: ServerConnection | None = None
    _filled: set[str] = field(default_factory=set)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def say(self, message: ServerMessage) -> None:
        assert self._socket is not None
        self._seq += 1
        await self._socket.send(encode(self._seq, message).decode())

    async def until(self, condition: Callable[[], object], limit: float = 10.0) -> None:
        async with asyncio.timeout(limit):
            while not condition():
                self._news.clear()
                await self._news.wait()

    def of(self, kind: type[ClientMessage]) -> list[ClientMessage]:
        return [message for message in self.heard if isinstance(message, kind)]

    async def talk(self, socket: ServerConnection) -> None:
        self._socket = socket
        async for text in socket:
            message = decode(text)
            self.heard.append(message)
            self._news.set()
            match message:
                case messages.Join():
                    await self._join(socket, message)
                case messages.Offer():
                    await self._offer(message)
                case messages.Publish():
                    info = replace(track(f"TR_{message.cid}", message.kind, message.source), name=message.name)
                    await self.say(messages.Published(message.id, message.cid, info))
                case messages.Mute() if message.muted:
                    await self.say(messages.Error(message.id, "not_allowed", "a moderator decides that"))
                case messages.Leave():
                    await socket.close(1000)
                case messages.Candidate():
                    pass
                case _:
                    await self.say(messages.Ok(message.id))

    async def _join(self, socket: ServerConnection, join: messages.Join) -> None:
        assert socket.request is not None
        offered = socket.request.headers["Sec-WebSocket-Protocol"]
        self.requests.append((socket.request.path, offered, "resume" if join.resume else "join"))
        if self.refuses is not None or (join.resume and not self.resumable):
            refusal = messages.Left(DisconnectReason.STATE_MISMATCH, "join with a new session", "rejoin")
            await self.say(self.refuses or refusal)
            await socket.close(1008)
        elif join.resume:
            await self.say(messages.Resumed(join.resume.seq + 1))
        else:
            server = messages.ServerInfo("0.1.0", resume_window=2.0)
            await self.say(messages.Joined(ROOM, person("bot"), tuple(self.others), "secret", server))

    async def _offer(self, offer: messages.Offer) -> None:
        if not self.pc.getTransceivers():
            self.pc.on("track", self._handle_track)
            self.pc.on("datachannel", self._handle_channel)
        await self.pc.setRemoteDescription(RTCSessionDescription(offer.sdp, "offer"))
        slots: dict[str, SlotInfo | None] = {}
        for transceiver in self.pc.getTransceivers():
            mid = str(transceiver.mid)
            receives = f"a=mid:{mid}\r\n" in offer.sdp and mid not in offer.tracks
            found = next((shown for shown in self.shows if shown[0].kind == transceiver.kind), None)
            if receives and found is not None and mid not in self._filled:
                self._filled.add(mid)
                self.shows.remove(found)
                transceiver.sender.replaceTrack(found[0])
                transceiver.direction = "sendonly"
                slots[mid] = found[1]
        await self.pc.setLocalDescription(await self.pc.createAnswer())
        mids = {mid: f"TR_{cid}" for mid, cid in offer.tracks.items()}
        await self.say(messages.Answer(offer.id, self.pc.localDescription.sdp, mids))
        if slots:
            await self.say(messages.Slots(slots))

    def _handle_track(self, received: MediaStreamTrack) -> None:
        self.received[received.kind] = received
        self._news.set()

    def _handle_channel(self, channel: object) -> None:
        def handle(message: bytes) -> None:
            destination, payload = envelope.unseal(message)
            self.data.append((destination, payload))
            channel.send(envelope.seal("PA_ada", payload.upper()))  # type: ignore[attr-defined]
            self._news.set()

        channel.on("message", handle)  # type: ignore[attr-defined]


@asynccontextmanager
async def fake_server(**options: object) -> AsyncIterator[FakeServer]:
    server = FakeServer(**options)  # type: ignore[arg-type]
    async with serve(server.talk, "127.0.0.1", 0, subprotocols=[Subprotocol("sfu.v1")]) as listening:
        port = next(iter(listening.sockets)).getsockname()[1]
        server.url = f"http://127.0.0.1:{port}"
        try:
            yield server
        finally:
            await server.pc.close()
