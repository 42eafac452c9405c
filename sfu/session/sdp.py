"""SDP in (RFC 8866): a model that keeps every line as it came, with typed views of what WebRTC writes into them.

A line that no view understands is kept and left alone: `str()` gives back what was parsed, byte for byte. Views skip
attributes that are malformed and not needed; what cannot be done without is a `NegotiationError` where it is asked for.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal

from sfu import limits
from sfu.errors import NegotiationError

Direction = Literal["sendrecv", "sendonly", "recvonly", "inactive"]

MEMORABLE = 8 * 1024
"""Characters of a section that is recognised when it is offered again."""
REMEMBERED = 32
"""Different lists of payload types, or of extensions, whose meaning is kept."""

DIRECTIONS: tuple[Direction, ...] = ("sendrecv", "sendonly", "recvonly", "inactive")
STATIC = {0: ("pcmu", 8000), 8: ("pcma", 8000), 9: ("g722", 8000)}  # RFC 3551 s6: known without a=rtpmap

M_LINE = re.compile(r"m=([a-z]+) ([0-9]{1,5})(?:/[0-9]{1,5})? ([A-Za-z0-9/]+) ([!-~]+(?: [!-~]+)*) ?", re.ASCII)
RTPMAP = re.compile(r"([0-9]{1,3}) +([A-Za-z0-9_.+-]+)/([0-9]{1,7})(?:/([0-9]{1,2}))? *", re.ASCII)
EXTMAP = re.compile(r"([0-9]{1,5})(?:/(sendrecv|sendonly|recvonly|inactive))? +([!-~]+)(?: +([ -~]+))?", re.ASCII)
RID = re.compile(r"([A-Za-z0-9_-]+) +(send|recv)(?: +([!-~]+))? *", re.ASCII)
MID = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]+", re.ASCII)  # token of RFC 8866 s9
ICE_CHARS = re.compile(r"[A-Za-z0-9+/=_-]+", re.ASCII)  # RFC 8839 s5.4, and what base64url adds
FINGERPRINT = re.compile(r"([A-Za-z0-9-]+) +([0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2})*) *", re.ASCII)
LINE = re.compile(r"[^\n]*\n|[^\n]+")
LEVEL = re.compile(r"^(?=m=)", re.MULTILINE)
ATTRIBUTE = re.compile(r"^a=([^:\r\n]*):?([^\r\n]*)", re.MULTILINE)
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
WELL_FORMED = re.compile(r"(?:(?:[a-z]=[^\x00-\x08\x0a-\x1f\x7f]*)?\r*(?:\n|\Z))*")


def number(text: str, limit: int) -> int | None:
    """An unsigned decimal up to `limit`, or nothing; `int()` would take signs, spaces and other scripts' digits."""
    if len(text) > 10 or not (text.isascii() and text.isdigit()):
        return None
    value = int(text)
    return value if value <= limit else None


@dataclass(frozen=True, slots=True)
class RtpMap:
    """A payload type as an m-section describes it: a=rtpmap, a=fmtp and a=rtcp-fb together."""

    number: int
    name: str
    """Lower case."""
    clock_rate: int
    channels: int
    parameters: Mapping[str, str]
    """Of a=fmtp, keys in lower case; what is not `key=value` is under the empty key (RED's `111/111`)."""
    feedback: frozenset[str]
    """`nack`, `nack pli`, `transport-cc` …"""


@dataclass(frozen=True, slots=True)
class Extmap:
    """A header extension (RFC 8285 s5)."""

    id: int
    direction: Direction
    uri: str
    attributes: str
    explicit: bool
    """The direction is written on the line."""


@dataclass(frozen=True, slots=True)
class Rid:
    """RFC 8851. `restrictions` as written: `pt=96;max-width=1280`."""

    id: str
    direction: Literal["send", "recv"]
    restrictions: str


@dataclass(frozen=True, slots=True)
class Simulcast:
    """RFC 8853: streams in order, each with its alternatives; the `~` of paused ones is taken off."""

    send: tuple[tuple[str, ...], ...] = ()
    recv: tuple[tuple[str, ...], ...] = ()


