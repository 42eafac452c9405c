"""GStreamer watches by WHEP: it waits longer than any silence that ends consent to send, then sees new publishers."""

import asyncio

import pytest

from loadtest import sources

from ..peer import Peer
from .gstreamer import MISSING, is_installed, watching
from .server import Server, token

pytestmark = pytest.mark.browser

WAITS = (9.0, 5.0)
"""Seconds: one comes, then another, then the publisher. The first has waited for longer than the 8 s after which a peer
that says nothing is sent nothing."""
LONG_WAIT = 88.0
"""Seconds: longer than any participant is kept that says nothing, and three of the Binding Indications that libnice
sends every 25 s. `waiting.rs` has the same in virtual time."""


@pytest.mark.skipif(not is_installed(), reason=MISSING)
async def test_gstreamer_that_waited_longer_than_any_silence_sees_who_comes(server: Server, room: str) -> None:
    async with watching(server, token("patient", room)) as patient:
        # What is waited for is that nothing happens: it is there, and stays.
        await asyncio.sleep(WAITS[0])
        async with watching(server, token("late", room)) as late:
            await asyncio.sleep(WAITS[1])
            for identity in ("patient", "late"):
                shown = await server.ask("GET", f"/v1/rooms/{room}/participants/{identity}")
                assert shown["state"] == "active", identity
            async with Peer(server.url, token("camera", room)) as camera:
                await camera.publish(sources.card(3))
                await patient.see(30)
                await late.see(1)
            assert (patient.state, late.state) == ("connected", "connected")


@pytest.mark.long
@pytest.mark.skipif(not is_installed(), reason=MISSING)
async def test_gstreamer_that_waited_for_a_minute_and_a_half_sees_who_comes(server: Server, room: str) -> None:
    async with watching(server, token("patient", room)) as patient:
        await asyncio.sleep(LONG_WAIT)
        assert patient.state == "connected"
        async with Peer(server.url, token("camera", room)) as camera:
            await camera.publish(sources.card(3))
            await patient.see(30)
