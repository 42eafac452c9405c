"""The complete interface between Python and the packet plane.

Python passes specs and receives events. Specs are frozen, keyword-only and validated when they are created: a bad value
raises ValueError with a sentence. Enums are short strings. Unless stated otherwise, times are in seconds, sizes in
octets, rates in bits per second.

The caller chooses ids: numbers below 2**63, never used twice, whose bits from 40 up are the worker of the object
(`worker << 40 | counter`). Bit 39 is reserved for the plane: it marks channels that peers open.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Literal, Protocol, final

__all__ = [
    "STUB_CRC32",
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

STUB_CRC32: Final[int]
"""CRC-32 (IEEE) of the `_native.pyi` that the module was built from. If the file beside the module has another CRC, the
module is stale, and `sfu.plane` raises NativeModuleError."""

_Kind = Literal["audio", "video"]
_Codec = Literal["opus", "red", "pcmu", "pcma", "vp8", "vp9", "av1", "h264", "h265"]
_Cause = Literal["none", "paused", "publisher", "waiting_for_keyframe", "loss", "encrypted"]
_Extension = Literal[
    "mid",
    "rid",
    "repaired_rid",
    "audio_level",
    "transport_cc",
    "abs_send_time",
    "dependency_descriptor",
    "video_layers_allocation",
    "playout_delay",
    "abs_capture_time",
    "content_type",
    "color_space",
]

class _LayerLike(Protocol):
    """`Layer` of this module, or `sfu.model.Layer`."""

    @property
    def spatial(self) -> int: ...
    @property
    def temporal(self) -> int: ...

# The plane ------------------------------------------------------------------------------------------------------------

@final
class Plane:
    """N workers, each a thread with a UDP port.

    Commands never block and return nothing: the caller chooses ids, specs are valid by construction, and a command
    about a removed object, or after `close`, does nothing. An id of a missing worker raises ValueError.

    In a forked child `close` does nothing, and all other methods raise RuntimeError: a fork has the memory but not the
    threads.
    """

    def __new__(cls, config: PlaneConfig) -> Plane:
        """Binds all ports and starts the threads, or raises OSError and does neither. `filename` of the error is the
        `address:port` that could not be bound, `filename2` its protocol, `UDP` or `TCP`; None: something else
        failed."""

    def addresses(self) -> list[tuple[str, int]]:
        """Returns one address per worker: its port on the first host."""

    def tcp_port(self) -> int | None:
        """Returns the TCP port of all workers, on every host. None: there is none."""

    def fingerprint(self) -> str:
        """Returns the SHA-256 fingerprint of this process's certificate in the form of `a=fingerprint`: "AB:CD:…"."""

    def sets_reports_apart(self) -> bool:
        """Returns whether the kernel separates the reports of peers onto their own socket. If not, forwarding costs
        more."""

    def add_transport(self, spec: TransportSpec) -> None:
        """Adds a transport. From now on the plane answers checks with these credentials from any address, and performs
        the DTLS handshake with their sender."""

    def restart_ice(self, transport: int, ice: IceCredentials) -> None:
        """Sets new credentials (RFC 8445 s9). Media keeps the old pair until a check with the new ones nominates a
        pair."""

    def open_sctp(self, transport: int, spec: SctpSpec) -> None:
        """Enables data channels, perhaps with a later offer than the transport's."""

    def add_track(self, spec: TrackSpec) -> None:
        """Adds a track: accepts the media of this m-section. It is forwarded once a slot has it as its source."""

    def update_track(self, spec: TrackSpec) -> None:
        """Changes a track. Its id and transport are the same as before; encodings whose RID or SSRC are unchanged keep
        their state."""

    def add_slot(self, spec: SlotSpec) -> None:
        """Adds a slot. It sends nothing until it has a source and a ladder, in either order. Its SSRCs must be new to
        the transport, because under the keys of one association no number may be used twice."""

    def set_source(self, slots: Sequence[int], track: int | None) -> None:
        """Sets the track that these slots show. Their SSRCs and numbers stay continuous. All in one command per
        worker."""

    def set_targets(self, targets: Sequence[tuple[int, Sequence[_LayerLike]]]) -> None:
        """Sets a ladder per slot: the layers that it may show, best first. The plane shows no other layers, and steps
        down by itself. An empty ladder pauses the slot. One command per worker carries all of them."""

    def set_demand(self, transport: int, bps: int) -> None:
        """Sets what a participant would be sent if its network carried it, in bits per second with all headers. The
        plane probes its network until it carries that."""

    def set_muted(self, track: int, muted: bool) -> None:
        """Mutes or unmutes a track. While it is muted, slots that show it send nothing, whatever their ladders. They do
        not report this. Audio that still arrives continues after the mute without a report, too."""

    def set_audio(self, policy: AudioPolicy) -> None:
        """Sets how the audio of a room is forwarded. Replaces the room's previous policy. Tracks that no policy names
        are forwarded unchanged. `remove` accepts the room's id, too."""

    def request_keyframe(self, track: int) -> None:
        """Requests keyframes of all encodings of the track that are shown. Several requests within an interval are sent
        as one."""

    def open_channel(self, spec: ChannelSpec) -> None:
        """Opens a channel. A spec with a transport needs `open_sctp` before. Reliable messages for the channel wait
        until it is open, within `DataLimits`. It is in no group until it joins one. `ChannelState` reports the
        result."""

    def add_group(self, id: int, *, enveloped: bool) -> None:
        """Adds a group of channels: a message on one goes to all channels with other names. The group exists until it
        is removed.

        `enveloped`: messages have an envelope: one byte n, n bytes that name the destination (none: everybody;
        `server`: the server), then the payload. The plane replaces the destination by the sender's name. Without
        envelopes, messages are forwarded unchanged."""

    def join_group(self, group: int, channel: int, name: str, *, may_send: bool) -> None:
        """Adds an open or awaited channel to this group: its messages go there from now on. A channel is in at most one
        group. A repeated call changes its name (1 to 255 octets) and permission. The channel leaves the group when it
        closes."""

    def send(self, channels: Sequence[int], payload: bytes, *, text: bool) -> None:
        """Sends a message from the server to several channels."""

    def start_capture(self, transport: int, octets: int, seconds: float) -> None:
        """Captures the clear RTP and RTCP of a transport, both ways, as a pcapng file: see `Captured`. It ends after
        this many octets (at most 64 MB) or seconds (at most 300). A worker has one capture at a time: this ends the one
        before."""

    def stop_capture(self, transport: int) -> None:
        """Ends the capture of this transport, if there is one."""

    def remove(self, id: int) -> None:
        """Removes a transport, track, slot, channel or group, and everything it owns."""

    def close(self) -> None:
        """Sends BYE and close_notify to all peers and ends the threads. Waits for them for 2 s, without the GIL; raises
        TimeoutError if one has not ended by then. A second call does nothing."""

    def fileno(self) -> int:
        """Returns a descriptor that is readable when `poll` has events. It stays open as long as the object exists,
        also after `close`."""

    def poll(
        self,
    ) -> list[
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
    ]:
        """Returns the events since the last call, in order. Never blocks. All except `Message`, `Captured` and
        `TraceLine` are state: only the newest of each object is kept. Messages wait in a ring per transport of
        `DataLimits.server_messages`; if it is full, the sender waits."""

    def stats(self) -> Stats:
        """Returns the last published counters, at most a quarter of a second old."""

    def counters(self, transport: int) -> Counters | None:
        """Returns the last published counters of one transport. None: it is gone, or not published yet."""

