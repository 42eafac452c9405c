"""While Python computes nothing that is the plane's waits for it: no packet thread takes the GIL.

Python computes for as long as the test wants, and lets no other thread have the GIL: whatever happens before the test
tells it to stop has happened without the GIL, however slow the machine is. What needs the GIL does not happen, and the
test fails.
"""

import asyncio
import signal
import statistics
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urljoin

import pytest
import pytest_asyncio

from loadtest import wire
from loadtest.bot import Bot
from loadtest.wire.sdp import VP8

from .server import Server, serving, token
from .stalling_service import LONGEST
from .waiting import until, when

PACKETS = 90
"""Of video that come while Python computes: 1.5 s of it."""
BEHIND = 5
"""Packets behind the newest is the one that is asked for again. The service keeps a second of them."""
LIMIT = LONGEST / 6
"""Seconds until each thing that does not happen is given up: all of them before Python is done by itself."""


class Stalling:
    """The stalls of a service, one after the other."""

    def __init__(self, service: Server, stall: Path, number: signal.Signals) -> None:
        self._service, self._stall, self._number = service, stall, number
        self._count = len(self._said("computed"))

    async def begin(self) -> None:
        """Returns as soon as Python computes."""
        self._tell(b"\0")
        self._service.process.send_signal(self._number)
        await when(lambda: len(self._said("computing")) > self._count, "Python computes", limit=LIMIT)

    @property
    def is_on(self) -> bool:
        return len(self._said("computed")) == self._count

    async def end(self) -> None:
        """Tells Python to stop, and returns when it has."""
        self._tell(b"\1")
        await when(lambda: not self.is_on, "Python is done", limit=LIMIT)

    def _tell(self, octet: bytes) -> None:
        # The file keeps its length: the service has mapped it.
        with self._stall.open("r+b") as file:
            file.write(octet)

    def _said(self, what: str) -> list[str]:
        return [line for line in self._service.log if line == what]


@pytest.fixture(scope="module", name="stall")
def _stall(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file by which Python is told to stop."""
    path = tmp_path_factory.mktemp("stall") / "told"
    path.write_bytes(b"\0")
    return path


@pytest_asyncio.fixture(loop_scope="session", scope="module", name="service")
async def _service(stall: Path) -> AsyncIterator[Server]:
    environment = {"STALL": str(stall)}
    async with serving("-m", "tests.e2e.stalling_service", environment=environment, host="127.0.0.1") as running:
        yield running


async def publish(service: Server, room: str, stack: AsyncExitStack) -> wire.Client:
    client = wire.Client(sends=["audio", "video"])
    stack.callback(client.close)
    await wire.open_session(f"{service.url}/v1/whip", token("cam", room), client)
    client.play()
    return client


async def watch(service: Server, room: str, stack: AsyncExitStack, identity: str = "eye") -> wire.Client:
    client = wire.Client(audios=1, videos=1)
    stack.callback(client.close)
    await wire.open_session(f"{service.url}/v1/whep", token(identity, room), client)
    await asyncio.wait_for(asyncio.shield(client.receiver.first_keyframe), 10)
    return client


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2], ids=["event-loop", "other-thread"])
async def test_nothing_of_the_plane_waits_while_python_computes(
    service: Server, stall: Path, number: signal.Signals
) -> None:
    room = service.new_room()
    async with AsyncExitStack() as stack:
        camera = await publish(service, room, stack)
        viewer = await watch(service, room, stack)
        bots = [
            await stack.enter_async_context(Bot(service.url, room=room, token=token(name, room), auto_subscribe=False))
            for name in ("ada", "bob")
        ]
        await bots[0].send(b"before")
        await bots[1].until(lambda: [m.payload for m in bots[1].messages] == [b"before"])
        late = wire.Client(audios=1, videos=1)
        stack.callback(late.close)
        answer = await post(service, room, late)
        (video,) = viewer.receiver.by_kind(VP8)
        await when(lambda: video.packets >= 2 * BEHIND, "there are packets to ask for again", limit=LIMIT)
        (ssrc,) = (ssrc for ssrc, one in viewer.receiver.receptions.items() if one is video)

        stalling = Stalling(service, stall, number)
        await stalling.begin()
        # What Python does itself has to wait: a control.
        control = asyncio.create_task(service.call("GET", "/v1/rooms", timeout=None))
        packets, plis = video.packets, camera.senders[1].keyframe_requests
        start, asked = len(viewer.receiver.latencies), set[int]()

        async def is_repaired() -> bool:
            """Asks for another one each time: while this process waits for a core, the service may forget the last."""
            number = video.highest - BEHIND & 0xFFFF
            asked.add(number)
            viewer.nack(ssrc, [number])
            return any(asked & one.repaired for one in viewer.receiver.receptions.values())

        viewer.ask_keyframe(ssrc)
        await bots[0].send(b"during")
        try:
            await until(is_repaired, bool, "a NACK is served", limit=LIMIT, every=0.05)
            await late.connect(answer, LIMIT)
            for what, is_so in {
                "a PLI is sent": lambda: camera.senders[1].keyframe_requests > plis,
                "a routed message passes": lambda: bots[1].messages[-1].payload == b"during",
                "media flows": lambda: video.packets >= packets + PACKETS,
            }.items():
                await when(is_so, what, limit=LIMIT)
            assert stalling.is_on and not control.done(), (
                f"all of it happened within {LONGEST} s, while Python computed"
            )
        finally:
            await stalling.end()
            await control
        assert video.gaps == 0, "no packet is lost meanwhile"
        latencies = viewer.receiver.latencies[start:]
        print(f"p99 of the latency while Python computed: {1e3 * statistics.quantiles(latencies, n=100)[98]:.2f} ms")


async def post(service: Server, room: str, client: wire.Client) -> str:
    """The answer to an offer, not used yet."""
    status, headers, body = await wire.request(
        "POST", f"{service.url}/v1/whep", token("late", room), client.offer.encode(), "application/sdp"
    )
    assert status == 201 and urljoin(service.url, headers["location"])
    return body.decode()
