"""A fake plane that also has counters, for tests of `api`."""

from types import SimpleNamespace
from typing import Any

from ..sfu.fake_plane import FakePlane


class CountingPlane(FakePlane):
    def stats(self) -> Any:
        return SimpleNamespace(
            packets_received=7,
            bytes_received=700,
            packets_sent=6,
            bytes_sent=600,
            packets_forwarded=5,
            packets_retransmitted=1,
            messages_sent=1,
            keyframe_requests=2,
            nacks_sent=3,
            discards={"srtp_auth": 4},
            timers={"consent": 3},
            transports=len(self.transports),
            tracks=len(self.tracks),
            slots=len(self.slots),
            channels=len(self.channels),
        )
