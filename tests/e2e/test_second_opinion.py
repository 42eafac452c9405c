"""aiortc in a room with browsers, by our own protocol: each sees what the other sends."""

import pytest

from loadtest import sources
from loadtest.bot import Bot
from loadtest.received import Received
from sfu.model import Quality, Source

from .browser import Browser
from .chromium import Chromium
from .conftest import Enter
from .server import Server, token

pytestmark = pytest.mark.browser

SIZES = {Quality.LOW: (320, 180), Quality.HIGH: (1280, 720), Quality.MEDIUM: (640, 360)}


async def sees(bot: Bot, identity: str, card: int) -> Received:
    """Waits until this card of somebody's camera is decoded, and moves."""
    seen = await bot.until(lambda: bot.of(identity, Source.CAMERA), 20.0)
    await bot.until(lambda: seen.cards[card] >= 10 and seen.advanced >= 9, 20.0)
    assert seen.went_back == 0, "the picture never goes back in time"
    return seen


async def test_aiortc_and_a_browser_see_one_another(browser: Browser, server: Server, room: str, enter: Enter) -> None:
    ada = await enter(browser, "ada")
    async with Bot(server.url, room=room, token=token("bot", room), source=sources.card(7)) as bot:
        await ada.watch_card(bot.published["video"].sid, 7)
        await ada.hear("bot")
        await ada.call("publishCard", {"card": 3, "simulcast": False})
        seen = await sees(bot, "ada", 3)
        # A browser begins small, and grows as it learns what the network carries.
        await bot.until(lambda: seen.size == (640, 360), 30.0)


async def test_two_aiortc_see_and_hear_one_another(server: Server, room: str) -> None:
    async with (
        Bot(server.url, room=room, token=token("one", room), source=sources.card(1)) as one,
        Bot(server.url, room=room, token=token("two", room), source=sources.card(2)) as two,
    ):
        for bot, other, card in ((one, "two", 2), (two, "one", 1)):
            await sees(bot, other, card)
            heard = await bot.until(lambda bot=bot, other=other: bot.of(other, Source.MICROPHONE), 20.0)
            await bot.until(lambda heard=heard, card=card: heard.hears(card), 20.0)


async def test_aiortc_is_shown_the_layer_it_can_use_of_three(
    chromium: Chromium, server: Server, room: str, enter: Enter
) -> None:
    ada = await enter(chromium, "ada")
    track = await ada.call("publishCard", {"card": 5, "width": 1280, "height": 720})
    async with Bot(server.url, room=room, token=token("bot", room)) as bot:
        seen = await sees(bot, "ada", 5)
        for quality, size in SIZES.items():
            await bot.settings(track, quality)
            await bot.until(lambda size=size: seen.size == size, 30.0)
        assert seen.went_back == 0, "no switch of layers goes back in time"


async def test_a_cut_bot_resumes_and_goes_on_seeing(server: Server, room: str) -> None:
    async with (
        Bot(server.url, room=room, token=token("cam", room), source=sources.card(4)) as camera,
        Bot(server.url, room=room, token=token("eye", room)) as viewer,
    ):
        seen = await sees(viewer, "cam", 4)
        viewer.cut()
        camera.cut()
        await viewer.until(lambda: viewer.resumes == 1, 20.0)
        await camera.until(lambda: camera.resumes == 1, 20.0)
        count = seen.cards[4]
        await viewer.until(lambda: seen.cards[4] >= count + 30, 20.0)
        shown = await server.ask("GET", f"/v1/rooms/{room}/participants/eye")
        assert shown["sid"] == viewer.sid
