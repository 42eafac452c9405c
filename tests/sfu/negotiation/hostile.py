"""The most expensive offers and fragments of any size: repeated characters, lists that could be multiplied, many lines,
many sections. Each generator returns about the requested number of characters."""

import string

from hypothesis import strategies as st

from ...cost import Grow
from .offers import AUDIO, TRANSPORT, VIDEO, Part, offer, section

NAMES = (
    "candidate", "end-of-candidates", "extmap", "fingerprint", "fmtp", "group", "ice-pwd", "ice-ufrag", "mid", "msid",
    "rid", "rtcp-fb", "rtcp-mux", "rtpmap", "sctp-port", "setup", "simulcast", "ssrc", "ssrc-group", "tls-id", "x",
)  # fmt: skip
HEADS = (
    "", "1 u", "1 urn:ietf:params:rtp-hdrext:sdes:mid", "96 ", "96 VP8/90000", "96 a", "96 nack ", "* ", "BUNDLE 0",
    "FID 1 2", "SIM 1", "a send ", "a send pt=96", "q", "send a", "send a;", "sha-256 AB", "sha-256 AB:", "1 cname:x",
    "rid=", "1 msid:x",
)  # fmt: skip
CHARACTERS = string.printable.replace("\n", "") + "\x00\x85\u00e9\u2028\u0663"
UNITS = ("1", ";", ",", " ", ":", "a;", "a,", "a=b;", "1 ", " 1", "AB:", "~a;", ",1", "0 ", "\r", "=", "/")
RID = "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
MID = "a=extmap:5 urn:ietf:params:rtp-hdrext:sdes:mid"


def one(*lines: str, session: str = "") -> str:
    text = offer(section(VIDEO, "0", RID, MID, *lines))
    return text.replace("s=-", f"s=-\r\n{session}".rstrip())


def repeated(name: str, head: str, unit: str, tail: str, *, on_session: bool) -> Grow:
    """Returns a repeated unit, followed by something else."""

    def grow(size: int) -> str:
        line = f"a={name}:{head}{unit * (size // len(unit))}{tail}"
        return one(session=line) if on_session else one(line)

    return grow


def many_lines(line: str, *, is_numbered: bool) -> Grow:
    def grow(size: int) -> str:
        count = size // (len(line) + 2 + 4 * is_numbered)
        return one(*(f"{line}{number}" if is_numbered else line for number in range(count)))

    return grow


def long_lines(name: str, head: str, unit: str) -> Grow:
    """Returns as many lines as fit, each just short enough to be parsed."""

    def grow(size: int) -> str:
        line = f"a={name}:{head}{unit * (16_000 // len(unit))}"
        return one(*[line] * (size // len(line)))

    return grow


def many_sections(part: Part, *lines: str) -> Grow:
    """Returns up to 256 sections. The rest of the size is in the session level, which each section inherits."""

    def grow(size: int) -> str:
        count = min(256, size // sum(len(line) + 2 for line in (*part, *lines, *TRANSPORT)))
        text = offer(*(section(part, str(mid), *lines, f"a=x:{mid}") for mid in range(count)))
        filler = "\r\n".join(f"a=extmap:{n} urn:{n}" for n in range(max(0, size - len(text)) // 20))
        return text.replace("s=-", f"s=-\r\n{filler}".rstrip())

    return grow


def many_formats(count: int) -> Grow:
    """Every section lists different payload types."""

    def grow(size: int) -> str:
        numbers = range(128 - count, 128)
        maps = [f"a=rtpmap:{n} VP8/90000" for n in numbers]
        part = (f"m=video 9 UDP/TLS/RTP/SAVPF {' '.join(map(str, numbers))}", "a=rtcp-mux", *maps)
        sections = min(256, size // sum(len(line) + 2 for line in (*part, *TRANSPORT)))
        return offer(*(section(part, str(mid), f"a=fmtp:96 q={mid}") for mid in range(max(1, sections))))

    return grow


def product(first: str, between: str, second: str) -> Grow:
    """Returns two lists of half the size each, whose entries could be compared pairwise."""

    def grow(size: int) -> str:
        half = size // 2
        return one(first * (half // len(first)), between + second * (half // len(second)))

    return grow


def streams_by_restrictions(size: int) -> str:
    half = size // 4
    return one(f"a=rid:a send pt={','.join(['1'] * half)}", f"a=simulcast:send {';'.join(['a'] * half)}")


def mids_by_sections(size: int) -> str:
    sections = min(250, size // 500 + 1)
    text = offer(*(section(AUDIO, str(mid)) for mid in range(sections)))
    return text.replace("BUNDLE", f"BUNDLE{' z' * min(8_000, size // 4)}")


def wildcards_by_formats(size: int) -> str:
    numbers = " ".join(map(str, range(128)))
    part = (f"m=audio 9 UDP/TLS/RTP/SAVPF {numbers}", "a=rtcp-mux", *(f"a=rtpmap:{n} opus/48000/2" for n in range(96)))
    return offer(section(part, "0", *(f"a=rtcp-fb:* {n}" for n in range(size // 20))))


def session_extensions_by_sections(size: int) -> str:
    sections = min(250, size // 800 + 1)
    text = offer(*(section(AUDIO, str(mid), f"a=extmap:2 urn:{mid}") for mid in range(sections)))
    lines = [f"a=extmap:{n % 14 + 1} urn:ietf:params:rtp-hdrext:sdes:mid {'v' * 60}" for n in range(size // 200)]
    return text.replace("s=-", "\r\n".join(["s=-", *lines]))


PRODUCTS: tuple[Grow, ...] = (
    streams_by_restrictions,
    mids_by_sections,
    wildcards_by_formats,
    session_extensions_by_sections,
    product("a=rid:a send\r\n", "a=simulcast:send a", ";a"),
    product("a=ssrc-group:SIM 1 2 3\r\n", "a=ssrc-group:SIM 1", " 1"),
    product("a=ssrc:1 cname:x\r\n", "a=ssrc-group:FID 1", " 1"),
)

names, heads, units = st.sampled_from(NAMES), st.sampled_from(HEADS), st.sampled_from((*UNITS, *CHARACTERS))
lines = st.builds(lambda name, head: f"a={name}:{head}", names, heads) | st.sampled_from(
    ("a=", "a", "", "b=AS:1", "m", "a=x", "hello", "\x00", "a=:", "a=sendrecv", "a=rid:a send", "a=ssrc:1")
)
growths = st.one_of(
    st.builds(repeated, names, heads, units, st.sampled_from(("", "\u00e9", "\x00", "x")), on_session=st.booleans()),
    st.builds(many_lines, lines, is_numbered=st.booleans()),
    st.builds(long_lines, names, heads, units),
    st.builds(many_sections, st.sampled_from((AUDIO, VIDEO)), lines, lines),
    st.builds(many_formats, st.integers(1, 96)),
    st.sampled_from(PRODUCTS),
)
