"""What the service finds out about the network to a browser that is shown nothing: probes under RTX, and feedback."""

from typing import Any

import pytest

from .chromium import Chromium
from .conftest import Enter
from .firefox import Firefox
from .server import Server
from .waiting import until

pytestmark = pytest.mark.browser

MEASURED = 500_000
"""bit/s. Loopback carries much more, a machine that is busy delays probes; without any the estimate would stay at its
start of 300,000."""


async def test_the_network_of_a_browser_is_measured_before_anything_is_shown(
    chromium: Chromium, firefox: Firefox, server: Server, room: str, enter: Enter
) -> None:
    await enter(chromium, "ada")
    await enter(firefox, "fox")
    for identity in ("ada", "fox"):

        async def network(identity: str = identity) -> dict[str, Any]:
            return (await server.counters(room, identity)).get("network") or {}

        found = await until(network, lambda now: now.get("estimate", 0) > MEASURED, f"{identity} is measured")
        assert found["round_trip"] < 1_000 and not found["silent"]
