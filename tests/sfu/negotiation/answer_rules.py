"""Rules for every answer, whatever the offer: those of RFC 9429, 8843, 8853 and ours, one function each."""

from collections.abc import Callable, Iterator

from sfu.negotiation.attributes import RtpMap
from sfu.negotiation.capabilities import EXTENSIONS
from sfu.negotiation.sdp import MediaSection, SessionDescription

Rule = Callable[[SessionDescription, SessionDescription], None]


def pairs(offer: SessionDescription, answer: SessionDescription) -> Iterator[tuple[MediaSection, MediaSection]]:
    """Returns pairs of offered and answered sections, without rejected ones."""
    for offered, answered in zip(offer.sections, answer.sections, strict=True):
        if answered.port != 0:
            yield offered, answered


def codec_pairs(offer: SessionDescription, answer: SessionDescription) -> Iterator[tuple[RtpMap, RtpMap]]:
    for offered, answered in pairs(offer, answer):
        numbered = {codec.number: codec for codec in offered.codecs}
        for codec in answered.codecs:
            yield numbered[codec.number], codec


def lines_are_well_formed(offer: SessionDescription, answer: SessionDescription) -> None:
    """RFC 8866 s5: v, o, s, t, then the sections; CRLF."""
    lines = str(answer).split("\r\n")
    assert lines[-1] == ""
    assert not any("\r" in line or "\n" in line or not line for line in lines[:-1])
    assert [line[:2] for line in lines[:4]] == ["v=", "o=", "s=", "t="]


def every_section_keeps_its_place(offer: SessionDescription, answer: SessionDescription) -> None:
    """RFC 3264 s6: as many m-lines, same order, kind and transport; RFC 5888: same mid."""
    assert [(s.kind, s.mid, s.protocol) for s in answer.sections] == [
        (s.kind, s.mid, s.protocol) for s in offer.sections
    ]


def stopped_sections_stay_stopped(offer: SessionDescription, answer: SessionDescription) -> None:
    """RFC 3264 s6."""
    for offered, answered in zip(offer.sections, answer.sections, strict=True):
        assert answered.port == 0 or not offered.stopped


def bundle_is_what_we_accepted(offer: SessionDescription, answer: SessionDescription) -> None:
    """RFC 8843 s7.3: nothing that was not offered, nothing that is rejected, in the offer's order."""
    accepted = {section.mid for section in answer.sections if section.port != 0}
    if offer.bundle is None:
        assert answer.bundle is None
        assert len(accepted) <= 1
        return
    assert answer.bundle == (tuple(mid for mid in offer.bundle if mid in accepted) or None)
    assert accepted <= set(offer.bundle)


def directions_fit(offer: SessionDescription, answer: SessionDescription) -> None:
    """RFC 3264 s6.1."""
    for offered, answered in pairs(offer, answer):
        if answered.kind != "application":
            assert offered.receives or not answered.sends
            assert offered.sends or not answered.receives


def payload_types_are_a_subset(offer: SessionDescription, answer: SessionDescription) -> None:
    """RFC 3264 s6.1, RFC 9429 s5.3.1: the same number, the same codec, the offerer's preference."""
    for offered, answered in pairs(offer, answer):
        kept = [number for number in offered.formats if number in answered.formats]
        assert list(answered.formats) == kept
        if answered.kind != "application":
            assert [str(codec.number) for codec in answered.codecs] == list(answered.formats)
    for was, now in codec_pairs(offer, answer):
        assert (now.name, now.clock_rate, now.channels) == (was.name, was.clock_rate, was.channels)


def formats_stay_what_they_are(offer: SessionDescription, answer: SessionDescription) -> None:
    """RFC 6184 s8.2.2, 7798 s7.2, 9628 s6.1: symmetric parameters."""
    for was, now in codec_pairs(offer, answer):
        for key in ("profile-level-id", "packetization-mode", "profile-id", "profile", "tx-mode"):
            assert now.parameters.get(key) == was.parameters.get(key), (now, key)


def retransmissions_name_their_original(offer: SessionDescription, answer: SessionDescription) -> None:
    """RFC 4588 s8: apt as offered, and its payload type is answered. Kept for every video codec that offers it."""
    for offered, answered in pairs(offer, answer):
        numbers = {str(codec.number) for codec in answered.codecs}
        offered_apt = {c.number: c.parameters.get("apt") for c in offered.codecs if c.name == "rtx"}
        answered_apt = {c.number: c.parameters.get("apt") for c in answered.codecs if c.name == "rtx"}
        assert answered_apt == {number: apt for number, apt in offered_apt.items() if apt in numbers}


def red_carries_an_answered_codec(offer: SessionDescription, answer: SessionDescription) -> None:
    """RFC 2198."""
    for _, answered in pairs(offer, answer):
        opus = {str(codec.number) for codec in answered.codecs if codec.name == "opus"}
        for codec in answered.codecs:
            if codec.name == "red":
                assert set(codec.parameters[""].split("/")) <= opus


def feedback_was_offered_and_is_ours(offer: SessionDescription, answer: SessionDescription) -> None:
    """RFC 4585 s4.2; transport-cc, NACK, PLI and FIR are kept; REMB and RFC 8888 only without transport-cc."""
    ours = {"transport-cc", "nack", "nack pli", "ccm fir"}
    for was, now in codec_pairs(offer, answer):
        others = frozenset({"ack ccfb"} if now.name == "rtx" else {"ack ccfb", "goog-remb"}) & was.feedback
        others -= others if "transport-cc" in now.feedback else frozenset()
        assert now.feedback - others == (was.feedback & ours if now.name != "rtx" else frozenset()), now


