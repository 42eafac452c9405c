"""A plane that only remembers what it was told, and says what the test has it say."""

import os
from collections.abc import Sequence
from typing import Any

from sfu.plane import Event, _native
from sfu.plane.binding import Ladder


class FakePlane:
    """`commands` is everything commanded, in order, as (name, argument…); the maps are what it adds up to."""

    def __init__(self, workers: int = 1) -> None:
        self.commands: list[tuple[Any, ...]] = []
        self.transports: dict[int, _native.TransportSpec] = {}
        self.tracks: dict[int, _native.TrackSpec] = {}
        self.slots: dict[int, _native.SlotSpec] = {}
        self.sources: dict[int, int | None] = {}
        self.audio: dict[int, _native.AudioPolicy] = {}
        """By the room's id."""
        self.ladders: dict[int, list[tuple[int, int]]] = {}
        self.channels: dict[int, _native.ChannelSpec] = {}
        self.routes: dict[int, _native.Route] = {}
        self.sent: list[tuple[list[int], bytes]] = []
        self.closed = False
        self._workers = workers
        self._events: list[Event] = []
        self._readable, self._writable = os.pipe()

    # What the test does

    def say(self, *events: Event) -> None:
        self._events.extend(events)
        os.write(self._writable, b"!")

    def count(self, name: str) -> int:
        return sum(1 for command in self.commands if command[0] == name)

    # What the service does

    def addresses(self) -> list[tuple[str, int]]:
        return [("127.0.0.1", 7882 + worker) for worker in range(self._workers)]

    def fingerprint(self) -> str:
        return ":".join(["AB"] * 32)

    def add_transport(self, spec: _native.TransportSpec) -> None:
        self._note("add_transport", spec)
        self.transports[spec.id] = spec

    def restart_ice(self, transport: int, ice: _native.IceCredentials) -> None:
        self._note("restart_ice", transport, ice)

    def open_sctp(self, transport: int, spec: _native.SctpSpec) -> None:
        self._note("open_sctp", transport, spec)

    def add_track(self, spec: _native.TrackSpec) -> None:
        self._note("add_track", spec)
        assert spec.transport in self.transports
        self.tracks[spec.id] = spec

    def update_track(self, spec: _native.TrackSpec) -> None:
        self._note("update_track", spec)
        assert spec.id in self.tracks
        self.tracks[spec.id] = spec

    def add_slot(self, spec: _native.SlotSpec) -> None:
        self._note("add_slot", spec)
        assert spec.transport in self.transports
        self.slots[spec.id] = spec

    def set_source(self, slot: int, track: int | None) -> None:
        self._note("set_source", slot, track)
        self.sources[slot] = track

    def set_targets(self, targets: Sequence[tuple[int, Ladder]]) -> None:
        self._note("set_targets", targets)
        for slot, ladder in targets:
            self.ladders[slot] = [(layer.spatial, layer.temporal) for layer in ladder]

    def set_audio(self, policy: _native.AudioPolicy) -> None:
        self._note("set_audio", policy)
        assert {*policy.ranked, *policy.redundant} <= {*self.tracks}
        self.audio[policy.id] = policy

    def request_keyframe(self, track: int) -> None:
        self._note("request_keyframe", track)

    def open_channel(self, spec: _native.ChannelSpec) -> None:
        self._note("open_channel", spec)
        self.channels[spec.id] = spec

    def set_route(self, channel: int, route: _native.Route) -> None:
        self._note("set_route", channel, route)
        self.routes[channel] = route

    def send(self, channels: Sequence[int], payload: bytes, *, text: bool) -> None:
        self._note("send", channels, payload)
        self.sent.append((list(channels), payload))

    def remove(self, id: int) -> None:
        self._note("remove", id)
        of: list[Any] = [*self.tracks.values(), *self.slots.values(), *self.channels.values()]
        gone = {spec.id for spec in of if id in (spec.id, spec.transport)}
        for other in gone:
            self.tracks.pop(other, None)
            self.slots.pop(other, None)
            self.channels.pop(other, None)
        self.transports.pop(id, None)
        self.audio.pop(id, None)
        self.sources = {slot: track for slot, track in self.sources.items() if slot in self.slots}

    def stats(self) -> _native.Stats:
        raise NotImplementedError

    def close(self) -> None:
        self.closed = True
        os.close(self._readable)
        os.close(self._writable)

    def fileno(self) -> int:
        return self._readable

    def poll(self) -> list[Event]:
        events, self._events = self._events, []
        if events:
            os.read(self._readable, 4096)
        return events

    def _note(self, name: str, *arguments: Any) -> None:
        self.commands.append((name, *arguments))
