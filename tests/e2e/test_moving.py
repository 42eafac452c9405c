"""A new address during a call, as a NAT assigns one: media is proven there and continues. Counts only."""

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from loadtest import sources
from sfu.model import Kind

from ..peer import Peer
from .browser import Page
from .chromium import Chromium
from .firefox import Firefox
from .gstreamer import MISSING, is_installed, watching
from .nat import FRONT, SERVICE, Nat, behind_nat
from .relay import Network, Relay, relaying
from .server import Server, default_address, serving, token
from .signalling import voice
from .test_doors import knock, see
from .test_loss import Doors, decoded
from .waiting import until

pytestmark = pytest.mark.browser


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def nat() -> AsyncIterator[Nat]:
    async with behind_nat() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(nat: Nat) -> AsyncIterator[Server]:
    async with serving(host=SERVICE, announced_addresses=FRONT, udp_port=nat.port) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def page(chromium: Chromium, site: str) -> AsyncIterator[Page]:
    page = await chromium.page(site)
    yield page
    await page.close()


async def is_there(server: Server, room: str, identity: str) -> bool:
    return bool((await server.ask("GET", f"/v1/rooms/{room}/participants/{identity}"))["state"] == "active")


async def test_aiortc_that_publishes_and_aiortc_that_watches_move(nat: Nat, server: Server, room: str) -> None:
    async with Peer(server.url, token("cam", room)) as camera, Peer(server.url, token("eye", room)) as viewer:
        await camera.publish(sources.card(7))
        await viewer.watch()
        await see(viewer.received[Kind.VIDEO], 7)
        for _ in range(2):
            nat.move()
            # What was on its way is seen after the move, too.
            await until(lambda: _delivered(nat), lambda down: down > 30, "datagrams come after the move", limit=60.0)
            seen = viewer.received[Kind.VIDEO].cards[7]
            await until(
                lambda: _count(viewer),
                lambda now, seen=seen: now >= seen + 30,
                f"aiortc sees more than {seen} after the move",
                limit=60.0,
            )
        assert await is_there(server, room, "cam") and await is_there(server, room, "eye")


async def test_chromium_that_only_watches_moves(nat: Nat, server: Server, room: str, page: Page) -> None:
    await knock(page, server, "whep", "tab", room, {"receives": ["audio", "video"]})
    async with Peer(server.url, token("cam", room)) as camera:
        await camera.publish(sources.card(4))
        await until(lambda: page.call("bareFlows"), lambda flows: _frames(flows) > 10, "frames come")
        for _ in range(2):
            nat.move()
            before = _frames(await page.call("bareFlows"))
            await until(
                lambda: page.call("bareFlows"),
                lambda flows, before=before: _frames(flows) > before + 30,
                "frames come after the move",
                limit=60.0,
            )
        assert await is_there(server, room, "cam") and await is_there(server, room, "tab")


@pytest.mark.skipif(not is_installed(), reason=MISSING)
async def test_gstreamer_that_makes_no_checks_moves(room: str) -> None:
    """It pairs nothing with a candidate of the loopback device, so the NAT has the machine's own address."""
    own = default_address()
    if own is None:
        pytest.skip("this machine has no address beside loopback")
    async with (
        behind_nat(own) as nat,
        serving(host=SERVICE, announced_addresses=own, udp_port=nat.port) as server,
        Peer(server.url, token("camera", room)) as camera,
        watching(server, token("eye", room)) as eye,
    ):
        await camera.publish(sources.card(3))
        await eye.see(30)
        nat.move()
        await eye.see(30)
        assert nat.down > 30
        assert await is_there(server, room, "eye")


async def test_firefox_that_only_watches_moves(firefox: Firefox, site: str, room: str) -> None:
    """It pairs nothing with a loopback address, so a relay stands between it and the service."""
    shape = {"sends": [{"kind": "video", "codec": "vp8"}]}
    async with serving() as server, AsyncExitStack() as stack:
        doors = Doors(server, site, room, stack)
        await doors.open(firefox, "whip", "cam", shape, Network())
        viewer, relay = await doors.open(firefox, "whep", "eye", {"receives": ["video"]}, Network())
        await decoded(viewer, 1)
        for _ in range(2):
            await relay.move()
            before = relay.down
            await until(
                lambda: _down(relay), lambda down, before=before: down > before + 30, "datagrams come", limit=60.0
            )
            await decoded(viewer, 30)
        assert await is_there(server, room, "eye")


async def test_firefox_with_a_muted_microphone_moves(firefox: Firefox, site: str, room: str) -> None:
    """Only its RTCP and its checks prove the new path: no media comes from it."""
    shape = {"sends": [{"kind": "video", "codec": "vp8"}]}
    async with serving() as server, AsyncExitStack() as stack:
        await Doors(server, site, room, stack).open(firefox, "whip", "cam", shape, Network())
        page = await firefox.page(site)
        stack.push_async_callback(page.close)
        eye = await stack.enter_async_context(voice(server, room, "eye"))
        answer = await eye.offer(await page.call("offer", {"both": ["audio"], "receives": ["video"]}))
        relay = await stack.enter_async_context(relaying(answer.sdp, Network()))
        await page.call("accept", relay.answer(answer.sdp))
        await decoded(page, 30)
        await page.call("bareMute")
        await until(lambda: _sent(page), _Steady(), "it sends no media any more")
        sent = await _sent(page)
        for _ in range(2):
            await relay.move()
            before = relay.down
            await until(
                lambda: _down(relay), lambda down, before=before: down > before + 30, "datagrams come", limit=60.0
            )
            await decoded(page, 30)
        assert await _sent(page) == sent
        assert await is_there(server, room, "eye")


class _Steady:
    """Holds once a reading is the same for a second."""

    def __init__(self) -> None:
        self._last = -1
        self._since = time.monotonic()

    def __call__(self, reading: int) -> bool:
        if reading != self._last:
            self._last, self._since = reading, time.monotonic()
        return time.monotonic() - self._since > 1.0


async def _sent(page: Page) -> int:
    return sum(flow["packets"] for flow in await page.call("bareSent"))


async def _down(relay: Relay) -> int:
    return relay.down


async def _delivered(nat: Nat) -> int:
    return nat.down


async def _count(viewer: Peer) -> int:
    return viewer.received[Kind.VIDEO].cards[7]


def _frames(flows: list[dict[str, int]]) -> int:
    return max((flow.get("frames") or 0 for flow in flows), default=0)
