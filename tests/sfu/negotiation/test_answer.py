"""The parts of an offer that may be in its answer."""

import pytest

from sfu import limits
from sfu.negotiation import answer
from sfu.negotiation.attributes import Rid

from .offers import AUDIO, DATA, VIDEO, answered, edited, offer, section, stopped

URI = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"


@pytest.mark.parametrize(
    ("offered", "expected"),
    [
        ("", ""),
        ("max-width=640;max-fps=15", "max-width=640;max-fps=15"),
        ("pt=96", "pt=96"),
        ("pt=100,96,101,98", "pt=96,98"),
        ("max-width=640;pt=98,96;max-fps=15", "max-width=640;pt=98,96;max-fps=15"),
        ("pt=100", None),
        ("pt=", None),
        ("max-width=640;pt=100,101", None),
    ],
)
def test_a_restriction_names_only_payload_types_of_the_answer(offered: str, expected: str | None) -> None:
    """RFC 8851 s5: of a stream whose payload types are all left out, nothing can be sent."""
    assert answer.restrictions(Rid("h", "send", offered), {"96", "98"}) == expected


@pytest.mark.parametrize(
    ("offered", "expected"),
    [
        (f"3 {URI}", f"3 {URI}"),
        (f"3 {URI} vad=on", f"3 {URI} vad=on"),
        (f"3/sendrecv {URI}", f"3/sendrecv {URI}"),
        (f"3/sendonly {URI}", f"3/recvonly {URI}"),
        (f"3/recvonly {URI} vad=on", f"3/sendonly {URI} vad=on"),
        (f"3/inactive {URI}", f"3/inactive {URI}"),
        (f"3 {URI} {'x' * limits.SDP_EXTENSION_ATTRIBUTES}", f"3 {URI} {'x' * limits.SDP_EXTENSION_ATTRIBUTES}"),
        (f"3 {URI} {'x' * (limits.SDP_EXTENSION_ATTRIBUTES + 1)}", None),
    ],
)
def test_an_extension_is_answered_the_other_way_round(offered: str, expected: str | None) -> None:
    """RFC 8285 s7."""
    text = answered(offer(section(AUDIO, "0", f"a=extmap:{offered}"))).answer
    lines = [line for line in text.split("\r\n") if line.startswith("a=extmap:")]
    assert lines == ([f"a=extmap:{expected}"] if expected else [])


@pytest.mark.parametrize(("part", "mux"), [(VIDEO, ["a=rtcp-mux"]), (DATA, [])], ids=["video", "data"])
def test_a_rejected_section_is_a_whole_section(part: tuple[str, ...], mux: list[str]) -> None:
    """RFC 9429 s5.3.1 asks for the first line alone; aiortc refuses the whole answer without the rest."""
    text = answered(offer(section(AUDIO, "0"), stopped(part, "1"))).answer
    _, of, lines = text.partition(
        edited(part[0], (" 9 ", " 0 "), (" 96 97", " 96")) if part is VIDEO else "m=application"
    )
    assert of
    kinds = [line.partition(":")[0] for line in lines.split("\r\n")[1:-1]]
    assert kinds == [
        "c=IN IP4 0.0.0.0", "a=mid", "a=ice-ufrag", "a=ice-pwd", "a=fingerprint", "a=setup", "a=inactive", *mux,
    ]  # fmt: skip
