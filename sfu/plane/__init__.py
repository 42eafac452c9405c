"""The packet plane: commands and specs in, events out. `_native.pyi` is its contract, README.md the prose to it.

Only this file imports the native module. Raises NativeModuleError if it is missing, cannot be loaded or is stale.
"""

from sfu.plane import loading

try:
    from ._native import (
        STUB_CRC32,
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
except ImportError as error:
    raise loading.explained(error) from error
loading.refuse_stale(STUB_CRC32)

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
