"""What a negotiation is given and what it yields, as data: the words of `negotiation.py`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from sfu.model import Kind


@dataclass(frozen=True, slots=True)
class Local:
    """What is ours in an answer. `ufrag` and `pwd` are fresh whenever `restarts_ice` says so, the rest is constant."""

    ufrag: str
    pwd: str
    fingerprint: str
    """sha-256 of our certificate, `AB:CD:…`."""
    candidates: tuple[tuple[str, int], ...]
    """Announced addresses and ports, the one to try first first."""
    cname: str
    """Random, for the life of the session: it also names the session in o=."""


@dataclass(frozen=True, slots=True)
class Allow:
    """What the participant may do. A section that goes beyond is answered inactive, or one way, never refused."""

    publish: frozenset[Kind] | Callable[[str, Kind], bool] = frozenset(Kind)
    """Kinds, or a question asked with mid and kind."""
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
    """One simulcast stream: known by its RID, or by its SSRCs, or as the only one of its MID."""

    rid: str | None = None
    ssrc: int | None = None
    rtx_ssrc: int | None = None


@dataclass(frozen=True, slots=True)
class Publication:
    """A section in which the client sends and we accept."""

    mid: str
    kind: Kind
    payload_types: tuple[PayloadType, ...]
    encodings: tuple[Encoding, ...]
    """In the order of the offer, which says nothing of what is better; paused ones included."""
    extensions: Mapping[str, int]
    nack: bool
    pli: bool
    fir: bool
    repairs: tuple[tuple[int, int], ...]
    """SSRCs and what repairs each, as FID lines say; also beside RIDs, and of streams that no encoding names."""
    msid: tuple[str, str]
    """Stream and track as the client names them."""
    parameter_sets: tuple[tuple[int, bytes], ...] = ()
    """NAL units of H.264 and H.265, with the payload type that they are of."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A section in which the client receives."""

    mid: str
    kind: Kind
    ssrc: int
    rtx_ssrc: int | None
    payload_types: tuple[PayloadType, ...]
    """Those of the answer, then the same numbers again for formats that the client decodes alike."""
    extensions: Mapping[str, int]
    index: int
    """The audio and the video slot of equal index share a stream, `slot-<index>`: browsers lip-sync by stream."""


@dataclass(frozen=True, slots=True)
class Section:
    """An m-section as answered: published in, shown in, both (sendrecv), or neither (inactive or rejected)."""

    mid: str
    kind: str
    """`audio`, `video`, `application`; or what else a client may offer, which is rejected."""
    publication: Publication | None = None
    slot: Slot | None = None
    rejected: bool = False
    """Answered with port 0; its place may be used again under another mid."""


@dataclass(frozen=True, slots=True)
class Sctp:
    """RFC 8841."""

    local_port: int
    remote_port: int
    max_message_size: int
    """Octets of the largest message the client takes."""


@dataclass(frozen=True, slots=True)
class Negotiated:
    answer: str
    sections: tuple[Section, ...]
    local_ufrag: str
    remote_ufrag: str
    remote_pwd: str
    role: Literal["server", "client"]
    """Ours, in DTLS."""
    fingerprints: tuple[tuple[str, bytes], ...]
    """Of the client's certificate: `sha-256`, `sha-384` or `sha-512`, and the digest."""
    sctp: Sctp | None
    ice_restarted: bool
    """Against the previous negotiation, as is the next."""
    association_changed: bool
    """DTLS begins anew (RFC 8842 s3.1): other fingerprints, another tls-id, or other roles."""
    tls_id: str | None = None
    version: int = 1
    """Of o=; grows by one with every answer."""
    tag: str = ""
    """The mid of the answerer-tagged section (RFC 8843)."""

    def section(self, mid: str) -> Section | None:
        return next((section for section in self.sections if section.mid == mid and mid), None)

    @property
    def publications(self) -> tuple[Publication, ...]:
        return tuple(section.publication for section in self.sections if section.publication)

    @property
    def slots(self) -> tuple[Slot, ...]:
        return tuple(section.slot for section in self.sections if section.slot)
