"""A fake plane: it records commands, and emits the events of a test."""

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

from sfu.plane import Event, _native
from sfu.plane.binding import Ladder


class Member(NamedTuple):
    """A channel in a group."""

    group: int
    name: str
    may_send: bool


class FakePlane:
    """`commands`: all commands in order, as (name, argument…). The maps have the resulting state."""

    def __init__(self, workers: int = 1) -> None:
        self.commands: list[tuple[Any, ...]] = []
        self.transports: dict[int, _native.TransportSpec] = {}
        self.tracks: dict[int, _native.TrackSpec] = {}
        self.slots: dict[int, _native.SlotSpec] = {}
        self.sources: dict[int, int | None] = {}
        self.audio: dict[int, _native.AudioPolicy] = {}
        """Audio policies by the room's id."""
        self.muted: set[int] = set()
        """Tracks."""
        self.ladders: dict[int, list[tuple[int, int]]] = {}
        self.demands: dict[int, int] = {}
        """Bits per second, by transport."""
        self.channels: dict[int, _native.ChannelSpec] = {}
        self.groups: dict[int, bool] = {}
        """Whether messages have an envelope, by the group's id."""
        self.members: dict[int, Member] = {}
        """By channel."""
        self._of_peers: dict[int, int] = {}
        """The transports of channels that peers opened."""
        self.sent: list[tuple[list[int], bytes]] = []
        self.closed = False
        self.tcp: int | None = None
        """The TCP port."""
        self._workers = workers
        self._events: list[Event] = []
        self._readable, self._writable = os.pipe()

    # Called by tests

    def say(self, *events: Event) -> None:
        for event in events:
            if isinstance(event, _native.ChannelState):
                self._of_peers[event.channel] = event.transport
                if event.state == "closed":
                    self._end(event.channel)
        self._events.extend(events)
        os.write(self._writable, b"!")

    def count(self, name: str) -> int:
        return sum(1 for command in self.commands if command[0] == name)

    def reached(self, channel: int) -> dict[int, str]:
        """Returns the channels that its messages go to or can name, and their names."""
        sender = self.members.get(channel)
        if sender is None or not sender.may_send:
            return {}
        others = {
            id: of for id, of in self.members.items() if (of.group, of.name != sender.name) == (sender.group, True)
        }
        return {id: of.name for id, of in others.items()}

    # Called by the service

    def addresses(self) -> list[tuple[str, int]]:
        return [("127.0.0.1", 7882 + worker) for worker in range(self._workers)]

    def tcp_port(self) -> int | None:
        return self.tcp

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

    def set_source(self, slots: Sequence[int], track: int | None) -> None:
        self._note("set_source", slots, track)
        self.sources.update(dict.fromkeys(slots, track))

    def set_targets(self, targets: Sequence[tuple[int, Ladder]]) -> None:
        self._note("set_targets", targets)
        for slot, ladder in targets:
            self.ladders[slot] = [(layer.spatial, layer.temporal) for layer in ladder]

    def set_demand(self, transport: int, bps: int) -> None:
        self._note("set_demand", transport, bps)
        assert transport in self.transports
        self.demands[transport] = bps

    def set_muted(self, track: int, muted: bool) -> None:
        self._note("set_muted", track, muted)
        assert track in self.tracks
        (self.muted.add if muted else self.muted.discard)(track)

    def set_audio(self, policy: _native.AudioPolicy) -> None:
        self._note("set_audio", policy)
        assert {*policy.ranked, *policy.redundant} <= {*self.tracks}
        self.audio[policy.id] = policy

    def request_keyframe(self, track: int) -> None:
        self._note("request_keyframe", track)

    def open_channel(self, spec: _native.ChannelSpec) -> None:
        self._note("open_channel", spec)
        self.channels[spec.id] = spec

    def add_group(self, id: int, *, enveloped: bool) -> None:
        self._note("add_group", id, enveloped)
        self.groups[id] = enveloped

    def join_group(self, group: int, channel: int, name: str, *, may_send: bool) -> None:
        self._note("join_group", group, channel, name, may_send)
        assert group in self.groups
        assert channel in self.channels or channel in self._of_peers
        self.members[channel] = Member(group, name, may_send)

    def start_capture(self, transport: int, octets: int, seconds: float) -> None:
        self._note("start_capture", transport, octets, seconds)

    def stop_capture(self, transport: int) -> None:
        self._note("stop_capture", transport)

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
            self._end(other)
        for other in [one for one, transport in self._of_peers.items() if id in (one, transport)]:
            self._end(other)
        self.groups.pop(id, None)
        self.transports.pop(id, None)
        self.audio.pop(id, None)
        self.sources = {slot: track for slot, track in self.sources.items() if slot in self.slots}

    def stats(self) -> _native.Stats:
        raise NotImplementedError

    def counters(self, transport: int) -> _native.Counters | None:
        return None

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

    def _end(self, channel: int) -> None:
        self.channels.pop(channel, None)
        self.members.pop(channel, None)
        self._of_peers.pop(channel, None)

    def _note(self, name: str, *arguments: Any) -> None:
        self.commands.append((name, *arguments))
