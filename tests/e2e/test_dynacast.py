"""A browser sends the encodings that viewers want, in a codec that a viewer decodes, and nothing else."""

from typing import Any

import pytest

from loadtest.bot import Bot
from sfu.model import Source

from .browser import Browser
from .chromium import Chromium
from .conftest import Enter
from .person import Person
from .server import Server, token
from .waiting import until

pytestmark = pytest.mark.browser

BIG = {"card": 2, "width": 1280, "height": 720}


async def counters(person: Person, codec: str = "") -> dict[str, dict[str, Any]]:
    """Returns the browser's counters of each sent encoding, by rid; of one codec, if one is named."""
    return {one["rid"]: one for one in await person.call("sent") if not codec or one["codec"] == codec}


async def only(person: Person, running: set[str]) -> dict[str, dict[str, Any]]:
    """Waits until these encodings grow by frames, and all others have stood still for two seconds."""
    since = await counters(person)
    steady = 0

    async def look() -> dict[str, dict[str, Any]]:
        nonlocal since, steady
        now = await counters(person)
        grown = {rid for rid, one in now.items() if one["frames"] > since.get(rid, {"frames": 0})["frames"]}
        steady = steady + 1 if grown == running else 0
        since = now
        return now

    return await until(look, lambda _: steady >= 4, f"{person.identity} sends {running} alone", every=0.5, limit=30.0)


def size(flow: dict[str, Any]) -> tuple[int, int]:
    return flow["width"], flow["height"]


async def test_what_nobody_wants_is_not_sent_and_is_there_again_when_somebody_does(
    browser: Browser, chromium: Chromium, enter: Enter, server: Server, room: str
) -> None:
    ada, bob = await enter(browser, "ada"), await enter(chromium, "bob")
    track = await ada.call("publishCard", BIG)
    await bob.see("ada", holds=lambda flow: size(flow) == (1280, 720), limit=40.0)
    await bob.call("want", track, "low")
    await bob.see("ada", holds=lambda flow: size(flow) == (320, 180))
    await only(ada, {"q"})
    (seen,) = (await server.ask("GET", f"/v1/rooms/{room}/tracks"))["tracks"]
    assert [encoding["wanted"] for encoding in seen["encodings"]] == [True, False, False]

    before = (await counters(ada))["f"]["keyframes"]
    await bob.call("want", track, "high")
    await bob.see("ada", holds=lambda flow: size(flow) == (1280, 720), limit=40.0)
    # Firefox counts no keyframes.
    expected = before + 1 if browser.name == "chromium" else 0
    assert (await counters(ada))["f"]["keyframes"] == expected, "the one with which it begins again"
    await bob.watch_card(track, 2)


async def test_a_picture_that_nobody_watches_is_paused_at_its_source_and_comes_back(
    chromium: Chromium, enter: Enter, server: Server, room: str
) -> None:
    ada, bob = await enter(chromium, "ada"), await enter(chromium, "bob")
    track = await ada.call("publishCard", BIG)
    await bob.see("ada")
    await bob.call("unsubscribe", track)
    await only(ada, {"q"})

    async def shown() -> dict[str, Any]:
        (seen,) = (await server.ask("GET", f"/v1/rooms/{room}/tracks"))["tracks"]
        return dict(seen)

    await until(shown, lambda seen: seen["paused"], "the track is paused", limit=40.0)
    await only(ada, set())
    assert not (await shown())["track"]["muted"]
    await bob.call("subscribe", track)
    await bob.see("ada", limit=30.0)


async def test_a_backup_is_sent_while_somebody_needs_it(
    chromium: Chromium, enter: Enter, server: Server, room: str
) -> None:
    ada, bob = await enter(chromium, "ada"), await enter(chromium, "bob")
    options = {"card": 6, "simulcast": False, "codec": "av1", "width": 640, "height": 360}
    track = await ada.call("publishCard", options)
    assert (await bob.see("ada", limit=30.0))["codec"] == "av1"
    assert await counters(ada, "vp8") == {}
    async with Bot(server.url, room=room, token=token("bot", room)) as bot:
        seen = await bot.until(lambda: bot.of("ada", Source.CAMERA), 20.0)
        await bot.until(lambda: seen.cards[6] >= 10 and seen.advanced >= 9, 30.0)
        await bot.until(lambda: bot.subscriptions[track].mime == "video/VP8", 20.0)
        assert bot.subscriptions[track].state == "active"
        assert (await bob.flow("ada", "camera") or {})["codec"] == "av1"
        (shown,) = (await server.ask("GET", f"/v1/rooms/{room}/tracks"))["tracks"]
        assert shown["backup"] == {"mime": "video/VP8", "wanted": True, "active": True}
        assert shown["subscribers"] == ["bob", "bot"]

    async def sent() -> dict[str, dict[str, Any]]:
        return await counters(ada, "vp8")

    await until(sent, lambda sent: not sent, "the backup is no longer sent", limit=20.0)
    assert (await bob.see("ada"))["codec"] == "av1"
