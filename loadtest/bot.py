"""A participant based on aiortc: joins by our WebSocket, publishes a source, and decodes the media of others.

    async with Bot("http://127.0.0.1:7880", room="lobby", token=token, source=sources.card(7)) as bot:
        seen = await bot.until(lambda: bot.of("ada", Source.CAMERA))
        await bot.until(lambda: seen.advanced > 10 and seen.cards[3] > 10)
        await bot.send(b"hello")

It checks what a person would see: aiortc decodes the media, and shares no code with the server.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self, TypeVar

from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCRtpTransceiver,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame, VideoFrame

from loadtest import envelope, loopback
from loadtest.received import Received
from loadtest.recorder import Recorder
from loadtest.signaling import Refused, Signaling
from loadtest.sources import Source as Played
from sfu.model import Kind, ParticipantState, Quality, Source
from sfu.signalling import messages
from sfu.signalling.messages import ServerMessage
from sfu.views import ParticipantInfo, SlotInfo, SubscriptionState, TrackInfo

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Message:
    """A message of a data channel."""

    sender: str
    """A sid, or `server`."""
    payload: bytes
    reliable: bool


class Bot:
    def __init__(
        self,
        url: str,
        *,
        room: str,
        token: str,
        source: Played | None = None,
        recorder: Recorder | None = None,
        auto_subscribe: bool = True,
        edit: Callable[[str], str] = lambda offer: offer,
    ) -> None:
        """`edit` may change each offer before it is sent."""
        self.joined: messages.Joined
        """Set once the `async with` block is entered."""
        self.participants: dict[str, ParticipantInfo] = {}
        """Other participants, by sid."""
        self.tracks: dict[str, Received] = {}
        """Everything received so far, by the sid of the track."""
        self.published: dict[str, TrackInfo] = {}
        """The bot's own tracks by cid: `video` and `audio`."""
        self.slots: dict[str, SlotInfo | None] = {}
        self.subscriptions: dict[str, SubscriptionState] = {}
        """The last reported state of each subscription, by the sid of its track."""
        self.speaking: dict[str, float] = {}
        """Levels of active speakers, by the sid of the track."""
        self.messages: list[Message] = []
        self.heard: list[ServerMessage] = []
        """All messages of the server, in order."""
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._source = source
        self._recorder = recorder
        self._auto_subscribe = auto_subscribe
        self._edit = edit
        self._signaling = Signaling(url, room, token, self._handle)
        self._channels: dict[bool, RTCDataChannel] = {}
        """Channels by whether they are reliable."""
        self._senders: dict[str, RTCRtpTransceiver] = {}
        """Senders by cid."""
        self._watched: set[str] = set()
        """Mids of the receive sections that are read."""
        self._wanted = {Kind.AUDIO: 0, Kind.VIDEO: 0}
        """Receive sections that the next offer adds."""
        self._negotiating = asyncio.Lock()
        self._news = asyncio.Event()
        self._failure: BaseException | None = None
        self._tasks = asyncio.TaskGroup()
        self._running: list[asyncio.Task[None]] = []
        loopback.allow(url)

    # Life cycle

    async def __aenter__(self) -> Self:
        """Joins, connects and publishes. Raises Refused, OSError, TimeoutError."""
        await self._tasks.__aenter__()
        try:
            await self._begin()
        except BaseException:
            await self._end()
            await self._tasks.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._signaling.leave()
        await self._end()
        await self._tasks.__aexit__(None, None, None)

    @property
    def sid(self) -> str:
        return self.joined.you.sid

    @property
    def left(self) -> messages.Left | None:
        """Why the bot left the room. None: it is in the room."""
        return self._signaling.left

    @property
    def resumes(self) -> int:
        """The number of resumed sessions."""
        return self._signaling.resumes

    async def until(self, condition: Callable[[], T], limit: float | None = 10.0) -> T:
        """Waits until the condition holds, and checks it at every message and frame. Returns its value.

        Raises TimeoutError with a report of the bot after `limit` seconds, Refused if the bot is removed, or the
        error that ended its connection.
        """
        try:
            async with asyncio.timeout(limit) as scope:
                while not (value := condition()):
                    if self._failure is not None:
                        raise self._failure
                    if self.left is not None:
                        raise Refused(self.left.reason.value, self.left.message)
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError as error:
            if not scope.expired():
                raise
            raise TimeoutError(f"after {limit} s: {self.report()}") from error
        return value

    # Observations

    def participant(self, identity: str) -> ParticipantInfo | None:
        return next((p for p in self.participants.values() if p.identity == identity), None)

    def of(self, identity: str, source: Source) -> Received | None:
        """Returns the last reception of a participant's camera, microphone or screen. None: nothing yet."""
        found = [r for r in self.tracks.values() if r.identity == identity and r.info.source is source]
        return found[-1] if found else None

    def report(self) -> dict[str, object]:
        """Returns a summary for people and for JSON."""
        return {
            "room": self.joined.room.name,
            "identity": self.joined.you.identity,
            "media": self.pc.connectionState,
            "published": {cid: info.sid for cid, info in self.published.items()},
            "received": [received.summary() for received in self.tracks.values()],
            "slots": {mid: slot and slot.track for mid, slot in self.slots.items()},
            "messages": len(self.messages),
            "resumes": self.resumes,
        }

    # Actions

    async def publish(self, track: MediaStreamTrack, source: Source, *, cid: str, name: str = "") -> TrackInfo:
        """Declares and offers a track. Raises Refused."""
        declaration = messages.Publish("publish", 0, cid, Kind(track.kind), source, name)
        reply = await self._signaling.request(declaration)
        assert isinstance(reply, messages.Published), "a publish is answered by published"
        self.published[cid] = reply.track

        def add() -> None:
            self._senders[cid] = self.pc.addTransceiver(track, direction="sendonly")

        await self._negotiate(add)
        return reply.track

    async def unpublish(self, cid: str) -> None:
        info = self.published.pop(cid)
        await self._signaling.request(messages.Unpublish("unpublish", 0, info.sid))

        def end() -> None:
            transceiver = self._senders.pop(cid)
            transceiver.sender.replaceTrack(None)
            transceiver.direction = "inactive"

        await self._negotiate(end)

    async def mute(self, cid: str, muted: bool) -> None:
        await self._signaling.request(messages.Mute("mute", 0, self.published[cid].sid, muted))

    async def subscribe(self, tracks: Iterable[str], on: bool = True) -> None:
        await self._signaling.request(messages.Subscribe("subscribe", 0, tuple(tracks), on))

    async def settings(self, track: str, quality: Quality) -> None:
        await self._signaling.request(messages.Settings("settings", 0, track, quality=quality))

    async def send(self, payload: bytes, *, to: str = "", reliable: bool = True, limit: float = 10.0) -> None:
        """Sends a message after the channel is open. `to`: a sid, `server`, or empty for everybody."""
        channel = self._channels[reliable]
        await self.until(lambda: channel.readyState == "open", limit)
        channel.send(envelope.seal(to, payload))

    def cut(self) -> None:
        """Breaks the WebSocket as a network failure does. The bot reconnects by itself."""
        self._signaling.cut()

    # Internal

    async def _begin(self) -> None:
        self.joined = await self._signaling.join(auto_subscribe=self._auto_subscribe)
        self._snapshot(self.joined)
        self._spawn(self._signaling.run())
        server = self.joined.server
        self._open_channel(server.reliable_label, reliable=True)
        self._open_channel(server.lossy_label, reliable=False)
        self.pc.on("connectionstatechange", self._note)
        await self._negotiate()
        await self.until(lambda: self.pc.connectionState in ("connected", "failed", "closed"))
        if self.pc.connectionState != "connected":
            raise ConnectionError("media did not connect")
        if self._source is not None and self._source.video is not None:
            await self.publish(self._source.video, Source.CAMERA, cid="video")
        if self._source is not None and self._source.audio is not None:
            await self.publish(self._source.audio, Source.MICROPHONE, cid="audio")

    async def _end(self) -> None:
        for task in self._running:
            task.cancel()
        await self._signaling.close()
        await self.pc.close()
        if self._source is not None:
            self._source.stop()
        if self._recorder is not None:
            self._recorder.close()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self._running.append(self._tasks.create_task(self._guard(work)))

    async def _guard(self, work: Coroutine[Any, Any, None]) -> None:
        """Keeps an error of a background task, so that `until` raises it."""
        try:
            await work
        except (Refused, OSError, TimeoutError) as error:
            self._failure = self._failure or error
        self._note()

    def _note(self) -> None:
        self._news.set()

    def _open_channel(self, label: str, *, reliable: bool) -> None:
        channel = self.pc.createDataChannel(label, ordered=reliable, maxRetransmits=None if reliable else 0)
        self._channels[reliable] = channel
        channel.on("open", self._note)

        def handle(message: bytes | str) -> None:
            octets = message.encode() if isinstance(message, str) else message
            with contextlib.suppress(ValueError):
                sender, payload = envelope.unseal(octets)
                self.messages.append(Message(sender, payload, reliable))
            self._note()

        channel.on("message", handle)

    async def _renegotiate(self) -> None:
        # aiortc starts to receive in a section when it negotiates it or when it connects, but not in between.
        await self.until(lambda: self.pc.connectionState == "connected")
        await self._negotiate()

    async def _negotiate(self, change: Callable[[], None] = lambda: None) -> None:
        """Makes an offer after the one in progress, with a change of the sections.

        aiortc binds a section that is added between an offer and its answer to a transport that never connects.
        """
        async with self._negotiating:
            change()
            for kind in Kind:
                for _ in range(self._wanted[kind]):
                    self.pc.addTransceiver(kind.value, direction="recvonly")
                self._wanted[kind] = 0
            await self.pc.setLocalDescription(await self.pc.createOffer())
            named = {str(transceiver.mid): cid for cid, transceiver in self._senders.items()}
            offer = messages.Offer("offer", 0, self._edit(self.pc.localDescription.sdp), named)
            answer = await self._signaling.request(offer)
            assert isinstance(answer, messages.Answer), "an offer is answered by an answer"
            await self.pc.setRemoteDescription(RTCSessionDescription(answer.sdp, "answer"))
            for transceiver in self.pc.getTransceivers():
                mid = str(transceiver.mid)
                if transceiver.direction == "recvonly" and transceiver.receiver.track and mid not in self._watched:
                    self._watched.add(mid)
                    self._spawn(self._watch(mid, transceiver.receiver.track))

    async def _watch(self, mid: str, track: MediaStreamTrack) -> None:
        """Reads a receive section until it ends."""
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            received = self._shown(mid)
            if received is None:
                continue
            if isinstance(frame, VideoFrame):
                received.handle_video(frame)
                if self._recorder is not None:
                    self._recorder.handle_video(received.identity, received.info, frame, time.monotonic())
            elif isinstance(frame, AudioFrame):
                received.handle_audio(frame)
                if self._recorder is not None:
                    self._recorder.handle_audio(received.identity, received.info, frame)
            self._note()

    def _shown(self, mid: str) -> Received | None:
        """Returns the track that a section shows now."""
        slot = self.slots.get(mid)
        if slot is None:
            return None
        if slot.track not in self.tracks:
            publisher = self.participants.get(slot.participant)
            info = next((t for t in publisher.tracks if t.sid == slot.track), None) if publisher else None
            if publisher is None or info is None:
                return None
            self.tracks[slot.track] = Received(publisher.identity, info)
        return self.tracks[slot.track]

    def _handle(self, message: ServerMessage) -> None:
        self.heard.append(message)
        match message:
            case messages.Joined():
                self._snapshot(message)
            case messages.Participants():
                self._update(message.participants)
            case messages.Slots():
                self.slots.update(message.slots)
            case messages.Subscriptions():
                self.subscriptions.update((state.track, state) for state in message.subscriptions)
            case messages.Speakers():
                for speaker in message.speakers:
                    if speaker.active:
                        self.speaking[speaker.track] = speaker.level
                    else:
                        self.speaking.pop(speaker.track, None)
            case messages.Renegotiate():
                self._wanted[Kind.AUDIO] += message.audio
                self._wanted[Kind.VIDEO] += message.video
                self._spawn(self._renegotiate())
        self._note()

    def _snapshot(self, joined: messages.Joined) -> None:
        self.participants = {p.sid: p for p in joined.participants}
        self.slots = dict(joined.slots)

    def _update(self, changed: Iterable[ParticipantInfo]) -> None:
        for info in changed:
            if info.sid == self.sid:
                self.joined = replace(self.joined, you=info)
            elif info.state is ParticipantState.DISCONNECTED:
                self.participants.pop(info.sid, None)
            else:
                self.participants[info.sid] = info
            for track in info.tracks:
                if track.sid in self.tracks:
                    self.tracks[track.sid].info = track
