"""RUNNING -> DRAINING -> CLOSED, and the failure of a packet thread."""

import asyncio

import pytest

from sfu.config import Config
from sfu.errors import Unavailable
from sfu.lifecycle import Lifecycle, State
from sfu.model import DisconnectReason
from sfu.plane import _native
from sfu.signalling import messages
from sfu.signalling.sessions import refusal

from ..live import rooms_of
from .scene import START, scene, turn


def broken(_: str) -> None:
    raise RuntimeError("a bug")


async def test_those_inside_are_told_at_once_and_nobody_new_comes_in() -> None:
    async with scene() as it:
        alice, bob = await it.client("alice"), await it.client("bob", "other")
        it.sfu.drain(40)
        assert it.sfu.state is State.DRAINING
        for client in (alice, bob):
            assert client.last(messages.Draining) == messages.Draining(int(START + 40) * 1000)
        with pytest.raises(Unavailable) as refused:
            await it.client("carol")
        assert refused.value.retry_after > 0
        assert refusal(refused.value).reason is DisconnectReason.SERVER_SHUTDOWN
        with pytest.raises(Unavailable):
            rooms_of(it.sfu).create("new")


async def test_a_cut_connection_still_comes_back() -> None:
    async with scene() as it:
        alice = await it.client("alice")
        alice.heard()
        await alice.cut()
        it.sfu.drain(40)
        again = await it.resume(alice)
        assert again.heard(messages.Draining)


async def test_it_is_empty_when_the_last_one_has_left() -> None:
    async with scene() as it:
        alice = await it.client("alice")
        it.sfu.drain(40)
        waiting = asyncio.ensure_future(it.sfu.wait_empty())
        await it.pass_time(1)
        assert not waiting.done()
        await alice.session.handle(messages.Leave("leave"))
        await it.pass_time(1)
        assert waiting.done()


async def test_at_the_limit_those_inside_are_let_go_and_may_join_elsewhere() -> None:
    async with scene() as it:
        alice = await it.client("alice")
        it.sfu.drain(40)
        await it.pass_time(39)
        assert alice.room.participants
        await it.pass_time(2)
        left = alice.last(messages.Left)
        assert (left.reason, left.action) == (DisconnectReason.SERVER_SHUTDOWN, "rejoin")
        await asyncio.wait_for(it.sfu.wait_empty(), 1)


async def test_draining_again_only_brings_the_deadline_forward() -> None:
    async with scene() as it:
        alice = await it.client("alice")
        it.sfu.drain(40)
        it.sfu.drain(50)
        assert len(alice.heard(messages.Draining)) == 1
        it.sfu.drain(10)
        assert alice.last(messages.Draining).deadline == int(START + 10) * 1000


async def test_an_empty_service_is_drained_at_once() -> None:
    async with scene() as it:
        it.sfu.drain()
        await asyncio.wait_for(it.sfu.wait_empty(), 1)


async def test_closing_lets_everybody_go_and_closes_the_plane() -> None:
    async with scene() as it:
        alice = await it.client("alice")
        await alice.connect("audio recvonly")
        plane = it.plane
        it.sfu.close()
        await turn()
        assert alice.last(messages.Left).reason is DisconnectReason.SERVER_SHUTDOWN
        assert not plane.transports
    assert plane.closed


async def test_whoever_embeds_the_service_hears_that_it_failed() -> None:
    told: list[str] = []
    async with scene(Config(workers=2), on_failure=told.append) as it:
        ada = await it.client("ada")
        waiting = asyncio.ensure_future(it.sfu.wait_failed())
        await it.say(_native.WorkerFailed(worker=1, reason="a panic"))
        assert await waiting == "worker 1 failed: a panic"
        assert told == ["worker 1 failed: a panic"]
        assert ada.last(messages.Left)


async def test_a_failure_is_told_once_and_to_a_callback_that_fails_too() -> None:
    async with scene(Config(workers=2), on_failure=broken) as it:
        await it.say(_native.WorkerFailed(worker=1, reason="a panic"))
        assert it.sfu.failures.counts["on_failure"] == 1
        assert await it.sfu.wait_failed()


def test_there_is_no_way_back() -> None:
    lifecycle = Lifecycle()
    lifecycle.admit()
    assert lifecycle.drain(10.0) and not lifecycle.drain(20.0)
    lifecycle.close()
    assert not lifecycle.drain(1.0) and lifecycle.state is State.CLOSED
    with pytest.raises(Unavailable, match="this server is closed"):
        lifecycle.admit()
