"""The layers that a wish asks for, as tables; and properties of any wish and supply."""

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from sfu.model import Cause, Kind, Layer, Quality, Rate, Source, Wish
from sfu.policy.ladders import Demand, Supply, Target, desired, priority, sizes

WIDE = ((320, 180), (640, 360), (1280, 720))
TALL = ((180, 320), (360, 640), (720, 1280))
SCREEN = ((960, 540), (1920, 1080))
SHARES = (0.5, 0.7, 1.0)
"""Of the bits of a layer, up to each of three temporal layers."""


def supply(of: Sequence[tuple[int, int]] = WIDE, temporal: int = 3, fps: float = 30.0, arrive: str = "012") -> Supply:
    """A camera of which the spatial layers `arrive`: 150, 500 and 1500 kbit/s."""
    rates = {}
    for spatial, (width, height) in enumerate(of):
        for at in range(temporal if str(spatial) in arrive else 0):
            bps = int((150_000, 500_000, 1_500_000)[spatial] * SHARES[at - temporal])
            rates[Layer(spatial, at)] = Rate(bps, width, height, fps / 2 ** (temporal - 1 - at))
    return Supply(Kind.VIDEO, Source.CAMERA, tuple(of), rates)


def target(wish: Wish, of: Supply) -> Target:
    return desired(Demand(of, wish))


def rungs(words: str) -> tuple[Layer, ...]:
    """`23 13`: spatial and temporal layer of each rung."""
    return tuple(Layer(int(word[0]), int(word[1])) for word in words.split())


def ladder(result: Target) -> str:
    return " ".join(f"{layer.spatial}{layer.temporal}" for layer in result.ladder)


NOTHING_KNOWN = Supply(Kind.VIDEO, Source.CAMERA, sizes(3, (0, 0), {}), {})
ONE = supply(WIDE[2:], temporal=1)

WISHES: Sequence[tuple[str, Wish, Supply, str, str]] = [
    # why, wish, supply, ladder, cause
    ("no wish: everything", Wish(), supply(), "23 13 03", "none"),
    ("a large tile", Wish(width=1280, height=720), supply(), "23 13 03", "none"),
    ("larger than there is", Wish(width=3840, height=2160), supply(), "23 13 03", "none"),
    ("a tile of a grid of nine on a screen of 1080 lines", Wish(width=640, height=360), supply(), "13 03", "demand"),
    ("of sixteen", Wish(width=480, height=270), supply(), "13 03", "demand"),
    ("of twenty-five: enlarged by a fifth", Wish(width=384, height=216), supply(), "03", "demand"),
    ("a pixel more than a fifth", Wish(width=386, height=217), supply(), "13 03", "demand"),
    ("a thumbnail", Wish(width=96, height=54), supply(), "03", "demand"),
    ("a height alone", Wish(height=360), supply(), "13 03", "demand"),
    ("a width alone", Wish(width=1920), supply(), "23 13 03", "none"),
    ("an upright picture in a tile that lies is small", Wish(width=640, height=360), supply(TALL), "03", "demand"),
    ("an upright picture in a thin strip", Wish(width=200, height=900), supply(TALL), "03", "demand"),
    ("an upright picture, upright", Wish(width=720, height=1280), supply(TALL), "23 13 03", "none"),
    ("a shared screen of two encodings", Wish(width=900, height=500), supply(SCREEN), "03", "demand"),
    ("a shared screen, enlarged to be read", Wish(width=1700, height=950), supply(SCREEN), "13 03", "none"),
    ("a quality bounds a size", Wish(Quality.LOW, width=1280, height=720), supply(), "03", "demand"),
    ("a size bounds a quality", Wish(Quality.MEDIUM, width=160, height=90), supply(), "03", "demand"),
    ("medium of two encodings is the better one", Wish(Quality.MEDIUM), supply(SCREEN), "13 03", "none"),
    ("half the frames are enough", Wish(fps=15), supply(), "21 11 01", "demand"),
    ("a quarter", Wish(fps=7), supply(), "20 10 00", "demand"),
    ("more than half", Wish(fps=24), supply(), "23 13 03", "none"),
    ("more frames than come", Wish(fps=60), supply(), "23 13 03", "none"),
    ("in the dark frames are few", Wish(fps=15), supply(fps=15.0), "23 13 03", "none"),
    ("one that measures a little short", Wish(fps=15), supply(fps=29.1), "21 11 01", "demand"),
    ("no temporal layers: nothing to leave out", Wish(fps=5), supply(temporal=1), "23 13 03", "none"),
    ("size and frames", Wish(width=300, height=170, fps=15), supply(), "01", "demand"),
    ("switched off", Wish(Quality.OFF), supply(), "", "paused"),
    ("scrolled away", Wish(visible=False), supply(), "", "paused"),
    ("before anything is known a camera has 720 lines", Wish(height=360), NOTHING_KNOWN, "13 03", "demand"),
    ("an encoding that is stopped at its source is listed", Wish(), supply(arrive="0"), "23 13 03", "none"),
    ("one stream without layers", Wish(width=96, height=54), ONE, "03", "none"),
    ("too large a picture is better than none", Wish(height=180), supply(arrive="2"), "03 23", "demand"),
    ("but not than the quality wished for", Wish(Quality.LOW), supply(arrive="2"), "03", "demand"),
]  # fmt: skip


