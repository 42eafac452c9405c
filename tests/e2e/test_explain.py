"""Why a browser receives what it receives, meanwhile: as REST and `sfu explain` report it."""

from typing import Any

import pytest

from .chromium import Chromium
from .conftest import Enter
from .server import Server
from .waiting import until

pytestmark = pytest.mark.browser

Seen = dict[str, Any]
SIZES = {0: (320, 180), 1: (640, 360), 2: (1280, 720)}


def current(seen: Seen) -> tuple[int, int]:
    """In pixels; (0, 0): nothing is on the wire."""
    return (seen["current"]["width"], seen["current"]["height"]) if seen["current"] else (0, 0)


async def test_each_reason_for_a_low_picture_is_told_while_it_holds(
    chromium: Chromium, enter: Enter, server: Server, room: str
) -> None:
    async def explained() -> Seen:
        path = f"/v1/rooms/{room}/participants/bob/explain"
        (seen,) = (await server.ask("GET", path))["subscriptions"]
        assert isinstance(seen, dict)
        return seen

    async def told(cause: str, size: tuple[int, int], *facts: str, limit: float = 20.0) -> Seen:
        def holds(seen: Seen) -> bool:
            return (seen["cause"], current(seen), seen["publisher"]) == (cause, size, list(facts))

        return await until(explained, holds, f"{cause} at {size}, {facts}", limit=limit)

    ada, bob = await enter(chromium, "ada"), await enter(chromium, "bob")
    track = await ada.call("publishCard", {"card": 1, "width": 1280, "height": 720})
    best = await told("none", SIZES[2], limit=40.0)
    assert best["sentence"].startswith("ada's camera is shown to bob at 1280x720, ")
    assert best["wanted"]["layer"]["spatial"] == best["target"]["layer"]["spatial"] == 2

    await bob.call("watch", track, {"width": 320, "height": 180})
    small = await told("demand", SIZES[0])
    assert small["sentence"].endswith(": bob asks for no more.")
    assert small["wanted"]["layer"]["spatial"] == 0 and small["since"] > best["since"]
    await bob.see("ada", holds=lambda flow: flow["width"] == 320)

    await bob.call("resize", track, 1280, 720)
    await told("none", SIZES[2], limit=40.0)
    await ada.call("stopTopEncoding", track)
    held = await told("publisher", SIZES[1], "has stopped its top encoding")
    assert held["sentence"].endswith(": ada's browser has stopped its top encoding.")
    assert (held["target"]["layer"]["spatial"], held["target"]["bitrate"]) == (2, 0)

    await ada.call("mute", track, True)
    muted = await told("muted", (0, 0), "has stopped its top encoding")
    assert muted["sentence"] == "ada's camera is not shown to bob: ada has muted it."
    made = [(one["what"], one["cause"]) for one in muted["decisions"]]
    for step in (("target", "demand"), ("current", "publisher")):
        assert step in made
    assert ("publisher", "muted by ada") in [(one["what"], one["detail"]) for one in muted["decisions"]]
    assert [one["at"] for one in muted["decisions"]] == sorted(one["at"] for one in muted["decisions"])