@final
class PlaneConfig:
    def __new__(
        cls,
        *,
        hosts: Sequence[str],
        udp_port: int,
        workers: int,
        tcp_port: int | None = None,
        silence: Silence | None = None,
        data: DataLimits | None = None,
        seed: int | None = None,
        trace: str = "",
    ) -> PlaneConfig: ...
    @property
    def hosts(self) -> list[str]:
        """IP addresses to bind to. `0.0.0.0` and `::` each stand for all addresses of their family."""

    @property
    def udp_port(self) -> int:
        """Worker i has port `udp_port + i`. 0: the system picks the ports."""

    @property
    def workers(self) -> int: ...
    @property
    def tcp_port(self) -> int | None:
        """The TCP port of all workers (RFC 6544). 0: the system picks it. None: no TCP."""

    @property
    def silence(self) -> Silence: ...
    @property
    def data(self) -> DataLimits: ...
    @property
    def seed(self) -> int | None:
        """The seed of all random numbers except keys and tags, for tests. None: a random seed."""

    @property
    def trace(self) -> str:
        """The decisions that become `TraceLine` events: `level` or `target=level`, several separated by commas. Levels
        are off, info, debug and trace; targets are commands, transport, ice, layers, keyframes, resends, discards and
        packets (only in builds with the feature `packet-events`). Empty: none."""

