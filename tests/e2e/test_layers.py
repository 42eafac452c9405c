"""Every shape of layers that Chromium sends, decoded by Chromium: each layer on demand, and twenty random switches."""

import random

import pytest

from .chromium import Chromium
from .conftest import Enter
from .layers import Shape, Watched
from .server import Server
from .trace import Frame, Trace

pytestmark = pytest.mark.browser

SWITCHES = 20
MOST_FROZEN = 0.5
"""Of the switches. If each showed nothing for a moment, each would freeze. Of a browser that encodes and decodes in
software a few in a hundred do (see the test), and more of them on a machine that is too busy for it."""
MOST_LOOSE = SWITCHES / 5
"""Frames of upper temporal layers that refer to what was not sent. Nothing leans on them; but if there were one at each
switch to a higher frame rate, it would be the service's doing."""
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
async def test_each_layer_is_shown_on_demand_and_a_switch_leaves_nothing_out(
    chromium: Chromium, enter: Enter, server: Server, shape: Shape
) -> None:
    """A freeze that the viewer counts proves nothing of a switch: Chromium answers a request for a keyframe of one
    encoding with keyframes of all, the encoder of the largest drops up to five of the pictures after it to pay for it,
    which at half the frame rate is a freeze, and a busy machine captures, encodes and decodes late besides. So what the
    viewer was sent is compared with what was encoded, frame by frame: a switch begins with a keyframe, up to it and
    after it no picture of the lowest temporal layer is left out, all that a frame refers to was sent, and the viewer
    asks for no keyframe; freezes are counted over all switches, and only their rate is bounded.
    """
    traced = {"traces": True} | ({"key": 0xA5, "codec": shape.codec} if shape.encrypted else {})
    bob, ada = await enter(chromium, "bob", cipher=traced), await enter(chromium, "ada", cipher=traced)
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
    before = after = await watched.is_shown(best, all_of_it, frames=15)
    for _ in range(SWITCHES):
        # At 30 frames a second half of them: with a quarter, the first gap alone would count as a freeze.
        rung, fps = dice.randrange(shape.rungs), dice.choice((0, HALF))
        await watched.ask(rung, fps=fps)
        after = await watched.is_shown(rung, frames=pace)

    sent = [Frame.read(entry) for entry in await bob.call("traced")]
    trace = Trace([Frame.read(entry) for entry in await ada.call("traced")], sent)
    frozen = after["freezes"] - before["freezes"]
    print(f"{shape}: {len(trace.shown)} frames, {len(trace.runs)} encodings in turn, {frozen} freezes")
    assert not trace.wrong, "\n".join(trace.wrong)
    assert len(trace.shown) == len(sent) >= SWITCHES * pace
    assert len(trace.loose) <= MOST_LOOSE, trace.loose
    assert shape.encodings == 1 or len(trace.runs) > 2 * (shape.rungs - 1), "encodings were switched"
    assert after["plis"] == before["plis"], "whatever was sent could be decoded"
    assert frozen <= MOST_FROZEN * SWITCHES