class Lines:
    """The lines of one level of a description as they came, and its attributes by name."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._values = _attributes(text) if len(text) <= MEMORABLE else _attributes.__wrapped__(text)

    def has(self, name: str) -> bool:
        return name in self._values

    def values(self, name: str) -> Sequence[str]:
        """Every value of the attribute, in order."""
        return self._values.get(name, ())

    def value(self, name: str) -> str | None:
        """The first value of the attribute."""
        values = self._values.get(name)
        return values[0] if values else None


class MediaSection(Lines):
    """An m-section. What it does not say itself it takes from the session level, where RFC 8866 lets it."""

    def __init__(self, text: str, session: Lines) -> None:
        super().__init__(text)
        self._session = session
        first = text.partition("\n")[0].rstrip("\r")
        match = M_LINE.fullmatch(first)
        if match is None or int(match[2]) > 0xFFFF:
            raise NegotiationError(f"{first[:60]!r} is not an m-line")
        self.kind: str = match[1]
        self.port = int(match[2])
        self.protocol: str = match[3]
        self.formats: tuple[str, ...] = tuple(match[4].split(" "))

    @property
    def stopped(self) -> bool:
        """Port 0 says that the section is not wanted, except beside a=bundle-only (RFC 8843 s6)."""
        return self.port == 0 and not self.has("bundle-only")

    @cached_property
    def mid(self) -> str:
        """RFC 5888; empty if there is none."""
        mid = self.value("mid") or ""
        if mid and (len(mid) > limits.SDP_IDENTIFICATION or not MID.fullmatch(mid)):
            most = limits.SDP_IDENTIFICATION
            raise NegotiationError(f"a=mid:{mid[:40]!r} is not a token of at most {most} characters")
        return mid

    @property
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
        """In the order of the m-line. Payload types without a usable a=rtpmap are left out.

        Sections that list the same have the same tuple.
        """
        lists = (self.values("rtpmap"), self.values("fmtp"), self.values("rtcp-fb"))
        return _codecs(self.formats, *(tuple(values) for values in lists))

    @cached_property
    def extensions(self) -> tuple[Extmap, ...]:
        """Sections that list the same have the same tuple."""
        return _extensions((*self._session.values("extmap"), *self.values("extmap")))

    @cached_property
    def rids(self) -> Mapping[str, Rid]:
        found: dict[str, Rid] = {}
        for value in self.values("rid"):
            match = RID.fullmatch(value)
            if match and len(match[1]) <= limits.SDP_IDENTIFICATION:
                found[match[1]] = Rid(match[1], "send" if match[2] == "send" else "recv", match[3] or "")
        return found

    @cached_property
    def simulcast(self) -> Simulcast | None:
        value = self.value("simulcast")
        if value is None:
            return None
        words = value.split()
        if len(words) not in (2, 4) or len(set(words[::2])) != len(words[::2]):
            raise NegotiationError(f"a=simulcast:{value[:60]} is not a direction and its streams (RFC 8853)")
        streams: dict[str, tuple[tuple[str, ...], ...]] = {}
        for direction, names in zip(words[::2], words[1::2], strict=True):
            if direction not in ("send", "recv"):
                raise NegotiationError(f"a=simulcast:{value[:60]} names the direction {direction[:20]!r}")
            streams[direction] = tuple(
                tuple(rid.removeprefix("~") for rid in stream.split(",")) for stream in names.split(";")
            )
            for rid in (rid for stream in streams[direction] for rid in stream):
                declared = self.rids.get(rid)
                if declared is None or declared.direction != direction:
                    raise NegotiationError(f"a=simulcast names rid {rid[:40]!r}, which no a=rid declares")
        return Simulcast(streams.get("send", ()), streams.get("recv", ()))

    @cached_property
    def ssrcs(self) -> tuple[int, ...]:
        """RFC 5576, in order, each once."""
        found: dict[int, None] = {}
        for value in self.values("ssrc"):
            if ssrc := number(value.partition(" ")[0], 0xFFFF_FFFF):
                found[ssrc] = None
        return tuple(found)

    @cached_property
    def ssrc_groups(self) -> tuple[tuple[str, tuple[int, ...]], ...]:
        """Semantics (`FID`, `SIM`) and members."""
        found = []
        for value in self.values("ssrc-group"):
            semantics, *members = value.split() or [""]
            ssrcs = [ssrc for member in members if (ssrc := number(member, 0xFFFF_FFFF))]
            if ssrcs and len(ssrcs) == len(members):
                found.append((semantics.upper(), tuple(ssrcs)))
        return tuple(found)

    @property
    def msid(self) -> tuple[str, str]:
        """Stream and track (RFC 8830); empty where nothing is said. Older clients say it beside a=ssrc."""
        value = self.value("msid")
        if value is None:
            attributes = (v.partition(" ")[2] for v in self.values("ssrc"))
            value = next((a.removeprefix("msid:") for a in attributes if a.startswith("msid:")), "")
        stream, _, track = value.partition(" ")
        return stream, track

    @property
    def ice(self) -> tuple[str, str] | None:
        """User fragment and password (RFC 8839 s5.4)."""
        return credentials(self._inherited("ice-ufrag"), self._inherited("ice-pwd"))

    @property
    def fingerprints(self) -> tuple[tuple[str, bytes], ...]:
        """Hash function in lower case, and digest (RFC 8122 s5)."""
        found = []
        for value in self.values("fingerprint") or self._session.values("fingerprint"):
            match = FINGERPRINT.fullmatch(value)
            if match is None:
                raise NegotiationError(f"a=fingerprint:{value[:40]} is not a hash function and its digest")
            found.append((match[1].lower(), bytes.fromhex(match[2].replace(":", ""))))
        return tuple(found)

    @property
    def setup(self) -> str | None:
        """RFC 4145 s4, RFC 8842."""
        return self._inherited("setup")

    @property
    def tls_id(self) -> str | None:
        """RFC 8842 s4."""
        return self._inherited("tls-id")

    def _inherited(self, name: str) -> str | None:
        value = self.value(name)
        return self._session.value(name) if value is None else value


@dataclass(frozen=True, slots=True)
class SessionDescription:
    session: Lines
    sections: tuple[MediaSection, ...]
    bundle: tuple[str, ...] | None
    """The mids of the first BUNDLE group (RFC 8843), the offerer's tag first; None: there is no such group."""

    @classmethod
    def parse(cls, text: str) -> "SessionDescription":
        """Raises `NegotiationError` for what is no SDP at all, and for what is too large to look at."""
        if len(text) > limits.SDP_OCTETS:
            raise NegotiationError(f"the SDP has {len(text)} characters, and {limits.SDP_OCTETS} are allowed")
        if not text.startswith("v=0"):
            raise NegotiationError("the SDP does not begin with v=0")
        levels = levels_of(text)
        if len(levels) - 1 > limits.SDP_SECTIONS:
            raise NegotiationError(f"the SDP has {len(levels) - 1} m-sections, and {limits.SDP_SECTIONS} are allowed")
        session = Lines(levels[0])
        groups = [value.split() for value in session.values("group")]
        return cls(
            session,
            tuple(MediaSection(level, session) for level in levels[1:]),
            next((tuple(group[1:]) for group in groups if group[:1] == ["BUNDLE"]), None),
        )

    def __str__(self) -> str:
        return "".join(level.text for level in (self.session, *self.sections))


