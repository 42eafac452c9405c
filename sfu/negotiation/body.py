"""The part of an m-section that is often equal in other sections, participants and offers. It is parsed once.

A browser writes the same codecs and extensions into each section, and the differing lines precede them: the mid, and
the credentials of the participant. `split` takes those lines out.
"""

import re
from collections.abc import Mapping, Sequence
from itertools import islice

from sfu import limits
from sfu.errors import NegotiationError
from sfu.negotiation import attributes
from sfu.negotiation.attributes import DIRECTIONS, Direction, Extmap, RtpMap, number
from sfu.quoting import quote
from sfu.recent import Recent

TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]+", re.ASCII)  # RFC 8866 s9
PROTOCOL = re.compile(r"[A-Za-z0-9/-]{1,64}", re.ASCII)
FORMAT = re.compile(r"[!-~]{1,64}", re.ASCII)
# All quantifiers are possessive, so no input causes backtracking.
NAME, VALUE = r"[^:\x00-\x1f\x7f]", r"[^\x00-\x08\x0a-\x1f\x7f]"
ATTRIBUTE = re.compile(rf"^a=({NAME}{{1,64}}+)(?::({VALUE}{{0,{limits.SDP_LINE}}}+))?\r*+$", re.MULTILINE)

OWN = ("mid", "ice-ufrag", "ice-pwd", "fingerprint")
"""The attributes that differ between sections and participants."""
HEAD = 2048
"""Characters within which a section has its a=mid. Firefox writes extensions and parameters of codecs before it."""

CODEC_LINES = (
    ("rtpmap", limits.SDP_FORMATS),
    ("fmtp", limits.SDP_FORMATS),
    ("rtcp-fb", limits.SDP_FEEDBACK_LINES),
)

Attributes = Mapping[str, Sequence[str]]


class Body:
    """The contents of a section's text, without inherited values. Raises NegotiationError if its first line names no
    kind."""

    def __init__(self, text: str) -> None:
        self.attributes, self.count = attributes_of(text)
        self.weight = 4 * len(text) + 256 * len(self.attributes) + 64 * self.count
        """Octets, roughly."""
        self.fault = ""
        """A sentence: why the section cannot be used. Empty: it can be used."""
        self._read_first_line(text)
        values = self.attributes.get
        self.stopped = self.port == 0 and "bundle-only" not in self.attributes
        """The section is rejected by port 0, which has another meaning beside a=bundle-only (RFC 8843 s6)."""
        self.direction: Direction | None = next((one for one in DIRECTIONS if one in self.attributes), None)
        self.codecs = self._read_codecs()
        """Payload types in the order of the m-line. Those without a usable a=rtpmap are left out.

        Equal lists share one tuple."""
        self.extmaps = extensions(values("extmap", ()))
        self.rids = attributes.rids(values("rid", ()))
        simulcast = values("simulcast")
        self.simulcast = None if simulcast is None else attributes.simulcast(simulcast[0], self.rids)
        self.ssrcs = attributes.ssrcs(values("ssrc", ()))
        """SSRCs (RFC 5576) in order, without duplicates."""
        self.ssrc_groups = attributes.ssrc_groups(values("ssrc-group", ()))
        """Semantics (`FID`, `SIM`) and members of each group."""
        self.msid = attributes.msid(values("msid", ()), values("ssrc", ()))
        """Stream and track (RFC 8830); empty if there are none."""

    def _read_first_line(self, text: str) -> None:
        line = text.partition("\n")[0].rstrip("\r")
        words = line[2 : limits.SDP_LINE].split(" ", limits.SDP_FORMATS + 3)
        kind, port, protocol, *formats = [*words, *[""] * (3 - len(words))]
        self.kind: str = kind
        if not TOKEN.fullmatch(kind) or len(kind) > limits.SDP_IDENTIFICATION:
            raise NegotiationError(f"{quote(line)} is not an m-line")
        given = number(port.partition("/")[0], 0xFFFF)
        self.port = 9 if given is None else given
        has_protocol = PROTOCOL.fullmatch(protocol) is not None
        self.protocol: str = protocol if has_protocol else "UDP/TLS/RTP/SAVPF"
        self.formats: tuple[str, ...] = tuple(
            word for word in formats[: limits.SDP_FORMATS] if FORMAT.fullmatch(word)
        ) or ("0",)
        if given is None or not has_protocol or not any(formats) or len(line) > limits.SDP_LINE:
            self.fault = f"{quote(line)} is not an m-line"

    def _read_codecs(self) -> tuple[RtpMap, ...]:
        lists = tuple(tuple(self.attributes.get(name, ())[:limit]) for name, limit in CODEC_LINES)
        key = (self.formats, *lists)
        return _codecs.recall(key, lambda: (attributes.codecs(self.formats, *lists), sum(map(_weight, key))))


