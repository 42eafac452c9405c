"""WHIP in, WHEP out: aiortc and a browser at either end receive what was sent."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from loadtest import sources
from loadtest.received import Received
from sfu.model import Kind

from ..peer import Peer
from .browser import Page
from .chromium import Chromium
from .conftest import Enter
from .firefox import Firefox
from .server import Server, token
from .waiting import until

pytestmark = pytest.mark.browser


@pytest_asyncio.fixture(loop_scope="session")
async def page(chromium: Chromium, site: str) -> AsyncIterator[Page]:
    page = await chromium.page(site)
    yield page
    await page.close()


async def knock(
    page: Page, server: Server, door: str, identity: str, room: str, shape: dict[str, Any]
) -> dict[str, Any]:
    """The page itself posts its offer, from its own origin, and takes the answer."""
    given = {"url": f"{server.url}/v1/{door}", "token": token(identity, room), "shape": shape}
    opened: dict[str, Any] = await page.call("openDoor", given)
    assert opened["status"] == 201
    await until(lambda: page.call("bareState"), lambda state: state["connection"] == "connected", "media is connected")
    return opened


async def see(received: Received, card: int) -> None:
    """Waits until aiortc has decoded this card, in motion."""

    async def read() -> tuple[int, int]:
        return received.cards[card], received.advanced

    await until(read, lambda seen: seen[0] >= 10 and seen[1] >= 9, f"aiortc sees card {card} move")
    assert received.went_back == 0, "the picture never goes back in time"


async def test_what_aiortc_publishes_is_what_aiortc_and_chromium_are_shown(
    server: Server, room: str, page: Page
) -> None:
    async with Peer(server.url, token("cam", room)) as camera, Peer(server.url, token("eye", room)) as viewer:
        await camera.publish(sources.card(7))
        await viewer.watch()
        await knock(page, server, "whep", "tab", room, {"receives": ["audio", "video"]})
        await see(viewer.received[Kind.VIDEO], 7)

        async def heard() -> bool:
            return viewer.received[Kind.AUDIO].hears(7)

        await until(heard, bool, "aiortc hears the tone of card 7")
        await until(
            lambda: page.call("card", "mid-1"), lambda seen: seen is not None and seen["card"] == 7, "the page sees it"
        )
        flows = await page.call("bareFlows")
        assert {flow["codec"] for flow in flows} == {"vp8", "opus"}


async def test_what_chromium_publishes_by_whip_is_what_aiortc_sees(server: Server, room: str, page: Page) -> None:
    shape = {"sends": [{"kind": "audio"}, {"kind": "video", "codec": "vp8", "card": True, "number": 5}]}
    await knock(page, server, "whip", "tab", room, shape)
    async with Peer(server.url, token("eye", room)) as viewer:
        await viewer.watch("tab")
        await see(viewer.received[Kind.VIDEO], 5)


async def test_h264_of_chromium_is_decoded_by_aiortc(server: Server, room: str, page: Page) -> None:
    shape = {"sends": [{"kind": "video", "codec": "h264", "card": True, "number": 6}]}
    await knock(page, server, "whip", "tab", room, shape)
    async with Peer(server.url, token("eye", room)) as viewer:
        await viewer.watch()
        await see(viewer.received[Kind.VIDEO], 6)


async def test_who_publishes_by_whip_is_seen_in_the_room(
    chromium: Chromium, firefox: Firefox, server: Server, room: str, enter: Enter
) -> None:
    ada, fox = await enter(chromium, "ada"), await enter(firefox, "fox")
    async with Peer(server.url, token("cam", room)) as camera:
        await camera.publish(sources.card(8))
        for person in (ada, fox):
            found = await until(
                lambda person=person: person.call("people"),
                lambda people: any(tracks for p in people if p["identity"] == "cam" for tracks in [p["tracks"]]),
                "the camera is in the room",
            )
            (cam,) = (one for one in found if one["identity"] == "cam")
            (track,) = (one for one in cam["tracks"] if one["source"] != "microphone" and one["mime"] != "audio/opus")
            await person.watch_card(track["sid"], 8)
    await until(
        lambda: ada.call("people"), lambda people: "cam" not in [p["identity"] for p in people], "the camera has left"
    )


async def test_a_viewer_is_shown_who_publishes_later(server: Server, room: str, page: Page) -> None:
    await knock(page, server, "whep", "tab", room, {"receives": ["audio", "video"]})
    async with Peer(server.url, token("cam", room)) as camera:
        await camera.publish(sources.card(9))
        await until(
            lambda: page.call("card", "mid-1"), lambda seen: seen is not None and seen["card"] == 9, "the page sees it"
        )


async def test_ice_restarts_by_patch_and_media_goes_on(server: Server, room: str, page: Page) -> None:
    opened = await knock(page, server, "whep", "tab", room, {"receives": ["video"]})
    async with Peer(server.url, token("cam", room)) as camera:
        await camera.publish(sources.card(4, sound=False))
        await until(lambda: page.call("bareFlows"), lambda flows: flows and flows[0]["frames"] > 10, "frames come")
        restarted = await page.call("restartDoor", opened)
        assert restarted["status"] == 200
        assert restarted["etag"] and restarted["etag"] != opened["etag"]
        ours = re.search(r"a=ice-ufrag:(\S+)", restarted["body"])
        assert ours and ours[1] not in opened["answer"]
        (before,) = await page.call("bareFlows")
        await until(
            lambda: page.call("bareFlows"),
            lambda flows: flows[0]["frames"] > before["frames"] + 30,
            "frames come after the restart",
        )
        pair = await until(
            lambda: page.call("bareUfrag"), lambda ufrag: ufrag == ours[1], "the pair in use is one of the new session"
        )
        assert pair == ours[1]
        stale = await page.call("trickleDoor", opened)
        assert stale["status"] == 412
    assert (await page.call("closeDoor", opened))["status"] == 200
