"""What a line that is missing, unreadable or contradictory costs: its feature, its section, or the offer.

The smallest of the three that is possible: a line that could be left out never costs the section, and what is wrong
with one section never costs another.
"""

from collections.abc import Callable

import pytest

from sfu.errors import NegotiationError
from sfu.limits import SDP_LINE
from sfu.model import Kind
from sfu.negotiation.negotiation import Allow, Encoding, Negotiated, PayloadType, Sctp
from sfu.negotiation.sdp import SessionDescription

from .answer_rules import check
from .offers import AUDIO, DATA, VIDEO, Part, answered, edited, offer, section, stopped

ONE = offer(section(AUDIO, "0"))
TWO = offer(section(AUDIO, "0"), section(VIDEO, "1"))
LONG = "x" * (SDP_LINE + 1)
MID, RID = "urn:ietf:params:rtp-hdrext:sdes:mid", "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
LEVEL = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
ABS_SEND_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
ORIENTATION = "urn:3gpp:video-orientation"
RIDS = (f"a=extmap:4 {RID}", *(f"a=rid:{rid} send" for rid in "qhf"))


def video(*lines: str) -> str:
    return offer(section(VIDEO, "0", "a=sendonly", *lines))


def rids(negotiated: Negotiated) -> list[str | None]:
    return [encoding.rid for encoding in negotiated.publications[0].encodings]


def ssrcs(negotiated: Negotiated) -> list[int | None]:
    return [encoding.ssrc for encoding in negotiated.publications[0].encodings]


def extensions(negotiated: Negotiated) -> list[dict[str, int]]:
    return [dict(slot.extensions) for slot in negotiated.slots]


def payload_types(negotiated: Negotiated) -> list[tuple[int, str]]:
    return [(p.number, p.codec) for p in negotiated.publications[0].payload_types]


def rejected(negotiated: Negotiated) -> list[bool]:
    return [section.rejected for section in negotiated.sections]


def g711(*lines: str) -> Part:
    return ("m=audio 9 UDP/TLS/RTP/SAVPF 111 0", "a=rtcp-mux", *lines)


NO_DIGEST = " is not sha-256, sha-384 or sha-512 with a digest of 32, 48 or 64 octets"


def edited_part(part: Part, old: str, new: str) -> Part:
    return tuple(edited("\r\n".join(part), (old, new)).split("\r\n"))


