"""Real media through the real plane, by WHIP and WHEP with aiortc: workers, ports and local addresses."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aioice.ice
import pytest
from aiortc import AudioStreamTrack, RTCPeerConnection, RTCSessionDescription, VideoStreamTrack
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack

from sfu import Config, Sfu
from sfu.commands import ADMINISTRATOR, DeleteRoom, ListEvents
from sfu.model import Grant, ParticipantKind
from sfu.signalling.media_session import MediaSession

from ..sfu.scene import open_session


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """aiortc leaves loopback out of its candidates, and there may be nothing else."""
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda *a, **k: ["127.0.0.1"])


def grant(identity: str, room: str) -> Grant:
    return Grant(identity=identity, room=room, room_join=True)


class Frames:
    """Counts what a track delivers, in a task of its own."""

    def __init__(self, connection: RTCPeerConnection) -> None:
        self.counts: dict[str, int] = {}
        self.arrived = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        connection.on("track", lambda track: self._tasks.append(asyncio.ensure_future(self._count(track))))

    async def _count(self, track: MediaStreamTrack) -> None:
        try:
            while True:
                await track.recv()
                self.counts[track.kind] = self.counts.get(track.kind, 0) + 1
                self.arrived.set()
        except MediaStreamError:
            pass

    async def until(self, kind: str, count: int) -> None:
        async with asyncio.timeout(20):
            while self.counts.get(kind, 0) < count:
                self.arrived.clear()
                await self.arrived.wait()

    async def close(self) -> None:
        await asyncio.gather(*self._tasks)


@asynccontextmanager
async def publishing(sfu: Sfu, room: str) -> AsyncIterator[MediaSession]:
    connection = RTCPeerConnection()
    connection.addTrack(VideoStreamTrack())
    connection.addTrack(AudioStreamTrack())
    await connection.setLocalDescription(await connection.createOffer())
    session = open_session(sfu, grant("alice", room), room, ParticipantKind.INGRESS, connection.localDescription.sdp)
    await connection.setRemoteDescription(RTCSessionDescription(session.answer, "answer"))
    yield session
    await connection.close()


@asynccontextmanager
async def watching(sfu: Sfu, room: str, identity: str, *, address: str | None = None) -> AsyncIterator[Frames]:
    connection = RTCPeerConnection()
    frames = Frames(connection)
    connection.addTransceiver("video", direction="recvonly")
    connection.addTransceiver("audio", direction="recvonly")
    await connection.setLocalDescription(await connection.createOffer())
    session = open_session(sfu, grant(identity, room), room, ParticipantKind.VIEWER, connection.localDescription.sdp)
    answer = session.answer
    if address is not None:
        lines = answer.splitlines(keepends=True)
        answer = "".join(line for line in lines if not line.startswith("a=candidate:") or f" {address} " in line)
    await connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    yield frames
    await connection.close()
    await frames.close()


async def test_rooms_live_on_different_workers_each_with_its_own_port() -> None:
    async with (
        Sfu(Config(udp_port=0, workers=2)) as sfu,
        publishing(sfu, "one") as one,
        publishing(sfu, "two") as two,
    ):
        candidates = [line for session in (one, two) for line in session.answer.splitlines() if " typ host" in line]
        assert len({candidate.split()[5] for candidate in candidates}) == 2
        async with watching(sfu, "one", "bob") as bob, watching(sfu, "two", "bob") as other:
            for frames in (bob, other):
                await frames.until("video", 10)
                await frames.until("audio", 10)


async def test_a_host_with_two_addresses_answers_from_the_one_that_was_asked() -> None:
    config = Config(hosts=("0.0.0.0",), udp_port=0, announced_addresses=("127.0.0.1", "127.0.0.2"))
    async with Sfu(config) as sfu, publishing(sfu, "room"):
        for address in config.announced_addresses:
            async with watching(sfu, "room", f"by-{address}", address=address) as frames:
                await frames.until("video", 5)
        assert sfu.stats().counters.discards["unknown_address"] == 0


async def test_the_events_of_a_call_have_the_octets_that_the_plane_counted() -> None:
    async with Sfu(Config(udp_port=0, workers=1)) as sfu, publishing(sfu, "room"):
        async with watching(sfu, "room", "bob") as frames:
            # Longer than the quarter of a second until the plane has published its counters.
            await frames.until("video", 20)
        await sfu.execute(DeleteRoom(ADMINISTRATOR, "room"))
        # The rooms report at the end of the turn.
        await asyncio.sleep(0)
        page = await sfu.execute(ListEvents(ADMINISTRATOR))
    used = {event.participant and event.participant.identity: event.usage for event in page.events if event.usage}
    bob, total = used["bob"], used[None]
    (publisher,) = [usage for identity, usage in used.items() if identity not in ("bob", None)]
    assert bob.octets_sent > bob.octets_received > 0 and publisher.octets_received > publisher.octets_sent > 0
    assert total.octets_received == bob.octets_received + publisher.octets_received
    assert 0 < bob.subscribing <= bob.present and bob.publishing == 0 and publisher.subscribing == 0
    assert 0 < publisher.publishing <= publisher.present
