"""Requests to publishers, in virtual time."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.policy.dynacast import GRACE, LOWER_AFTER, PAUSE_AFTER, Dynacast, EncodingRequest, certain

NOBODY = None
ALL = EncodingRequest((True, True, True), paused=False)
LOW = EncodingRequest((True, False, False), paused=False)
MIDDLE = EncodingRequest((True, True, False), paused=False)
PAUSED = EncodingRequest((False, False, False), paused=True)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        # Seconds after publishing, the best encoding anybody is shown -> what is wished for then.
        ([(0, 2)], [ALL]),
        ([(0, NOBODY), (9.9, NOBODY), (10, NOBODY), (29.9, NOBODY), (30, NOBODY)], [ALL, ALL, LOW, LOW, PAUSED]),
        ([(0, NOBODY), (2, 0), (5.4, 0), (5.5, 0)], [ALL, ALL, ALL, LOW]),
        ([(0, 2), (20, 0), (23.4, 0), (23.5, 0), (24, 1), (24.1, 2)], [ALL, ALL, ALL, LOW, MIDDLE, ALL]),
        ([(0, 2), (20, 1), (22, 2), (24, 2), (25, 1), (28.4, 1), (28.5, 1)], [ALL] * 6 + [MIDDLE]),
        ([(0, 2), (20, 1), (22, 0), (23.5, 0), (25.4, 0), (25.5, 0)], [ALL, ALL, ALL, MIDDLE, MIDDLE, LOW]),
        ([(0, 2), (20, NOBODY), (23.5, NOBODY), (49.9, NOBODY), (50, NOBODY)], [ALL, ALL, LOW, LOW, PAUSED]),
        ([(0, NOBODY), (60, NOBODY), (90, 0), (91, NOBODY), (120.9, NOBODY)], [ALL, PAUSED, LOW, LOW, LOW]),
        ([(0, NOBODY), (60, NOBODY), (90, 2)], [ALL, PAUSED, ALL]),
    ],
)
def test_more_is_asked_for_at_once_and_less_after_a_while(steps: Any, expected: list[EncodingRequest]) -> None:
    dynacast = Dynacast(3, 0.0)
    wishes = []
    for now, highest in steps:
        dynacast.update(highest, now)
        wishes.append(dynacast.request)
    assert wishes == expected


@pytest.mark.parametrize(
    ("wish", "known", "asked"),
    [
        (LOW, {0, 1, 2}, LOW),
        (LOW, set(), ALL),
        (LOW, {0}, ALL),
        (LOW, {2}, ALL),
        (LOW, {1, 2}, ALL),
        (LOW, {0, 1}, EncodingRequest((True, False, True), paused=False)),
        (LOW, {0, 2}, MIDDLE),
        (MIDDLE, {1, 2}, MIDDLE),
        (MIDDLE, {0, 2}, MIDDLE),
        (PAUSED, set(), PAUSED),
    ],
)
def test_only_what_is_better_than_something_that_arrives_is_stopped(
    wish: EncodingRequest, known: set[int], asked: EncodingRequest
) -> None:
    assert certain(wish, known) == asked


def test_a_track_of_one_encoding_is_whole_or_paused() -> None:
    dynacast = Dynacast(1, 0.0)
    dynacast.update(None, 29.0)
    assert dynacast.request == EncodingRequest((True,), paused=False)
    dynacast.update(None, 30.0)
    assert dynacast.request == EncodingRequest((False,), paused=True)


def test_it_says_when_to_look_again() -> None:
    dynacast = Dynacast(3, 100.0)
    dynacast.update(None, 100.0)
    assert dynacast.due() == 100.0 + GRACE
    dynacast.update(2, 101.0)
    assert dynacast.due() is None
    dynacast.update(1, 110.0)
    assert dynacast.due() == 110.0 + LOWER_AFTER
    dynacast.update(None, 111.0)
    assert dynacast.due() == 110.0 + LOWER_AFTER
    dynacast.handle_timeout(114.5)
    assert dynacast.request == LOW
    assert dynacast.due() == 111.0 + PAUSE_AFTER


TICK = 0.2
MOMENTS = st.lists(
    st.tuples(st.integers(1, 60), st.one_of(st.none(), st.integers(0, 2))), min_size=1, max_size=30
)  # so many ticks of this


@given(MOMENTS)
def test_whatever_viewers_do_what_is_wanted_is_sent_and_what_is_not_is_stopped_within_five_seconds(
    moments: list[tuple[int, int | None]],
) -> None:
    dynacast = Dynacast(3, 0.0)
    now = 0.0
    unwanted = [0.0] * 3
    alone = 0.0
    changes = wanted_changes = 0
    before_wish, before = dynacast.request, None
    for ticks, highest in moments:
        wanted_changes += highest != before
        before = highest
        for _ in range(ticks):
            now += TICK
            dynacast.update(highest, now)
            wish = dynacast.request
            changes += wish != before_wish
            before_wish = wish
            alone = 0.0 if highest is not None else alone + TICK
            assert wish.paused == (not any(wish.encodings))
            assert not wish.paused or alone >= PAUSE_AFTER - 2 * TICK
            assert wish.paused or alone <= PAUSE_AFTER + 2 * TICK
            for index, is_on in enumerate(wish.encodings):
                is_wanted = highest is not None and index <= highest
                unwanted[index] = 0.0 if is_wanted else unwanted[index] + TICK
                assert is_on or not is_wanted, "what somebody wants is sent"
                assert is_on or unwanted[index] >= LOWER_AFTER - 2 * TICK, "nothing is switched off in haste"
                assert not is_on or unwanted[index] < 5.0 or now < GRACE or index == 0, "nor late"
    assert changes <= 3 * (wanted_changes + 1), "a change of mind is told a few times at most"
