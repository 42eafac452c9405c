"""Sections of one browser share equal parts, and keep their own."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu import limits
from sfu.negotiation import body
from sfu.negotiation.sdp import MediaSection, SessionLines, levels_of

from ...benchmark.crowd import chromium

OFFERS = sorted((Path(__file__).parents[2] / "data" / "sdp").glob("*.sdp"))
SESSION = SessionLines("v=0\r\na=setup:actpass\r\n")


def whole(text: str) -> Mapping[str, Sequence[str]]:
    """The attributes of a section, read from all its lines at once."""
    return body.attributes_of(text)[0]


def said(text: str) -> Mapping[str, Sequence[str]]:
    section = MediaSection(text, SESSION)
    return {name: list(section.values(name)) for name in {*whole(text), *body.OWN} if section.values(name)}


@pytest.mark.parametrize("path", OFFERS, ids=[path.stem for path in OFFERS])
def test_a_section_of_a_browser_says_what_its_lines_say(path: Path) -> None:
    for text in levels_of(path.read_bytes().decode())[1:]:
        assert said(text) == whole(text)
        rest, own, _ = body.split(text)
        assert not own or len(rest) < len(text)


LINES = st.sampled_from(
    (
        *("a=mid:0", "a=mid:1", "a=mid", "a=mid:", "a=mid:\x00", "a=ice-ufrag:abcd", "a=ice-pwd:x", "a=setup:actpass"),
        *("a=fingerprint: sha-256 AB ", "a=ssrc:1 cname:x", "a=rtpmap:96 VP8/90000", "a=sendonly", "b=AS:1", ""),
        "a=" + "x" * 3000,
    )
)


@given(st.lists(LINES, max_size=12), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_a_section_says_what_its_lines_say_wherever_its_mid_is(lines: list[str], end: str, is_ended: bool) -> None:
    text = end.join(["m=video 9 UDP/TLS/RTP/SAVPF 96", *lines]) + (end if is_ended else "")
    assert said(text) == whole(text)


def test_no_more_lines_are_read_of_a_section_that_shares_than_of_one_that_does_not() -> None:
    many = "a=x:1\n" * limits.SDP_LINES
    for head in ("a=mid:0\n", "a=ice-ufrag:abcd\na=mid:0\n"):
        text = f"m=video 9 UDP/TLS/RTP/SAVPF 96\n{head}{many}"
        assert said(text) == whole(text)
        assert sum(map(len, said(text).values())) == limits.SDP_LINES


def test_sections_of_all_who_use_one_browser_have_one_body() -> None:
    offers = [chromium([("video", "recvonly")] * 3, ufrag) for ufrag in ("alice", "bobby")]
    sections = [MediaSection(text, SESSION) for offer in offers for text in levels_of(offer)[1:]]
    assert len({id(section.codecs) for section in sections}) == 1
    assert len({id(body.parse(section.text)[0]) for section in sections}) == 1
    assert [section.mid for section in sections] == [*"012"] * 2
    assert {section.ice[0] for section in sections if section.ice is not None} == {"alice", "bobby"}