@final
class Silence:
    """Seconds without authenticated packets after which a peer is `disconnected`."""

    def __new__(
        cls,
        *,
        with_feedback: float = 4.0,
        shortest: float = 8.0,
        longest: float = 15.0,
        factor: float = 2.5,
    ) -> Silence: ...
    @property
    def with_feedback(self) -> float:
        """The limit for a peer that was sent transport-wide numbered packets in the last second and has returned
        feedback."""

    @property
    def shortest(self) -> float:
        """The limit for any other peer is `factor` times its longest recent gap, but at least this and at most
        `longest`."""

    @property
    def longest(self) -> float: ...
    @property
    def factor(self) -> float: ...

@final
class DataLimits:
    """Limits of the data channels of one participant."""

    def __new__(
        cls,
        *,
        channels: int = 64,
        message: int = 65_536,
        messages_per_second: int = 200,
        message_burst: int = 400,
        buffered: int = 262_144,
        receive_window: int = 524_288,
        backlog_octets: int = 100_000,
        backlog_age: float = 2.0,
        server_messages: int = 64,
    ) -> DataLimits: ...
    @property
    def channels(self) -> int: ...
    @property
    def message(self) -> int:
        """The longest message in octets."""

    @property
    def messages_per_second(self) -> int: ...
    @property
    def message_burst(self) -> int: ...
    @property
    def buffered(self) -> int:
        """Octets queued and unacknowledged towards a peer."""

    @property
    def receive_window(self) -> int:
        """Octets of the receive window."""

    @property
    def backlog_octets(self) -> int:
        """Octets of reliable messages that wait for a channel that is still opening."""

    @property
    def backlog_age(self) -> float:
        """Seconds for which they wait."""

    @property
    def server_messages(self) -> int:
        """Messages for the server that wait for `Plane.poll`, per transport."""

# Transports -----------------------------------------------------------------------------------------------------------

@final
class IceCredentials:
    """RFC 8839 s5.4."""

    def __new__(cls, *, local_ufrag: str, local_pwd: str, remote_ufrag: str, remote_pwd: str) -> IceCredentials: ...
    @property
    def local_ufrag(self) -> str: ...
    @property
    def local_pwd(self) -> str: ...
    @property
    def remote_ufrag(self) -> str: ...
    @property
    def remote_pwd(self) -> str: ...
    def __hash__(self) -> int: ...

@final
class Fingerprint:
    """A fingerprint of the peer's certificate (RFC 8122 s5)."""

    def __new__(cls, *, hash: Literal["sha-256", "sha-384", "sha-512"], digest: bytes) -> Fingerprint: ...
    @property
    def hash(self) -> Literal["sha-256", "sha-384", "sha-512"]: ...
    @property
    def digest(self) -> bytes: ...
    def __hash__(self) -> int: ...

@final
class TransportSpec:
    """One ICE + DTLS + SRTP bundle with a participant."""

    def __new__(
        cls,
        *,
        id: int,
        ice: IceCredentials,
        dtls_role: Literal["server", "client"],
        fingerprints: Sequence[Fingerprint],
        cname: str,
    ) -> TransportSpec: ...
    @property
    def id(self) -> int: ...
    @property
    def ice(self) -> IceCredentials: ...
    @property
    def dtls_role(self) -> Literal["server", "client"]:
        """Our role: "server" for `a=setup:passive`, "client" for `a=setup:active`."""

    @property
    def fingerprints(self) -> list[Fingerprint]: ...
    @property
    def cname(self) -> str:
        """The RTCP CNAME (RFC 3550 s6.5.1) of everything that we send on it."""

    def __hash__(self) -> int: ...

@final
class SctpSpec:
    """RFC 8841."""

    def __new__(cls, *, local_port: int, remote_port: int, max_message_size: int) -> SctpSpec: ...
    @property
    def local_port(self) -> int: ...
    @property
    def remote_port(self) -> int: ...
    @property
    def max_message_size(self) -> int:
        """Octets of the largest message that the peer accepts. 0: any."""

    def __hash__(self) -> int: ...

# Media ----------------------------------------------------------------------------------------------------------------

