"""The garbage collector: its thresholds, and that closed connections leave no cycles."""

import asyncio
import gc
from collections.abc import Iterator

import pytest

from api import collector
from api.http_protocols import HttpProtocol, WebSocketProtocol
from sfu.room.participant import Participant

from .server import Server

KINDS = (HttpProtocol, WebSocketProtocol, Participant)


@pytest.fixture
def collecting() -> Iterator[None]:
    """Leaves the collector as it was."""
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.enable()
    gc.unfreeze()


@pytest.mark.usefixtures("collecting")
def test_the_objects_of_the_start_are_permanent_and_the_oldest_generation_is_seldom_examined() -> None:
    collector.settle()
    assert gc.get_freeze_count() > 0
    assert gc.get_threshold() == (collector.YOUNG, collector.MIDDLE, collector.OLD)


@pytest.mark.usefixtures("collecting")
async def test_a_closed_websocket_and_its_participant_are_freed_without_the_collector(server: Server) -> None:
    gc.collect()
    gc.disable()
    before = count()
    async with server.client("ada") as ada:
        await ada.offer("audio recvonly")
        assert count() > before
        await ada.say("leave")
        assert await ada.closed() == (1000, "")
    for _ in range(200):
        if server.plane is not None:
            server.plane.commands.clear()
        if count() <= before:
            return
        await asyncio.sleep(0.05)
    assert count() <= before


def count() -> int:
    return sum(isinstance(one, KINDS) for one in gc.get_objects())
