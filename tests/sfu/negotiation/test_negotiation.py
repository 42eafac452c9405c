"""First offers: every captured one is answered by the rules, and becomes the specs that the browser meant."""

from dataclasses import replace

import pytest

from sfu import limits
from sfu.errors import NegotiationError
from sfu.model import Candidate, Kind
from sfu.negotiation.negotiation import Allow, Encoding, PayloadType, Sctp
from sfu.negotiation.sdp import SessionDescription

from .answer_rules import RULES, Rule, check
from .offers import AUDIO, DATA, LOCAL, NAMES, VIDEO, answered, captured, counter, edited, offer, section, stopped

AV = "chromium-audio-video-dc-sendrecv"
SIMULCAST = "chromium-audio-vp8-simulcast-3rids"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("name", NAMES)
def test_the_answer_to_a_captured_offer_keeps_the_rule(name: str, rule: Rule) -> None:
    text = captured(name)
    rule(SessionDescription.parse(text), SessionDescription.parse(answered(text).answer))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "allow",
    [
        Allow(publish=frozenset()),
        Allow(subscribe=False),
        Allow(publish=frozenset(), subscribe=False),
        Allow(publish=frozenset({Kind.AUDIO})),
    ],
)
def test_the_rules_hold_whatever_is_allowed(name: str, allow: Allow) -> None:
    text = captured(name)
    check(text, answered(text, allow=allow).answer)