@final
class PayloadType:
    def __new__(
        cls, *, number: int, codec: _Codec, clock_rate: int, format: int = 0, rtx: int | None = None
    ) -> PayloadType: ...
    @property
    def number(self) -> int: ...
    @property
    def codec(self) -> _Codec: ...
    @property
    def clock_rate(self) -> int:
        """Hz of the RTP timestamp."""

    @property
    def format(self) -> int:
        """Profile and packetization as one number that the caller chooses. Equal numbers mean interchangeable
        formats."""

    @property
    def rtx(self) -> int | None:
        """The payload type of its retransmissions (RFC 4588)."""

    def __hash__(self) -> int: ...

@final
class EncodingSpec:
    """An encoding before its first packet: it has a RID, or SSRCs, or nothing (the only one of its MID)."""

    def __new__(
        cls, *, rid: str | None = None, ssrc: int | None = None, rtx_ssrc: int | None = None
    ) -> EncodingSpec: ...
    @property
    def rid(self) -> str | None: ...
    @property
    def ssrc(self) -> int | None: ...
    @property
    def rtx_ssrc(self) -> int | None: ...
    def __hash__(self) -> int: ...

@final
class TrackSpec:
    """A track that a participant publishes in one m-section."""

    def __new__(
        cls,
        *,
        id: int,
        transport: int,
        kind: _Kind,
        mid: str,
        payload_types: Sequence[PayloadType],
        encodings: Sequence[EncodingSpec],
        extensions: Mapping[_Extension, int],
        parameter_sets: Sequence[tuple[int, bytes]] = ...,
        nack: bool,
        pli: bool,
        fir: bool,
        repairs: Sequence[tuple[int, int]] = ...,
    ) -> TrackSpec: ...
    @property
    def id(self) -> int: ...
    @property
    def transport(self) -> int: ...
    @property
    def kind(self) -> _Kind: ...
    @property
    def mid(self) -> str: ...
    @property
    def payload_types(self) -> list[PayloadType]: ...
    @property
    def encodings(self) -> list[EncodingSpec]:
        """Encodings in any order. The index is `Layer.spatial`. Ladders define which one is better."""

    @property
    def extensions(self) -> dict[_Extension, int]:
        """The ids of RTP header extensions (RFC 8285)."""

    @property
    def parameter_sets(self) -> list[tuple[int, bytes]]:
        """NAL units of H.264 and H.265 from SDP, each with its payload type: at most 64, of 1 to 1,000 octets."""

    @property
    def nack(self) -> bool: ...
    @property
    def pli(self) -> bool: ...
    @property
    def fir(self) -> bool: ...
    @property
    def repairs(self) -> list[tuple[int, int]]:
        """At most 64 pairs of an SSRC and the SSRC of its retransmissions (`a=ssrc-group:FID`, RFC 5576 s4.2), also of
        streams that no encoding names."""

    def __hash__(self) -> int: ...

@final
class SlotSpec:
    """A receive section of a participant. It has a constant MID and constant SSRCs, and can show any track."""

    def __new__(
        cls,
        *,
        id: int,
        transport: int,
        kind: _Kind,
        mid: str,
        ssrc: int,
        rtx_ssrc: int | None,
        payload_types: Sequence[PayloadType],
        extensions: Mapping[_Extension, int],
    ) -> SlotSpec: ...
    @property
    def id(self) -> int: ...
    @property
    def transport(self) -> int: ...
    @property
    def kind(self) -> _Kind: ...
    @property
    def mid(self) -> str: ...
    @property
    def ssrc(self) -> int: ...
    @property
    def rtx_ssrc(self) -> int | None: ...
    @property
    def payload_types(self) -> list[PayloadType]: ...
    @property
    def extensions(self) -> dict[_Extension, int]: ...
    def __hash__(self) -> int: ...

@final
class AudioPolicy:
    """The audio policy of a room: which microphones are forwarded, and with how much redundancy."""

    def __new__(
        cls,
        *,
        id: int,
        loudest: int = 0,
        ranked: Sequence[int] = ...,
        always: Sequence[int] = ...,
        redundancy: int = 0,
        redundant: Sequence[int] = ...,
    ) -> AudioPolicy: ...
    @property
    def id(self) -> int:
        """The room."""

    @property
    def loudest(self) -> int:
        """Only this many of `ranked`, the loudest, are forwarded at a time. 0: all. Packets without an audio level are
        forwarded."""

    @property
    def ranked(self) -> list[int]:
        """The tracks whose loudness is compared."""

    @property
    def always(self) -> list[int]:
        """The ranked tracks that are forwarded however quiet they are."""

    @property
    def redundancy(self) -> int:
        """The number of earlier packets (0 to 2) that are copied into each packet (RFC 2198), for slots that have
        `red`."""

    @property
    def redundant(self) -> list[int]:
        """The tracks that get redundancy. None may be encrypted end to end, because receivers decrypt packet by
        packet."""

    def __hash__(self) -> int: ...

