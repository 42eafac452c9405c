"""Connects the plane to the event loop: its file descriptor, its events one by one, and the ids that we choose."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from sfu.config import Config
from sfu.failures import Failures
from sfu.model import Layer
from sfu.plane import WORKER_SHIFT, Event, _native

log = logging.getLogger(__name__)

TRACE = "sfu.plane.trace"
"""The parent of the loggers of the plane's decisions, one per target: `sfu.plane.trace.ice`."""
LEVELS = {"error": logging.ERROR, "warn": logging.WARNING, "info": logging.INFO}
"""Python's levels of trace lines; it has none below DEBUG."""

Ladder = Sequence[Layer]
"""Layers, best first."""


class PlaneApi(Protocol):
    """The methods of `_native.Plane` that we use. Tests have one that only records calls."""

    def addresses(self) -> list[tuple[str, int]]: ...
    def tcp_port(self) -> int | None: ...
    def fingerprint(self) -> str: ...
    def add_transport(self, spec: _native.TransportSpec) -> None: ...
    def restart_ice(self, transport: int, ice: _native.IceCredentials) -> None: ...
    def open_sctp(self, transport: int, spec: _native.SctpSpec) -> None: ...
    def add_track(self, spec: _native.TrackSpec) -> None: ...
    def update_track(self, spec: _native.TrackSpec) -> None: ...
    def add_slot(self, spec: _native.SlotSpec) -> None: ...
    def set_source(self, slots: Sequence[int], track: int | None) -> None: ...
    def set_targets(self, targets: Sequence[tuple[int, Ladder]]) -> None: ...
    def set_demand(self, transport: int, bps: int) -> None: ...
    def set_muted(self, track: int, muted: bool) -> None: ...
    def set_audio(self, policy: _native.AudioPolicy) -> None: ...
    def request_keyframe(self, track: int) -> None: ...
    def open_channel(self, spec: _native.ChannelSpec) -> None: ...
    def add_group(self, id: int, *, enveloped: bool) -> None: ...
    def join_group(self, group: int, channel: int, name: str, *, may_send: bool) -> None: ...
    def send(self, channels: Sequence[int], payload: bytes, *, text: bool) -> None: ...
    def start_capture(self, transport: int, octets: int, seconds: float) -> None: ...
    def stop_capture(self, transport: int) -> None: ...
    def remove(self, id: int) -> None: ...
    def stats(self) -> _native.Stats: ...
    def counters(self, transport: int) -> _native.Counters | None: ...
    def close(self) -> None: ...
    def fileno(self) -> int: ...
    def poll(self) -> Sequence[Event]: ...


class Binding:
    """One plane, the allocated ids, and the participant (by sid) that owns each."""

    def __init__(self, plane: PlaneApi, failures: Failures) -> None:
        self.plane = plane
        self.owners: dict[int, str] = {}
        self._failures = failures
        self._counter = 0
        self._loop: asyncio.AbstractEventLoop | None = None

    def open(self, dispatch: Callable[[Event], None]) -> None:
        """Starts passing events to `dispatch`, on the running loop."""
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self.plane.fileno(), self.read, dispatch)

    def close(self) -> None:
        """Stops passing events."""
        if self._loop is not None:
            self._loop.remove_reader(self.plane.fileno())
            self._loop = None

    def new_id(self, worker: int, owner: str) -> int:
        """Returns a new id on this worker. It belongs to `owner` until it is removed or released."""
        self._counter += 1
        id = worker << WORKER_SHIFT | self._counter
        self.owners[id] = owner
        return id

    def remove(self, id: int) -> None:
        """Removes an object and everything it owns from the plane."""
        self.plane.remove(id)
        self.owners.pop(id, None)

    def read(self, dispatch: Callable[[Event], None]) -> None:
        for event in self.plane.poll():
            if isinstance(event, _native.TraceLine):
                logging.getLogger(f"{TRACE}.{event.target}").log(
                    LEVELS.get(event.level, logging.DEBUG), "%s", event.text
                )
                continue
            try:
                dispatch(event)
            except Exception as error:
                # Only this participant loses an event. Later events of the batch belong to others.
                self._failures.note("event", error, f"event={type(event).__name__}")


def check_trace(text: str) -> None:
    """Raises ValueError with a sentence if `Config.trace` cannot have this value."""
    try:
        _native.PlaneConfig(hosts=["127.0.0.1"], udp_port=0, workers=1, trace=text)
    except ValueError as error:
        raise ValueError(str(error).removeprefix("trace ")) from None


def open_plane(config: Config) -> PlaneApi:
    """Opens the packet plane: when it returns, ports are bound and threads run. Raises OSError."""
    silence, data = config.silence, config.data
    plane = _native.Plane(
        _native.PlaneConfig(
            hosts=config.hosts,
            udp_port=config.udp_port,
            workers=config.workers,
            tcp_port=config.tcp_port,
            silence=_native.Silence(
                with_feedback=silence.with_feedback,
                shortest=silence.shortest,
                longest=silence.longest,
                factor=silence.factor,
            ),
            data=_native.DataLimits(
                channels=data.channels,
                message=data.message,
                messages_per_second=data.messages_per_second,
                message_burst=data.message_burst,
                buffered=data.buffered,
                receive_window=data.receive_window,
                backlog_octets=data.backlog_octets,
                backlog_age=data.backlog_age,
                server_messages=data.server_messages,
            ),
            seed=config.seed,
            trace=config.trace,
        )
    )
    if not plane.sets_reports_apart():
        log.warning("the kernel does not separate reports from media, so each report wakes a worker: see `sfu doctor`")
    return plane
