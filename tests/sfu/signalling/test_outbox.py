"""The messages of a participant: numbered, bounded, and readable again."""

import asyncio

import pytest

from sfu import limits
from sfu.signalling.messages import Error, Ok
from sfu.signalling.outbox import LEFT, POLICY, REPLACED, Outbox, Tail, weigh


def tail_of(messages: int, capacity: int = 256) -> Tail:
    tail = Tail(capacity)
    for number in range(1, messages + 1):
        tail.put(Ok(number))
    return tail


async def read(outbox: Outbox, count: int) -> list[int]:
    return [(await anext(outbox))[0] for _ in range(count)]


async def test_messages_are_numbered_from_one_and_read_in_order() -> None:
    tail = Tail(256)
    outbox = tail.open(0)
    tail.put(Ok(7))
    tail.put(Ok(8))
    assert [await anext(outbox), await anext(outbox)] == [(1, Ok(7)), (2, Ok(8))]


async def test_a_reader_waits_for_the_next_message() -> None:
    tail = Tail(256)
    outbox = tail.open(0)
    waiting = asyncio.ensure_future(anext(outbox))
    await asyncio.sleep(0)
    assert not waiting.done()
    tail.put(Ok(1))
    assert await waiting == (1, Ok(1))


@pytest.mark.parametrize(("seq", "reaches"), [(43, False), (44, True), (200, True), (300, True), (301, False)])
def test_a_tail_of_256_reaches_back_as_far(seq: int, reaches: bool) -> None:
    assert tail_of(300).reaches(seq) is reaches


async def test_a_later_reader_gets_what_the_earlier_one_missed() -> None:
    tail = tail_of(10)
    outbox = tail.open(7, Ok(99))
    assert await anext(outbox) == (7, Ok(99)), "what goes first has the number it follows"
    assert await read(outbox, 3) == [8, 9, 10]


async def test_an_ended_tail_is_read_to_its_end() -> None:
    tail = tail_of(2)
    outbox = tail.open(0)
    tail.shut(LEFT)
    assert [seq async for seq, _ in outbox] == [1, 2]
    assert outbox.close_code == LEFT and not outbox.lost.is_set()


async def test_another_connection_ends_the_first_at_once() -> None:
    tail = tail_of(2)
    first = tail.open(0)
    second = tail.open(0)
    assert [seq async for seq, _ in first] == []
    assert first.close_code == REPLACED and first.lost.is_set()
    assert await read(second, 2) == [1, 2]


async def test_who_falls_behind_the_tail_is_let_go() -> None:
    tail = Tail(256)
    outbox = tail.open(0)
    for number in range(256):
        tail.put(Ok(number))
    assert outbox.close_code is None
    tail.put(Ok(256))
    assert outbox.close_code == POLICY and outbox.lost.is_set()
    assert [seq async for seq, _ in outbox] == []


async def test_who_floods_us_waits_for_its_own_answers() -> None:
    tail = Tail(256)
    outbox = tail.open(0)
    for number in range(129):
        tail.put(Ok(number))
    waiting = asyncio.ensure_future(outbox.space())
    await asyncio.sleep(0)
    assert not waiting.done()
    await read(outbox, 1)
    await asyncio.sleep(0)
    assert waiting.done()


MIB = 1024 * 1024


def large(octets: int) -> Error:
    return Error(0, "code", "x" * octets)


def test_the_weight_of_a_message_counts_the_octets_of_its_texts() -> None:
    for text in ("x" * 1_000, "\u00e9" * 1_000, "\U0001f600" * 1_000):
        assert weigh(Error(0, "code", text)) >= len(text.encode())


def kept(tail: Tail) -> int:
    """Octets that a tail holds."""
    first = next(seq for seq in range(tail.seq + 1) if tail.reaches(seq))
    outbox = tail.open(first)
    return sum(weigh(tail.after(seq)[1]) for seq in range(first, tail.seq)) if outbox else 0


def test_a_tail_holds_no_more_octets_than_allowed_beside_its_oldest_message() -> None:
    for octets in (1, 1_000, 100_000, MIB, 9 * MIB):
        tail = Tail(256)
        for _ in range(300):
            tail.put(large(octets))
        assert kept(tail) <= limits.OUTBOX_OCTETS + weigh(large(octets))
        assert tail.reaches(tail.seq - 1), "the newest is always there"


async def test_one_message_of_any_size_waits_for_its_reader() -> None:
    tail = Tail(256)
    outbox = tail.open(0)
    tail.put(large(9 * MIB))
    for number in range(200):
        tail.put(Ok(number))
    assert outbox.close_code is None
    assert len(await read(outbox, 201)) == 201


async def test_who_is_too_many_octets_behind_is_let_go() -> None:
    tail = Tail(256)
    outbox = tail.open(0)
    for _ in range(5):
        tail.put(large(MIB))
    assert outbox.close_code == POLICY and outbox.lost.is_set()


async def test_requests_wait_while_half_of_the_octets_are_unread() -> None:
    tail = Tail(256)
    outbox = tail.open(0)
    for _ in range(4):
        tail.put(large(MIB))
    waiting = asyncio.ensure_future(outbox.space())
    await asyncio.sleep(0)
    assert not waiting.done()
    await read(outbox, 1)
    await asyncio.sleep(0)
    assert not waiting.done()
    await read(outbox, 1)
    await waiting
