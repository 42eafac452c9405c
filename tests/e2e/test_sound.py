"""The dominant speaker, and a room that forwards only the loudest microphones, with a browser's audio."""

import pytest

from .chromium import Chromium
from .conftest import Enter
from .server import Server
from .waiting import until

pytestmark = pytest.mark.browser


async def test_who_speaks_has_the_floor_and_everybody_is_told(
    chromium: Chromium, enter: Enter, server: Server, room: str
) -> None:
    ada, bob = await enter(chromium, "ada"), await enter(chromium, "bob")
    track = await ada.call("publishVoice")

    async def floor() -> list[tuple[str, str]]:
        return [(event["participant"], event["track"]) for event in await bob.events("dominantSpeaker")]

    await until(floor, lambda found: found == [("ada", track)], "bob is told that ada has the floor")
    assert (await server.ask("GET", f"/v1/rooms/{room}"))["dominant_speaker"] == ada.sid


async def test_of_a_room_that_hears_one_the_louder_is_heard_and_the_other_is_back_when_it_may(
    chromium: Chromium, enter: Enter, server: Server, room: str
) -> None:
    ada, bob, eve = [await enter(chromium, name) for name in ("ada", "bob", "eve")]
    await ada.call("publishTone")
    await bob.call("publishTone", 0.05)
    await eve.hear("ada")
    await eve.hear("bob")
    await server.ask("PATCH", f"/v1/rooms/{room}", {"loudest": 1})
    heard: list[tuple[int, int]] = []

    async def packets() -> tuple[int, int]:
        flows = [await eve.flow(name, "microphone") for name in ("ada", "bob")]
        loud, quiet = (flow["packets"] if flow else 0 for flow in flows)
        heard.append((loud, quiet))
        return loud, quiet

    def is_held_back(now: tuple[int, int]) -> bool:
        return any(now[0] >= loud + 50 and now[1] == quiet for loud, quiet in heard)

    await until(packets, is_held_back, "eve hears ada, and nothing of bob")
    await server.ask("PATCH", f"/v1/rooms/{room}", {"loudest": 0})
    _, quiet = heard[-1]
    await until(packets, lambda now: now[1] > quiet + 50, "eve hears bob again")
    flow = await eve.flow("bob", "microphone")
    assert flow is not None and flow["lost"] == 0, "what was held back is no loss"