# (1) Ignored, with the feature of that section at most: the offer, and what is left of it.
IGNORED: list[tuple[str, str, Callable[[Negotiated], object], object]] = [
    (
        "no a=sctp-port",
        offer(section(DATA[:2], "0")),
        lambda negotiated: negotiated.sctp,
        Sctp(5000, 5000, 65_536),  # RFC 8841 s5.2
    ),
    ("a line that is none", edited(ONE, ("a=mid:0", "hello\r\na=mid:0")), rejected, [False]),
    ("a control character", edited(ONE, ("a=mid:0", "a=ptime:2\x000\r\na=mid:0")), rejected, [False]),
    ("a line of 16 KB", edited(ONE, ("a=mid:0", f"a=extmap:1 {LONG}\r\na=mid:0")), extensions, [{}]),
    ("a line of 16 KB without a colon", edited(ONE, ("a=mid:0", f"a={LONG}\r\na=mid:0")), rejected, [False]),
    ("a BUNDLE group of 16 KB", edited(ONE, ("BUNDLE 0", f"BUNDLE 0 {LONG}")), rejected, [False]),
    ("no mid", edited(ONE, ("a=mid:0\r\n", "")), rejected, [False]),
    ("a mid that is none", edited(ONE, ("a=mid:0", "a=mid:0 1")), rejected, [False]),
    (
        "a mid too long for its extension",
        edited(offer(section(AUDIO, "0" * 17, f"a=extmap:1 {MID}", f"a=extmap:2 {LEVEL}"))),
        extensions,
        [{"audio_level": 2}],
    ),
    ("a BUNDLE group of others", edited(ONE, ("BUNDLE 0", "BUNDLE 1")), rejected, [False]),
    ("a mid named twice by the group", edited(TWO, ("BUNDLE 0 1", "BUNDLE 0 0 1")), rejected, [False, False]),
    ("setup that means nothing", edited(ONE, ("actpass", "holdconn")), lambda n: n.role, "server"),
    ("credentials in one section alone", TWO.replace("a=ice-pwd", "a=x", 1), rejected, [False, False]),
    ("credentials unreadable in one section", TWO.replace(":them", ":th", 1), rejected, [False, False]),
    ("a fingerprint in one section alone", TWO.replace("a=fingerprint", "a=x", 1), rejected, [False, False]),
    ("an unreadable fingerprint beside another", TWO.replace("256 AB", "256 GG", 1), rejected, [False, False]),
    ("rtcp-mux in one section alone", TWO.replace("a=rtcp-mux\r\n", "", 1), rejected, [False, False]),
    (
        "a fingerprint of another hash",
        edited(ONE, ("a=setup", "a=fingerprint:md5 AB\r\na=setup")),
        lambda n: [name for name, _ in n.fingerprints],
        ["sha-256"],
    ),
    ("simulcast without streams", video(*RIDS, "a=simulcast:"), rids, [None]),
    ("simulcast both ways at once", video(*RIDS, "a=simulcast:both q"), rids, [None]),
    ("a stream that no a=rid declares", video(*RIDS, "a=simulcast:send q;x;f"), rids, ["q", "f"]),
    ("streams that no a=rid declares", video(RIDS[0], "a=simulcast:send q;h"), rids, [None]),
    ("a stream declared the other way", video(*RIDS[:3], "a=rid:f recv", "a=simulcast:send q;f"), rids, ["q"]),
    ("simulcast of the third draft", video(*RIDS, "a=simulcast: send rid=q;h;f"), rids, ["q", "h", "f"]),
    ("simulcast by payload type", video(*RIDS, "a=simulcast: send pt=96"), rids, [None]),
    ("simulcast without its extension", video(*RIDS[1:], "a=simulcast:send q;h;f"), rids, [None]),
    (
        "nine streams",
        video(RIDS[0], *(f"a=rid:{n} send" for n in range(9)), "a=simulcast:send 0;1;2;3;4;5;6;7;8"),
        rids,
        list("01234567"),
    ),
    ("nine streams of a group", video("a=ssrc-group:SIM 1 2 3 4 5 6 7 8 9"), ssrcs, [1, 2, 3, 4, 5, 6, 7, 8]),
    (
        "restrictions without an answered format",
        video(*RIDS[:2], "a=rid:h send pt=9", "a=simulcast:send q;h"),
        rids,
        ["q"],
    ),
    (
        "an extension id with two meanings",
        offer(
            section(AUDIO, "0", f"a=extmap:1 {MID}", f"a=extmap:2 {LEVEL}"),
            section(VIDEO, "1", f"a=extmap:2 {ABS_SEND_TIME}"),
        ),
        extensions,
        [{"mid": 1}, {}],
    ),
    (
        "an extension id that is also one of nobody's",
        offer(section(AUDIO, "0", f"a=extmap:3 {MID}"), section(VIDEO, "1", f"a=extmap:3 {ORIENTATION}")),
        extensions,
        [{"mid": 3}, {}],
    ),
    (
        "an extension twice",
        offer(section(AUDIO, "0", f"a=extmap:1 {MID}", f"a=extmap:1 {MID}")),
        lambda n: n.answer.count("a=extmap"),
        1,
    ),
    (
        "attributes of an extension without end",
        offer(section(AUDIO, "0", f"a=extmap:1 {MID}", f"a=extmap:2 {LEVEL} {'v' * 200}")),
        extensions,
        [{"mid": 1}],
    ),
    (
        "opus without channels",
        offer(section(g711("a=rtpmap:111 opus/48000"), "0")),
        payload_types,
        [(111, "opus"), (0, "pcmu")],
    ),
    (
        "opus with one",
        offer(section(g711("a=rtpmap:111 opus/48000/1"), "0")),
        payload_types,
        [(111, "opus"), (0, "pcmu")],
    ),
    ("opus at another rate", offer(section(g711("a=rtpmap:111 OPUS/16000"), "0")), payload_types, [(0, "pcmu")]),
    ("a payload type without a=rtpmap", offer(section(g711(), "0")), payload_types, [(0, "pcmu")]),
    (
        "an unreadable size of messages",
        offer(section(DATA, "0", "a=max-message-size:-1")),
        lambda n: n.sctp is not None,
        True,
    ),
    (
        "retransmissions that are their own original",
        video("a=ssrc-group:FID 5 5", "a=ssrc:5 cname:c"),
        lambda n: n.publications[0].encodings,
        (Encoding(None, 5),),
    ),
    (
        "retransmissions of no payload type",
        edited(ONE, ("a=mid:0", "a=fmtp:111 apt=\r\na=mid:0")),
        lambda n: n.publications[0].payload_types,
        (PayloadType(111, "opus", 0, 48_000, None),),
    ),
]

