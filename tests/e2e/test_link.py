"""Loss, duplicates and reordering between real peers: every codec is repaired both ways, and pictures go on.

They go over a link of its own where this machine allows network namespaces, and else over a relay in Python."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Protocol

import aioice.ice
import pytest
import pytest_asyncio

from loadtest import sources
from sfu.model import Kind

from ..peer import Peer
from . import namespaces
from .browser import Page
from .chromium import Chromium, chromium
from .namespaces import CLIENTS, SERVER, Counts, Link, linked
from .relay import Network, Relay, relaying
from .server import Server, addresses, serving, token
from .site import site
from .waiting import until

pytestmark = pytest.mark.browser

NETWORKS = (Network(0.02, duplicates=0.02, late=0.02), Network(0.10, duplicates=0.02, late=0.02))
QUIET = Network()
FRAMES = 60
"""That a viewer decodes on each of them, beside what it takes until enough was lost and repaired."""
LOST = 5
"""Each way."""
LIMIT = 180.0
"""Seconds after which somebody hangs: on a loaded machine a picture may take one."""


class Carrier(Protocol):
    """Between clients and the service."""

    host: str
    """Where the service listens."""

    async def change(self, network: Network) -> None: ...

    async def lost(self) -> Counts: ...

    async def through(self, answer: str) -> str:
        """The answer, as a client gets it."""


class Namespaces:
    host = SERVER

    def __init__(self, link: Link) -> None:
        self.link = link

    async def change(self, network: Network) -> None:
        await self.link.change(loss=network.loss, duplicates=network.duplicates, late=network.late, delay=network.delay)

    async def lost(self) -> Counts:
        return await self.link.lost()

    async def through(self, answer: str) -> str:
        return answer


class Relays:
    host = ",".join(addresses())

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self._relays: list[Relay] = []

    async def change(self, network: Network) -> None:
        for relay in self._relays:
            relay.network = network

    async def lost(self) -> Counts:
        return Counts(sum(relay.lost_up for relay in self._relays), sum(relay.lost_down for relay in self._relays))

    async def through(self, answer: str) -> str:
        relay = await self._stack.enter_async_context(relaying(answer, QUIET))
        self._relays.append(relay)
        return relay.answer(answer)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def carrier(request: pytest.FixtureRequest) -> AsyncIterator[Carrier]:
    """What this thread makes from here to the end of the module is on the machine of the clients."""
    why = namespaces.why_not()
    way = f"a UDP relay in Python, since {why}" if why else "a link between two network namespaces"
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print(f"\nLoss between real peers goes over {way}.")
    async with AsyncExitStack() as stack:
        if why:
            yield Relays(stack)
            return
        link = await stack.enter_async_context(linked())
        with link.inside(CLIENTS), pytest.MonkeyPatch.context() as patch:
            # Other tests have told aiortc to use the loopback address.
            patch.setattr(aioice.ice, "get_host_addresses", lambda use_ipv4, use_ipv6: [CLIENTS])
            yield Namespaces(link)


@asynccontextmanager
async def _serving(carrier: Carrier) -> AsyncIterator[Server]:
    async with serving(host=carrier.host) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(carrier: Carrier) -> AsyncIterator[Server]:
    async with AsyncExitStack() as stack:
        if isinstance(carrier, Namespaces):
            with carrier.link.inside(SERVER):
                server = await stack.enter_async_context(_serving(carrier))
        else:
            server = await stack.enter_async_context(_serving(carrier))
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="session", name="chromium")
async def _chromium(carrier: Carrier) -> AsyncIterator[Chromium]:
    async with chromium() as browser:
        yield browser


@pytest_asyncio.fixture(scope="module", loop_scope="session", name="site")
async def _site(carrier: Carrier) -> AsyncIterator[str]:
    async with site() as url:
        yield url


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def _quiet_at_the_end(carrier: Carrier) -> AsyncIterator[None]:
    yield
    await carrier.change(QUIET)


async def goes_on(server: Server, carrier: Carrier, frames: Any, what: str) -> None:
    """On each network more is decoded, while packets are lost both ways, asked for and sent again."""

    async def read() -> dict[str, float]:
        metrics, lost = await server.metrics(), await carrier.lost()
        return {
            "frames": await frames(),
            "lost up": lost.up,
            "lost down": lost.down,
            "asked for": metrics["sfu_nacks_sent_total"],
            "sent again": metrics["sfu_packets_retransmitted_total"],
        }

    least = {"frames": FRAMES, "lost up": LOST, "lost down": LOST, "asked for": 1, "sent again": 1}
    for network in NETWORKS:
        await carrier.change(network)
        before = await read()
        await until(
            read,
            lambda now, before=before: all(now[name] >= before[name] + more for name, more in least.items()),
            f"{what} goes on at {network.loss:.0%} loss: {least} more than {before}",
            limit=LIMIT,
            every=0.25,
        )


async def enter(
    page: Page, server: Server, carrier: Carrier, door: str, identity: str, room: str, shape: dict[str, Any]
) -> None:
    headers = {"Authorization": f"Bearer {token(identity, room)}", "Content-Type": "application/sdp"}
    answer = await server.call("POST", f"/v1/{door}", headers=headers, content=await page.call("offer", shape))
    assert answer.status_code == 201, answer.text
    await page.call("accept", await carrier.through(answer.text))
    await until(
        lambda: page.call("bareState"),
        lambda state: state["connection"] == "connected",
        f"{identity} is connected",
        limit=LIMIT,
    )


@pytest.mark.parametrize("codec", ["h264", "vp9", "av1"])
async def test_a_codec_that_is_not_the_first_is_repaired_both_ways(
    carrier: Carrier, server: Server, chromium: Chromium, site: str, room: str, codec: str
) -> None:
    camera, viewer = await chromium.page(site), await chromium.page(site)
    try:
        shape = {"sends": [{"kind": "video", "codec": codec, "card": True, "width": 320, "height": 180}]}
        await enter(camera, server, carrier, "whip", "cam", room, shape)
        await enter(viewer, server, carrier, "whep", "eye", room, {"receives": ["video"]})

        async def flow() -> dict[str, Any]:
            flows = [flow for flow in await viewer.call("bareFlows") if flow["kind"] == "video"]
            return flows[0] if flows else {"frames": 0}

        async def frames() -> int:
            return int((await flow())["frames"])

        await until(frames, lambda count: count > 0, "a picture comes", limit=LIMIT)
        before = await server.metrics()
        await goes_on(server, carrier, frames, codec)
        assert (await flow())["codec"] == codec
        after = await server.metrics()
        for reason in ("unknown_payload_type", "rtx_unmatched", "repeat_changed"):
            name = f'sfu_discards_total{{reason="{reason}"}}'
            assert after.get(name, 0) == before.get(name, 0), name
    finally:
        await camera.close()
        await viewer.close()


async def test_aiortc_goes_on_seeing_what_aiortc_sends(carrier: Carrier, server: Server, room: str) -> None:
    async with (
        Peer(server.url, token("cam", room), carrier.through) as camera,
        Peer(server.url, token("eye", room), carrier.through) as viewer,
    ):
        await camera.publish(sources.card(7))
        await viewer.watch()

        async def frames() -> int:
            return viewer.received[Kind.VIDEO].cards[7]

        await until(frames, lambda count: count > 0, "a picture comes", limit=LIMIT)
        await goes_on(server, carrier, frames, "aiortc")
        await carrier.change(QUIET)
