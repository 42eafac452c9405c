"""The packet plane: commands and specs in, events out. `_native.pyi` is its contract, README.md the prose to it."""

from ._native import (
    AudioLevels,
    AudioPolicy,
    Buffered,
    ChannelSpec,
    ChannelState,
    DataLimits,
    EncodingSpec,
    Fingerprint,
    IceCredentials,
    Layer,
    LayerRate,
    Layers,
    Message,
    PayloadType,
    Plane,
    PlaneConfig,
    Refused,
    Route,
    SctpSpec,
    Silence,
    SlotSpec,
    Stats,
    Switched,
    TrackSpec,
    TransportSpec,
    TransportState,
    WorkerFailed,
)

WORKER_SHIFT = 40
"""The bits of an id from here up name the worker it lives on."""

PEER_OPENED = 1 << 39
"""Set in the ids of channels that peers open; the caller's never have it."""

Event = TransportState | Layers | Switched | Refused | AudioLevels | ChannelState | Message | Buffered | WorkerFailed

__all__ = [
    "PEER_OPENED",
    "WORKER_SHIFT",
    "AudioLevels",
    "AudioPolicy",
    "Buffered",
    "ChannelSpec",
    "ChannelState",
    "DataLimits",
    "EncodingSpec",
    "Event",
    "Fingerprint",
    "IceCredentials",
    "Layer",
    "LayerRate",
    "Layers",
    "Message",
    "PayloadType",
    "Plane",
    "PlaneConfig",
    "Refused",
    "Route",
    "SctpSpec",
    "Silence",
    "SlotSpec",
    "Stats",
    "Switched",
    "TrackSpec",
    "TransportSpec",
    "TransportState",
    "WorkerFailed",
]
