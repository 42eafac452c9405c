"""Fragments of WHIP and WHEP: trickled candidates are read, a restart is answered."""

from dataclasses import replace

import pytest

from sfu import limits
from sfu.errors import NegotiationError
from sfu.negotiation.fragment import Fragment, fragment, restart, restarts_ice

from .offers import FRESH, LOCAL, answered, captured, edited

SESSION = answered(captured("chromium-audio-vp8-simulcast-3rids"))
PWD = "x" * 24

# As RFC 9725 s4.3.2 shows it.
TRICKLE = (
    "a=group:BUNDLE 0 1\r\n"
    "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"
    "a=mid:0\r\n"
    "a=ice-ufrag:xNPs\r\n"
    "a=ice-pwd:Q6mQa+O+HJrh6/l5ppyEGBJX\r\n"
    "a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag xNPs network-id 1\r\n"
    "a=candidate:3471623853 1 udp 2122194687 198.51.100.2 61765 typ host\r\n"
    "a=end-of-candidates\r\n"
)
RESTART = edited(TRICKLE, ("ice-ufrag:xNPs", "ice-ufrag:ysXw"), ("Q6mQa+O+HJrh6/l5ppyEGBJX", PWD))


def test_trickled_candidates_are_read_and_restart_nothing() -> None:
    received = fragment(TRICKLE)
    assert (received.ufrag, received.pwd) == ("xNPs", "Q6mQa+O+HJrh6/l5ppyEGBJX")
    assert [candidate.split(" ")[4] for candidate in received.candidates] == ["192.0.2.1", "198.51.100.2"]
    assert received.complete
    assert not restarts_ice(received, SESSION)


def test_credentials_may_stand_before_the_sections() -> None:
    """RFC 8840 s9 allows both, and that there is no section at all."""
    assert fragment(f"a=ice-ufrag:abcd\r\na=ice-pwd:{PWD}\r\n") == Fragment("abcd", PWD, (), False)
    text = f"a=ice-ufrag:abcd\na=ice-pwd:{PWD}\nm=audio 9 RTP/AVP 0\na=mid:0\na=candidate:x\n"
    assert fragment(text) == Fragment("abcd", PWD, ("x",), False)


def test_lines_that_nobody_can_read_are_left_alone() -> None:
    text = f"hello\r\na=ice-ufrag:abcd\r\na=ice-pwd:{PWD}\r\nm=\r\na=candidate:x\0\r\na=candidate:y\r\n"
    assert fragment(text) == Fragment("abcd", PWD, ("y",), False)


def test_other_credentials_restart_ice_and_are_answered_with_ours() -> None:
    received = fragment(RESTART)
    assert restarts_ice(received, SESSION)
    text, negotiated = restart(received, SESSION, FRESH)
    assert text == (
        "a=ice-lite\r\n"
        "a=ice-options:trickle\r\n"
        "a=group:BUNDLE 0 1\r\n"
        "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n"
        "a=mid:0\r\n"
        "a=ice-ufrag:anew\r\n"
        f"a=ice-pwd:{FRESH.pwd}\r\n"
        "a=candidate:1 1 udp 2130706431 127.0.0.1 7882 typ host\r\n"
        "a=candidate:2 1 udp 2130706175 ::1 7882 typ host\r\n"
        "a=end-of-candidates\r\n"
    )
    assert fragment(text).ufrag == "anew"
    assert (negotiated.remote_ufrag, negotiated.local_ufrag, negotiated.ice_restarted) == ("ysXw", "anew", True)
    assert negotiated.sections == SESSION.sections
    assert not restarts_ice(received, negotiated)


def test_a_restart_with_the_old_credentials_of_ours_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="an ICE restart needs fresh local credentials"):
        restart(fragment(RESTART), SESSION, LOCAL)


def test_a_session_of_data_channels_restarts_too() -> None:
    session = answered(captured("chromium-datachannel"))
    text, _ = restart(fragment(RESTART), session, replace(FRESH, candidates=()))
    assert "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:0\r\n" in text


def test_a_fragment_may_be_as_long_as_the_bound() -> None:
    text = f"a=ice-ufrag:abcd\r\na=ice-pwd:{PWD}\r\n"
    text += "a=x\r\n" * ((limits.FRAGMENT_OCTETS - len(text)) // 5)
    text += "\n" * (limits.FRAGMENT_OCTETS - len(text))
    assert fragment(text) == Fragment("abcd", PWD, (), False)
    with pytest.raises(NegotiationError, match=r"^the fragment has 131073 characters, and 131072 are allowed$"):
        fragment(text + "\n")


UNUSABLE = "a=ice-ufrag and a=ice-pwd of the fragment are not 4 and 22 to 256 letters, digits, + and /"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "the fragment has no a=ice-ufrag and a=ice-pwd"),
        ("a=ice-ufrag:abcd\r\n", "the fragment has no a=ice-ufrag and a=ice-pwd"),
        (f"a=ice-ufrag:a\r\na=ice-pwd:{PWD}\r\n", UNUSABLE),
        (f"a=ice-ufrag:abcd\r\na=ice-pwd:{PWD}:\r\n", UNUSABLE),
        ('{"candidate": ""}', "the fragment has no a=ice-ufrag and a=ice-pwd"),
        ("m=audio 9 RTP/AVP 0\r\n" * 300, "the SDP has 300 m-sections, and 256 are allowed"),
        ("a=x\r\n" * 40_000, "the fragment has 200000 characters, and 131072 are allowed"),
    ],
)
def test_what_is_no_fragment_is_refused_with_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(NegotiationError) as error:
        fragment(text)
    assert str(error.value) == sentence
