"""The SDP model: nothing is lost, and the views read what browsers write."""

import pytest

from sfu.errors import NegotiationError
from sfu.limits import SDP_OCTETS
from sfu.negotiation.attributes import Extmap, Rid, RtpMap, Simulcast
from sfu.negotiation.sdp import SessionDescription

from .offers import AUDIO, NAMES, VIDEO, captured, offer, section


@pytest.mark.parametrize("name", NAMES)
def test_an_offer_comes_back_byte_for_byte(name: str) -> None:
    text = captured(name)
    assert "\r\n" in text
    assert str(SessionDescription.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "v=0\n",
        "v=0\r\no=x\r\n\r\ns=-\r\n",
        "v=0\nm=audio 9 RTP/SAVPF 0\na=whatever\n\n",
        "v=0\r\ns=caf\u00e9 \u2028 \x85\r\na=no-end-of-line",
        offer(section(AUDIO, "0", "a=mystery:1 2 3", "b=AS:64", "a=imageattr:* send *", "a=mystery:1 2 3")),
    ],
)
def test_odd_lines_and_line_ends_come_back_too(text: str) -> None:
    assert str(SessionDescription.parse(text)) == text


def test_a_simulcast_section_of_chromium_reads_as_it_was_meant() -> None:
    description = SessionDescription.parse(captured("chromium-audio-vp8-simulcast-3rids"))
    audio, video = description.sections
    assert description.bundle == ("0", "1")
    assert (audio.kind, audio.port, audio.mid, audio.direction) == ("audio", 50234, "0", "sendonly")
    assert audio.codecs[0] == RtpMap(
        111, "opus", 48_000, 2, {"minptime": "10", "useinbandfec": "1"}, frozenset({"transport-cc"})
    )
    assert audio.codecs[1].parameters == {"": "111/111"}
    assert audio.ssrcs == (3872811822,)
    assert audio.msid == ("3c18c30f-0489-40d9-9ae3-532e8dc91862", "931a999d-c7a3-495f-96aa-aba79487b7a1")
    assert audio.ice == ("xNPs", "Q6mQa+O+HJrh6/l5ppyEGBJX")
    assert audio.setup == "actpass"
    assert [(name, len(digest)) for name, digest in audio.fingerprints] == [("sha-256", 32)]
    assert video.rids["h"] == Rid("h", "send", "")
    assert video.simulcast == Simulcast(send=(("q",), ("h",), ("f",)))
    assert video.extensions[-1] == Extmap(
        9, "sendrecv", "http://www.webrtc.org/experiments/rtp-hdrext/video-layers-allocation00", "", False
    )


def test_a_section_of_firefox_takes_from_the_session_what_it_does_not_say() -> None:
    description = SessionDescription.parse(captured("firefox-audio-video-dc-sendrecv"))
    audio, video, data = description.sections
    assert audio.fingerprints == video.fingerprints == data.fingerprints != ()
    assert video.extensions[3].direction == "recvonly"
    assert video.ssrc_groups == (("FID", (2471173271, 3799370584)),)
    assert audio.msid[0].startswith("{")
    assert data.value("sctp-port") == "5000"


def test_static_payload_types_need_no_rtpmap() -> None:
    text = offer(("m=audio 9 UDP/TLS/RTP/SAVPF 8 0 77 200 x", "a=mid:0"))
    assert [(c.number, c.name) for c in SessionDescription.parse(text).sections[0].codecs] == [(8, "pcma"), (0, "pcmu")]


def test_paused_streams_and_alternatives_are_read() -> None:
    text = offer(
        section(VIDEO, "0", "a=rid:a send", "a=rid:b send", "a=rid:c recv pt=96", "a=simulcast:send ~a,b;b recv c")
    )
    assert SessionDescription.parse(text).sections[0].simulcast == Simulcast((("a", "b"), ("b",)), (("c",),))


def test_feedback_for_all_payload_types_is_feedback_of_each() -> None:
    text = offer(section(VIDEO, "0", "a=rtcp-fb:* transport-cc"))
    assert "transport-cc" in SessionDescription.parse(text).sections[0].codecs[1].feedback


def test_older_clients_name_the_stream_beside_the_ssrc() -> None:
    text = offer(section(AUDIO, "0", "a=ssrc:7 cname:x", "a=ssrc:7 msid:stream track"))
    assert SessionDescription.parse(text).sections[0].msid == ("stream", "track")


@pytest.mark.parametrize(
    "line",
    [
        "a=rtpmap:",
        "a=rtpmap:96",
        "a=rtpmap:x VP8/90000",
        "a=rtpmap:96 VP8/" + "9" * 400,
        "a=fmtp:",
        "a=fmtp:96",
        "a=fmtp:96 ;;=;x=",
        "a=rtcp-fb:",
        "a=extmap:",
        "a=extmap:99999999 x",
        "a=extmap:4/sideways urn:x",
        "a=rid:",
        "a=rid:q sideways",
        "a=ssrc:",
        "a=ssrc:-5 cname:x",
        "a=ssrc:\u0663 cname:x",
        "a=ssrc:99999999999 cname:x",
        "a=ssrc-group:",
        "a=ssrc-group:FID x y",
        "a=simulcast:",
        "a=simulcast:send",
        "a=simulcast:both q",
        "a=simulcast:send q send q",
        "hello",
        "=",
        "a=extmap:4 urn:x\0",
        "a=ssrc-group:FID 5 6\rm=audio 9 X 0",
        "a=msid:",
        "a=",
        "a=:",
    ],
)
def test_a_malformed_attribute_that_nobody_needs_is_left_alone(line: str) -> None:
    text = offer(section(VIDEO, "0", line, "a=ssrc:5 cname:x"))
    video = SessionDescription.parse(text).sections[0]
    assert [codec.name for codec in video.codecs] == ["vp8", "rtx"]
    assert (video.extensions, dict(video.rids), video.ssrc_groups, video.ssrcs) == ((), {}, (), (5,))
    assert video.simulcast is None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "the SDP does not begin with v=0"),
        ("\x00\xff garbage", "the SDP does not begin with v=0"),
        ("v=0\r\nm=\r\n", "'m=' is not an m-line"),
        ("v=0\r\nm=au/dio 9 RTP/SAVPF 0\r\n", "'m=au/dio 9 RTP/SAVPF 0' is not an m-line"),
        ("v=0\r\n" + "a=x\r\n" * SDP_OCTETS, f"the SDP has 1310725 characters, and {SDP_OCTETS} are allowed"),
        ("v=0\r\n" + "m=audio 9 A 0\r\n" * 300, "the SDP has 300 m-sections, and 256 are allowed"),
    ],
)
def test_what_is_no_sdp_is_refused_with_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(NegotiationError) as error:
        SessionDescription.parse(text)
    assert str(error.value) == sentence
