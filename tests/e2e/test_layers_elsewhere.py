"""Layers of Chromium as Firefox and aiortc decode them."""

import pytest

from loadtest.bot import Bot
from sfu.model import Source

from .chromium import Chromium
from .conftest import Enter
from .firefox import Firefox
from .layers import Shape, Watched
from .person import Flow
from .server import Server, token

pytestmark = pytest.mark.browser


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


async def test_firefox_is_shown_of_spatial_layers_what_it_can_decode(
    chromium: Chromium, firefox: Firefox, enter: Enter, server: Server
) -> None:
    # It takes no dependency descriptor: of AV1 it could not tell one layer from the other.
    for codec, rung in (("av1", 0), ("vp9", 2)):
        bob, ada = await enter(firefox, "bob"), await enter(chromium, "ada")
        shape = Shape(codec, "L3T3", spatial=3)
        await Watched.by(server, bob, await ada.call("publishSharp", shape.published()), shape).is_shown(rung)
        await ada.call("leave")
        await bob.call("leave")


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
