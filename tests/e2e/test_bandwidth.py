"""A subscriber whose network carries little gets a smaller picture, is told why, and gets the best one back."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
import pytest_asyncio

from .browser import Page
from .chromium import Chromium
from .conftest import Enter
from .layers import Shape
from .relay import Network, relaying
from .server import Server, token
from .waiting import until

pytestmark = pytest.mark.browser

SHAPE = Shape("vp8", "L1T1", encodings=3)
PICTURE = {**SHAPE.published(), "width": 640, "height": 360}
NARROW = 200_000
"""bit/s: less than the best encoding takes, and more than the lowest."""
LIMIT = 60.0
"""Seconds. After layers were lowered a raise waits for 15, unless the estimate has clearly grown; a busy machine is
slower."""


@pytest_asyncio.fixture(loop_scope="session")
async def page(chromium: Chromium, site: str) -> AsyncIterator[Page]:
    page = await chromium.page(site)
    yield page
    await page.close()


async def test_a_viewer_on_a_narrow_link_gets_what_it_carries_and_explain_has_the_numbers(
    chromium: Chromium, page: Page, enter: Enter, server: Server, room: str
) -> None:
    ada = await enter(chromium, "ada")
    await ada.call("publishSharp", PICTURE)
    async with AsyncExitStack() as stack:
        headers = {"Authorization": f"Bearer {token('eye', room)}", "Content-Type": "application/sdp"}
        offer = await page.call("offer", {"receives": ["video"]})
        answer = await server.call("POST", "/v1/whep", headers=headers, content=offer)
        assert answer.status_code == 201, answer.text
        relay = await stack.enter_async_context(relaying(answer.text, Network()))
        await page.call("accept", relay.answer(answer.text))

        async def explained() -> dict[str, Any]:
            path = f"/v1/rooms/{room}/participants/eye/explain"
            found = (await server.ask("GET", path))["subscriptions"]
            network = (await server.counters(room, "eye")).get("network")
            print(found[0]["sentence"] if found else "", network)
            return dict(found[0]) if found else {"cause": "", "current": None}

        def is_best(seen: dict[str, Any]) -> bool:
            return seen["cause"] == "none" and spatial(seen) == 2

        await until(explained, is_best, "the best encoding is shown", limit=LIMIT, every=0.5)
        relay.network = Network(rate=NARROW)
        seen = await until(
            explained,
            lambda seen: seen["cause"] == "bandwidth" and spatial(seen) in (0, 1),
            "a lower encoding is shown, because of the network",
            limit=LIMIT,
            every=0.5,
        )
        assert "the network of eye carries no more (of " in seen["sentence"], seen["sentence"]
        assert "the next layer needs " in seen["sentence"], seen["sentence"]
        relay.network = Network()
        await until(explained, is_best, "the best encoding is shown again", limit=LIMIT, every=0.5)


def spatial(seen: dict[str, Any]) -> int:
    """Returns the layer that is sent. -1: none."""
    current = seen["current"]
    return -1 if current is None else int(current["layer"]["spatial"])
