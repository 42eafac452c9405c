"""Every shape of layers that Chromium sends, decoded by Chromium: each layer on demand, and twenty random switches."""

import random

import pytest

from .chromium import Chromium
from .conftest import Enter
from .layers import Shape, Watched
from .server import Server

pytestmark = pytest.mark.browser

SWITCHES, ROUNDS = 20, 3
HALF = 12
"""Frames a second that 15 serve, and 7.5 do not."""


SHAPES = (
    Shape("vp8", "L1T1", encodings=3),
    Shape("vp8", "L1T3", encodings=3),
    Shape("h264", "L1T3", encodings=3),
    Shape("vp9", "L1T3"),
    Shape("vp9", "L2T2", spatial=2),
    Shape("vp9", "L3T3", spatial=3),
    Shape("vp9", "L3T3_KEY", spatial=3),
    Shape("vp9", "L1T3", encodings=3),
    Shape("av1", "L1T3"),
    Shape("av1", "L2T2", spatial=2),
    Shape("av1", "L3T3", spatial=3),
    Shape("av1", "L3T3_KEY", spatial=3),
    Shape("av1", "L1T3", encodings=3),
    Shape("vp8", "L1T3", encodings=3, encrypted=True),
    Shape("av1", "L3T3", spatial=3, encrypted=True),
)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
async def test_each_layer_is_shown_on_demand_and_no_switch_is_seen_as_a_freeze(
    chromium: Chromium, enter: Enter, server: Server, shape: Shape
) -> None:
    cipher = {"key": 0xA5, "codec": shape.codec} if shape.encrypted else None
    bob, ada = await enter(chromium, "bob", cipher=cipher), await enter(chromium, "ada", cipher=cipher)
    watched = Watched.by(server, bob, await ada.call("publishSharp", shape.published()), shape)
    best, all_of_it = shape.rungs - 1, shape.temporal - 1
    await watched.is_shown(best, all_of_it)
    for rung in range(shape.rungs):
        await watched.ask(rung, fps=1)
        await watched.is_shown(rung, 0)
        await watched.ask(rung, fps=0)
        await watched.is_shown(rung, all_of_it)

    dice = random.Random(str(shape))
    # The service asks a publisher for three keyframes of an encoding in 1.5 s, and no more.
    pace = 16 if shape.encodings > 1 else 8 if shape.rungs > 1 else 3
    before = await watched.is_shown(best, all_of_it, frames=15)
    for _ in range(ROUNDS):
        for _ in range(SWITCHES):
            # At 30 frames a second half of them: with a quarter, the first gap alone would count as a freeze.
            rung, fps = dice.randrange(shape.rungs), dice.choice((0, HALF))
            await watched.ask(rung, fps=fps)
            after = await watched.is_shown(rung, frames=pace)
        if after["freezes"] == before["freezes"]:
            return
        before = after
    # A machine with more to encode and decode than it has cores for makes pauses of its own: of three encodings of AV1
    # one in a hundred switches is seen as one. What switches do wrong, they do in each round.
    raise AssertionError(f"{shape}: {after['freezes']} freezes, some in each round of {SWITCHES} switches")
