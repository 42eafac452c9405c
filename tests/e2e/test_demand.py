"""A browser is sent what it can use: the size of the element that shows a picture, and whether it is in sight."""

from typing import Any

import pytest

from .chromium import Chromium
from .conftest import Enter
from .server import Server

pytestmark = pytest.mark.browser


def size(flow: dict[str, Any]) -> tuple[int, int]:
    return flow["width"], flow["height"]


async def test_a_small_tile_gets_the_low_layer_and_enlarged_the_high_one(chromium: Chromium, enter: Enter) -> None:
    ada, bob = await enter(chromium, "ada"), await enter(chromium, "bob")
    track = await ada.call("publishCamera")
    await bob.see("ada", holds=lambda flow: size(flow) == (1280, 720), limit=40.0)
    await bob.call("watch", track, {"width": 200, "height": 112})
    await bob.see("ada", holds=lambda flow: size(flow) == (320, 180))
    await bob.call("resize", track, 640, 360)
    await bob.see("ada", holds=lambda flow: size(flow) == (640, 360))
    await bob.call("resize", track, 1280, 720)
    await bob.see("ada", holds=lambda flow: size(flow) == (1280, 720))


async def test_a_picture_that_is_scrolled_away_is_not_sent_until_it_is_back(
    chromium: Chromium, enter: Enter, server: Server, room: str
) -> None:
    ada, bob = await enter(chromium, "ada"), await enter(chromium, "bob")
    track = await ada.call("publishSharp", {"width": 640, "height": 360})
    await bob.see("ada")
    await bob.call("watch", track, {"width": 640, "height": 360, "top": 5_000})
    await bob.still("ada")
    (shown,) = (await server.ask("GET", f"/v1/rooms/{room}/participants/bob/subscriptions"))["subscriptions"]
    assert (shown["state"], shown["reason"]) == ("paused", "not visible at the subscriber")
    await bob.call("scrollDown", 5_000)
    await bob.see("ada")
    await bob.call("scrollDown", 0)
    await bob.still("ada")