# (2) The section is rejected, and the rest of the offer goes on.
REJECTED: list[tuple[str, str, list[bool]]] = [
    (
        "an m-line with nothing but its kind",
        edited(TWO, ("m=video 9 UDP/TLS/RTP/SAVPF 96 97", "m=video")),
        [False, True],
    ),
    ("a port above 65535", edited(TWO, ("m=video 9 ", "m=video 99999 ")), [False, True]),
    ("a port that is none", edited(TWO, ("m=video 9 ", "m=video nine ")), [False, True]),
    ("an m-line of 16 KB", edited(TWO, ("SAVPF 96 97", f"SAVPF 96 97{' 1' * SDP_LINE}")), [False, True]),
    ("a protocol that is none", edited(TWO, ("video 9 UDP/TLS/RTP/SAVPF", "video 9 ???")), [False, True]),
    ("a protocol we do not speak", edited(TWO, ("video 9 UDP/TLS/RTP/SAVPF", "video 9 RTP/AVP")), [False, True]),
    ("a kind we do not know", edited(TWO, ("m=video", "m=text")), [False, True]),
    ("no codec that we speak", edited(TWO, ("VP8/90000", "VP7/90000")), [False, True]),
    (
        "an SCTP port that is none",
        offer(section(AUDIO, "0"), section(("m=application 9 UDP/DTLS/SCTP x", "a=sctp-port:x"), "1")),
        [False, True],
    ),
    ("a second section of a mid", offer(section(AUDIO, "0"), section(VIDEO, "0")), [False, True]),
    ("data channels a second time", offer(section(DATA, "0"), section(DATA, "1")), [False, True]),
]

# (3) The offer is refused: nothing is left, or an answer could not be about it. The sentence names the line.
REFUSED: list[tuple[str, str]] = [
    (offer(), "the offer has no m-section"),
    (offer(stopped(AUDIO, "0")), "the offer has no m-section that can be used"),
    (edited(ONE, ("m=audio 9 UDP/TLS/RTP/SAVPF 111", "m=")), "'m=' is not an m-line"),
    (edited(ONE, ("m=audio 9", "m=audio x")), "'m=audio x UDP/TLS/RTP/SAVPF 111' is not an m-line"),
    (edited(ONE, ("a=fingerprint", "a=x")), "the offer has no a=fingerprint"),
    (
        edited(ONE, ("sha-256 AB", "sha-256 GG")),
        f"'a=fingerprint:sha-256 GG{':AB' * 13}:…'{NO_DIGEST}",
    ),
    (
        edited(ONE, ("sha-256 AB:", "sha-256 ")),
        f"'a=fingerprint:sha-256 AB{':AB' * 13}:…'{NO_DIGEST}",
    ),
    (
        edited(ONE, ("sha-256", "sha-1")),
        f"'a=fingerprint:sha-1 AB{':AB' * 14}…'{NO_DIGEST}",
    ),
    (edited(ONE, ("a=ice-ufrag", "a=x")), "the offer has no a=ice-ufrag and a=ice-pwd"),
    (edited(ONE, ("a=ice-pwd", "a=x")), "the offer has no a=ice-ufrag and a=ice-pwd"),
    (
        edited(ONE, ("a=ice-ufrag:them", "a=ice-ufrag:th")),
        "the offer has a=ice-ufrag and a=ice-pwd that are not 4 and 22 to 256 letters, digits, + and /",
    ),
    (
        edited(ONE, ("a=ice-pwd:tt", "a=ice-pwd:t:")),
        "the offer has a=ice-ufrag and a=ice-pwd that are not 4 and 22 to 256 letters, digits, + and /",
    ),
    (
        edited(ONE, ("s=-", "s=-\r\na=ice-lite")),
        "a=ice-lite: both the offer and the server are ICE lite, so neither would send checks: offer full ICE",
    ),
    (edited(ONE, ("a=rtcp-mux", "a=x")), "the section '0' does not offer a=rtcp-mux"),
    (edited(TWO, ("a=rtcp-mux", "a=x")), "the section '0' does not offer a=rtcp-mux"),
    (edited(ONE, ("opus/48000/2", "G722/8000")), "the offer has no supported codec, only 'g722'"),
    (edited(ONE, ("a=rtpmap:111", "a=x")), "the offer has nothing that the server supports"),
    (
        offer(section(edited_part(AUDIO, "opus/48000/2", "G722/8000"), "0"), section(AUDIO, "0")),
        "two m-sections have '0'",
    ),
    (
        offer(section(edited_part(AUDIO, "opus/48000/2", "G722/8000"), "0"), stopped(AUDIO, "0")),
        "the offer has no supported codec, only 'g722'",
    ),
    (TWO.replace("a=mid:1\r\n", "", 1), "the video section 1 has no a=mid, which bundling needs"),
    (
        edited(TWO, ("a=group:BUNDLE 0 1\r\n", "")),
        "a=group:BUNDLE does not name the audio section '0', but the server has one transport for all: "
        "set the bundle policy max-bundle",
    ),
]


