"""The plane receives everything that was negotiated, and then only the changes of later offers."""

from dataclasses import asdict
from typing import Any

import pytest

from sfu.failures import Failures
from sfu.negotiation.negotiation import Allow, Encoding, Negotiated, PayloadType
from sfu.negotiation.sdp import SessionDescription
from sfu.negotiation.transport import MediaState, Transport
from sfu.plane import WORKER_SHIFT, _native
from sfu.plane.binding import Binding

from ..fake_plane import FakePlane
from .offers import AUDIO, DATA, LOCAL, NAMES, VIDEO, captured, edited, offer, section, stopped

WORKER = 3
SIMULCAST = "chromium-audio-vp8-simulcast-3rids"


class Told:
    """A transport, and its commands to the plane."""

    def __init__(self) -> None:
        self.plane = FakePlane()
        self.binding = Binding(self.plane, Failures())
        self.transport = Transport(self.binding, WORKER, "owner", LOCAL.fingerprint, LOCAL.candidates)

    def offer(self, text: str) -> Negotiated:
        negotiated, local = self.transport.consider(SessionDescription.parse(text), Allow())
        self.transport.adopt(negotiated, local)
        return negotiated

    def commands(self) -> list[str]:
        """Their names, since this was asked last."""
        names = [command[0] for command in self.plane.commands]
        self.plane.commands.clear()
        return names


def fields(spec: Any, like: type) -> Any:
    return like(**{name: getattr(spec, name) for name in like.__dataclass_fields__})  # type: ignore[attr-defined]


def payload_types(spec: _native.TrackSpec | _native.SlotSpec) -> tuple[PayloadType, ...]:
    return tuple(fields(of, PayloadType) for of in spec.payload_types)


@pytest.mark.parametrize("name", NAMES)
def test_the_plane_is_told_all_that_was_negotiated(name: str) -> None:
    it = Told()
    negotiated = it.offer(captured(name))
    (transport,) = it.plane.transports.values()
    assert (transport.id, transport.dtls_role) == (it.transport.id, negotiated.role)
    assert [(of.hash, of.digest) for of in transport.fingerprints] == list(negotiated.fingerprints)
    assert transport.cname == it.transport.local.cname
    ice = transport.ice
    assert (ice.local_ufrag, ice.local_pwd) == (it.transport.local.ufrag, it.transport.local.pwd)
    assert (ice.remote_ufrag, ice.remote_pwd) == (negotiated.remote_ufrag, negotiated.remote_pwd)
    if negotiated.sctp is not None:
        ((_, of, sctp),) = [command for command in it.plane.commands if command[0] == "open_sctp"]
        assert of == transport.id
        assert asdict(negotiated.sctp) == {name: getattr(sctp, name) for name in asdict(negotiated.sctp)}

    assert list(it.transport.tracks) == [publication.mid for publication in negotiated.publications]
    for publication in negotiated.publications:
        track = it.plane.tracks[it.transport.tracks[publication.mid]]
        assert (track.transport, track.mid, track.kind) == (transport.id, publication.mid, publication.kind.value)
        assert payload_types(track) == publication.payload_types
        assert tuple(fields(of, Encoding) for of in track.encodings) == publication.encodings
        assert track.extensions == publication.extensions
        assert (track.nack, track.pli, track.fir) == (publication.nack, publication.pli, publication.fir)
        assert tuple(track.parameter_sets) == publication.parameter_sets

    assert list(it.transport.slots) == [slot.mid for slot in negotiated.slots]
    for slot in negotiated.slots:
        told = it.plane.slots[it.transport.slots[slot.mid]]
        assert (told.transport, told.mid, told.kind) == (transport.id, slot.mid, slot.kind.value)
        assert (told.ssrc, told.rtx_ssrc) == (slot.ssrc, slot.rtx_ssrc)
        assert payload_types(told) == slot.payload_types
        assert told.extensions == slot.extensions
        assert it.transport.kinds[slot.mid] is slot.kind
        assert it.transport.codecs[slot.mid] == {of.codec for of in slot.payload_types}


def test_codecs_in_second_place_keep_the_payload_type_of_their_retransmissions() -> None:
    it = Told()
    negotiated = it.offer(captured("chromium-recvonly-audio-video"))
    video = negotiated.slots[1]
    offered = SessionDescription.parse(captured("chromium-recvonly-audio-video")).sections[1]
    twins = {int(of.parameters["apt"]): of.number for of in offered.codecs if of.name == "rtx"}
    assert len({of.codec for of in video.payload_types}) > 3 and len(twins) > 3
    told = it.plane.slots[it.transport.slots[video.mid]]
    assert {of.number: of.rtx for of in told.payload_types} == {
        of.number: twins[of.number] for of in video.payload_types
    }


