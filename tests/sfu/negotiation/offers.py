"""Offers for tests: captured ones, and edits of them."""

import itertools
from collections.abc import Callable
from pathlib import Path

from sfu.model import Candidate
from sfu.negotiation.negotiation import Allow, Local, Negotiated, negotiate
from sfu.negotiation.sdp import SessionDescription

FOLDER = Path(__file__).parents[2] / "data" / "sdp"
NAMES = sorted(path.stem for path in FOLDER.glob("*.sdp"))

LOCAL = Local(
    ufrag="ours",
    pwd="w" * 24,
    fingerprint=":".join(f"{octet:02X}" for octet in range(32)),
    candidates=(Candidate("127.0.0.1", 7882), Candidate("::1", 7882)),
    cname="our-cname",
)
FRESH = Local("anew", "z" * 24, LOCAL.fingerprint, LOCAL.candidates, LOCAL.cname)

# A minimal section of each kind, combined by `offer`.
TRANSPORT = (
    "a=ice-ufrag:them",
    "a=ice-pwd:" + "t" * 22,
    "a=fingerprint:sha-256 " + ":".join(["AB"] * 32),
    "a=setup:actpass",
)
AUDIO = ("m=audio 9 UDP/TLS/RTP/SAVPF 111", "c=IN IP4 0.0.0.0", "a=rtcp-mux", "a=rtpmap:111 opus/48000/2")
VIDEO = (
    "m=video 9 UDP/TLS/RTP/SAVPF 96 97",
    "c=IN IP4 0.0.0.0",
    "a=rtcp-mux",
    "a=rtpmap:96 VP8/90000",
    "a=rtcp-fb:96 nack",
    "a=rtcp-fb:96 nack pli",
    "a=rtpmap:97 rtx/90000",
    "a=fmtp:97 apt=96",
)
DATA = ("m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "c=IN IP4 0.0.0.0", "a=sctp-port:5000")

Part = tuple[str, ...]


def captured(name: str) -> str:
    return (FOLDER / f"{name}.sdp").read_bytes().decode()


def edited(text: str, *edits: tuple[str, str]) -> str:
    """Returns `text` with every occurrence replaced. Fails if there is none."""
    for old, new in edits:
        assert old in text, f"{old!r} is not in the offer"
        text = text.replace(old, new)
    return text


def section(part: Part, mid: str, *lines: str) -> Part:
    return (*part, f"a=mid:{mid}", *TRANSPORT, *lines)


def stopped(part: Part, mid: str) -> Part:
    return (part[0].replace(" 9 ", " 0 "), *part[1:], f"a=mid:{mid}", "a=inactive")


def offer(*sections: Part, bundle: str | None = None) -> str:
    """Returns an offer of these sections, bundled unless stopped. `bundle`: another group; empty: none."""
    mids = [line[6:] for part in sections for line in part if line.startswith("a=mid:") and " 0 " not in part[0][:20]]
    group = " ".join(mids) if bundle is None else bundle
    lines = ["v=0", "o=- 1 2 IN IP4 127.0.0.1", "s=-", "t=0 0", *([f"a=group:BUNDLE {group}"] if group else [])]
    return "\r\n".join([*lines, *(line for part in sections for line in part)]) + "\r\n"


def counter(start: int = 1000) -> Callable[[], int]:
    return itertools.count(start).__next__


def answered(
    text: str,
    previous: Negotiated | None = None,
    *,
    allow: Allow | None = None,
    local: Local = LOCAL,
    new_ssrc: Callable[[], int] | None = None,
) -> Negotiated:
    start = 1000 if previous is None else 1000 * (previous.version + 1)
    return negotiate(
        SessionDescription.parse(text),
        local=local,
        previous=previous,
        allow=allow or Allow(),
        new_ssrc=new_ssrc or counter(start),
    )