@pytest.mark.parametrize(("text", "look", "expected"), [pytest.param(*row[1:], id=row[0]) for row in IGNORED])
def test_it_costs_its_feature_at_most(text: str, look: Callable[[Negotiated], object], expected: object) -> None:
    negotiated = answered(text)
    assert look(negotiated) == expected
    assert not any(rejected(negotiated))
    assert answered(text, negotiated).version == 2, "and again"


@pytest.mark.parametrize(("text", "expected"), [pytest.param(*row[1:], id=row[0]) for row in REJECTED])
def test_it_costs_its_section_and_no_other(text: str, expected: list[bool]) -> None:
    negotiated = answered(text)
    assert rejected(negotiated) == expected
    answer = SessionDescription.parse(negotiated.answer)
    assert [section.port == 0 for section in answer.sections] == expected
    assert answer.bundle == ("0",)
    assert rejected(answered(text, negotiated)) == expected, "and again"


@pytest.mark.parametrize(("text", "sentence"), REFUSED)
def test_nothing_is_left_and_the_client_is_told_of_which_line(text: str, sentence: str) -> None:
    with pytest.raises(NegotiationError) as error:
        answered(text)
    assert str(error.value) == sentence


@pytest.mark.parametrize(
    ("part", "allow", "sentence"),
    [
        (DATA, Allow(data=False), "the offer has nothing but data channels, which are not allowed"),
        ((*DATA[:2], "a=sctp-port:0"), Allow(), "the offer has nothing that the server supports"),
        (
            edited_part(AUDIO, "opus/48000/2", "G722/8000"),
            Allow(data=False),
            "the offer has no supported codec, only 'g722'",
        ),
        (edited_part(VIDEO, "VP8/", "VP7/"), Allow(), "the offer has no supported codec, only 'vp7'"),
        (edited_part(VIDEO, "a=rtpmap:96", "a=x"), Allow(), "the offer has nothing that the server supports"),
        (edited_part(AUDIO, "opus/48000/2", "red/48000/2"), Allow(), "the offer has nothing that the server supports"),
        (
            (
                "m=audio 9 UDP/TLS/RTP/SAVPF 96 97 98 99 100 101 102 103 104",
                "a=rtcp-mux",
                *(f"a=rtpmap:{96 + n} x{n}/8000" for n in range(9)),
            ),
            Allow(),
            "the offer has no supported codec, only 'x0, x1, x2, x3, x4, x5, x6, x7, x8'",
        ),
    ],
)
def test_who_has_nothing_in_common_with_us_is_told_what_it_has(part: Part, allow: Allow, sentence: str) -> None:
    with pytest.raises(NegotiationError) as error:
        answered(offer(section(part, "0")), allow=allow)
    assert str(error.value) == sentence


def test_the_answer_makes_up_no_mid() -> None:
    text = edited(ONE, ("a=mid:0\r\n", ""), ("a=group:BUNDLE 0\r\n", ""))
    negotiated = answered(text)
    check(text, negotiated.answer)
    assert "a=mid" not in negotiated.answer and "BUNDLE" not in negotiated.answer
    (slot,) = negotiated.slots
    assert (slot.mid, slot.kind, negotiated.tag) == ("(0)", Kind.AUDIO, "(0)")


def test_a_simulcast_of_the_third_draft_is_answered_in_its_syntax() -> None:
    assert "\r\na=simulcast: recv rid=q;h;f\r\n" in answered(video(*RIDS, "a=simulcast: send rid=q;h;f")).answer
    assert "\r\na=simulcast:recv q;h;f\r\n" in answered(video(*RIDS, "a=simulcast:send q;h;f")).answer


def test_opus_is_answered_with_its_two_channels() -> None:
    assert "\r\na=rtpmap:111 opus/48000/2\r\n" in answered(offer(section(g711("a=rtpmap:111 opus/48000"), "0"))).answer