@final
class Layer:
    """A layer of a track: its encoding (in SVC: spatial layer) and its temporal layer, both from 0. Layers within one
    encoding sort from the least to the best."""

    __match_args__ = ("spatial", "temporal")
    def __new__(cls, spatial: int, temporal: int) -> Layer: ...
    @property
    def spatial(self) -> int: ...
    @property
    def temporal(self) -> int: ...
    def __hash__(self) -> int: ...
    def __lt__(self, other: Layer, /) -> bool: ...
    def __le__(self, other: Layer, /) -> bool: ...
    def __gt__(self, other: Layer, /) -> bool: ...
    def __ge__(self, other: Layer, /) -> bool: ...

# Data channels --------------------------------------------------------------------------------------------------------

@final
class ChannelSpec:
    """A data channel (RFC 8831, 8832)."""

    def __new__(
        cls,
        *,
        id: int,
        transport: int | None,
        label: str,
        protocol: str = "",
        ordered: bool = True,
        retransmits: int | None = None,
        lifetime: int | None = None,
        remote: bool = False,
    ) -> ChannelSpec: ...
    @property
    def id(self) -> int: ...
    @property
    def transport(self) -> int | None:
        """None: the transport does not exist yet. Reliable messages sent meanwhile are kept within `DataLimits`. The
        channel gets them when the same id is opened with a transport."""

    @property
    def label(self) -> str: ...
    @property
    def protocol(self) -> str: ...
    @property
    def ordered(self) -> bool: ...
    @property
    def retransmits(self) -> int | None:
        """The maximum number of retransmissions. With neither this nor `lifetime` the channel is reliable."""

    @property
    def lifetime(self) -> int | None:
        """Milliseconds after which a message is abandoned."""

    @property
    def remote(self) -> bool:
        """True: the peer opens it. The first channel that the peer opens with this label gets this id."""

    def __hash__(self) -> int: ...

# Events ---------------------------------------------------------------------------------------------------------------

@final
class TransportState:
    """The state of a transport. `disconnected`: the peer was silent for too long; nothing is sent until a packet
    arrives from it. `failed` is final: DTLS failed, or an internal error ended this transport alone. `closed` is final:
    the peer sent close_notify. `reason` is a text for the log."""

    __match_args__ = ("transport", "state", "reason")
    def __new__(
        cls, transport: int, state: Literal["connected", "disconnected", "failed", "closed"], reason: str
    ) -> TransportState: ...
    @property
    def transport(self) -> int: ...
    @property
    def state(self) -> Literal["connected", "disconnected", "failed", "closed"]: ...
    @property
    def reason(self) -> str: ...

@final
class LayerRate:
    __match_args__ = ("layer", "bps", "width", "height", "fps")
    def __new__(cls, layer: Layer, bps: int, width: int, height: int, fps: float) -> LayerRate: ...
    @property
    def layer(self) -> Layer: ...
    @property
    def bps(self) -> int:
        """Bits per second of this layer and those it needs, RTP payload only."""

    @property
    def width(self) -> int:
        """Pixels; 0: unknown."""

    @property
    def height(self) -> int: ...
    @property
    def fps(self) -> float: ...

@final
class Estimate:
    """What the network to a peer carries, by its transport-wide feedback, without which by its reports. Sent when it
    moved, at most ten times a second, and every two seconds while it moves."""

    __match_args__ = (
        "transport",
        "estimate",
        "budget",
        "throughput",
        "queue",
        "loss",
        "loss_limited",
        "round_trip",
        "silent",
    )
    def __new__(
        cls,
        transport: int,
        estimate: int,
        budget: int,
        throughput: int | None = ...,
        queue: float = ...,
        loss: float = ...,
        loss_limited: bool = ...,
        round_trip: float = ...,
        silent: bool = ...,
    ) -> Estimate: ...
    @property
    def transport(self) -> int: ...
    @property
    def estimate(self) -> int:
        """Bits per second."""
    @property
    def budget(self) -> int:
        """What may be sent for now, bits per second: less than the estimate while the queue drains."""
    @property
    def throughput(self) -> int | None:
        """What arrives, bits per second. None: too little was sent to tell."""
    @property
    def queue(self) -> float:
        """Seconds for which packets stand in its queue."""
    @property
    def loss(self) -> float:
        """The share of octets that is lost, 0 to 1."""
    @property
    def loss_limited(self) -> bool:
        """True: the loss limits the estimate, and not the delay."""
    @property
    def round_trip(self) -> float:
        """Seconds."""
    @property
    def silent(self) -> bool:
        """True: packets were sent for three seconds without any feedback."""

