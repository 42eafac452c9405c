"""Publishers whose keyframes come when they come: whoever joins does not wait for the next one."""

from typing import Any

import pytest

from .chromium import Chromium
from .conftest import Enter
from .hardware import PERIOD, Camera
from .server import Server, token
from .waiting import until

pytestmark = pytest.mark.browser

EARLY, LATE = 15, 35
"""Frames after a keyframe: so that whoever comes between them has neither just missed it nor just not."""


async def test_a_browser_sees_a_camera_that_ignores_keyframe_requests_from_its_last_keyframe_on(
    chromium: Chromium, server: Server, room: str, enter: Enter
) -> None:
    async with Camera(server.url, token("camera", room)) as camera:
        await camera.start(7)
        made = camera.track
        for identity in ("ada", "bob"):
            await until(
                lambda: _value(made.made),
                lambda count: count > PERIOD and EARLY <= count % PERIOD <= LATE,
                "the camera is between two keyframes",
                every=0.05,
                limit=30.0,
            )
            person = await enter(chromium, identity)
            came = made.made
            flow = await person.see("camera")
            behind: dict[str, Any] = {}

            async def look() -> dict[str, Any]:
                found = await person.flow("camera", "camera")
                assert found is not None
                behind.update(since=made.made - came)
                return found

            # It has decoded what was made before it came: all since the last keyframe, which was the only one.
            flow = await until(look, lambda one: one["frames"] > behind["since"], f"{identity} has caught up")
            assert flow["freezes"] == 0
            assert 1 <= flow["keyframes"] <= 1 + made.made // PERIOD - came // PERIOD


async def _value(count: int) -> int:
    return count