@pytest.mark.parametrize(("why", "wish", "of", "after", "cause"), WISHES, ids=[row[0] for row in WISHES])
def test_a_wish_gets(why: str, wish: Wish, of: Supply, after: str, cause: str) -> None:
    result = target(wish, of)
    assert (ladder(result), result.cause) == (after, cause)


def test_audio_goes_on_where_nothing_is_seen_and_stops_where_it_is_off() -> None:
    sound = Supply(Kind.AUDIO, Source.MICROPHONE, sizes(1, (0, 0), {}), {})
    assert target(Wish(visible=False, fps=1), sound) == Target(rungs("00"), Cause.NONE)
    assert target(Wish(Quality.OFF), sound) == Target((), Cause.PAUSED)


@pytest.mark.parametrize(
    ("why", "count", "declared", "measured", "after"),
    [
        ("nothing is known", 3, (0, 0), {}, WIDE),
        ("declared", 3, (1920, 1080), {}, ((480, 270), (960, 540), (1920, 1080))),
        ("declared and one stream", 1, (640, 480), {}, ((640, 480),)),
        ("measured", 2, (1280, 720), {0: (426, 240), 1: (640, 360)}, ((426, 240), (640, 360))),
        ("the best is not sent: declared", 3, (1280, 720), {0: (320, 180), 1: (640, 360)}, WIDE),
        ("only the lowest came yet, and was taken for all", 3, (320, 180), {0: (320, 180)}, WIDE),
        ("the middle one is stopped", 3, (1280, 720), {0: (320, 180), 2: (1280, 720)}, WIDE),
        ("the camera was turned", 3, (1280, 720), {0: (180, 320), 1: (360, 640), 2: (720, 1280)}, TALL),
        ("a size of a layer that was", 1, (1280, 720), {0: (1280, 720), 2: (320, 180)}, ((1280, 720),)),
    ],
)
def test_the_size_of_what_does_not_arrive_is_estimated(
    why: str, count: int, declared: tuple[int, int], measured: dict[int, tuple[int, int]], after: object
) -> None:
    assert sizes(count, declared, measured) == after


@pytest.mark.parametrize(
    ("source", "wish", "priority_"),
    [
        (Source.CAMERA, 0, 1),
        (Source.MICROPHONE, 0, 1),
        (Source.SCREEN_SHARE_AUDIO, 0, 1),
        (Source.SCREEN_SHARE, 0, 255),
        (Source.SCREEN_SHARE, 1, 1),
        (Source.CAMERA, 254, 254),
    ],
)
def test_a_shared_screen_is_above_all_that_nobody_has_wished_to_be_above_it(
    source: Source, wish: int, priority_: int
) -> None:
    assert priority(Demand(replace(supply(), source=source), Wish(priority=wish))) == priority_


def chance_demand(chance: random.Random) -> Demand:
    shape = chance.choice((WIDE, TALL, SCREEN, WIDE[:1]))
    arrive = "".join(str(at) for at in range(3) if chance.random() < 0.8)
    return Demand(
        supply(shape, chance.choice((1, 2, 3)), chance.choice((7.5, 24.0, 30.0)), arrive),
        Wish(
            chance.choice(list(Quality)),
            chance.choice((0, 100, 500, 1280)),
            chance.choice((0, 100, 500, 1280)),
            chance.choice((0.0, 5.0, 15.0, 30.0)),
            chance.choice((0, 1, 128, 255)),
            chance.random() < 0.8,
        ),
    )


@pytest.mark.parametrize("seed", range(100))
def test_any_ladder_is_within_the_wish(seed: int) -> None:
    demand = chance_demand(random.Random(seed))
    full = desired(demand)
    assert all(layer.spatial < len(demand.supply.sizes) for layer in full.ladder)
    assert len({layer.spatial for layer in full.ladder}) == len(full.ladder), "a rung for each encoding"
    assert bool(full.ladder) == (full.cause in ("none", "demand"))
    if full.ladder:
        assert max(full.ladder) <= max(desired(Demand(demand.supply, Wish(visible=True))).ladder)