def test_repairs_that_no_encoding_names_are_told() -> None:
    it = Told()
    it.offer(offer(section(VIDEO, "0", "a=sendonly", "a=ssrc-group:FID 1 2", "a=ssrc-group:FID 3 4")))
    (track,) = it.plane.tracks.values()
    assert [fields(of, Encoding) for of in track.encodings] == [Encoding(None, 1, 2)]
    assert list(track.repairs) == [(1, 2), (3, 4)]


MIC, EYE = section(AUDIO, "0", "a=sendonly"), section(VIDEO, "1", "a=recvonly")


@pytest.mark.parametrize(
    ("text", "commands"),
    [
        (offer(MIC, EYE), []),
        (offer(MIC, EYE, section(DATA, "2")), ["open_sctp"]),
        (offer(MIC, EYE, section(VIDEO, "2", "a=recvonly")), ["add_slot"]),
        (offer(MIC, EYE, section(VIDEO, "2", "a=sendonly")), ["add_track"]),
        (offer(section(AUDIO, "0", "a=sendonly", "a=ssrc:7 cname:c"), EYE), ["update_track"]),
        (offer(section(AUDIO, "0", "a=inactive"), EYE), ["remove"]),
        (offer(MIC, stopped(VIDEO, "1")), ["remove"]),
        (offer(MIC, EYE).replace("96", "106"), ["remove", "add_slot"]),
        (edited(offer(MIC, EYE), ("a=ice-ufrag:them", "a=ice-ufrag:they")), ["restart_ice"]),
        (
            edited(offer(MIC, EYE), ("sha-256 AB:AB", "sha-256 CD:AB")),
            ["remove", "add_transport", "add_track", "add_slot"],
        ),
    ],
    ids=[
        "nothing", "data channels", "a slot more", "a track more", "an SSRC", "a track less", "a slot less",
        "other payload types", "ICE credentials", "another association",
    ],
)  # fmt: skip
def test_only_what_an_offer_changes_is_commanded(text: str, commands: list[str]) -> None:
    it = Told()
    it.offer(offer(MIC, EYE))
    assert it.commands() == ["add_transport", "add_track", "add_slot"]
    it.offer(text)
    assert it.commands() == commands
    it.offer(text)
    assert it.commands() == [], "and once"
    ids = {it.transport.id, *it.transport.tracks.values(), *it.transport.slots.values()}
    assert it.binding.owners == dict.fromkeys(ids, "owner"), "ids of what is gone belong to nobody"
    assert {id >> WORKER_SHIFT for id in it.binding.owners} == {WORKER}
    assert {*it.plane.tracks, *it.plane.slots, *it.plane.transports} == ids
    assert it.transport.kinds.keys() == it.transport.codecs.keys() == it.transport.slots.keys()


def test_fresh_credentials_are_told_when_ice_restarts_and_no_others() -> None:
    it = Told()
    it.offer(offer(MIC))
    before = it.transport.local
    it.offer(offer(MIC))
    assert it.transport.local == before
    it.offer(edited(offer(MIC), ("a=ice-ufrag:them", "a=ice-ufrag:they")))
    after = it.transport.local
    assert not {after.ufrag, after.pwd} & {before.ufrag, before.pwd}
    ((_, of, ice),) = [command for command in it.plane.commands if command[0] == "restart_ice"]
    assert of == it.transport.id
    assert (ice.local_ufrag, ice.local_pwd, ice.remote_ufrag) == (after.ufrag, after.pwd, "they")


def test_a_closed_transport_leaves_nothing_and_can_be_opened_anew() -> None:
    it = Told()
    assert (it.transport.id, it.transport.negotiated, it.transport.state) == (None, None, MediaState.NEW)
    it.transport.close()
    assert it.commands() == []
    it.offer(offer(MIC, EYE, section(DATA, "2")))
    first, ufrag = it.transport.id, it.transport.local.ufrag
    it.transport.state = MediaState.CONNECTED
    it.transport.close()
    assert it.commands()[-1] == "remove"
    assert not it.binding.owners and not it.plane.tracks and not it.plane.slots and not it.plane.transports
    assert not it.transport.tracks and not it.transport.slots and not it.transport.kinds and not it.transport.codecs
    assert (it.transport.id, it.transport.negotiated, it.transport.has_data) == (None, None, False)
    assert it.transport.state is MediaState.NEW
    it.offer(offer(MIC, EYE, section(DATA, "2")))
    assert it.transport.id not in (None, first) and it.transport.local.ufrag != ufrag
    assert it.transport.has_data and it.commands() == ["add_transport", "open_sctp", "add_track", "add_slot"]
