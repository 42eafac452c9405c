"""Every shape of layers that Chromium sends, decoded by Chromium: each layer on demand, and twenty switches at random.

Who watches is told by the service what to be shown, in pixels and frames a second: so a test reaches any layer.
"""

import random
from dataclasses import dataclass
from typing import Any

import pytest

from .chromium import Chromium
from .conftest import Enter
from .person import Flow, Person
from .server import Server
from .waiting import until

pytestmark = pytest.mark.browser

SWITCHES, ROUNDS = 20, 3
LIMIT = 15.0
"""Seconds until a layer that was asked for is decoded, on a machine that does other things as well."""
HALF = 12
"""Frames a second that 15 serve, and 7.5 do not."""


@dataclass(frozen=True, slots=True)
class Shape:
    codec: str
    mode: str
    encodings: int = 1
    spatial: int = 1
    encrypted: bool = False

    def __str__(self) -> str:
        kind = "-simulcast" if self.encodings > 1 else ""
        return f"{self.codec}-{self.mode}{kind}{'-encrypted' if self.encrypted else ''}"

    @property
    def rungs(self) -> int:
        return max(self.encodings, self.spatial)

    @property
    def temporal(self) -> int:
        return int(self.mode[3])

    @property
    def size(self) -> tuple[int, int]:
        """The smallest of which libwebrtc makes so many layers (svc_config.cc: none below 240x135)."""
        return {1: (320, 180), 2: (480, 270), 3: (960, 540)}[self.spatial]

    def widths(self) -> list[int]:
        return [self.size[0] >> self.rungs - 1 - rung for rung in range(self.rungs)]

    def published(self) -> dict[str, Any]:
        """As `publishSharp` of `pages/peer.js` takes it."""
        scales = zip("qhf", (4, 2, 1), strict=True)
        encodings: list[dict[str, Any]] = [{"scalabilityMode": self.mode}]
        if self.encodings > 1:
            encodings = [
                {"rid": rid, "scaleResolutionDownBy": scale, "scalabilityMode": self.mode} for rid, scale in scales
            ]
        width, height = self.size
        # With a hint of detail VP9 takes it for a screen, which has no spatial layers.
        return {"codec": self.codec, "encodings": encodings, "width": width, "height": height, "fps": 30, "hint": ""}


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


class Watched:
    """A track of ada's that bob is shown."""

    def __init__(self, server: Server, bob: Person, track: str, shape: Shape) -> None:
        self.server, self.bob, self.track, self.shape = server, bob, track, shape
        self.path = f"/v1/rooms/{bob.room}/participants/bob/subscriptions"

    async def ask(self, rung: int, *, fps: float) -> None:
        """For one spatial layer or encoding with what is below it, at so many frames a second; 0: all of them."""
        wish = {"track": self.track, "width": self.shape.widths()[rung], "fps": fps}
        await self.server.ask("PUT", self.path, {"settings": [wish]})

    async def is_shown(self, rung: int, temporal: int | None = None, *, frames: int = 5) -> Flow:
        """Waits until it is on the wire, and decoded in its size."""
        first = 0

        async def look() -> tuple[Flow | None, Any]:
            (info,) = (await self.server.ask("GET", self.path))["subscriptions"]
            return await self.bob.flow("ada", "camera"), info["layer"]

        def holds(seen: tuple[Flow | None, Any]) -> bool:
            nonlocal first
            flow, layer = seen
            if flow is None or layer is None or flow["width"] != self.shape.widths()[rung]:
                return False
            if layer["spatial"] != rung or temporal not in (None, layer["temporal"]):
                return False
            first = first or int(flow["frames"])
            return int(flow["frames"]) >= first + frames

        what = f"{self.shape}: encoding or spatial layer {rung}, temporal layer {temporal}"
        flow, _ = await until(look, holds, what, limit=LIMIT, every=0.03)
        assert flow is not None and flow["codec"] == self.shape.codec
        return flow


@pytest.mark.parametrize("shape", SHAPES, ids=str)
async def test_each_layer_is_shown_on_demand_and_no_switch_is_seen_as_a_freeze(
    chromium: Chromium, enter: Enter, server: Server, shape: Shape
) -> None:
    cipher = {"key": 0xA5, "codec": shape.codec} if shape.encrypted else None
    bob, ada = await enter(chromium, "bob", cipher=cipher), await enter(chromium, "ada", cipher=cipher)
    watched = Watched(server, bob, await ada.call("publishSharp", shape.published()), shape)
    best, all_of_it = shape.rungs - 1, shape.temporal - 1
    await watched.is_shown(best, all_of_it)
    for rung in range(shape.rungs):
        await watched.ask(rung, fps=1)
        await watched.is_shown(rung, 0)
        await watched.ask(rung, fps=0)
        await watched.is_shown(rung, all_of_it)

    dice = random.Random(str(shape))
    before = await watched.is_shown(best, all_of_it, frames=30)
    for _ in range(ROUNDS):
        for _ in range(SWITCHES):
            # At 30 frames a second half of them: with a quarter, the first gap alone would count as a freeze.
            rung, fps = dice.randrange(shape.rungs), dice.choice((0, HALF))
            await watched.ask(rung, fps=fps)
            after = await watched.is_shown(rung, frames=3)
        if after["freezes"] == before["freezes"]:
            return
        before = after
    # A busy machine makes pauses of its own; switches make one in each round, or none.
    raise AssertionError(f"{shape}: {after['freezes']} freezes, some in each round of {SWITCHES} switches")
