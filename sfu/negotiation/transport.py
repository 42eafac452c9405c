"""The transport of one participant in the plane: turns negotiated offers into commands.

An offer causes commands only for its changes. A new association (other fingerprint or tls-id) is a new transport. Its
keys are new, so its slots may use the same SSRCs from the start, which is forbidden within one transport.
"""

import random
from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Literal, cast

from sfu.model import Candidate, Kind, Octets, random_text
from sfu.negotiation import fragment
from sfu.negotiation.negotiation import (
    Allow,
    Local,
    Negotiated,
    PayloadType,
    Publication,
    ReceiveSection,
    negotiate,
    restarts_ice,
)
from sfu.negotiation.sdp import SessionDescription
from sfu.plane import _native
from sfu.plane.binding import Binding

Hash = Literal["sha-256", "sha-384", "sha-512"]

UFRAG_LENGTH = 8
PWD_LENGTH = 24
"""RFC 8445 s5.3 requires 24 random bits in the ufrag and 128 in the password; these have 46 and 139."""


class MediaState(StrEnum):
    NEW = "new"
    """Not negotiated, or connecting."""
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    """Silent; media may continue."""
    FAILED = "failed"
    CLOSED = "closed"


def new_credentials() -> tuple[str, str]:
    """Returns a new ICE ufrag and password."""
    return random_text(UFRAG_LENGTH), random_text(PWD_LENGTH)


class Transport:
    """The transport of one participant, through all its offers."""

    def __init__(
        self, binding: Binding, worker: int, owner: str, fingerprint: str, candidates: tuple[Candidate, ...]
    ) -> None:
        ufrag, pwd = new_credentials()
        self.local = Local(ufrag=ufrag, pwd=pwd, fingerprint=fingerprint, candidates=candidates, cname=owner)
        self.id: int | None = None
        self.state = MediaState.NEW
        self.negotiated: Negotiated | None = None
        self.tracks: dict[str, int] = {}
        """The plane's ids of the received tracks, by mid."""
        self.slots: dict[str, int] = {}
        """The plane's ids of the receive sections of the present offer, by mid, in its order."""
        self.kinds: dict[str, Kind] = {}
        """The kinds of the slots, by mid."""
        self.codecs: dict[str, frozenset[str]] = {}
        """The codecs that the client decodes in each slot, by mid: names of the plane."""
        self._binding = binding
        self._worker = worker
        self._owner = owner
        self._specs: dict[str, _native.TrackSpec] = {}
        self._publications: dict[str, Publication] = {}
        """The publications of `_specs`, by mid."""
        self._ssrcs: dict[str, int] = {}
        """The SSRCs of the slots, by mid."""
        self._sctp = False
        self._ended = Octets()
        """Octets of the transports that were closed."""

    def consider(self, offer: SessionDescription, allow: Allow) -> tuple[Negotiated, Local]:
        """Negotiates an offer and changes nothing. Raises NegotiationError."""
        local = self.local
        if restarts_ice(offer, self.negotiated):
            local = _fresh(local)
        return negotiate(offer, local=local, previous=self.negotiated, allow=allow, new_ssrc=_new_ssrc), local

    def adopt(self, negotiated: Negotiated, local: Local) -> bool:
        """Applies a negotiated offer. True: it is a new transport, with new ids."""
        renewed = self.id is not None and negotiated.association_changed
        if renewed:
            self.close()
        if self.id is None:
            self._open(negotiated, local)
        elif negotiated.ice_restarted:
            self._binding.plane.restart_ice(self.id, _ice(negotiated, local))
        self.negotiated, self.local = negotiated, local
        if negotiated.sctp is not None and not self._sctp:
            self._sctp = True
            self._binding.plane.open_sctp(
                self._id(),
                _native.SctpSpec(
                    local_port=negotiated.sctp.local_port,
                    remote_port=negotiated.sctp.remote_port,
                    max_message_size=negotiated.sctp.max_message_size,
                ),
            )
        self._adopt_publications({s.mid: s.publication for s in negotiated.sections if s.publication is not None})
        self._adopt_slots({s.mid: s.slot for s in negotiated.sections if s.slot is not None})
        return renewed

    @property
    def has_data(self) -> bool:
        return self._sctp

    def octets(self) -> Octets:
        """Returns what was received and sent, also before the transport was opened again. Up to a quarter of a second
        old."""
        counters = self._binding.plane.counters(self.id) if self.id is not None else None
        return self._ended if counters is None else self._ended.plus(counters.bytes_received, counters.bytes_sent)

    def restart_ice(self, text: str) -> str | None:
        """Handles a trickled fragment. New credentials restart ICE: returns the reply's fragment, otherwise None."""
        received = fragment.fragment(text)
        if self.negotiated is None or not fragment.restarts_ice(received, self.negotiated):
            return None
        self.local = _fresh(self.local)
        answer, self.negotiated = fragment.restart(received, self.negotiated, self.local)
        self._binding.plane.restart_ice(self._id(), _ice(self.negotiated, self.local))
        return answer

    def drop_track(self, mid: str) -> None:
        """Stops receiving the track of this section."""
        id = self.tracks.pop(mid, None)
        if id is not None:
            del self._specs[mid], self._publications[mid]
            self._binding.remove(id)

    def close(self) -> None:
        """Removes the transport and everything it owns from the plane."""
        if self.id is None:
            return
        self._ended = self.octets()
        self._binding.remove(self.id)
        for id in (*self.tracks.values(), *self.slots.values()):
            self._binding.owners.pop(id, None)
        self.id = None
        self.negotiated = None
        self.local = _fresh(self.local)
        self.state = MediaState.NEW
        self._sctp = False
        for gone in (self.tracks, self._specs, self._publications, self.slots, self.kinds, self.codecs, self._ssrcs):
            gone.clear()

    def _open(self, negotiated: Negotiated, local: Local) -> None:
        self.id = self._binding.new_id(self._worker, self._owner)
        self._binding.plane.add_transport(
            _native.TransportSpec(
                id=self.id,
                ice=_ice(negotiated, local),
                dtls_role=negotiated.role,
                fingerprints=[
                    _native.Fingerprint(hash=cast(Hash, hash), digest=digest)
                    for hash, digest in negotiated.fingerprints
                ],
                cname=local.cname,
            )
        )

    def _adopt_publications(self, publications: Mapping[str, Publication]) -> None:
        for mid in [mid for mid in self.tracks if mid not in publications]:
            self.drop_track(mid)
        for mid, publication in publications.items():
            known = self.tracks.get(mid)
            if known is not None and self._publications[mid] is publication:
                continue
            id = self._binding.new_id(self._worker, self._owner) if known is None else known
            spec = _track_spec(id, self._id(), publication)
            if known is None:
                self._binding.plane.add_track(spec)
            elif spec != self._specs[mid]:
                self._binding.plane.update_track(spec)
            self.tracks[mid] = id
            self._specs[mid], self._publications[mid] = spec, publication

    def _adopt_slots(self, slots: Mapping[str, ReceiveSection]) -> None:
        for mid, plane_id in self.slots.items():
            if mid not in slots or slots[mid].ssrc != self._ssrcs[mid]:
                self._binding.remove(plane_id)
        present, self.slots, self.kinds, self.codecs = self.slots, {}, {}, {}
        common: dict[int, tuple[frozenset[str], list[_native.PayloadType]]] = {}
        for mid, slot in slots.items():
            # Slots of equal sections share one tuple.
            found = common.get(id(slot.payload_types))
            if found is None:
                codecs = frozenset(p.codec for p in slot.payload_types)
                found = common[id(slot.payload_types)] = (codecs, _payload_types(slot.payload_types))
            plane_id = present.get(mid, 0)
            if not plane_id or slot.ssrc != self._ssrcs[mid]:
                plane_id = self._binding.new_id(self._worker, self._owner)
                self._binding.plane.add_slot(_slot_spec(plane_id, self._id(), slot, found[1]))
            self.slots[mid], self.kinds[mid], self.codecs[mid] = plane_id, slot.kind, found[0]
        self._ssrcs = {mid: slot.ssrc for mid, slot in slots.items()}

    def _id(self) -> int:
        assert self.id is not None, "only an adopted transport is in the plane"
        return self.id


