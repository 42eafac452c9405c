"""SDP (RFC 8866): a model that keeps every line, with typed views of the attributes of WebRTC.

`str()` returns what was parsed, byte for byte. A line that no view understands, that is longer than `SDP_LINE`, or that
has a control character is kept and ignored. An unusable m-section states the reason (`fault`). Only text that is not
SDP, or is too large, raises `NegotiationError`.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import cast

from sfu import limits
from sfu.errors import NegotiationError
from sfu.negotiation import attributes
from sfu.negotiation.attributes import DIRECTIONS, Direction, Extmap
from sfu.negotiation.body import TOKEN, Attributes, attributes_of, extensions, parse


class Lines:
    """The unparsed lines of one level of a description, and its attributes by name."""

    def __init__(self, text: str, values: Attributes | None = None) -> None:
        self.text = text
        self._values = attributes_of(text)[0] if values is None else values

    def has(self, name: str) -> bool:
        return bool(self.values(name))

    def values(self, name: str) -> Sequence[str]:
        """Returns all values of the attribute, in order."""
        return self._values.get(name, ())

    def value(self, name: str) -> str | None:
        """Returns the first value of the attribute."""
        values = self.values(name)
        return values[0] if values else None


class SessionLines(Lines):
    """The session level."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.extmaps = extensions(self.values("extmap"))
        self.direction: Direction = next((one for one in DIRECTIONS if self.has(one)), "sendrecv")

    def passes_on(self) -> Attributes:
        """Returns what sections may inherit: all but the groups (RFC 5888 s5)."""
        return {name: values for name, values in self._values.items() if name != "group"}


class MediaSection(Lines):
    """An m-section. Attributes that it lacks come from the session level, where RFC 8866 permits it."""

    def __init__(self, text: str, session: SessionLines, index: int = 0) -> None:
        body, self._own = parse(text)
        super().__init__(text, body.attributes)
        self.body = body
        self.answered: object = None
        """The state that `sections.py` keeps of the last answer to this section."""
        self._session = session
        self.index = index
        self.kind, self.port, self.protocol, self.formats = body.kind, body.port, body.protocol, body.formats
        self.fault, self.stopped = body.fault, body.stopped
        self.codecs, self.extmaps = body.codecs, body.extmaps
        self.rids, self.simulcast = body.rids, body.simulcast
        self.ssrcs, self.ssrc_groups, self.msid = body.ssrcs, body.ssrc_groups, body.msid
        self.direction: Direction = body.direction or session.direction
        self.sends = self.direction in ("sendrecv", "sendonly")
        self.receives = self.direction in ("sendrecv", "recvonly")
        mid = self.value("mid")
        self.offered_mid = mid if mid and len(mid) <= limits.SDP_MID and TOKEN.fullmatch(mid) else None
        """The mid (RFC 5888). None: there is none, or none that an answer could contain."""
        self.mid = self.offered_mid or f"({index})"
        """The name of the section: its mid, or `(3)` for the fourth section without one. No offered mid has
        parentheses."""

    def values(self, name: str) -> Sequence[str]:
        own, others = self._own.get(name), self._values.get(name, ())
        return others if own is None else [*own, *others]

    @property
    def has_extension_for_mid(self) -> bool:
        return self.offered_mid is not None and len(self.offered_mid) <= limits.SDP_IDENTIFICATION

    @property
    def extensions(self) -> tuple[Extmap, ...]:
        """Returns the extensions of the session level and of this one."""
        return (*self._session.extmaps, *self.extmaps)

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
    session: SessionLines
    sections: tuple[MediaSection, ...]
    bundle: tuple[str, ...] | None
    """The mids of the first BUNDLE group (RFC 8843), the offerer's tag first. None: there is no group."""

    @classmethod
    def parse(cls, text: str) -> "SessionDescription":
        """Parses SDP. Raises `NegotiationError` for text that is not SDP, or is too large."""
        steps = cls.steps(text)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                return cast(SessionDescription, end.value)

    @classmethod
    def steps(
        cls, text: str, previous: "SessionDescription | None" = None
    ) -> Generator[None, None, "SessionDescription"]:
        """As `parse`, one section at a time. Each step takes a few milliseconds at most. Sections that are as in the
        `previous` offer are the same objects."""
        if len(text) > limits.SDP_OCTETS:
            raise NegotiationError(f"the SDP has {len(text)} characters, and {limits.SDP_OCTETS} are allowed")
        if not text.startswith("v=0"):
            raise NegotiationError("the SDP does not begin with v=0")
        first, *rest = levels_of(text)
        session = SessionLines(first)
        groups = [value.split() for value in session.values("group")[: limits.SDP_SECTIONS]]
        bundle = next((tuple(group[1:]) for group in groups if group[:1] == ["BUNDLE"]), None)
        # All that a section inherits is the same.
        inherits_same = previous is not None and session.passes_on() == previous.session.passes_on()
        known = previous.sections if previous is not None and inherits_same else ()
        sections = []
        for index, level in enumerate(rest):
            if index < len(known) and known[index].text == level:
                sections.append(known[index])
                continue
            yield
            sections.append(MediaSection(level, session, index))
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
