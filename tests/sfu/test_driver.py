"""Events of the plane and the time reach rooms and sessions."""

import asyncio
from typing import Any

import pytest

from sfu.config import Config
from sfu.driver import Driver
from sfu.plane import _native
from sfu.service import Sfu
from sfu.views import Network

from ..live import driver_of, rooms_of
from .fake_plane import FakePlane
from .scene import scene


def broken(*_: object) -> Any:
    raise RuntimeError("a bug")


@pytest.mark.parametrize("part", ["_rooms", "_signalling", "_media_sessions", "_revocations", "_quotas"])
async def test_a_part_of_the_service_that_fails_in_every_tick_delays_no_drain(
    part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scene() as it:
        await it.client("ada")
        monkeypatch.setattr(type(getattr(driver_of(it.sfu), part)), "handle_timeout", broken)
        it.sfu.drain(5.0)
        await it.pass_time(5.1)
        assert not rooms_of(it.sfu)
        await asyncio.wait_for(it.sfu.wait_empty(), 60)


async def test_the_tick_itself_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    ticked = asyncio.Event()

    def fails(self: Driver, now: float) -> None:
        if self._context.failures.counts.get("tick"):
            ticked.set()
        broken()

    monkeypatch.setattr(Driver, "handle_timeout", fails)
    async with Sfu(Config(tick=0.001), plane=FakePlane()):
        await asyncio.wait_for(ticked.wait(), 60)


async def test_an_event_of_a_participant_who_left_is_dropped() -> None:
    async with scene() as it:
        ada, bob = await it.client("ada"), await it.client("bob")
        await ada.connect("audio recvonly")
        gone = _native.TransportState(ada.transport, "failed", "silent")
        rooms_of(it.sfu)["room"].moderation.remove("ada")
        await it.say(gone, _native.TransportState(1 << 30, "failed", "nobody's"))
        assert not it.sfu.failures.counts
        assert list(rooms_of(it.sfu)["room"].participants) == [bob.participant.identity]


async def test_an_estimate_is_kept_with_the_participant_whose_transport_it_is_of() -> None:
    async with scene() as it:
        ada, bob = await it.client("ada"), await it.client("bob")
        await ada.connect("video recvonly")
        assert ada.participant.network is None
        await it.say(
            _native.Estimate(ada.transport, 2_000_000, 1_500_000, None, queue=0.05, loss=0.02, round_trip=0.08),
            _native.Estimate(1 << 30, 300_000, 300_000),
        )
        assert ada.participant.network == Network(2_000_000, 1_500_000, None, 50.0, 0.02, False, 80.0, False)
        assert bob.participant.network is None