BROKEN = {
    "lines_are_well_formed": ("\r\na=mid:1\r\n", "\na=mid:1\r\n"),
    "every_section_keeps_its_place": ("a=mid:1\r\n", "a=mid:7\r\n"),
    "stopped_sections_stay_stopped": ("m=video 0 ", "m=video 9 "),
    "bundle_is_what_we_accepted": ("BUNDLE 0 1", "BUNDLE 0"),
    "directions_fit": ("a=recvonly", "a=sendrecv"),
    "payload_types_are_a_subset": ("opus/48000/2", "opus/48000/1"),
    "formats_stay_what_they_are": ("profile-level-id=42001f", "profile-level-id=42e01f"),
    "retransmissions_name_their_original": ("apt=98", "apt=45"),
    "red_carries_an_answered_codec": ("111/111", "112/112"),
    "feedback_was_offered_and_is_ours": ("a=rtcp-fb:96 nack pli\r\n", "a=rtcp-fb:96 goog-remb\r\n"),
    "extensions_are_the_offered_ones_that_we_speak": ("a=extmap:10 ", "a=extmap:13 "),
    "one_extension_id_has_one_meaning": ("a=extmap:10 ", "a=extmap:1 "),
    "setup_answers_the_offer": ("a=setup:passive", "a=setup:actpass"),
    "transport_is_complete_and_one": ("a=end-of-candidates\r\n", ""),
    "rtcp_is_muxed": ("a=rtcp-mux\r\n", ""),
    "simulcast_is_mirrored": ("a=simulcast:recv q;h;f", "a=simulcast:recv f;h;q"),
    "what_we_send_has_its_ssrcs": ("a=ssrc-group:FID", "a=x:FID"),
    "data_channels_are_plain": ("a=sctp-port:5000\r\n", "a=sctp-port:5000\r\na=sctp-init:AQAA\r\n"),
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_each_rule_notices_an_answer_that_breaks_it(rule: Rule) -> None:
    """Otherwise the tests above would prove nothing."""
    text = captured(SIMULCAST)
    if rule.__name__ in ("data_channels_are_plain", "what_we_send_has_its_ssrcs"):
        text = captured(AV)
    if rule.__name__ == "stopped_sections_stay_stopped":
        text = offer(section(AUDIO, "0"), stopped(VIDEO, "1"))
    good = answered(text).answer
    rule(SessionDescription.parse(text), SessionDescription.parse(good))
    bad = edited(good, BROKEN[rule.__name__])
    with pytest.raises((AssertionError, NegotiationError, KeyError)):
        rule(SessionDescription.parse(text), SessionDescription.parse(bad))


def test_a_simulcast_offer_becomes_a_publication() -> None:
    audio, video = answered(captured(SIMULCAST)).publications
    assert (audio.kind, audio.mid, audio.encodings) == (Kind.AUDIO, "0", (Encoding(ssrc=3872811822),))
    assert [(p.number, p.codec) for p in audio.payload_types] == [(111, "opus"), (63, "red"), (0, "pcmu"), (8, "pcma")]
    assert video.encodings == (Encoding(rid="q"), Encoding(rid="h"), Encoding(rid="f"))
    assert (video.nack, video.pli, video.fir) == (True, True, True)
    assert (audio.nack, audio.pli, audio.fir) == (False, False, False)
    assert video.payload_types[0] == PayloadType(96, "vp8", 0, 90_000, 97)
    assert video.extensions == {
        "mid": 4, "rid": 10, "repaired_rid": 11, "transport_cc": 3, "abs_send_time": 2,
        "dependency_descriptor": 12, "video_layers_allocation": 9,
        "playout_delay": 5, "content_type": 6, "color_space": 8,
    }  # fmt: skip
    assert video.msid == ("3c18c30f-0489-40d9-9ae3-532e8dc91862", "8d6cb4cd-4df6-4ed8-86b3-5054affd37f1")


def test_firefox_sends_by_rid_although_it_lists_ssrcs() -> None:
    (video,) = answered(captured("firefox-vp8-simulcast-3rids")).publications
    assert video.encodings == (Encoding(rid="q"), Encoding(rid="h"), Encoding(rid="f"))
    assert video.extensions["dependency_descriptor"] == 8


@pytest.mark.parametrize("name", [name for name in NAMES if "h264" in name or "recvonly" in name])
def test_every_h264_profile_of_the_browsers_is_answered(name: str) -> None:
    text = captured(name)
    (was,) = (s for s in SessionDescription.parse(text).sections if s.kind == "video")
    (now,) = (s for s in SessionDescription.parse(answered(text).answer).sections if s.kind == "video")
    assert [c for c in now.formats if c in [str(p.number) for p in was.codecs if p.name == "h264"]] == [
        str(p.number) for p in was.codecs if p.name == "h264"
    ]


def test_h265_is_answered_and_passed_through() -> None:
    """No browser at hand offers it: these lines are those of RFC 7798 s7.2 as WebRTC clients write them."""
    text = offer(
        (
            *section(("m=video 9 UDP/TLS/RTP/SAVPF 35 36 37 38", "a=rtcp-mux"), "0", "a=sendrecv"),
            "a=rtpmap:35 H265/90000",
            "a=rtcp-fb:35 nack pli",
            "a=fmtp:35 level-id=93;profile-id=1;tier-flag=0;tx-mode=SRST",
            "a=rtpmap:36 rtx/90000",
            "a=fmtp:36 apt=35",
            "a=rtpmap:37 H265/90000",
            "a=fmtp:37 level-id=93;profile-id=2;tier-flag=0;tx-mode=SRST",
            "a=rtpmap:38 H265/90000",
            "a=fmtp:38 level-id=93;profile-id=1;tier-flag=0;tx-mode=MRST",
        )
    )
    negotiated = answered(text)
    check(text, negotiated.answer)
    expected = (PayloadType(35, "h265", 1, 90_000, 36), PayloadType(37, "h265", 2, 90_000, None))
    assert negotiated.publications[0].payload_types == negotiated.slots[0].payload_types == expected
    assert "a=fmtp:35 level-id=93;profile-id=1;tier-flag=0;tx-mode=SRST\r\n" in negotiated.answer


def test_red_is_preferred_when_the_client_puts_it_first() -> None:
    negotiated = answered(captured("chromium-audio-red-first"))
    assert [p.codec for p in negotiated.publications[0].payload_types][:2] == ["red", "opus"]
    assert " UDP/TLS/RTP/SAVPF 63 111 " in negotiated.answer


@pytest.mark.parametrize("fmtp", ["63 111/112", "63 9/9", "64 111/111"])
def test_red_over_something_else_than_our_opus_is_left_out(fmtp: str) -> None:
    text = edited(captured("chromium-audio-red-first"), ("a=fmtp:63 111/111", f"a=fmtp:{fmtp}"))
    assert "red" not in [p.codec for p in answered(text).publications[0].payload_types]


def test_receive_sections_become_slots_in_pairs_that_share_a_stream() -> None:
    parts = [
        section(part, mid, "a=recvonly") for mid, part in zip("abcde", [AUDIO, AUDIO, VIDEO, VIDEO, VIDEO], strict=True)
    ]
    negotiated = answered(offer(*parts))
    assert [(slot.mid, slot.kind, slot.index) for slot in negotiated.slots] == [
        ("a", Kind.AUDIO, 0), ("b", Kind.AUDIO, 1), ("c", Kind.VIDEO, 0), ("d", Kind.VIDEO, 1), ("e", Kind.VIDEO, 2),
    ]  # fmt: skip
    assert [(slot.ssrc, slot.rtx_ssrc) for slot in negotiated.slots] == [
        (1000, None), (1001, None), (1002, 1003), (1004, 1005), (1006, 1007),
    ]  # fmt: skip
    answer = SessionDescription.parse(negotiated.answer)
    assert [s.msid for s in answer.sections] == [
        ("slot-0", "slot-a"), ("slot-1", "slot-b"), ("slot-0", "slot-c"), ("slot-1", "slot-d"), ("slot-2", "slot-e"),
    ]  # fmt: skip
    assert "a=ssrc:1003 cname:our-cname\r\n" in negotiated.answer


def test_extensions_are_accepted_on_receive_sections_too_from_the_first_answer_on() -> None:
    """Or Chromium refuses every later simulcast section of the bundle."""
    text = captured("chromium-recvonly-audio-video")
    _, video = SessionDescription.parse(answered(text).answer).sections
    uris = {e.uri.rpartition(":")[2] for e in video.extensions}
    assert {"mid", "rtp-stream-id", "repaired-rtp-stream-id"} <= uris
    assert answered(text).slots[1].extensions["rid"] == 10


def test_an_extension_works_only_the_way_it_was_offered() -> None:
    uri = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
    for direction, published, shown in [
        ("sendonly", True, False),
        ("recvonly", False, True),
        ("inactive", False, False),
    ]:
        (negotiated,) = answered(offer(section(AUDIO, "0", f"a=extmap:3/{direction} {uri} vad=on"))).sections
        assert negotiated.publication and negotiated.slot
        assert ("audio_level" in negotiated.publication.extensions) is published
        assert ("audio_level" in negotiated.slot.extensions) is shown


@pytest.mark.parametrize(
    ("id", "mixed", "taken"),
    [(0, True, False), (14, False, True), (15, True, False), (16, True, True), (16, False, False)],
)
def test_extension_ids_beyond_one_byte_need_mixed_headers(id: int, mixed: bool, taken: bool) -> None:
    lines = [f"a=extmap:{id} urn:ietf:params:rtp-hdrext:sdes:mid", *(["a=extmap-allow-mixed"] if mixed else [])]
    assert ("mid" in answered(offer(section(AUDIO, "0", *lines))).slots[0].extensions) is taken


def test_one_extension_has_one_id_in_the_bundle() -> None:
    uri = "urn:ietf:params:rtp-hdrext:sdes:mid"
    negotiated = answered(offer(section(AUDIO, "0", f"a=extmap:3 {uri}"), section(VIDEO, "1", f"a=extmap:4 {uri}")))
    assert [dict(slot.extensions) for slot in negotiated.slots] == [{"mid": 3}, {}]


def test_a_slot_takes_profiles_that_its_client_decodes_without_listing_them() -> None:
    part = ("m=video 9 UDP/TLS/RTP/SAVPF 126", "a=rtcp-mux", "a=rtpmap:126 H264/90000")
    text = offer(section(part, "0", "a=recvonly", "a=fmtp:126 profile-level-id=42e01f;packetization-mode=1"))
    (slot,) = answered(text).slots
    constrained, baseline = 1 << 1, 2 << 1
    assert [(p.number, p.format) for p in slot.payload_types] == [
        (126, constrained | 1), (126, constrained), (126, baseline | 1), (126, baseline),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("offered", "publish", "subscribe", "expected"),
    [
        ("sendrecv", True, True, "sendrecv"),
        ("sendrecv", True, False, "recvonly"),
        ("sendrecv", False, True, "sendonly"),
        ("sendrecv", False, False, "inactive"),
        ("sendonly", True, True, "recvonly"),
        ("sendonly", False, True, "inactive"),
        ("recvonly", True, True, "sendonly"),
        ("recvonly", True, False, "inactive"),
        ("inactive", True, True, "inactive"),
    ],
)
def test_what_is_not_allowed_is_answered_one_way_and_not_refused(
    offered: str, publish: bool, subscribe: bool, expected: str
) -> None:
    allow = Allow(publish=lambda mid, kind: publish and (mid, kind) == ("0", Kind.AUDIO), subscribe=subscribe)
    negotiated = answered(offer(section(AUDIO, "0", f"a={offered}")), allow=allow)
    assert SessionDescription.parse(negotiated.answer).sections[0].direction == expected
    assert not negotiated.sections[0].rejected


def test_data_channels_are_negotiated_once() -> None:
    text = offer(section(DATA, "0", "a=max-message-size:0"), section(DATA, "1"), section(AUDIO, "2"))
    negotiated = answered(text)
    check(text, negotiated.answer)
    assert negotiated.sctp == Sctp(5000, 5000, 0xFFFF_FFFF)
    assert [section.rejected for section in negotiated.sections] == [False, True, False]
    assert answered(captured("chromium-datachannel")).sctp == Sctp(5000, 5000, 262_144)
    assert answered(offer(section(DATA, "0", "a=sctp-port:6000"))).sctp == Sctp(5000, 5000, 65_536)


def test_data_channels_that_are_not_allowed_are_rejected() -> None:
    negotiated = answered(captured(AV), allow=Allow(data=False))
    check(captured(AV), negotiated.answer)
    assert negotiated.sctp is None
    assert negotiated.sections[2].rejected


def test_data_channels_in_the_form_of_the_drafts_are_answered_in_that_form() -> None:
    part = ("m=application 9 DTLS/SCTP 5001", "a=sctpmap:5001 webrtc-datachannel 1024")
    negotiated = answered(offer(section(part, "0")))
    assert negotiated.sctp == Sctp(5000, 5001, 65_536)
    assert " DTLS/SCTP 5000\r\n" in negotiated.answer
    assert "a=sctpmap:5000 webrtc-datachannel 65535\r\n" in negotiated.answer


def test_without_bundle_the_one_usable_section_is_accepted() -> None:
    unknown = ("m=audio 9 UDP/TLS/RTP/SAVPF 9", "a=rtcp-mux")
    text = offer(section(unknown, "x"), section(AUDIO, "0"), bundle="")
    negotiated = answered(text)
    check(text, negotiated.answer)
    assert [section.rejected for section in negotiated.sections] == [True, False]


@pytest.mark.parametrize(
    ("bundle", "left_out"), [("", "audio section '0'"), ("1", "audio section '0'"), ("0", "video section '1'")]
)
def test_of_what_is_not_bundled_nothing_is_answered_rather_than_half(bundle: str, left_out: str) -> None:
    """GStreamer's webrtcbin bundles nothing unless it is told to."""
    with pytest.raises(NegotiationError) as error:
        answered(offer(section(AUDIO, "0"), section(VIDEO, "1"), bundle=bundle))
    assert str(error.value) == (
        f"a=group:BUNDLE does not name the {left_out}, but the server has one transport for all: "
        "set the bundle policy max-bundle"
    )


def test_bundle_only_sections_are_wanted_although_their_port_is_zero() -> None:
    part = (VIDEO[0].replace(" 9 ", " 0 "), *VIDEO[1:], "a=bundle-only", "a=mid:1")
    text = offer(section(AUDIO, "0"), part, bundle="0 1")
    negotiated = answered(text)
    check(text, negotiated.answer)
    assert negotiated.slots[1].mid == "1"


def test_sections_of_a_kind_we_do_not_know_are_rejected() -> None:
    text = offer(section(AUDIO, "0"), section(("m=text 9 RTP/SAVPF 99", "a=rtpmap:99 t140/1000"), "1"))
    negotiated = answered(text)
    check(text, negotiated.answer)
    assert (negotiated.sections[1].kind, negotiated.sections[1].rejected) == ("text", True)


@pytest.mark.parametrize(
    ("setup", "ours", "role"),
    [("actpass", "passive", "server"), ("active", "passive", "server"), ("passive", "active", "client")],
)
def test_we_are_passive_unless_the_client_insists_on_it(setup: str, ours: str, role: str) -> None:
    negotiated = answered(edited(captured(AV), ("a=setup:actpass", f"a=setup:{setup}")))
    assert negotiated.role == role
    assert {s.setup for s in SessionDescription.parse(negotiated.answer).sections} == {ours}


def test_every_announced_address_is_a_candidate_and_the_first_is_the_best() -> None:
    answer = SessionDescription.parse(answered(captured(AV)).answer)
    assert answer.sections[0].values("candidate") == [
        "1 1 udp 2130706431 127.0.0.1 7882 typ host",
        "2 1 udp 2130706175 ::1 7882 typ host",
    ]
    assert answer.sections[0].port == 7882
    named = replace(LOCAL, candidates=(Candidate("sfu.example", 7882), Candidate("2001:db8::1", 9000)))
    text = answered(captured(AV), local=named).answer
    assert "c=IN IP6 2001:db8::1\r\n" in text
    assert " 2130706431 sfu.example 7882 typ host\r\n" in text
    assert "m=audio 9 " in answered(captured(AV), local=replace(LOCAL, candidates=())).answer


def test_only_fingerprints_of_hashes_that_we_check_count() -> None:
    sha1, sha512 = ":".join(["01"] * 20), ":".join(["02"] * 64)
    lines = (f"a=fingerprint:sha-1 {sha1}", f"a=fingerprint:SHA-512 {sha512}")
    assert [name for name, _ in answered(offer(section(AUDIO, "0", *lines))).fingerprints] == ["sha-256", "sha-512"]


def test_streams_of_an_old_simulcast_group_are_known_by_ssrc() -> None:
    lines = ("a=ssrc-group:SIM 1 2 3", "a=ssrc-group:FID 1 11", "a=ssrc-group:FID 2 12", "a=ssrc-group:FID 3 13")
    (publication,) = answered(offer(section(VIDEO, "0", "a=sendonly", *lines))).publications
    assert publication.encodings == (Encoding(None, 1, 11), Encoding(None, 2, 12), Encoding(None, 3, 13))


def test_of_several_pairs_without_a_group_the_first_is_the_stream_and_all_are_known() -> None:
    lines = ("a=ssrc-group:FID 101 102", "a=ssrc-group:FID 201 202", "a=ssrc-group:FID 7 7", "a=ssrc-group:FID 1 2 3")
    (publication,) = answered(offer(section(VIDEO, "0", "a=sendonly", *lines))).publications
    assert publication.encodings == (Encoding(None, 101, 102),)
    assert publication.repairs == ((101, 102), (201, 202))


def test_repairs_are_known_beside_rids_and_bounded() -> None:
    pairs = [(2 * number, 2 * number + 1) for number in range(1, 100)]
    lines = (
        "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
        "a=rid:l send",
        "a=rid:h send",
        "a=simulcast:send l;h",
        *(f"a=ssrc-group:FID {one} {other}" for one, other in pairs),
    )
    (publication,) = answered(offer(section(VIDEO, "0", "a=sendonly", *lines))).publications
    assert publication.encodings == (Encoding(rid="l"), Encoding(rid="h"))
    assert publication.repairs == tuple(pairs[: limits.SDP_REPAIRS])


def test_paused_streams_are_accepted_and_the_first_alternative_is_taken() -> None:
    lines = (
        "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
        "a=rid:l send pt=96,100",
        "a=rid:m send max-width=640",
        "a=rid:h send pt=100",
        "a=rid:x send",
        "a=simulcast:send ~l;m,x;h",
    )
    negotiated = answered(offer(section(VIDEO, "0", "a=sendonly", *lines)))
    assert [encoding.rid for encoding in negotiated.publications[0].encodings] == ["l", "m"]
    assert "a=rid:l recv pt=96\r\na=rid:m recv max-width=640\r\na=simulcast:recv l;m\r\n" in negotiated.answer


def test_simulcast_without_the_rid_extension_is_one_stream() -> None:
    text = edited(captured(SIMULCAST), ("a=extmap:10 ", "a=x:"))
    negotiated = answered(text)
    assert negotiated.publications[1].encodings == (Encoding(),)
    assert "a=simulcast" not in negotiated.answer


def test_a_wish_for_stereo_and_silence_is_granted_to_opus() -> None:
    lines = ("a=fmtp:111 stereo=1;usedtx=1;cbr=1;maxaveragebitrate=9",)
    assert (
        "a=fmtp:111 minptime=10;useinbandfec=1;stereo=1;usedtx=1\r\n"
        in answered(offer(section(AUDIO, "0", *lines))).answer
    )


def test_our_ssrcs_are_never_those_of_the_client() -> None:
    text = offer(section(AUDIO, "0", "a=ssrc:1000 cname:x"), section(AUDIO, "1", "a=ssrc:1001 cname:x"))
    assert [slot.ssrc for slot in answered(text, new_ssrc=counter(999)).slots] == [999, 1002]


def test_nothing_a_client_writes_becomes_a_line_of_ours() -> None:
    """Only tokens pass: what is copied into the answer has no blanks, and unusual values are left out."""
    lines = ("a=fmtp:111 stereo=1 a=evil;usedtx=1\u2028a=evil", "a=evil", "b=AS:1", "a=extmap:9 urn:evil")
    assert "evil" not in answered(offer(section(AUDIO, "0", *lines))).answer
