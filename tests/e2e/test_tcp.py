"""Browsers whose network blocks UDP send and receive media over TCP (RFC 6544)."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from .chromium import Chromium, chromium
from .conftest import Enter
from .server import Server, serving
from .waiting import until

pytestmark = pytest.mark.browser

NO_UDP = "--webrtc-ip-handling-policy=disable_non_proxied_udp"
"""Chromium uses no UDP socket without a proxy that carries UDP."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server() -> AsyncIterator[Server]:
    async with serving(tcp_port="same", workers=2) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session", name="confined")
async def _confined() -> AsyncIterator[Chromium]:
    async with chromium(trials=["WebRTC-LegacySimulcastLayerLimit/Disabled"], arguments=[NO_UDP]) as browser:
        yield browser


async def test_media_flows_both_ways_without_udp(
    chromium: Chromium, confined: Chromium, enter: Enter, server: Server
) -> None:
    ada, bob = await enter(chromium, "ada"), await enter(confined, "bob")
    for person in (ada, bob):
        await person.call("publishCamera")
        await person.call("publishMicrophone")
    for person, other in ((ada, "bob"), (bob, "ada")):
        await person.see(other)
        await person.hear(other)
    assert await bob.call("usedProtocol") == "tcp"
    assert await ada.call("usedProtocol") == "udp", "which it prefers"
    await until(server.metrics, lambda metrics: metrics["sfu_links"] >= 1, "the connection is counted")


async def test_two_without_udp_see_and_hear_one_another(confined: Chromium, enter: Enter) -> None:
    ada, bob = await enter(confined, "ada"), await enter(confined, "bob")
    for person in (ada, bob):
        await person.call("publishCamera")
        await person.call("publishMicrophone")
    for person, other in ((ada, "bob"), (bob, "ada")):
        await person.see(other)
        await person.hear(other)
        assert await person.call("usedProtocol") == "tcp"
