"""Layers of Chromium as Firefox and aiortc decode them, and a publisher who does only what every encoder can."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from loadtest import sources
from loadtest.bot import Bot
from sfu.model import Source

from .chromium import Chromium
from .conftest import Enter
from .firefox import Firefox
from .layers import Shape, Watched
from .person import Flow
from .server import Server, token

pytestmark = pytest.mark.browser

KEYFRAME_INTERVAL = 4.0
"""Seconds; cameras and OBS have 2 to 10."""


async def show_all(watched: Watched) -> None:
    """Each encoding, down and up again."""
    best = watched.shape.rungs - 1
    await watched.is_shown(best)
    for rung in (*reversed(range(best)), *range(1, best + 1)):
        await watched.ask(rung, fps=0)
        await watched.is_shown(rung)


@pytest.mark.parametrize("codec", ["vp8", "vp9", "av1"])
async def test_firefox_is_shown_each_encoding_of_chromium_on_demand(
    chromium: Chromium, firefox: Firefox, enter: Enter, server: Server, codec: str
) -> None:
    bob, ada = await enter(firefox, "bob"), await enter(chromium, "ada")
    shape = Shape(codec, "L1T3", encodings=3)
    await show_all(Watched.by(server, bob, await ada.call("publishSharp", shape.published()), shape))


@pytest.mark.parametrize("codec", ["vp8", "h264"])
async def test_aiortc_is_shown_each_encoding_of_chromium_on_demand(
    chromium: Chromium, enter: Enter, server: Server, room: str, codec: str
) -> None:
    ada = await enter(chromium, "ada")
    shape = Shape(codec, "L1T3", encodings=3)
    track = await ada.call("publishSharp", shape.published())
    async with Bot(server.url, room=room, token=token("bob", room)) as bob:

        async def flow() -> Flow | None:
            seen = bob.of("ada", Source.CAMERA)
            # It does not say what it decodes: nothing else was sent.
            return {"codec": codec, "width": seen.size[0], "frames": seen.frames} if seen and seen.size else None

        await show_all(Watched(server, room, track, shape, flow))


@asynccontextmanager
async def keyframes_by_the_clock(bot: Bot) -> AsyncIterator[None]:
    async def make() -> None:
        while True:
            await asyncio.sleep(KEYFRAME_INTERVAL)
            for sender in bot.pc.getSenders():
                sender._send_keyframe()

    making = asyncio.create_task(make())
    try:
        yield
    finally:
        making.cancel()


def plain(offer: str) -> str:
    """Nothing that is asked of a publisher: no retransmission, no keyframe, no word on when packets came."""
    unwanted = re.compile(r"a=rtcp-fb:|a=fmtp:\d+ apt=|a=rtpmap:\d+ rtx/")
    return "".join(line for line in offer.splitlines(keepends=True) if not unwanted.match(line))


async def test_a_publisher_of_whom_nothing_can_be_asked_is_seen_by_who_comes_later(
    chromium: Chromium, enter: Enter, server: Server, room: str
) -> None:
    publisher = Bot(server.url, room=room, token=token("ada", room), source=sources.card(6), edit=plain)
    async with publisher as ada, keyframes_by_the_clock(ada):
        before = (await server.metrics())["sfu_keyframe_requests_total"]
        bob = await enter(chromium, "bob")
        await bob.see("ada")
        await bob.watch_card(ada.published["video"].sid, 6)
        assert (await server.metrics())["sfu_keyframe_requests_total"] == before
