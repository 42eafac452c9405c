"""Measures the time from a viewer's NACK to the retransmission while the service is busy with other viewers."""

import asyncio
import random
import time
from dataclasses import dataclass

from loadtest import wire
from loadtest.fleet import quantiles
from loadtest.service import Service
from loadtest.wire import rtcp
from loadtest.wire.sdp import VP8, VP8_RTX

REQUESTS = 60
"""The number of NACKs of each form."""
BETWEEN = 0.03
"""Mean seconds between two NACKs. Times are random, so that NACKs arrive at any phase of the service's loop."""
LIMIT = 1.0
"""Seconds after which a NACK counts as lost. Lost NACKs are not measured."""
SETTLE = 0.5


@dataclass(frozen=True, slots=True)
class Repairs:
    """Seconds from NACK to retransmission."""

    alone: list[float]
    """The NACK is alone in its datagram, as reduced-size RTCP (RFC 5506) of browsers."""
    behind_report: list[float]
    """A receiver report precedes the NACK, as in other compounds (RFC 3550 s6.1)."""

    def row(self) -> str:
        forms = (("alone", self.alone), ("behind a report", self.behind_report))
        rows = (f"{name} {quantiles(waits)[0] * 1e3:.1f} / {quantiles(waits)[1] * 1e3:.1f}" for name, waits in forms)
        return f"           NACK to retransmission, ms p50 / p95: {', '.join(rows)}"


async def measure(service: Service, room: str) -> Repairs:
    """Measures with one additional viewer, which requests packets that it has just received."""
    viewer = wire.Client(videos=1)
    session = await wire.open_session(service.whep(), service.token("prober", room), viewer)
    try:
        await viewer.receiver.first_keyframe
        await asyncio.sleep(SETTLE)
        repairs = Repairs([], [])
        for _ in range(REQUESTS):
            for waits, behind_report in ((repairs.alone, False), (repairs.behind_report, True)):
                await asyncio.sleep(random.uniform(0, 2 * BETWEEN))
                if (wait := await _wait(viewer, behind_report)) is not None:
                    waits.append(wait)
        return repairs
    finally:
        await session.end()
        viewer.close()


async def _wait(viewer: wire.Client, behind_report: bool) -> float | None:
    (ssrc,) = (ssrc for ssrc, one in viewer.receiver.receptions.items() if one.payload_type == VP8)
    compound = viewer.receiver.nack(ssrc, [viewer.receiver.receptions[ssrc].highest & 0xFFFF])
    if behind_report:
        compound = rtcp.receiver_report(1, []) + compound
    before, asked = _retransmitted(viewer), time.monotonic()
    viewer.transport.send_rtcp(compound)
    while _retransmitted(viewer) == before:
        if time.monotonic() - asked > LIMIT:
            return None
        await asyncio.sleep(0.0005)
    return viewer.receiver.by_kind(VP8_RTX)[0].last_at - asked


def _retransmitted(viewer: wire.Client) -> int:
    return sum(one.packets for one in viewer.receiver.by_kind(VP8_RTX))
