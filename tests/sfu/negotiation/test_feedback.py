"""Where feedback or retransmission is not served it is not answered: for each codec and shape of section, all of them.

What is served: `nack` of all media, both ways (by RTX, or by the identical datagram where there is none); `nack pli`
and `ccm fir` of pictures; `transport-cc` where its header extension is; `rtx` of whatever has a payload type for it.
Where the client receives and `transport-cc` is not served, `goog-remb` and `ack ccfb` (RFC 8888) are.
"""

import itertools

import pytest

from sfu.negotiation import capabilities

from .offers import Part, answered, offer, section

COUNTED = "a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
OFFERED = (
    "nack", "nack pli", "nack sli", "nack rpsi", "ccm fir", "ccm tmmbr", "ccm vbcm", "transport-cc", "goog-remb",
    "ack ccfb", "ack", "app", "trr-int 100",
)  # fmt: skip
CCFB = "a=rtcp-fb:* ack ccfb\r\n"
SERVED = {"audio": {"nack"}, "video": {"nack", "nack pli", "ccm fir"}}
SPOKEN = {
    "opus": ("audio", "opus/48000/2", ""),
    "red": ("audio", "red/48000/2", "111/111"),
    "pcmu": ("audio", "PCMU/8000", ""),
    "pcma": ("audio", "PCMA/8000", ""),
    "vp8": ("video", "VP8/90000", ""),
    "vp9": ("video", "VP9/90000", "profile-id=0"),
    "av1": ("video", "AV1/90000", "profile=0"),
    "h264": ("video", "H264/90000", "profile-level-id=42e01f;packetization-mode=1"),
    "h265": ("video", "H265/90000", "profile-id=1"),
}
DIRECTIONS = ("sendrecv", "sendonly", "recvonly")


def part(name: str, feedback: tuple[str, ...], *, repaired: bool, everywhere: bool) -> Part:
    """One codec as payload type 96, of red beside the opus that it is of."""
    kind, rtpmap, fmtp = SPOKEN[name]
    numbers = ["96"] + ["97"] * repaired + ["111"] * (name == "red")
    lines = [f"m={kind} 9 UDP/TLS/RTP/SAVPF {' '.join(numbers)}", "a=rtcp-mux", f"a=rtpmap:96 {rtpmap}"]
    lines += [f"a=fmtp:96 {fmtp}"] if fmtp else []
    lines += [f"a=rtcp-fb:{'*' if everywhere else 96} {one}" for one in feedback]
    lines += ["a=rtpmap:97 rtx/" + rtpmap.split("/")[1], "a=fmtp:97 apt=96"] if repaired else []
    lines += ["a=rtpmap:111 opus/48000/2"] if name == "red" else []
    return tuple(lines)


def said(answer: str, number: int) -> set[str]:
    begin = f"a=rtcp-fb:{number} "
    return {line.removeprefix(begin) for line in answer.split("\r\n") if line.startswith(begin)}


def test_the_table_has_every_codec_that_we_speak() -> None:
    assert SPOKEN.keys() == capabilities.BY_NAME.keys()


@pytest.mark.parametrize("name", SPOKEN)
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_what_is_served_is_answered_where_it_was_offered_and_nothing_else(name: str, direction: str) -> None:
    for counted, repaired, everywhere in itertools.product((False, True), repeat=3):
        whole = part(name, OFFERED, repaired=repaired, everywhere=everywhere)
        negotiated = answered(offer(section(whole, "0", f"a={direction}", *[COUNTED] * counted)))
        kind = SPOKEN[name][0]
        estimates = bool(negotiated.slots) and not counted
        assert said(negotiated.answer, 96) == SERVED[kind] | (
            {"transport-cc"} if counted else {"goog-remb"} if estimates else set()
        )
        assert negotiated.answer.count(CCFB) == estimates
        assert ("a=fmtp:97 apt=96" in negotiated.answer) is repaired
        assert said(negotiated.answer, 97) == set()
        for slot in negotiated.slots:
            assert (slot.rtx_ssrc is not None) is repaired
            assert ("ssrc-group:FID" in negotiated.answer) is repaired
        for publication in negotiated.publications:
            assert (publication.nack, publication.pli, publication.fir) == (True, kind == "video", kind == "video")


@pytest.mark.parametrize("name", SPOKEN)
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_each_alone_is_answered_alone_and_done(name: str, direction: str) -> None:
    served = SERVED[SPOKEN[name][0]]
    for feedback in OFFERED:
        one = part(name, (feedback,), repaired=False, everywhere=False)
        negotiated = answered(offer(section(one, "0", f"a={direction}", COUNTED)))
        estimates = {"goog-remb"} if negotiated.slots else set()
        assert said(negotiated.answer, 96) == ({feedback} & (served | {"transport-cc"} | estimates))
        assert negotiated.answer.count(CCFB) == (feedback == "ack ccfb" and bool(negotiated.slots))
        for publication in negotiated.publications:
            asked = [publication.nack, publication.pli, publication.fir]
            assert asked == [feedback == one and one in served for one in ("nack", "nack pli", "ccm fir")]
