"""An independent WHIP and WHEP client: an aiortc peer connection, which shares no code with the server."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self
from urllib.parse import urljoin

import httpx
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame, VideoFrame

from loadtest import loopback
from loadtest.received import Received
from loadtest.sources import Source as Played
from sfu.model import Kind, Source
from sfu.views import TrackInfo


class Peer:
    """`async with Peer(url, token) as peer: await peer.publish(card(3))`, or `await peer.watch()`."""

    def __init__(self, url: str, token: str, through: Callable[[str], Awaitable[str]] | None = None) -> None:
        """`through`: changes the answer, for example to the addresses of a relay."""
        loopback.allow(url)
        self._through = through
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.location = ""
        """The URL of the session, once it exists."""
        self.received = {kind: Received("", TrackInfo("", kind, Source.UNKNOWN)) for kind in Kind}
        """Decoded media."""
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}"}
        self._reading: list[asyncio.Task[None]] = []
        self._played: Played | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.location:
            async with httpx.AsyncClient() as http:
                await http.delete(self.location)
        if self._played is not None:
            self._played.stop()
        await self.pc.close()
        for task in self._reading:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def publish(self, played: Played) -> httpx.Response:
        """Publishes by WHIP. Returns the reply once media is connected."""
        self._played = played
        for track in (played.video, played.audio):
            if track is not None:
                self.pc.addTransceiver(track, direction="sendonly")
        return await self._open("/v1/whip")

    async def watch(self, participant: str | None = None, *, audios: int = 1, videos: int = 1) -> httpx.Response:
        """Watches by WHEP. Decoded media is in `received`."""
        for kind, count in ((Kind.AUDIO, audios), (Kind.VIDEO, videos)):
            for _ in range(count):
                self.pc.addTransceiver(kind.value, direction="recvonly")
        self.pc.on("track", self._begin_reading)
        return await self._open("/v1/whep" + (f"?participant={participant}" if participant else ""))

    async def _open(self, door: str) -> httpx.Response:
        await self.pc.setLocalDescription(await self.pc.createOffer())
        headers = self._headers | {"Content-Type": "application/sdp"}
        async with httpx.AsyncClient() as http:
            answer = await http.post(self._url + door, content=self.pc.localDescription.sdp, headers=headers)
        answer.raise_for_status()
        self.location = urljoin(self._url, answer.headers["Location"])
        connected = asyncio.Event()
        self.pc.on("connectionstatechange", lambda: self.pc.connectionState == "connected" and connected.set())
        sdp = answer.text if self._through is None else await self._through(answer.text)
        await self.pc.setRemoteDescription(RTCSessionDescription(sdp, "answer"))
        async with asyncio.timeout(15):
            await connected.wait()
        return answer

    def _begin_reading(self, track: MediaStreamTrack) -> None:
        self._reading.append(asyncio.create_task(self._read(track, self.received[Kind(track.kind)])))

    async def _read(self, track: MediaStreamTrack, received: Received) -> None:
        with contextlib.suppress(MediaStreamError):
            while True:
                frame = await track.recv()
                if isinstance(frame, VideoFrame):
                    received.handle_video(frame)
                elif isinstance(frame, AudioFrame):
                    received.handle_audio(frame)
