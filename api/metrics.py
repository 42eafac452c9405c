"""Prometheus metrics: numbers of rooms and counters of the plane, collected per scrape."""

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sfu.lifecycle import State
from sfu.model import ParticipantKind
from sfu.service import Sfu

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

COUNTERS = {
    "packets_received": "Datagrams that came in",
    "bytes_received": "Octets of datagrams that came in",
    "packets_sent": "Datagrams that left",
    "messages_sent": "Sends, each of one datagram or of several that the kernel cuts",
    "bytes_sent": "Octets of datagrams that left",
    "packets_forwarded": "Media packets that left for a subscriber, first transmissions only",
    "packets_retransmitted": "Media packets that left once more",
    "keyframe_requests": "Keyframes asked for",
    "nacks_sent": "Negative acknowledgements sent to publishers",
}
GAUGES = {
    "transports": "Transports in the plane",
    "tracks": "Tracks in the plane",
    "slots": "Slots in the plane",
    "channels": "Data channels in the plane",
}


class SfuCollector(Collector):
    def __init__(self, sfu: Callable[[], Sfu | None]) -> None:
        self._sfu = sfu

    def collect(self) -> Iterator[Metric]:
        sfu = self._sfu()
        if sfu is None:
            return
        inside = [p for room in sfu.rooms.values() for p in room.participants.values()]
        yield CounterMetricFamily("sfu_joins", "Participants ever let in", value=sfu.joins)
        yield GaugeMetricFamily("sfu_rooms", "Rooms", value=len(sfu.rooms))
        published = sum(track.primary is None for p in inside for track in p.tracks.values())
        yield GaugeMetricFamily("sfu_published_tracks", "Tracks published, backups aside", value=published)
        kinds = GaugeMetricFamily("sfu_participants", "Participants, hidden ones too", labels=["kind"])
        for kind in ParticipantKind:
            kinds.add_metric([kind], sum(1 for p in inside if p.kind is kind))
        yield kinds
        states = GaugeMetricFamily("sfu_state", "1 for the state the service is in", labels=["state"])
        for state in State:
            states.add_metric([state], int(sfu.state is state))
        yield states
        errors = CounterMetricFamily(
            "sfu_errors", "Exceptions contained, by where; each kind is in the log", labels=["where"]
        )
        for where, count in sorted(sfu.failures.counts.items()):
            errors.add_metric([where], count)
        yield errors
        happened = CounterMetricFamily("sfu_facts", "What happened in all rooms, by kind of fact", labels=["fact"])
        for fact, count in sorted(sfu.facts.counts.items()):
            happened.add_metric([fact], count)
        yield happened
        if sfu.state is not State.CLOSED:
            yield from self._plane(sfu)

    def _plane(self, sfu: Sfu) -> Iterator[Metric]:
        stats = sfu.stats()
        for name, meaning in COUNTERS.items():
            yield CounterMetricFamily(f"sfu_{name}", meaning, value=getattr(stats, name))
        for name, meaning in GAUGES.items():
            yield GaugeMetricFamily(f"sfu_{name}", meaning, value=getattr(stats, name))
        discards = CounterMetricFamily("sfu_discards", "Datagrams that went no further, by why", labels=["reason"])
        for reason, count in sorted(stats.discards.items()):
            discards.add_metric([reason], count)
        yield discards
        timers = CounterMetricFamily(
            "sfu_timers", "Deadlines that passed in the packet plane, by what was due", labels=["timer"]
        )
        for timer, count in sorted(stats.timers.items()):
            timers.add_metric([timer], count)
        yield timers


class Metrics:
    def __init__(self, sfu: Callable[[], Sfu | None]) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        self._registry.register(SfuCollector(sfu))

    def render(self) -> bytes:
        return generate_latest(self._registry)
