"""aiortc accepts our answers to its own offers, first and later ones."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.sdp import SessionDescription as TheirDescription

from sfu.model import Candidate
from sfu.negotiation.negotiation import Allow, Negotiated
from sfu.negotiation.sdp import SessionDescription

from .answer_rules import check
from .offers import LOCAL, NAMES, answered, captured

# Nobody answers there: only what aiortc says to the answer is asked for.
NOWHERE = replace(LOCAL, candidates=(Candidate("127.0.0.1", 9),))


@pytest.fixture
async def peer(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RTCPeerConnection]:
    monkeypatch.setattr("aioice.ice.get_host_addresses", lambda *a, **k: ["127.0.0.1"])
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    yield peer
    await peer.close()


async def offered_and_accepted(
    peer: RTCPeerConnection, previous: Negotiated | None = None, allow: Allow | None = None
) -> Negotiated:
    await peer.setLocalDescription(await peer.createOffer())
    text = peer.localDescription.sdp
    assert str(SessionDescription.parse(text)) == text
    negotiated = answered(text, previous, allow=allow, local=NOWHERE)
    check(text, negotiated.answer)
    await peer.setRemoteDescription(RTCSessionDescription(negotiated.answer, "answer"))
    assert peer.signalingState == "stable"
    return negotiated


async def test_it_accepts_the_answer_and_agrees_on_the_directions(peer: RTCPeerConnection) -> None:
    for kind, direction in [("audio", "sendrecv"), ("video", "sendonly"), ("audio", "recvonly"), ("video", "recvonly")]:
        peer.addTransceiver(kind, direction)
    peer.createDataChannel("chat")
    negotiated = await offered_and_accepted(peer)
    assert [t.currentDirection for t in peer.getTransceivers()] == ["sendrecv", "sendonly", "recvonly", "recvonly"]
    assert [p.kind for p in negotiated.publications] == ["audio", "video"]
    assert [(s.kind, s.index) for s in negotiated.slots] == [("audio", 0), ("audio", 1), ("video", 0)]
    assert negotiated.publications[1].encodings[0].rtx_ssrc is not None
    assert [name for name, _ in negotiated.fingerprints] == ["sha-256", "sha-384", "sha-512"]
    assert negotiated.sctp is not None


async def test_it_accepts_more_sections_later(peer: RTCPeerConnection) -> None:
    peer.addTransceiver("audio", "sendonly")
    first = await offered_and_accepted(peer)
    peer.addTransceiver("audio", "recvonly")
    peer.addTransceiver("video", "recvonly")
    second = await offered_and_accepted(peer, first)
    assert not second.ice_restarted and not second.association_changed
    assert second.publications == first.publications
    assert len(second.slots) == 2


async def test_its_later_offers_leave_the_slots_it_has_as_they_are(peer: RTCPeerConnection) -> None:
    peer.addTransceiver("audio", "recvonly")
    peer.addTransceiver("video", "recvonly")
    first = await offered_and_accepted(peer)
    peer.addTransceiver("video", "recvonly")
    second = await offered_and_accepted(peer, first)
    assert second.slots[:2] == first.slots


async def test_it_accepts_that_it_may_not_publish(peer: RTCPeerConnection) -> None:
    peer.addTransceiver("audio", "sendrecv")
    peer.addTransceiver("video", "sendonly")
    await offered_and_accepted(peer, allow=Allow(publish=frozenset()))
    assert [t.currentDirection for t in peer.getTransceivers()] == ["recvonly", "inactive"]


async def test_it_accepts_a_rejected_section(peer: RTCPeerConnection) -> None:
    peer.addTransceiver("audio", "sendonly")
    peer.createDataChannel("chat")
    assert (await offered_and_accepted(peer, allow=Allow(data=False))).sections[1].rejected


@pytest.mark.parametrize("name", NAMES)
def test_its_parser_reads_in_our_answers_what_ours_does(name: str) -> None:
    text = answered(captured(name)).answer
    ours, theirs = SessionDescription.parse(text), TheirDescription.parse(text)
    assert [m.rtp.muxId for m in theirs.media] == [s.mid for s in ours.sections]
    for mine, other in zip(ours.sections, theirs.media, strict=True):
        assert [c.payloadType for c in other.rtp.codecs] == [c.number for c in mine.codecs]
        assert {s.ssrc for s in other.ssrc} == set(mine.ssrcs)
        assert other.ice is not None
        assert (other.ice.usernameFragment, other.ice.password) == mine.ice
        assert [(h.id, h.uri) for h in other.rtp.headerExtensions] == [(e.id, e.uri) for e in mine.extensions]
        if mine.kind != "application":
            assert other.direction == mine.direction
