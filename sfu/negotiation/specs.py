"""The input and output of a negotiation, as data: the terms of `negotiation.py`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from sfu.model import Candidate, Kind


@dataclass(frozen=True, slots=True)
class Local:
    """The server's part of an answer. `ufrag` and `pwd` are new if `restarts_ice` is true; the rest is constant."""

    ufrag: str
    pwd: str
    fingerprint: str
    """The sha-256 fingerprint of the server's certificate, `AB:CD:…`."""
    candidates: tuple[Candidate, ...]
    """Announced addresses and ports, in the order of preference; the first is of UDP."""
    cname: str
    """Random and constant for the session; also the session id in o=."""


@dataclass(frozen=True, slots=True)
class Allow:
    """The participant's permissions. A section beyond them is answered inactive or in one direction, never refused."""

    publish: frozenset[Kind] | Callable[[str, Kind], bool] = frozenset(Kind)
    """Kinds, or a predicate of mid and kind."""
    subscribe: bool = True
    data: bool = True

    def publishes(self, mid: str, kind: Kind) -> bool:
        return self.publish(mid, kind) if callable(self.publish) else kind in self.publish


@dataclass(frozen=True, slots=True)
class PayloadType:
    number: int
    codec: str
    format: int
    clock_rate: int
    rtx: int | None
    """Payload type of its retransmissions (RFC 4588)."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """One simulcast stream, identified by its RID, by its SSRCs, or as the only one of its MID."""

    rid: str | None = None
    ssrc: int | None = None
    rtx_ssrc: int | None = None


@dataclass(frozen=True, slots=True)
class Publication:
    """A section in which the client sends and the server receives."""

    mid: str
    kind: Kind
    payload_types: tuple[PayloadType, ...]
    encodings: tuple[Encoding, ...]
    """Encodings in the order of the offer, which does not express quality; paused ones included."""
    extensions: Mapping[str, int]
    nack: bool
    pli: bool
    fir: bool
    repairs: tuple[tuple[int, int], ...]
    """SSRCs and the SSRC of the retransmissions of each, from FID lines; also if RIDs are used, and of streams without
    an encoding."""
    msid: tuple[str, str]
    """The client's names of stream and track."""
    parameter_sets: tuple[tuple[int, bytes], ...] = ()
    """NAL units of H.264 and H.265, with their payload types."""


@dataclass(frozen=True, slots=True)
class ReceiveSection:
    """A section in which the client receives media."""

    mid: str
    kind: Kind
    ssrc: int
    rtx_ssrc: int | None
    payload_types: tuple[PayloadType, ...]
    """The formats of the answer, then the same payload types for other formats that the client decodes."""
    extensions: Mapping[str, int]
    index: int
    """The audio and the video slot with the same index share the stream `slot-<index>`: browsers lip-sync by stream."""


@dataclass(frozen=True, slots=True)
class Section:
    """An answered m-section: a publication, a slot, both (sendrecv), or neither (inactive or rejected)."""

    mid: str
    kind: str
    """`audio`, `video`, `application`, or another kind that a client offers, which is rejected."""
    publication: Publication | None = None
    slot: ReceiveSection | None = None
    rejected: bool = False
    """Answered with port 0. Its place may be reused under another mid."""


@dataclass(frozen=True, slots=True)
class Sctp:
    """RFC 8841."""

    local_port: int
    remote_port: int
    max_message_size: int
    """Octets of the largest message that the client accepts."""


@dataclass(frozen=True, slots=True)
class Negotiated:
    answer: str
    sections: tuple[Section, ...]
    local_ufrag: str
    remote_ufrag: str
    remote_pwd: str
    role: Literal["server", "client"]
    """The server's role in DTLS."""
    fingerprints: tuple[tuple[str, bytes], ...]
    """The fingerprints of the client's certificate: `sha-256`, `sha-384` or `sha-512`, and the digest of each."""
    sctp: Sctp | None
    ice_restarted: bool
    """True: ICE restarts, compared with the previous negotiation."""
    association_changed: bool
    """True: DTLS restarts (RFC 8842 s3.1), likewise: other fingerprints, another tls-id, or other roles."""
    tls_id: str | None = None
    version: int = 1
    """The version in o=; increases by one with every answer."""
    tag: str = ""
    """The mid of the answerer-tagged section (RFC 8843)."""

    def section(self, mid: str) -> Section | None:
        return next((section for section in self.sections if section.mid == mid and mid), None)

    @property
    def publications(self) -> tuple[Publication, ...]:
        return tuple(section.publication for section in self.sections if section.publication)

    @property
    def slots(self) -> tuple[ReceiveSection, ...]:
        return tuple(section.slot for section in self.sections if section.slot)
