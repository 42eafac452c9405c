"""Prometheus metrics: numbers of rooms and counters of the plane, collected per scrape."""

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from api.pauses import Pauses
from api.webhooks import Webhooks
from sfu.lifecycle import State
from sfu.service import Sfu

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

COUNTERS = {
    "packets_received": "Datagrams received",
    "bytes_received": "Octets of datagrams received",
    "packets_sent": "Datagrams sent",
    "bytes_sent": "Octets of datagrams sent",
    "packets_forwarded": "Media packets sent to subscribers, without retransmissions",
    "packets_retransmitted": "Media packets retransmitted",
    "packets_probing": "Packets sent only to measure what the network carries",
    "keyframe_requests": "Keyframes requested of publishers",
    "nacks_sent": "Packets requested of publishers by negative acknowledgements",
    "keyframe_requests_received": "Keyframes requested by subscribers",
    "nacks_received": "Packets requested by subscribers by negative acknowledgements",
}
GAUGES = {
    "transports": "Transports in the plane",
    "tracks": "Tracks in the plane",
    "slots": "Slots in the plane",
    "channels": "Data channels in the plane",
    "links": "TCP connections of peers for media",
}


class SfuCollector(Collector):
    def __init__(self, sfu: Callable[[], Sfu | None]) -> None:
        self._sfu = sfu

    def collect(self) -> Iterator[Metric]:
        sfu = self._sfu()
        if sfu is None:
            return
        census = sfu.census()
        yield CounterMetricFamily("sfu_joins", "Participants admitted since the start", value=sfu.joins)
        yield GaugeMetricFamily("sfu_rooms", "Rooms", value=census.rooms)
        yield GaugeMetricFamily("sfu_published_tracks", "Published tracks, without backups", value=census.tracks)
        kinds = GaugeMetricFamily("sfu_participants", "Participants, including hidden ones", labels=["kind"])
        for kind, count in census.participants.items():
            kinds.add_metric([kind], count)
        yield kinds
        states = GaugeMetricFamily("sfu_state", "1 for the present state of the service", labels=["state"])
        for state in State:
            states.add_metric([state], int(sfu.state is state))
        yield states
        errors = CounterMetricFamily(
            "sfu_errors", "Contained exceptions, by place; each kind is logged", labels=["where"]
        )
        for where, count in sorted(sfu.failures.counts.items()):
            errors.add_metric([where], count)
        yield errors
        happened = CounterMetricFamily("sfu_facts", "Facts of all rooms, by kind", labels=["fact"])
        for fact, count in sorted(sfu.facts.counts.items()):
            happened.add_metric([fact], count)
        yield happened
        yield from self._events(sfu)
        if sfu.state is not State.CLOSED:
            yield from self._plane(sfu)

    def _events(self, sfu: Sfu) -> Iterator[Metric]:
        stats = sfu.history_stats()
        yield CounterMetricFamily("sfu_events", "Events of rooms that were written", value=stats.written)
        yield GaugeMetricFamily("sfu_events_waiting", "Events that wait for the database", value=stats.waiting)
        yield GaugeMetricFamily("sfu_event_octets", "Octets of the events that are kept", value=stats.octets)
        yield GaugeMetricFamily("sfu_event_followers", "Clients that follow events", value=stats.followers)
        meaning = "Clients that followed events and read too slowly"
        yield CounterMetricFamily("sfu_event_followers_slow", meaning, value=stats.slow_followers)
        meaning = "Events that are no longer kept, by reason; backlog: never written"
        dropped = CounterMetricFamily("sfu_events_dropped", meaning, labels=["reason"])
        for reason, count in sorted(stats.dropped.items()):
            dropped.add_metric([reason], count)
        yield dropped

    def _plane(self, sfu: Sfu) -> Iterator[Metric]:
        stats = sfu.stats()
        for name, meaning in COUNTERS.items():
            yield CounterMetricFamily(f"sfu_{name}", meaning, value=getattr(stats.counters, name))
        meaning = "Messages sent, each of one datagram or of several that the kernel segments"
        yield CounterMetricFamily("sfu_messages_sent", meaning, value=stats.messages_sent)
        for name, meaning in GAUGES.items():
            yield GaugeMetricFamily(f"sfu_{name}", meaning, value=getattr(stats, name))
        discards = CounterMetricFamily("sfu_discards", "Dropped packets and datagrams, by reason", labels=["reason"])
        for reason, count in sorted(stats.counters.discards.items()):
            discards.add_metric([reason], count)
        yield discards
        timers = CounterMetricFamily(
            "sfu_timers", "Deadlines that passed in the packet plane, by timer", labels=["timer"]
        )
        for timer, count in sorted(stats.timers.items()):
            timers.add_metric([timer], count)
        yield timers


class PausesCollector(Collector):
    def __init__(self, pauses: Pauses) -> None:
        self._pauses = pauses

    def collect(self) -> Iterator[Metric]:
        meaning = "Longest pause of Python in the last one to two minutes: of the event loop, of the garbage collector"
        longest = GaugeMetricFamily("sfu_longest_pause_seconds", meaning, labels=["of"])
        for what, seconds in self._pauses.read().items():
            longest.add_metric([what], seconds)
        yield longest


class WebhooksCollector(Collector):
    def __init__(self, webhooks: Callable[[], Webhooks | None]) -> None:
        self._webhooks = webhooks

    def collect(self) -> Iterator[Metric]:
        webhooks = self._webhooks()
        if webhooks is None:
            return
        meaning = "Attempts to send an event, by webhook and result: delivered, failed, or dead (given up)"
        attempts = CounterMetricFamily("sfu_webhook_deliveries", meaning, labels=["webhook", "result"])
        for (webhook, result), count in sorted(webhooks.counts.items()):
            attempts.add_metric([webhook, result], count)
        yield attempts


class Metrics:
    def __init__(self, sfu: Callable[[], Sfu | None], pauses: Pauses, webhooks: Callable[[], Webhooks | None]) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        self._registry.register(SfuCollector(sfu))
        self._registry.register(PausesCollector(pauses))
        self._registry.register(WebhooksCollector(webhooks))

    def render(self) -> bytes:
        return generate_latest(self._registry)
