"""A browser receives what it can use: the size of the element that shows a picture, and only while it is visible."""

from typing import Any

import pytest

from .chromium import Chromium
from .conftest import Enter
from .server import Server, token
from .waiting import until

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


async def test_a_tile_of_the_try_it_page_is_sent_what_fits_it(
    chromium: Chromium, enter: Enter, server: Server, room: str
) -> None:
    ada = await enter(chromium, "ada")
    await ada.call("publishCamera")
    page = await chromium.page(f"{server.url}/?room={room}")
    try:
        await page.tab.set_viewport_size({"width": 1600, "height": 900})
        await page.tab.fill("[name=name]", "Bob")
        await page.tab.locator("#token-details summary").click()
        await page.tab.fill("[name=token]", token("bob", room))
        await page.tab.uncheck("[name=camera]")
        await page.tab.click("#join [type=submit]")

        async def decoded() -> int:
            # Bob has no picture of his own: the one that plays is Ada's.
            width: int = await page.tab.evaluate(
                "Math.max(0, ...[...document.querySelectorAll('.tile video')].map((video) => video.videoWidth))"
            )
            return width

        await until(decoded, lambda width: width == 1280, "a large tile gets the best layer", limit=40.0)
        await page.tab.set_viewport_size({"width": 420, "height": 420})
        await until(decoded, lambda width: width == 320, "a small tile gets the lowest layer")
    finally:
        await page.close()