@final
class Layers:
    """The layers of a track that arrive. Sent once a second, and when an encoding or a spatial layer starts or stops. A
    stop is detected within 500 ms if the layer had at least five frames a second and other media of its transport
    arrives, otherwise within 3 s, and at once if its sender reports it (video-layers-allocation). A stopped layer
    counts again after it has arrived for 1.5 s."""

    __match_args__ = (
        "track",
        "codec",
        "layers",
        "encrypted",
        "deaf",
        "surplus",
        "lacks_parameters",
        "loss",
        "round_trip",
    )
    def __new__(
        cls,
        track: int,
        codec: _Codec | None,
        layers: Sequence[LayerRate],
        encrypted: bool,
        deaf: bool,
        surplus: Sequence[int] = ...,
        lacks_parameters: bool = ...,
        loss: float = ...,
        round_trip: float = ...,
    ) -> Layers: ...
    @property
    def track(self) -> int: ...
    @property
    def codec(self) -> _Codec | None: ...
    @property
    def layers(self) -> list[LayerRate]: ...
    @property
    def encrypted(self) -> bool:
        """True: the payload cannot be read, and no dependency descriptor marks keyframes. Slots show the best rung that
        arrives, and keep it."""
    @property
    def deaf(self) -> bool:
        """True: the publisher ignores keyframe requests, or negotiated none."""
    @property
    def lacks_parameters(self) -> bool:
        """True: keyframes (H.264, H.265) arrive without parameter sets, and neither earlier packets nor SDP had any.
        Later subscribers cannot decode the track."""

    @property
    def loss(self) -> float:
        """0 to 1: the share of its packets that did not arrive in the last five seconds, before retransmissions."""

    @property
    def round_trip(self) -> float:
        """Milliseconds to its publisher and back, smoothed; 0: not measured."""

    @property
    def surplus(self) -> list[int]:
        """SSRCs, at most eight, that arrived in its m-section within 5 s and are ignored, because without a RID nothing
        distinguishes them from the used stream. One of them replaces that stream when it was silent for 0.4 s, or twice
        its gap."""

@final
class Switched:
    """The layer that a slot forwards (None: nothing), and why not a better one. Sent when either changes. `track` was
    its source at that time; the source may have changed since.

    none: the best rung of the ladder is forwarded. paused: there is no ladder or no source. publisher: a better rung
    does not arrive, or its codec was refused. waiting_for_keyframe: a better rung, or the first one, arrives, and its
    keyframe is awaited. loss: more packets are missing than can be retransmitted; nothing is forwarded until a keyframe
    arrives. encrypted: see `Layers.encrypted`."""

    __match_args__ = ("slot", "track", "layer", "cause")
    def __new__(cls, slot: int, track: int | None, layer: Layer | None, cause: _Cause) -> Switched: ...
    @property
    def slot(self) -> int: ...
    @property
    def track(self) -> int | None: ...
    @property
    def layer(self) -> Layer | None: ...
    @property
    def cause(self) -> _Cause: ...

@final
class Refused:
    """The slot cannot show `track`, which was its source."""

    __match_args__ = ("slot", "track", "reason")
    def __new__(cls, slot: int, track: int | None, reason: str) -> Refused: ...
    @property
    def slot(self) -> int: ...
    @property
    def track(self) -> int | None: ...
    @property
    def reason(self) -> str: ...

@final
class AudioLevels:
    """Audio levels of the tracks of one worker in the last 100 ms: five octets per track, each the level in -dBov (RFC
    6464) of 20 ms, oldest first. 0 is the loudest, 127 silence, 255: nothing arrived. There is no event while nothing
    arrives."""

    __match_args__ = ("levels",)
    def __new__(cls, levels: Sequence[tuple[int, bytes]]) -> AudioLevels: ...
    @property
    def levels(self) -> list[tuple[int, bytes]]: ...

