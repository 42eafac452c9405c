"""The faults that a trace reports."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from .trace import OVERTAKEN, Frame, Trace

PICTURES = 80
TEMPORAL = (0, 2, 1, 2)
NEEDS = ((4,), (1,), (2,), (1,))
"""How many pictures back, by place in the pattern."""
FIRST, SECOND = 0x1000, 0x2000
"""SSRCs."""
SWITCH = 34
"""Of the second encoding this picture is a keyframe."""

Sent = list[Frame]


def encoded(step: int = 3000) -> list[Frame]:
    """Two encodings, of which pictures are `step` ticks apart, and the timestamps of one are rounded."""
    frames = [frame(ssrc, picture) for picture in range(PICTURES) for ssrc in (FIRST, SECOND)]
    late = [90 * (of.number % 3 == 0) for of in frames]
    return [
        replace(of, timestamp=of.timestamp + of.number // 2 * (step - 3000) + more)
        for of, more in zip(frames, late, strict=True)
    ]


def frame(ssrc: int, picture: int) -> Frame:
    is_key = picture == (0 if ssrc == FIRST else SWITCH)
    place = picture % 4 if ssrc == FIRST else (picture - SWITCH) % 4
    number = 2 * picture + (ssrc == SECOND)
    needs = () if is_key or (ssrc == SECOND and picture < SWITCH) else tuple(number - 2 * back for back in NEEDS[place])
    return Frame(ssrc, (ssrc << 20) + 3000 * picture, 0, TEMPORAL[place], is_key, number, number, needs)


def sent() -> Sent:
    """The first encoding up to the second's keyframe, in numbers of our own."""
    pictures = [(FIRST, at) for at in range(SWITCH)] + [(SECOND, at) for at in range(SWITCH, PICTURES)]
    return [replace(frame(ssrc, at), ssrc=7, timestamp=(1 << 32) - 9000 + 3000 * at) for ssrc, at in pictures]


def without(*pictures: int) -> Callable[[Sent], Sent]:
    return lambda frames: [frame for at, frame in enumerate(frames) if at not in pictures]


def exchanged(one: int, other: int) -> Callable[[Sent], Sent]:
    def change(frames: Sent) -> Sent:
        times = frames[one].timestamp, frames[other].timestamp
        frames[one], frames[other] = (
            replace(frames[one], timestamp=times[1]),
            replace(frames[other], timestamp=times[0]),
        )
        return frames

    return change


def early(frames: Sent) -> Sent:
    """The second encoding from a picture before its keyframe on."""
    frames[SWITCH - 1] = replace(frame(SECOND, SWITCH - 1), timestamp=frames[SWITCH - 1].timestamp)
    return frames


def held(frames: Sent) -> Sent:
    """Nothing of the first encoding from two pictures of the lowest layer before the switch on."""
    return frames[:8] + frames[SWITCH:]


@pytest.mark.parametrize("step", [500, 3000, 30_000])
def test_what_is_whole_is_not_wrong(step: int) -> None:
    trace = Trace(encoded(step), sent())
    assert trace.wrong == []
    assert [len(run) for run in trace.runs] == [SWITCH, PICTURES - SWITCH]


@pytest.mark.parametrize("left_out", [(1, 3), (1, 2, 3), (33,), (35, 37)], ids=str)
def test_upper_layers_may_be_left_out(left_out: tuple[int, ...]) -> None:
    assert Trace(encoded(), without(*left_out)(sent())).wrong == []


def test_the_last_pictures_of_an_encoding_may_come_behind_the_keyframe_of_the_next() -> None:
    assert Trace(encoded(), without(32, 33)(sent())).wrong == []
    assert Trace(encoded(), without(24, 25)(sent())).wrong != []


def test_frames_that_end_alike_are_told_apart_by_their_layer() -> None:
    # Picture 6 of the middle temporal layer, which was left out, ends as picture 8 of the lowest does.
    source = [replace(of, fingerprint=16) if of.number == 12 else of for of in encoded()]
    assert Trace(source, without(6, 7)(sent())).wrong == []


def test_an_upper_layer_without_what_it_refers_to_is_counted() -> None:
    trace = Trace(encoded(), without(2, 38 - 2)(sent()))
    assert trace.wrong == []
    assert [one.picture for one in trace.loose] == [3, 37]


def test_of_svc_a_picture_may_lack_the_spatial_layer_that_was_shown() -> None:
    lower = [frame(FIRST, picture) for picture in range(8)]
    upper = [replace(of, spatial=1, number=of.number + 1000, fingerprint=of.number + 1000, needs=()) for of in lower]
    both = [of for pair in zip(lower, upper, strict=True) for of in pair]
    gone = [replace(of, ssrc=7) for of in upper if of != upper[4]]
    assert any("picture 4" in one for one in Trace(both, gone).wrong), "it was encoded, and not sent"
    assert Trace([of for of in both if of != upper[4]], gone).wrong == []


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        (without(38), "nothing was sent of picture 38"),
        (without(12, 13), "nothing was sent of picture 12"),
        (held, "nothing was sent of picture 8"),
        (without(4), "which it refers to"),
        (without(SWITCH), "without a keyframe"),
        (early, "without a keyframe"),
        (exchanged(5, 6), "goes back"),
        (lambda frames: [*frames, replace(frames[5], timestamp=frames[5].timestamp + 10)], "was sent before"),
        (lambda frames: [*frames, replace(frames[5], fingerprint=999)], "never encoded"),
    ],
)
def test_each_mistake_is_told(change: Callable[[Sent], Sent], wrong: str) -> None:
    told = Trace(encoded(), change(sent())).wrong
    assert any(wrong in one for one in told), told


@pytest.mark.parametrize(("behind", "is_wrong"), [(0, False), (3, False), (OVERTAKEN, False), (OVERTAKEN + 1, True)])
def test_a_keyframe_may_be_overtaken_by_a_second_at_most(behind: int, is_wrong: bool) -> None:
    pictures = [(FIRST, at) for at in range(SWITCH + behind + 1)] + [(SECOND, at) for at in range(SWITCH, PICTURES)]
    late = [replace(frame(*of), ssrc=7, timestamp=3000 * at) for at, of in enumerate(pictures)]
    assert any("goes back" in one for one in Trace(encoded(), late).wrong) == is_wrong
