"""SDP (RFC 8866): a model that keeps every line, with typed views of the attributes of WebRTC.

`str()` returns what was parsed, byte for byte. A line that no view understands, that is longer than `SDP_LINE`, or that
has a control character is kept and ignored. An unusable m-section states the reason (`fault`). Only text that is no SDP
at all, or too large, is a `NegotiationError`.
"""

import re
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import cast

from sfu import limits
from sfu.errors import NegotiationError
from sfu.negotiation import attributes
from sfu.negotiation.attributes import (
    DIRECTIONS,
    Direction,
    Extmap,
    Rid,
    RtpMap,
    Simulcast,
    number,
)
from sfu.negotiation.recent import Recent
from sfu.quoting import quote

TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]+", re.ASCII)  # RFC 8866 s9
PROTOCOL = re.compile(r"[A-Za-z0-9/-]{1,64}", re.ASCII)
FORMAT = re.compile(r"[!-~]{1,64}", re.ASCII)
# Possessive throughout: no part gives back what it took, so a line is read once, whatever it holds.
NAME, VALUE = r"[^:\x00-\x1f\x7f]", r"[^\x00-\x08\x0a-\x1f\x7f]"
ATTRIBUTE = re.compile(rf"^a=({NAME}{{1,64}}+)(?::({VALUE}{{0,{limits.SDP_LINE}}}+))?\r*+$", re.MULTILINE)

Attributes = Mapping[str, Sequence[str]]


class Lines:
    """The unparsed lines of one level of a description, and its attributes by name."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._values = _levels.recall(text, lambda: _attributes(text))

    def has(self, name: str) -> bool:
        return name in self._values

    def values(self, name: str) -> Sequence[str]:
        """Returns all values of the attribute, in order."""
        return self._values.get(name, ())

    def value(self, name: str) -> str | None:
        """Returns the first value of the attribute."""
        values = self._values.get(name)
        return values[0] if values else None

    @cached_property
    def extmaps(self) -> tuple[Extmap, ...]:
        """Returns the extensions of this level only. Equal lists share one tuple."""
        values = tuple(self.values("extmap")[: limits.SDP_EXTENSIONS])
        return _extensions.recall(values, lambda: (attributes.extensions(values), _weight(values)))


class MediaSection(Lines):
    """An m-section. Attributes that it lacks come from the session level, where RFC 8866 permits it."""

    def __init__(self, text: str, session: Lines, index: int = 0) -> None:
        super().__init__(text)
        self._session = session
        self.index = index
        self.fault = ""
        """A sentence: why the section cannot be used. Empty: it can."""
        self._read_first_line()

    def _read_first_line(self) -> None:
        line = self.text.partition("\n")[0].rstrip("\r")
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

    def read(self) -> None:
        """Parses everything that takes time now."""
        for view in VIEWS:
            getattr(self, view)

    @property
    def stopped(self) -> bool:
        """Whether the section is rejected by port 0, which has another meaning beside a=bundle-only (RFC 8843 s6)."""
        return self.port == 0 and not self.has("bundle-only")

    @cached_property
    def offered_mid(self) -> str | None:
        """Returns the mid (RFC 5888). None: there is none, or none that an answer could contain."""
        mid = self.value("mid")
        return mid if mid and len(mid) <= limits.SDP_MID and TOKEN.fullmatch(mid) else None

    @cached_property
    def mid(self) -> str:
        """Returns the name of the section: its mid, or `(3)` for the fourth section without one.

        No offered mid has parentheses.
        """
        return self.offered_mid or f"({self.index})"

    @property
    def has_extension_for_mid(self) -> bool:
        return self.offered_mid is not None and len(self.offered_mid) <= limits.SDP_IDENTIFICATION

    @cached_property
    def direction(self) -> Direction:
        for level in (self, self._session):
            for direction in DIRECTIONS:
                if level.has(direction):
                    return direction
        return "sendrecv"

    @property
    def sends(self) -> bool:
        return self.direction in ("sendrecv", "sendonly")

    @property
    def receives(self) -> bool:
        return self.direction in ("sendrecv", "recvonly")

    @cached_property
    def codecs(self) -> tuple[RtpMap, ...]:
        """Returns payload types in the order of the m-line. Those without a usable a=rtpmap are left out.

        Equal lists share one tuple.
        """
        lists = tuple(tuple(self.values(name)[:limit]) for name, limit in CODEC_LINES)
        key = (self.formats, *lists)
        return _codecs.recall(key, lambda: (attributes.codecs(self.formats, *lists), sum(map(_weight, key))))

    @property
    def extensions(self) -> tuple[Extmap, ...]:
        """Returns the extensions of the session level and of this one."""
        return (*self._session.extmaps, *self.extmaps)

    @cached_property
    def rids(self) -> Mapping[str, Rid]:
        return attributes.rids(self.values("rid"))

    @cached_property
    def simulcast(self) -> Simulcast | None:
        value = self.value("simulcast")
        return None if value is None else attributes.simulcast(value, self.rids)

    @cached_property
    def ssrcs(self) -> tuple[int, ...]:
        """Returns the SSRCs (RFC 5576) in order, without duplicates."""
        return attributes.ssrcs(self.values("ssrc"))

    @cached_property
    def ssrc_groups(self) -> tuple[tuple[str, tuple[int, ...]], ...]:
        """Returns semantics (`FID`, `SIM`) and members of each group."""
        return attributes.ssrc_groups(self.values("ssrc-group"))

    @cached_property
    def msid(self) -> tuple[str, str]:
        """Returns stream and track (RFC 8830); empty if there are none."""
        return attributes.msid(self.values("msid"), self.values("ssrc"))

    @property
    def ice(self) -> tuple[str, str] | None:
        """Returns user fragment and password (RFC 8839 s5.4)."""
        return attributes.credentials(self.inherited("ice-ufrag"), self.inherited("ice-pwd"))

    @property
    def fingerprints(self) -> tuple[tuple[str, bytes], ...]:
        """Returns hash function (lower case) and digest of each fingerprint (RFC 8122 s5)."""
        return attributes.fingerprints(self.values("fingerprint") or self._session.values("fingerprint"))

    @property
    def setup(self) -> str | None:
        """RFC 4145 s4, RFC 8842."""
        return self.inherited("setup")

    @property
    def tls_id(self) -> str | None:
        """RFC 8842 s4."""
        return self.inherited("tls-id")

    def inherited(self, name: str) -> str | None:
        """Returns the first value of the attribute, of this level or else of the session level."""
        value = self.value(name)
        return self._session.value(name) if value is None else value


@dataclass(frozen=True, slots=True)
class SessionDescription:
    session: Lines
    sections: tuple[MediaSection, ...]
    bundle: tuple[str, ...] | None
    """The mids of the first BUNDLE group (RFC 8843), the offerer's tag first. None: there is no group."""

    @classmethod
    def parse(cls, text: str) -> "SessionDescription":
        """Parses SDP. Raises `NegotiationError` for text that is no SDP, or too large."""
        steps = cls.steps(text)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                return cast(SessionDescription, end.value)

    @classmethod
    def steps(cls, text: str) -> Generator[None, None, "SessionDescription"]:
        """As `parse`, one section at a time. Each step takes a few milliseconds at most."""
        if len(text) > limits.SDP_OCTETS:
            raise NegotiationError(f"the SDP has {len(text)} characters, and {limits.SDP_OCTETS} are allowed")
        if not text.startswith("v=0"):
            raise NegotiationError("the SDP does not begin with v=0")
        first, *rest = levels_of(text)
        session = Lines(first)
        groups = [value.split() for value in session.values("group")[: limits.SDP_SECTIONS]]
        bundle = next((tuple(group[1:]) for group in groups if group[:1] == ["BUNDLE"]), None)
        sections = []
        for index, level in enumerate(rest):
            yield
            section = MediaSection(level, session, index)
            section.read()
            sections.append(section)
        return cls(session, tuple(sections), bundle)

    def __str__(self) -> str:
        return "".join(level.text for level in (self.session, *self.sections))


