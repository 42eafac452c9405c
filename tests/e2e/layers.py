"""Layered video of browsers, and a viewer for which the test requests layers from the service.

Requests are in pixels and frames a second, so a test can select any layer.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Self

from .person import Flow, Person
from .server import Server
from .waiting import until

LIMIT = 15.0
"""Seconds until a requested layer is decoded on a busy machine."""


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
        """Returns the smallest size of which libwebrtc makes this many layers (svc_config.cc: none below 240x135)."""
        return {1: (320, 180), 2: (480, 270), 3: (960, 540)}[self.spatial]

    def widths(self) -> list[int]:
        return [self.size[0] >> self.rungs - 1 - rung for rung in range(self.rungs)]

    def published(self) -> dict[str, Any]:
        """Returns an argument of `publishSharp` in `pages/peer.js`."""
        scales = zip("qhf", (4, 2, 1), strict=True)
        encodings: list[dict[str, Any]] = [{"scalabilityMode": self.mode}]
        if self.encodings > 1:
            encodings = [
                {"rid": rid, "scaleResolutionDownBy": scale, "scalabilityMode": self.mode} for rid, scale in scales
            ]
        width, height = self.size
        # With the content hint `detail` VP9 treats it as a screen, which has no spatial layers.
        return {"codec": self.codec, "encodings": encodings, "width": width, "height": height, "fps": 30, "hint": ""}


class Watched:
    """A track of ada that bob receives."""

    def __init__(
        self, server: Server, room: str, track: str, shape: Shape, flow: Callable[[], Awaitable[Flow | None]]
    ) -> None:
        """`flow`: bob's decoder counters for it, with `codec`, `width` and `frames`."""
        self.server, self.track, self.shape, self.flow = server, track, shape, flow
        self.path = f"/v1/rooms/{room}/participants/bob/subscriptions"

    @classmethod
    def by(cls, server: Server, bob: Person, track: str, shape: Shape) -> Self:
        """Returns a track watched in a browser."""
        return cls(server, bob.room, track, shape, lambda: bob.flow("ada", "camera"))

    async def ask(self, rung: int, *, fps: float) -> None:
        """Requests one spatial layer or encoding, with the ones below it, and this frame rate; 0: all frames."""
        wish = {"track": self.track, "width": self.shape.widths()[rung], "fps": fps}
        await self.server.ask("PUT", self.path, {"settings": [wish]})

    async def is_shown(self, rung: int, temporal: int | None = None, *, frames: int = 3) -> Flow:
        """Waits until the layer is sent, and decoded in its size."""
        first = 0

        async def look() -> tuple[Flow | None, Any]:
            (info,) = (await self.server.ask("GET", self.path))["subscriptions"]
            return await self.flow(), info["layer"]

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
        found, _ = await until(look, holds, what, limit=LIMIT, every=0.03)
        assert found is not None and found["codec"] == self.shape.codec
        return found