def _fresh(local: Local) -> Local:
    ufrag, pwd = new_credentials()
    return replace(local, ufrag=ufrag, pwd=pwd)


def _new_ssrc() -> int:
    # RFC 3550 s8.1: random, so that few collide. They are no secret, and a system call for each takes longer.
    return random.getrandbits(32)


def _ice(negotiated: Negotiated, local: Local) -> _native.IceCredentials:
    return _native.IceCredentials(
        local_ufrag=local.ufrag,
        local_pwd=local.pwd,
        remote_ufrag=negotiated.remote_ufrag,
        remote_pwd=negotiated.remote_pwd,
    )


def _payload_types(payload_types: tuple[PayloadType, ...]) -> list[_native.PayloadType]:
    # The table of capabilities has names of the plane, which mypy does not check.
    return [
        _native.PayloadType(
            number=p.number,
            codec=cast("_native._Codec", p.codec),
            format=p.format,
            clock_rate=p.clock_rate,
            rtx=p.rtx,
        )
        for p in payload_types
    ]


def _extensions(ids: Mapping[str, int]) -> Mapping["_native._Extension", int]:
    return cast("Mapping[_native._Extension, int]", ids)


def _track_spec(id: int, transport: int, publication: Publication) -> _native.TrackSpec:
    return _native.TrackSpec(
        id=id,
        transport=transport,
        kind=publication.kind.value,
        mid=publication.mid,
        payload_types=_payload_types(publication.payload_types),
        encodings=[_native.EncodingSpec(rid=e.rid, ssrc=e.ssrc, rtx_ssrc=e.rtx_ssrc) for e in publication.encodings],
        extensions=_extensions(publication.extensions),
        parameter_sets=publication.parameter_sets,
        nack=publication.nack,
        pli=publication.pli,
        fir=publication.fir,
        repairs=publication.repairs,
    )


def _slot_spec(
    id: int, transport: int, slot: ReceiveSection, payload_types: list[_native.PayloadType]
) -> _native.SlotSpec:
    return _native.SlotSpec(
        id=id,
        transport=transport,
        kind=slot.kind.value,
        mid=slot.mid,
        ssrc=slot.ssrc,
        rtx_ssrc=slot.rtx_ssrc,
        payload_types=payload_types,
        extensions=_extensions(slot.extensions),
    )