def parse(text: str) -> tuple[Body, Attributes]:
    """Returns the body of a section, which equal sections share, and the attributes `OWN` of this section."""
    rest, own, count = split(text)
    body = _recall(rest)
    if count and count + body.count > limits.SDP_LINES:
        return _recall(text), {}
    return body, own


def split(text: str) -> tuple[str, Attributes, int]:
    """Returns the text of a section without the lines of `OWN` up to its mid, the values of these, and their number."""
    mid = text.find("\na=mid:", 0, HEAD)
    if mid < 0:
        return text, {}, 0
    end = text.find("\n", mid + 1)
    head, line, tail = text[: mid + 1], text[mid + 1 : end if end >= 0 else len(text)], text[end:] if end >= 0 else ""
    rest, own, count = _heads.recall(head, lambda: (_without_own(head), 4 * len(head) + 1024))
    own_mid = ATTRIBUTE.fullmatch(line)
    if own_mid is None:
        return rest + line + tail, own, count
    return rest + tail, {**own, "mid": [*own.get("mid", ()), own_mid[2].strip(" ")]}, count + 1


def _without_own(text: str) -> tuple[str, Attributes, int]:
    """As `split`, of all lines."""
    own: dict[str, list[str]] = {}
    rest, last, count = [], 0, 0
    for match in ATTRIBUTE.finditer(text):
        name, value = match.groups(default="")
        if name in OWN:
            own.setdefault(name, []).append(value.strip(" "))
            rest.append(text[last : match.start()])
            last, count = match.end(), count + 1
    rest.append(text[last:])
    return "".join(rest), own, count


def attributes_of(text: str) -> tuple[Attributes, int]:
    """Returns the values of each attribute, and the number of attributes."""
    found: dict[str, list[str]] = {}
    count = 0
    for match in islice(ATTRIBUTE.finditer(text), limits.SDP_LINES):
        name, value = match.groups(default="")
        found.setdefault(name, []).append(value.strip(" "))
        count += 1
    return found, count


def extensions(lines: Sequence[str]) -> tuple[Extmap, ...]:
    """Returns the extensions of these a=extmap. Equal lists share one tuple."""
    values = tuple(lines[: limits.SDP_EXTENSIONS])
    return _extensions.recall(values, lambda: (attributes.extensions(values), _weight(values)))


# A repeated offer with one more section repeats all others. A client that shows sixteen pictures offers sixteen
# sections with the same forty payload types, and so do other clients. Budgets are approximate octets.
_heads: Recent[str, tuple[str, Attributes, int]] = Recent(limits.SDP_HEADS)
"""The lines before the mids, without those of `OWN`. Most sections of an offer have the same."""
_bodies: Recent[str, Body] = Recent(32 << 20)
_codecs: Recent[tuple[tuple[str, ...], ...], tuple[RtpMap, ...]] = Recent(4 << 20)
_extensions: Recent[tuple[str, ...], tuple[Extmap, ...]] = Recent(1 << 20)


def _recall(text: str) -> Body:
    def read() -> tuple[Body, int]:
        body = Body(text)
        return body, body.weight

    return _bodies.recall(text, read)


def _weight(values: Sequence[str]) -> int:
    return 256 * len(values) + 2 * sum(map(len, values))