def levels_of(text: str) -> list[str]:
    """Returns the lines of the session level, then of each m-section."""
    levels = f"\n{text}".split("\nm=", limits.SDP_SECTIONS + 1)
    if len(levels) > limits.SDP_SECTIONS + 1:
        count = text.count("\nm=") + text.startswith("m=")
        raise NegotiationError(f"the SDP has {count} m-sections, and {limits.SDP_SECTIONS} are allowed")
    first, *rest = levels
    whole = [first[1:], *(f"m={level}" for level in rest)]
    return [*(f"{level}\n" for level in whole[:-1]), whole[-1]]


VIEWS = ("mid", "direction", "codecs", "extmaps", "rids", "simulcast", "ssrcs", "ssrc_groups", "msid")
CODEC_LINES = (
    ("rtpmap", limits.SDP_FORMATS),
    ("fmtp", limits.SDP_FORMATS),
    ("rtcp-fb", limits.SDP_FEEDBACK_LINES),
)

# What is offered again, for one section more, is the same for all others; and a client that shows sixteen pictures
# offers sixteen sections of the same forty payload types, and so do the others. Budgets are octets, roughly.
_levels: Recent[str, Attributes] = Recent(32 << 20)
_codecs: Recent[tuple[tuple[str, ...], ...], tuple[RtpMap, ...]] = Recent(4 << 20)
_extensions: Recent[tuple[str, ...], tuple[Extmap, ...]] = Recent(1 << 20)


def _weight(values: Sequence[str]) -> int:
    return 256 * len(values) + 2 * sum(map(len, values))


def _attributes(text: str) -> tuple[Attributes, int]:
    found: dict[str, list[str]] = {}
    count = 0
    for match in islice(ATTRIBUTE.finditer(text), limits.SDP_LINES):
        name, value = match.groups(default="")
        found.setdefault(name, []).append(value.strip(" "))
        count += 1
    return found, 2 * len(text) + 256 * len(found) + 64 * count