@final
class ChannelState:
    """The state of a channel. `open` precedes the first `Message` of the channel. A channel with an unknown id was
    opened by the peer."""

    __match_args__ = ("transport", "channel", "state", "label", "protocol", "reason")
    def __new__(
        cls,
        transport: int,
        channel: int,
        state: Literal["open", "closed"],
        label: str,
        protocol: str,
        reason: str,
    ) -> ChannelState: ...
    @property
    def transport(self) -> int: ...
    @property
    def channel(self) -> int: ...
    @property
    def state(self) -> Literal["open", "closed"]: ...
    @property
    def label(self) -> str: ...
    @property
    def protocol(self) -> str: ...
    @property
    def reason(self) -> str: ...

@final
class Message:
    """A message for the server."""

    __match_args__ = ("channel", "payload", "text")
    def __new__(cls, channel: int, payload: bytes, text: bool) -> Message: ...
    @property
    def channel(self) -> int: ...
    @property
    def payload(self) -> bytes: ...
    @property
    def text(self) -> bool: ...

@final
class Buffered:
    """The octets queued for the peer of a channel rose above, or fell below, half of the limit."""

    __match_args__ = ("channel", "octets")
    def __new__(cls, channel: int, octets: int) -> Buffered: ...
    @property
    def channel(self) -> int: ...
    @property
    def octets(self) -> int: ...

@final
class Captured:
    """A piece of a capture's file. The pieces in their order are the file. `ended`: why the capture ended; None: more
    follow."""

    __match_args__ = ("transport", "octets", "ended")
    def __new__(cls, transport: int, octets: bytes, ended: str | None) -> Captured: ...
    @property
    def transport(self) -> int: ...
    @property
    def octets(self) -> bytes: ...
    @property
    def ended(self) -> str | None: ...

@final
class TraceLine:
    """A decision of the plane, as a line for the log: see `PlaneConfig.trace`. Lines over 100 a second of one worker
    and target are dropped; a line of the target `dropped` has their number."""

    __match_args__ = ("level", "target", "text")
    def __new__(cls, level: str, target: str, text: str) -> TraceLine: ...
    @property
    def level(self) -> str:
        """error, warn, info, debug or trace."""

    @property
    def target(self) -> str: ...
    @property
    def text(self) -> str: ...

@final
class WorkerFailed:
    """The worker failed and forwards nothing any more. The process should end."""

    __match_args__ = ("worker", "reason")
    def __new__(cls, worker: int, reason: str) -> WorkerFailed: ...
    @property
    def worker(self) -> int: ...
    @property
    def reason(self) -> str: ...

@final
class Counters:
    """What is counted: of a transport since it was added, or of all workers together since the start."""

    @property
    def packets_received(self) -> int:
        """Datagrams; of a transport, those of RTP, RTCP and DTLS from its peer's paths."""

    @property
    def bytes_received(self) -> int: ...
    @property
    def packets_sent(self) -> int: ...
    @property
    def bytes_sent(self) -> int: ...
    @property
    def packets_forwarded(self) -> int:
        """Media packets sent to subscribers, first transmissions only."""

    @property
    def packets_retransmitted(self) -> int: ...
    @property
    def packets_probing(self) -> int:
        """Packets sent only to measure the path."""

    @property
    def keyframe_requests(self) -> int:
        """PLI and FIR sent to publishers."""

    @property
    def nacks_sent(self) -> int:
        """Packets that were requested from publishers."""

    @property
    def keyframe_requests_received(self) -> int:
        """PLI and FIR of subscribers."""

    @property
    def nacks_received(self) -> int:
        """Packets that subscribers requested."""

    @property
    def discards(self) -> dict[str, int]:
        """Dropped datagrams, or parts of one, by reason."""

@final
class Stats:
    """The summed counters of all workers since the start. The last five are present numbers."""

    @property
    def counters(self) -> Counters: ...
    @property
    def messages_sent(self) -> int:
        """Messages sent, each of one datagram or of several that the kernel splits. The ratio to `packets_sent` shows
        how well that works."""

    @property
    def timers(self) -> dict[str, int]:
        """Deadlines that passed, by timer: why workers woke, apart from datagrams and commands."""

    @property
    def transports(self) -> int: ...
    @property
    def tracks(self) -> int: ...
    @property
    def slots(self) -> int: ...
    @property
    def channels(self) -> int: ...
    @property
    def links(self) -> int:
        """TCP connections of peers."""
