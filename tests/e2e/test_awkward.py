"""Publishers with rare keyframes: a new viewer does not wait for the next one."""

from typing import Any

import pytest

from .chromium import Chromium
from .conftest import Enter
from .hardware import PERIOD, Camera, HardwareTrack
from .person import Person
from .server import Server, token
from .waiting import until

pytestmark = pytest.mark.browser

EARLY, LATE = 15, 35
"""Frames after a keyframe: who comes between them has neither just missed it nor will see the next one soon."""


async def test_a_browser_sees_a_camera_that_ignores_keyframe_requests_from_its_last_keyframe_on(
    chromium: Chromium, server: Server, room: str, enter: Enter
) -> None:
    async with Camera(server.url, token("camera", room)) as camera:
        await camera.start(7)
        for identity in ("ada", "bob"):
            await between_keyframes(camera.track)
            person = await enter(chromium, identity)
            await has_caught_up(person, camera.track, camera.track.made)


async def between_keyframes(camera: HardwareTrack) -> None:
    async def made() -> int:
        return camera.made

    def is_between(count: int) -> bool:
        return count > PERIOD and EARLY <= count % PERIOD <= LATE

    await until(made, is_between, "the camera is between two keyframes", every=0.05, limit=30.0)


async def has_caught_up(person: Person, camera: HardwareTrack, came: int) -> None:
    """Waits until it has decoded more than was made since it came: all since the last keyframe, that is."""
    await person.see("camera")

    async def look() -> tuple[dict[str, Any], int]:
        flow = await person.flow("camera", "camera")
        assert flow is not None
        return flow, camera.made

    flow, made = await until(
        look, lambda seen: seen[0]["frames"] > seen[1] - came, f"{person.identity} has decoded what was made before"
    )
    assert flow["lost"] == 0
    assert 1 <= flow["keyframes"] <= 1 + made // PERIOD - came // PERIOD