def extensions_are_the_offered_ones_that_we_speak(offer: SessionDescription, answer: SessionDescription) -> None:
    """RFC 8285 s5: the same ids, reversed directions; all supported ones, in every section that offers them."""
    turned = {"sendonly": "recvonly", "recvonly": "sendonly"}
    for offered, answered in pairs(offer, answer):
        expected = [
            (e.id, e.uri, turned.get(e.direction, e.direction)) for e in offered.extensions if e.uri in EXTENSIONS
        ]
        assert [(e.id, e.uri, e.direction) for e in answered.extensions] == expected
        assert answered.has("extmap-allow-mixed") == offered.has("extmap-allow-mixed")
    assert answer.session.has("extmap-allow-mixed") == offer.session.has("extmap-allow-mixed")


def one_extension_id_has_one_meaning(offer: SessionDescription, answer: SessionDescription) -> None:
    """RFC 8843 s9, across the bundle; for the plane also one id for each meaning."""
    meanings = {(e.id, e.uri) for section in answer.sections for e in section.extensions}
    assert len({id for id, _ in meanings}) == len({uri for _, uri in meanings}) == len(meanings)


def setup_answers_the_offer(offer: SessionDescription, answer: SessionDescription) -> None:
    """RFC 4145 s4.1, RFC 8842 s5.3."""
    legal = {"actpass": {"active", "passive"}, "active": {"passive"}, "passive": {"active"}}
    for offered, answered in pairs(offer, answer):
        assert answered.setup in legal[offered.setup or "actpass"]


def transport_is_complete_and_one(offer: SessionDescription, answer: SessionDescription) -> None:
    """RFC 8839, 8445 s5: lite, the same credentials and fingerprint in all sections; candidates in the tagged one."""
    assert answer.session.has("ice-lite")
    accepted = [section for section in answer.sections if section.port != 0]
    assert len({(s.ice, s.fingerprints, s.setup) for s in accepted}) <= 1
    for section in accepted:
        assert section.ice is not None
        assert [name for name, _ in section.fingerprints] == ["sha-256"]
    with_candidates = [s.mid for s in accepted if s.has("candidate")]
    assert with_candidates == [(answer.bundle or [s.mid for s in accepted])[0] for _ in accepted[:1]]
    for section in accepted:
        assert section.has("candidate") == section.has("end-of-candidates")


def rtcp_is_muxed(offer: SessionDescription, answer: SessionDescription) -> None:
    """RFC 9429 s5.3.1; reduced size only where offered (RFC 5506)."""
    for offered, answered in pairs(offer, answer):
        if answered.kind != "application":
            assert answered.has("rtcp-mux")
            assert answered.has("rtcp-rsize") == offered.has("rtcp-rsize")


def simulcast_is_mirrored(offer: SessionDescription, answer: SessionDescription) -> None:
    """RFC 8853 s5.3.2: streams offered to send are answered to receive, with the same RIDs in the same order."""
    for offered, answered in pairs(offer, answer):
        sent = offered.simulcast.send if offered.simulcast and answered.receives else ()
        received = answered.simulcast.recv if answered.simulcast else ()
        assert received == tuple(stream[:1] for stream in sent)
        assert answered.simulcast is None or answered.simulcast.send == ()
        assert {rid.id for rid in answered.rids.values() if rid.direction == "recv"} == {s[0] for s in sent}
        assert all(rid.direction == "recv" for rid in answered.rids.values())


def what_we_send_has_its_ssrcs(offer: SessionDescription, answer: SessionDescription) -> None:
    """RFC 5576, 4588: an SSRC, one more for retransmissions, and a stream; none in sections that do not send."""
    seen = {ssrc for section in offer.sections for ssrc in section.ssrcs}
    for _, answered in pairs(offer, answer):
        if answered.kind == "application" or not answered.sends:
            assert not answered.ssrcs and not answered.ssrc_groups and not answered.has("msid")
            continue
        retransmits = any(codec.name == "rtx" for codec in answered.codecs)
        assert len(answered.ssrcs) == (2 if retransmits else 1)
        assert answered.ssrc_groups == ((("FID", answered.ssrcs),) if retransmits else ())
        assert all(answered.msid)
        assert not seen & set(answered.ssrcs)
        seen |= set(answered.ssrcs)


def data_channels_are_plain(offer: SessionDescription, answer: SessionDescription) -> None:
    """RFC 8841; without a=sctp-init, because we do not support its handshake in SDP."""
    for _, answered in pairs(offer, answer):
        assert not answered.has("sctp-init")
        if answered.kind == "application":
            assert answered.value("sctp-port") == "5000"
            assert answered.value("max-message-size") == "65536"


RULES: tuple[Rule, ...] = (
    lines_are_well_formed,
    every_section_keeps_its_place,
    stopped_sections_stay_stopped,
    bundle_is_what_we_accepted,
    directions_fit,
    payload_types_are_a_subset,
    formats_stay_what_they_are,
    retransmissions_name_their_original,
    red_carries_an_answered_codec,
    feedback_was_offered_and_is_ours,
    extensions_are_the_offered_ones_that_we_speak,
    one_extension_id_has_one_meaning,
    setup_answers_the_offer,
    transport_is_complete_and_one,
    rtcp_is_muxed,
    simulcast_is_mirrored,
    what_we_send_has_its_ssrcs,
    data_channels_are_plain,
)


def check(offer: str, answer: str) -> None:
    """Checks every rule, for tests with another subject."""
    for rule in RULES:
        rule(SessionDescription.parse(offer), SessionDescription.parse(answer))
