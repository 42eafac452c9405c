"""Simulcast of browsers in every order: a viewer without wishes sees the largest, and large ones are stopped."""

from itertools import permutations
from typing import Any

import pytest

from .browser import Browser
from .chromium import Chromium
from .conftest import Enter
from .firefox import Firefox
from .server import Server
from .test_doors import knock
from .test_dynacast import only
from .waiting import until

pytestmark = pytest.mark.browser

SCALES = {"f": 1, "h": 2, "q": 4}
ORDERS = ["".join(order) for order in permutations("qhf")]
LARGEST_FIRST = "fhq"


def simulcast(order: str) -> dict[str, Any]:
    encodings = [{"rid": rid, "scaleResolutionDownBy": SCALES[rid]} for rid in order]
    return {"kind": "video", "codec": "vp8", "encodings": encodings, "width": 1280, "height": 720, "fps": 15}


async def shown_at_its_largest(
    publisher: Browser, viewer: Chromium, site: str, server: Server, room: str, order: str
) -> None:
    pages = [await publisher.page(site), await viewer.page(site)]
    try:
        await knock(pages[1], server, "whep", "viewer", room, {"receives": ["video"]})
        await knock(pages[0], server, "whip", "camera", room, {"sends": [simulcast(order)]})
        [flow] = await until(
            lambda: pages[1].call("bareFlows"),
            lambda flows: flows and (flows[0]["width"], flows[0]["height"]) == (1280, 720),
            f"{order} is shown at 1280x720",
            limit=60.0,
        )
        [track] = (await server.ask("GET", f"/v1/rooms/{room}/tracks"))["tracks"]
        assert [(one["rid"], one["offered"]) for one in track["encodings"]] == [
            (rid, order.index(rid)) for rid in "qhf"
        ]
        await until(
            lambda: pages[1].call("bareFlows"),
            lambda flows: flows[0]["frames"] >= flow["frames"] + 15 and flows[0]["width"] == 1280,
            "the picture goes on",
        )
    finally:
        for page in pages:
            await page.close()


@pytest.mark.parametrize("order", ORDERS)
async def test_a_viewer_without_a_wish_sees_the_largest_encoding_of_chromium(
    chromium: Chromium, site: str, server: Server, room: str, order: str
) -> None:
    await shown_at_its_largest(chromium, chromium, site, server, room, order)


async def test_a_viewer_without_a_wish_sees_the_largest_encoding_of_firefox(
    chromium: Chromium, firefox: Firefox, site: str, server: Server, room: str
) -> None:
    await shown_at_its_largest(firefox, chromium, site, server, room, LARGEST_FIRST)


async def test_of_encodings_listed_largest_first_the_large_ones_are_stopped(
    chromium: Chromium, enter: Enter, server: Server, room: str
) -> None:
    ada, bob = await enter(chromium, "ada"), await enter(chromium, "bob")
    encodings = simulcast(LARGEST_FIRST)["encodings"]
    track = await ada.call("publishCard", {"card": 2, "width": 1280, "height": 720, "encodings": encodings})
    await bob.see("ada", holds=lambda flow: flow["width"] == 1280, limit=60.0)
    await bob.call("want", track, "low")

    async def wanted() -> set[str]:
        [seen] = (await server.ask("GET", f"/v1/rooms/{room}/tracks"))["tracks"]
        return {one["rid"] for one in seen["encodings"] if one["wanted"]}

    await until(wanted, lambda rids: rids == {"q"}, "only the smallest is asked for", limit=30.0)
    await bob.see("ada", holds=lambda flow: flow["width"] == 320)
    await only(ada, {"q"})
