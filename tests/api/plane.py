"""A fake plane that also has counters, for tests of `api`."""

from types import SimpleNamespace
from typing import Any

from ..sfu.fake_plane import FakePlane

COUNTERS = SimpleNamespace(
    packets_received=7,
    bytes_received=700,
    packets_sent=6,
    bytes_sent=600,
    packets_forwarded=5,
    packets_retransmitted=1,
    packets_probing=10,
    keyframe_requests=2,
    nacks_sent=3,
    keyframe_requests_received=8,
    nacks_received=9,
    discards={"srtp_auth": 4, "srtp_replay": 0},
)


class CountingPlane(FakePlane):
    def counters(self, transport: int) -> Any:
        return COUNTERS if transport in self.transports else None

    def stats(self) -> Any:
        return SimpleNamespace(
            counters=COUNTERS,
            messages_sent=1,
            timers={"consent": 3},
            transports=len(self.transports),
            tracks=len(self.tracks),
            slots=len(self.slots),
            channels=len(self.channels),
            links=0,
        )
