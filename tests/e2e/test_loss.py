"""Loss between browsers, over a relay: lost packets are retransmitted, with RTX and without."""

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
import pytest_asyncio

from .browser import Browser, Page
from .chromium import Chromium
from .firefox import Firefox
from .relay import Network, Relay, relaying
from .server import Server, token
from .waiting import until

pytestmark = pytest.mark.browser

BAD = Network(loss=0.05, duplicates=0.02, late=0.02)
WORSE = Network(loss=0.10, duplicates=0.02, late=0.02)
FRAMES = 240
"""That a viewer decodes while datagrams get lost: 8 s at 30 a second."""


def without_rtx(offer: str) -> str:
    """As stacks without RTX offer."""
    rtx = set(re.findall(r"^a=rtpmap:(\d+) rtx/90000\r?$", offer, re.MULTILINE))
    lines = []
    for line in offer.splitlines():
        if line.startswith("m=video"):
            line = " ".join(word for at, word in enumerate(line.split()) if at < 3 or word not in rtx)
        found = re.match(r"a=(?:rtpmap|fmtp|rtcp-fb):(\d+) ", line)
        if not (found and found[1] in rtx):
            lines.append(line)
    return "\r\n".join([*lines, ""])


class Doors:
    """Pages at WHIP and WHEP, each behind a relay of its own."""

    def __init__(self, server: Server, site: str, room: str, stack: AsyncExitStack) -> None:
        self._server = server
        self._site = site
        self._room = room
        self._stack = stack

    async def open(
        self, browser: Browser, door: str, identity: str, shape: dict[str, Any], network: Network, *, rtx: bool = True
    ) -> tuple[Page, Relay]:
        page = await browser.page(self._site)
        self._stack.push_async_callback(page.close)
        offer: str = await page.call("offer", shape)
        headers = {"Authorization": f"Bearer {token(identity, self._room)}", "Content-Type": "application/sdp"}
        body = offer if rtx else without_rtx(offer)
        answer = await self._server.call("POST", f"/v1/{door}", headers=headers, content=body)
        assert answer.status_code == 201, answer.text
        if not rtx:
            assert "rtx" not in answer.text and re.search(r"a=rtcp-fb:\d+ nack\r", answer.text)
        relay = await self._stack.enter_async_context(relaying(answer.text, network))
        await page.call("accept", relay.answer(answer.text))
        await until(lambda: page.call("bareState"), lambda state: state["connection"] == "connected", "it is connected")
        return page, relay


@pytest_asyncio.fixture(loop_scope="session")
async def doors(server: Server, site: str, room: str) -> AsyncIterator[Doors]:
    async with AsyncExitStack() as stack:
        yield Doors(server, site, room, stack)


async def decoded(viewer: Page, frames: int) -> dict[str, Any]:
    """Waits until this many more frames are decoded."""

    async def look() -> dict[str, Any]:
        flows = [flow for flow in await viewer.call("bareFlows") if flow["kind"] == "video"]
        return flows[0] if flows else {"frames": 0}

    before = await look()
    return await until(
        look, lambda flow: flow["frames"] >= before["frames"] + frames, f"{frames} frames more", limit=60.0
    )


async def sent_again(server: Server) -> float:
    return (await server.metrics())["sfu_packets_retransmitted_total"]


@pytest.mark.parametrize("rtx", [False, True], ids=["without-rtx", "rtx"])
async def test_a_viewer_who_loses_packets_goes_on_seeing(
    chromium: Chromium, server: Server, doors: Doors, rtx: bool
) -> None:
    shape = {"sends": [{"kind": "video", "codec": "vp8", "card": True, "width": 640, "height": 360}]}
    await doors.open(chromium, "whip", "cam", shape, Network())
    viewer, relay = await doors.open(chromium, "whep", "eye", {"receives": ["video"]}, BAD, rtx=rtx)
    await decoded(viewer, 1)
    before, lost = await sent_again(server), relay.lost_down
    flow = await decoded(viewer, FRAMES)
    again, lost = await sent_again(server) - before, relay.lost_down - lost
    print(f"{lost} datagrams lost, {again:.0f} packets sent again, {flow}")
    assert lost > 10
    # Reports are among what was lost, and what was on its way when this was read.
    assert again > 0.5 * lost


async def test_firefox_goes_on_seeing_what_firefox_sends_over_a_bad_network(
    firefox: Firefox, server: Server, doors: Doors
) -> None:
    shape = {"sends": [{"kind": "video", "codec": "vp8"}]}
    _, above = await doors.open(firefox, "whip", "cam", shape, WORSE)
    viewer, below = await doors.open(firefox, "whep", "eye", {"receives": ["video"]}, WORSE)
    await decoded(viewer, 1)
    before = await sent_again(server)
    await decoded(viewer, FRAMES // 2)
    assert above.lost_up > 5 and below.lost_down > 5
    assert await sent_again(server) > before
