"""Captures of the clear RTP and RTCP of one participant, as pcapng files for Wireshark: one at a time.

Clear media is private: captures are off unless `Config.captures` allows them, and each is logged. The plane ends a
capture after its maximum of octets or seconds. Its pieces wait here for their reader, up to that many octets.
"""

import asyncio
import logging
from collections.abc import AsyncIterator

from sfu import limits
from sfu.config import Config
from sfu.errors import Conflict, InvalidRequest, NotAllowed, NotFound
from sfu.plane import _native
from sfu.plane.binding import PlaneApi

log = logging.getLogger(__name__)


class Capture:
    """One capture, as the pieces of a file."""

    def __init__(self) -> None:
        self._pieces: asyncio.Queue[_native.Captured] = asyncio.Queue()

    def handle(self, piece: _native.Captured) -> None:
        self._pieces.put_nowait(piece)

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yields the pieces of the file, in order, until the capture has ended."""
        while True:
            piece = await self._pieces.get()
            if piece.octets:
                yield piece.octets
            if piece.ended is not None:
                return


class Captures:
    """The running capture."""

    def __init__(self, config: Config, plane: PlaneApi) -> None:
        self._config = config
        self._plane = plane
        self._running: dict[int, Capture] = {}
        """Captures by the plane's id of the transport."""

    def start(self, transport: int | None, who: str, seconds: float, octets: int) -> int:
        """Starts a capture. Returns its id."""
        if not self._config.captures:
            raise NotAllowed("captures are off, because they contain clear media: SFU_CAPTURES=true allows them")
        if not 0 < seconds <= limits.CAPTURE_SECONDS:
            raise InvalidRequest(f"a capture lasts up to {limits.CAPTURE_SECONDS} s, not {seconds:g} s")
        if not 0 < octets <= limits.CAPTURE_OCTETS:
            raise InvalidRequest(f"a capture has up to {limits.CAPTURE_OCTETS} octets, not {octets}")
        if transport is None:
            raise NotFound("the participant has no media transport")
        if self._running:
            raise Conflict("another capture is running: there is one at a time")
        self._running[transport] = Capture()
        self._plane.start_capture(transport, octets, seconds)
        log.warning("capture of clear media: %s seconds=%g octets=%d", who, seconds, octets)
        return transport

    def find(self, id: int) -> Capture:
        found = self._running.get(id)
        if found is None:
            raise NotFound("there is no such capture")
        return found

    def stop(self, id: int) -> None:
        """Stops a capture, also one that has ended by itself."""
        if self._running.pop(id, None) is not None:
            self._plane.stop_capture(id)
            log.warning("capture of clear media ended")

    def handle(self, piece: _native.Captured) -> None:
        """Handles a piece of the plane. Pieces of a stopped capture are dropped."""
        capture = self._running.get(piece.transport)
        if capture is not None:
            capture.handle(piece)
