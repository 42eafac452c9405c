"""The packet plane: commands and specs in, events out. `_native.pyi` is the contract, README.md explains it.

Only this file imports the native module. Raises NativeModuleError if it is missing, cannot be loaded, or is stale.
"""

from sfu.plane import loading

try:
    from ._native import (
        STUB_CRC32,
        AudioLevels,
        AudioPolicy,
        Buffered,
        Captured,
        ChannelSpec,
        ChannelState,
        Counters,
        DataLimits,
        EncodingSpec,
        Estimate,
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
        SctpSpec,
        Silence,
        SlotSpec,
        Stats,
        Switched,
        TraceLine,
        TrackSpec,
        TransportSpec,
        TransportState,
        WorkerFailed,
    )
except ImportError as error:
    raise loading.explained(error) from error
loading.refuse_stale(STUB_CRC32)

WORKER_SHIFT = 40
"""The bits from this one up are the worker of an id."""

PEER_OPENED = 1 << 39
"""This bit is set in ids of channels that peers open, never in the caller's ids."""

Event = (
    TransportState
    | Estimate
    | Layers
    | Switched
    | Refused
    | AudioLevels
    | ChannelState
    | Message
    | Buffered
    | Captured
    | TraceLine
    | WorkerFailed
)

__all__ = [
    "PEER_OPENED",
    "WORKER_SHIFT",
    "AudioLevels",
    "AudioPolicy",
    "Buffered",
    "Captured",
    "ChannelSpec",
    "ChannelState",
    "Counters",
    "DataLimits",
    "EncodingSpec",
    "Estimate",
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
    "SctpSpec",
    "Silence",
    "SlotSpec",
    "Stats",
    "Switched",
    "TraceLine",
    "TrackSpec",
    "TransportSpec",
    "TransportState",
    "WorkerFailed",
]