def levels_of(text: str) -> list[str]:
    """The session level, then each m-section, as they came."""
    # A crowd's offer has ten thousand lines: one look at all of them, and only what is wrong is looked at one by one.
    if not WELL_FORMED.fullmatch(text):
        _complain(LINE.findall(text))
    return LEVEL.split(text)


def _complain(lines: Sequence[str]) -> None:
    for index, line in enumerate(lines, 1):
        bare = line.rstrip("\r\n")
        if bare and not (len(bare) > 1 and bare[1] == "=" and "a" <= bare[0] <= "z"):
            raise NegotiationError(f"line {index} of the SDP is not of the form x=value")
        if CONTROL.search(bare):
            raise NegotiationError(f"line {index} of the SDP has a control character in it")


# What is offered again, for one section more, is the same for all others.
@lru_cache(maxsize=1024)
def _attributes(text: str) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in ATTRIBUTE.findall(text):
        found.setdefault(name, []).append(value.strip(" "))
    return found


# A client that shows sixteen pictures offers sixteen sections of the same forty payload types, and so do the others.
@lru_cache(maxsize=REMEMBERED)
def _codecs(
    formats: tuple[str, ...], rtpmap: tuple[str, ...], fmtp: tuple[str, ...], rtcp_fb: tuple[str, ...]
) -> tuple[RtpMap, ...]:
    maps = {int(m[1]): m for value in rtpmap if (m := RTPMAP.fullmatch(value))}
    parameters: dict[str, dict[str, str]] = {}
    for value in fmtp:
        payload_type, _, rest = value.partition(" ")
        parameters.setdefault(payload_type, {}).update(_parameters(rest))
    feedback: dict[str, set[str]] = {}
    for value in rtcp_fb:
        payload_type, _, rest = value.partition(" ")
        feedback.setdefault(payload_type, set()).add(" ".join(rest.split()))
    found: dict[int, RtpMap] = {}
    for text in formats:
        payload_type_number = number(text, 127)
        if payload_type_number is None or payload_type_number in found:
            continue
        if match := maps.get(payload_type_number):
            name, clock_rate, channels = match[2].lower(), int(match[3]), int(match[4] or 1)
        elif payload_type_number in STATIC:
            (name, clock_rate), channels = STATIC[payload_type_number], 1
        else:
            continue
        found[payload_type_number] = RtpMap(
            payload_type_number,
            name,
            clock_rate,
            channels,
            parameters.get(text, {}),
            frozenset(feedback.get(text, set()) | feedback.get("*", set())),
        )
    return tuple(found.values())


@lru_cache(maxsize=REMEMBERED)
def _extensions(values: tuple[str, ...]) -> tuple[Extmap, ...]:
    found = []
    for value in values:
        if match := EXTMAP.fullmatch(value):
            direction: Direction = next((d for d in DIRECTIONS if d == match[2]), "sendrecv")
            found.append(Extmap(int(match[1]), direction, match[3], match[4] or "", match[2] is not None))
    return tuple(found)


def credentials(ufrag: str | None, pwd: str | None) -> tuple[str, str] | None:
    """User fragment and password, if both are there; the lengths are those of RFC 8839 s5.4."""
    if ufrag is None or pwd is None:
        return None
    if not (4 <= len(ufrag) <= 256 and ICE_CHARS.fullmatch(ufrag)):
        raise NegotiationError("a=ice-ufrag is not 4 to 256 letters, digits, + and /")
    if not (22 <= len(pwd) <= 256 and ICE_CHARS.fullmatch(pwd)):
        raise NegotiationError("a=ice-pwd is not 22 to 256 letters, digits, + and /")
    return ufrag, pwd


def _parameters(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in text.split(";"):
        key, equals, value = part.strip().partition("=")
        if equals:
            found[key.strip().lower()] = value.strip()
        elif key:
            found[""] = key
    return found
