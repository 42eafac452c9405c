"""What browsers publish in layers, and a viewer who is told by the service which of them to be shown.

The service is asked in pixels and frames a second: so a test reaches any layer.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Self

from .person import Flow, Person
from .server import Server
from .waiting import until

LIMIT = 15.0
"""Seconds until a layer that was asked for is decoded, on a machine that does other things as well."""


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


class Watched:
    """A track of ada's that bob is shown."""

    def __init__(
        self, server: Server, room: str, track: str, shape: Shape, flow: Callable[[], Awaitable[Flow | None]]
    ) -> None:
        """`flow`: what bob decodes of it, with `codec`, `width` and the count of `frames`."""
        self.server, self.track, self.shape, self.flow = server, track, shape, flow
        self.path = f"/v1/rooms/{room}/participants/bob/subscriptions"

    @classmethod
    def by(cls, server: Server, bob: Person, track: str, shape: Shape) -> Self:
        """In a browser."""
        return cls(server, bob.room, track, shape, lambda: bob.flow("ada", "camera"))

    async def ask(self, rung: int, *, fps: float) -> None:
        """For one spatial layer or encoding with what is below it, at so many frames a second; 0: all of them."""
        wish = {"track": self.track, "width": self.shape.widths()[rung], "fps": fps}
        await self.server.ask("PUT", self.path, {"settings": [wish]})

    async def is_shown(self, rung: int, temporal: int | None = None, *, frames: int = 5) -> Flow:
        """Waits until it is on the wire, and decoded in its size."""
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
