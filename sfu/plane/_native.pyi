"""The seam between Python and the packet plane, whole, on one page.

Specs go in, events come out. Specs are frozen, keyword-only and checked when they are made: a bad value is a ValueError
with a sentence. Enums are short strings. Times are seconds, sizes octets, rates bits per second, unless said otherwise.

Ids are the caller's: any number below 2**63, never used twice, whose bits from 40 up name the worker it lives on
(`worker << 40 | counter`). Bit 39 is left to the plane: channels that peers open have it.
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
    "DataLimits",
    "EncodingSpec",
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
"""CRC-32 (IEEE) of the `_native.pyi` that the module was built from. If the file beside the module has another one, the
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
    """Ours, or `sfu.model.Layer`."""

    @property
    def spatial(self) -> int: ...
    @property
    def temporal(self) -> int: ...

# The plane ------------------------------------------------------------------------------------------------------------

@final
class Plane:
    """N workers, each a thread with a UDP port.

    Commands never block and have no answer: ids are the caller's, specs are valid by construction, and a command about
    something already removed, or after `close`, does nothing. An id of a worker that is not there is a ValueError.

    In a forked child `close` does nothing and all else raises RuntimeError: a fork has the memory but not the threads.
    """

    def __new__(cls, config: PlaneConfig) -> Plane:
        """Binds all ports and starts the threads, or raises OSError and leaves nothing behind. Its `filename` is the
        `address:port` that could not be bound, None if something else failed."""

    def addresses(self) -> list[tuple[str, int]]:
        """One per worker: its port, on the first of the hosts."""

    def fingerprint(self) -> str:
        """Of the certificate of this process, SHA-256, as `a=fingerprint:sha-256` has it: "AB:CD:…"."""

    def sets_reports_apart(self) -> bool:
        """Whether the kernel hands the reports of peers to a socket of their own: if not, forwarding costs more."""

    def add_transport(self, spec: TransportSpec) -> None:
        """Answers checks for these credentials from now on, from any address, and shakes hands with who sends them."""

    def restart_ice(self, transport: int, ice: IceCredentials) -> None:
        """New credentials (RFC 8445 s9). Media keeps the old pair until a check with the new ones nominates one."""

    def open_sctp(self, transport: int, spec: SctpSpec) -> None:
        """Data channels become possible; may come with a later offer than the transport."""

    def add_track(self, spec: TrackSpec) -> None:
        """Takes what the participant sends in this m-section. It goes nowhere until a slot has it as its source."""

    def update_track(self, spec: TrackSpec) -> None:
        """Same id and transport as before; encodings whose RID or SSRC are unchanged keep their state."""

    def add_slot(self, spec: SlotSpec) -> None:
        """It sends nothing until it has a source and a ladder, in either order. Its SSRCs must be new to the transport:
        under the keys of one association no number may be used twice."""

    def set_source(self, slot: int, track: int | None) -> None:
        """Which track the slot shows. Its SSRC and numbers stay continuous."""

    def set_targets(self, targets: Sequence[tuple[int, Sequence[_LayerLike]]]) -> None:
        """Per slot a ladder: the layers it may show, best first. The plane steps down it and never off it; an empty one
        pauses the slot. All in one command per worker."""

    def set_muted(self, track: int, muted: bool) -> None:
        """While a track is muted, slots that show it send nothing, whatever their ladders. They do not report that; the
        audio of a track that still arrives continues without a report, too."""

    def set_audio(self, policy: AudioPolicy) -> None:
        """How the sound of a room is forwarded; replaces what was said of that room. Tracks that no policy names are
        forwarded as they come. `remove` takes the room's id, too."""

    def request_keyframe(self, track: int) -> None:
        """Of all its encodings that are shown. Many requests become one per interval."""

    def open_channel(self, spec: ChannelSpec) -> None:
        """With a transport, needs `open_sctp` before. Reliable messages for it wait until it is open, within
        `DataLimits`. It is in no group until it joins one; what comes of it is a `ChannelState`."""

    def add_group(self, id: int, *, enveloped: bool) -> None:
        """Channels that reach one another: what arrives on one goes to those of all other names. It stays until it is
        removed.

        `enveloped`: messages carry an envelope, one byte n, n bytes that name the destination (none: everybody;
        `server`: the server), then the payload. It leaves with the sender's name in that place. Without, messages are
        passed on as they are."""

    def join_group(self, group: int, channel: int, name: str, *, may_send: bool) -> None:
        """Messages of the channel, which is open or awaited, go to this group from now on: a channel is in one at most.
        Again, it changes its name (1 to 255 octets) and permission. It leaves with its end."""

    def send(self, channels: Sequence[int], payload: bytes, *, text: bool) -> None:
        """From the server: one payload in, fanned out by the plane."""

    def start_capture(self, transport: int, octets: int, seconds: float) -> None:
        """Captures the clear RTP and RTCP of a transport, both ways, as a pcapng file: see `Captured`. It ends after so
        many octets (at most 64 MB) or seconds (at most 300). A worker has one capture at a time: this ends the one
        before."""

    def stop_capture(self, transport: int) -> None:
        """Ends the capture of this transport, if there is one."""

    def remove(self, id: int) -> None:
        """A transport, track, slot, channel or group, and all that hangs on it."""

    def close(self) -> None:
        """BYE and close_notify to everybody, then the threads end; waits for them for 2 s, without the GIL, and raises
        TimeoutError if one does not come to its end. A second call does nothing."""

    def fileno(self) -> int:
        """Readable when `poll` has something. It stays open, after `close` too, as long as the plane lives."""

    def poll(
        self,
    ) -> list[
        TransportState
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
        """What happened since the last call, in order; never blocks. All but `Message`, `Captured` and `TraceLine` are
        state: of each thing only the newest is kept. Messages wait in a ring per transport, as long as
        `DataLimits.server_messages`; behind a full one the sender waits."""

    def stats(self) -> Stats:
        """The counters as last published: they may lag by a quarter of a second."""

@final
class PlaneConfig:
    def __new__(
        cls,
        *,
        hosts: Sequence[str],
        udp_port: int,
        workers: int,
        silence: Silence | None = None,
        data: DataLimits | None = None,
        seed: int | None = None,
        trace: str = "",
    ) -> PlaneConfig: ...
    @property
    def hosts(self) -> list[str]:
        """IP addresses to bind to. `0.0.0.0` and `::` stand for all of their family: name both for both."""

    @property
    def udp_port(self) -> int:
        """Worker i has port `udp_port + i`; 0: the system picks."""

    @property
    def workers(self) -> int: ...
    @property
    def silence(self) -> Silence: ...
    @property
    def data(self) -> DataLimits: ...
    @property
    def seed(self) -> int | None:
        """Decides every random number but keys and tags; None: the system's. For tests."""

    @property
    def trace(self) -> str:
        """The decisions that become `TraceLine` events: `level` or `target=level`, several separated by commas. Levels
        are off, info, debug and trace; targets are commands, transport, ice, layers, keyframes, resends, discards and
        packets (only in builds with the feature `packet-events`). Empty: none."""

@final
class Silence:
    """How long nothing authenticated may come from a peer before it is `disconnected`; in seconds."""

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
        """For a peer that was sent transport-wide numbered packets in the last second and has returned feedback."""

    @property
    def shortest(self) -> float:
        """For any other: at least this, at most `longest`; in between, `factor` times its longest gap of late."""

    @property
    def longest(self) -> float: ...
    @property
    def factor(self) -> float: ...

@final
class DataLimits:
    """Of the data channels of one participant."""

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
        """Octets of one message."""

    @property
    def messages_per_second(self) -> int: ...
    @property
    def message_burst(self) -> int: ...
    @property
    def buffered(self) -> int:
        """Octets queued and unacknowledged towards a peer."""

    @property
    def receive_window(self) -> int:
        """Octets."""

    @property
    def backlog_octets(self) -> int:
        """Octets kept for a channel that is still opening, of reliable messages."""

    @property
    def backlog_age(self) -> float:
        """Seconds they are kept."""

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
    """Of the peer's certificate (RFC 8122 s5)."""

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
        """Ours: "server" goes with `a=setup:passive`, "client" with `a=setup:active`."""

    @property
    def fingerprints(self) -> list[Fingerprint]: ...
    @property
    def cname(self) -> str:
        """RTCP CNAME (RFC 3550 s6.5.1) of all we send on it."""

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
        """Octets of the largest message the peer takes; 0: any."""

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
        """Profile and packetization as one number of the caller's choosing: equal means interchangeable."""

    @property
    def rtx(self) -> int | None:
        """The payload type of its retransmissions (RFC 4588)."""

    def __hash__(self) -> int: ...

@final
class EncodingSpec:
    """What is known of an encoding before its first packet: a RID, or SSRCs, or nothing (the only one of its MID)."""

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
    """What a participant publishes in one m-section."""

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
        """In any order: the index is `Layer.spatial`. Which of them is better, ladders say."""

    @property
    def extensions(self) -> dict[_Extension, int]:
        """The ids of RTP header extensions (RFC 8285)."""

    @property
    def parameter_sets(self) -> list[tuple[int, bytes]]:
        """NAL units of H.264 and H.265 that SDP told, with the payload type that they are of: at most 64, of 1 to 1,000
        octets."""

    @property
    def nack(self) -> bool: ...
    @property
    def pli(self) -> bool: ...
    @property
    def fir(self) -> bool: ...
    @property
    def repairs(self) -> list[tuple[int, int]]:
        """At most 64 SSRCs and what repairs each (`a=ssrc-group:FID`, RFC 5576 s4.2), also of streams that no encoding
        names."""

    def __hash__(self) -> int: ...

@final
class SlotSpec:
    """A receive section of a participant: constant MID and SSRCs, into which any track can be put."""

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
    """Which microphones of a room are forwarded, and what goes along with their packets."""

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
        """Of the room."""

    @property
    def loudest(self) -> int:
        """Only the loudest so many of `ranked` are forwarded at a time; 0: all. What has no audio level passes."""

    @property
    def ranked(self) -> list[int]:
        """Tracks."""

    @property
    def always(self) -> list[int]:
        """Of the ranked ones those that are forwarded however quiet they are."""

    @property
    def redundancy(self) -> int:
        """So many packets (0 to 2) go along with the one after them (RFC 2198), to slots that have `red`."""

    @property
    def redundant(self) -> list[int]:
        """The tracks for which that holds; none that is encrypted end to end: receivers decrypt packet by packet."""

    def __hash__(self) -> int: ...

@final
class Layer:
    """A point of a track, from the least to the best picture: which encoding (in SVC: spatial layer), which temporal
    layer. Both from 0."""

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
        """None: it is still to come. What is sent reliably meanwhile is kept within `DataLimits`; opened again, by the
        same id and with a transport, the channel gets it."""

    @property
    def label(self) -> str: ...
    @property
    def protocol(self) -> str: ...
    @property
    def ordered(self) -> bool: ...
    @property
    def retransmits(self) -> int | None:
        """At most so many; with neither this nor `lifetime` the channel is reliable."""

    @property
    def lifetime(self) -> int | None:
        """Milliseconds after which a message is given up."""

    @property
    def remote(self) -> bool:
        """The peer opens it: the first channel it opens with this label gets this id."""

    def __hash__(self) -> int: ...

# Events ---------------------------------------------------------------------------------------------------------------

@final
class TransportState:
    """`disconnected`: silent for too long, nothing more is sent until it is heard again. `failed` and `closed` are for
    good: DTLS failed, or an error inside us ended this transport alone; the peer said goodbye. `reason` is a sentence
    for the log."""

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
        """Of this layer and those it needs, RTP payload only."""

    @property
    def width(self) -> int:
        """Pixels; 0 where not known."""

    @property
    def height(self) -> int: ...
    @property
    def fps(self) -> float: ...

@final
class Layers:
    """What really arrives of a track: once a second, and when an encoding or a spatial layer starts or stops. One that
    stopped is noticed within 500 ms if it had five frames a second and something else of its transport is heard, else
    within 3 s, and at once if its sender says so (video-layers-allocation); it is back when it has flowed for 1.5 s."""

    __match_args__ = ("track", "codec", "layers", "encrypted", "deaf", "surplus", "lacks_parameters")
    def __new__(
        cls,
        track: int,
        codec: _Codec | None,
        layers: Sequence[LayerRate],
        encrypted: bool,
        deaf: bool,
        surplus: Sequence[int] = ...,
        lacks_parameters: bool = ...,
    ) -> Layers: ...
    @property
    def track(self) -> int: ...
    @property
    def codec(self) -> _Codec | None: ...
    @property
    def layers(self) -> list[LayerRate]: ...
    @property
    def encrypted(self) -> bool:
        """Its payload cannot be read, and no dependency descriptor tells keyframes: slots show the best rung that
        arrives, and stay with it."""
    @property
    def deaf(self) -> bool:
        """Its publisher ignores requests for keyframes, or said that it takes none."""
    @property
    def lacks_parameters(self) -> bool:
        """Its keyframes (H.264, H.265) come without parameter sets, and neither earlier packets nor SDP told any:
        decoders that join now stay black."""

    @property
    def surplus(self) -> list[int]:
        """SSRCs, at most eight, that came in its m-section within 5 s and are ignored: without a RID nothing tells them
        apart from the stream that is taken. One takes its place when that was silent for 0.4 s, or twice its gap."""

@final
class Switched:
    """What really leaves through a slot (None: nothing), and why nothing better does, whenever either changes. `track`
    was its source then: by now it may have been given another.

    none: the best rung of the ladder leaves. paused: there is no ladder or no source. publisher: a better rung does not
    arrive, or is of a codec that was refused. waiting_for_keyframe: a better rung, or the first, arrives, and its
    keyframe is awaited. loss: more packets are missing than can be sent again; nothing leaves until a keyframe comes.
    encrypted: see `Layers.encrypted`."""

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
    """The slot cannot show its source, which was `track`."""

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
    """Tracks of one worker heard in the last 100 ms, each with five octets: its level in -dBov (RFC 6464) in each 20 ms
    of it, oldest first. 0 is the loudest, 127 silence, 255 where nothing came. No event while nobody is heard."""

    __match_args__ = ("levels",)
    def __new__(cls, levels: Sequence[tuple[int, bytes]]) -> AudioLevels: ...
    @property
    def levels(self) -> list[tuple[int, bytes]]: ...

@final
class ChannelState:
    """`open` comes before the first `Message` of the channel. A channel whose id is new to you is the peer's."""

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
    """For the server itself."""

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
    """Octets queued towards the peer of a channel rose over, or fell under, half of what is allowed."""

    __match_args__ = ("channel", "octets")
    def __new__(cls, channel: int, octets: int) -> Buffered: ...
    @property
    def channel(self) -> int: ...
    @property
    def octets(self) -> int: ...

@final
class Captured:
    """A piece of the file of a capture: the pieces in their order are the file. `ended`: why no more follow."""

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
    """Nothing that this worker carried moves any more: the process should end."""

    __match_args__ = ("worker", "reason")
    def __new__(cls, worker: int, reason: str) -> WorkerFailed: ...
    @property
    def worker(self) -> int: ...
    @property
    def reason(self) -> str: ...

@final
class Stats:
    """Counters of all workers together since the start; the last four are what is there now."""

    @property
    def packets_received(self) -> int: ...
    @property
    def bytes_received(self) -> int: ...
    @property
    def packets_sent(self) -> int: ...
    @property
    def bytes_sent(self) -> int: ...
    @property
    def packets_forwarded(self) -> int:
        """Media packets that left for a subscriber, first transmissions only."""

    @property
    def packets_retransmitted(self) -> int: ...
    @property
    def keyframe_requests(self) -> int: ...
    @property
    def nacks_sent(self) -> int: ...
    @property
    def messages_sent(self) -> int:
        """Sends, each of one datagram or of several that the kernel cuts: against `packets_sent`, how well it works."""

    @property
    def discards(self) -> dict[str, int]:
        """Datagrams, or parts of one, that went no further, by why."""

    @property
    def timers(self) -> dict[str, int]:
        """Deadlines that passed, by what was due: why workers woke, but for datagrams and commands."""

    @property
    def transports(self) -> int: ...
    @property
    def tracks(self) -> int: ...
    @property
    def slots(self) -> int: ...
    @property
    def channels(self) -> int: ...
