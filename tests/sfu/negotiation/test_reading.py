"""Long offers are read in slices: the loop continues, offers take turns, and the result is the same."""

import asyncio
import itertools

import pytest

from sfu.errors import NegotiationError
from sfu.limits import SDP_ALL_CODECS, SDP_AT_ONCE, SDP_OCTETS, SDP_SLICE
from sfu.negotiation.reading import Reading
from sfu.negotiation.sdp import SessionDescription
from sfu.signalling import messages

from ...cost import Grow
from ..scene import scene, sdp
from .hostile import PRODUCTS
from .offers import VIDEO, answered, offer, section

LONG = offer(*(section(VIDEO, str(mid)) for mid in range(100)))


class Clock:
    """Each look at it takes half a slice: a slice is one step."""

    def __init__(self) -> None:
        self._ticks = itertools.count()

    def __call__(self) -> float:
        return next(self._ticks) * SDP_SLICE * 0.6


async def test_a_long_offer_is_read_as_a_short_one_is() -> None:
    read = await Reading(Clock()).read(LONG)
    assert str(read) == LONG
    assert len(read.sections) == 100 and read.bundle == SessionDescription.parse(LONG).bundle


async def test_the_loop_goes_on_between_slices_and_offers_take_turns() -> None:
    reading, turns, ends = Reading(Clock()), 0, []

    async def read(name: str, text: str) -> None:
        await reading.read(text)
        ends.append((name, turns))

    async with asyncio.TaskGroup() as tasks:
        others = [tasks.create_task(read("long", LONG)) for _ in range(4)]
        others.append(tasks.create_task(read("half", offer(*(section(VIDEO, str(mid)) for mid in range(50))))))
        while not all(other.done() for other in others):
            turns += 1
            await asyncio.sleep(0)
    assert [name for name, _ in ends] == ["half", *["long"] * 4], "one that is shorter does not wait for all"
    assert turns >= 4 * 100 + 50, "of each section of each offer"


async def test_a_short_offer_does_not_wait() -> None:
    reading = Reading(Clock())
    long = asyncio.create_task(reading.read(LONG))
    await asyncio.sleep(0)
    text = offer(section(VIDEO, "0"))
    assert len(text) < SDP_AT_ONCE
    step = reading.read(text)
    with pytest.raises(StopIteration):
        step.send(None)
    long.cancel()


async def test_a_long_offer_that_is_none_is_refused() -> None:
    with pytest.raises(NegotiationError, match="does not begin with v=0"):
        await Reading(Clock()).read("x" * SDP_OCTETS)


async def test_who_is_gone_when_its_offer_is_read_is_answered_nothing() -> None:
    async with scene() as it:
        alice = await it.client("alice")
        it.sfu._context.reading._now = Clock()  # type: ignore[method-assign]
        text = sdp([("video", "recvonly")] * 60)
        offering = asyncio.create_task(alice.session.handle(messages.Offer("offer", 1, text)))
        await asyncio.sleep(0)
        alice.room.moderation.remove("alice")
        await offering
        assert not it.plane.transports
        assert not alice.heard(messages.Answer, messages.Error)


@pytest.mark.parametrize("grow", PRODUCTS)
def test_no_step_grows_with_the_offer(grow: Grow) -> None:
    """A step is a section, and what of it is looked at has a bound: lines, and items of each list."""
    read = SessionDescription.parse(grow(SDP_OCTETS * 3 // 4))
    for part in (read.session, *read.sections):
        assert sum(map(len, part._values.values())) <= 2048
    for part in read.sections:
        assert len(part.codecs) <= 128 and len(part.rids) <= 64 and len(part.ssrc_groups) <= 64
        assert len(part.ssrcs) <= 512 and len(part.extmaps) <= 64


def test_what_all_sections_list_together_has_a_bound() -> None:
    """Each with payload types of its own: those of the first are answered, the others rejected."""

    def part(mid: int) -> tuple[str, ...]:
        numbers = range(96, 128)
        maps = [f"a=rtpmap:{n} VP8/90000" for n in numbers]
        return (f"m=video 9 UDP/TLS/RTP/SAVPF {' '.join(map(str, numbers))}", "a=rtcp-mux", *maps, f"a=fmtp:96 q={mid}")

    negotiated = answered(offer(*(section(part(mid), str(mid)) for mid in range(80))))
    rejected = [section.rejected for section in negotiated.sections]
    assert rejected == sorted(rejected) and rejected.count(False) == SDP_ALL_CODECS // 32 + 1
