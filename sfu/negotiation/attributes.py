"""Parses values of SDP attributes into types (RFC 8866, 8285, 8851, 8853, 5576), in time linear in their octets.

An unreadable value is left out, and the offer continues without that feature. Each list has a limit of its own, so that
no two lists of an offer can be multiplied.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from sfu import limits

Direction = Literal["sendrecv", "sendonly", "recvonly", "inactive"]

DIRECTIONS: tuple[Direction, ...] = ("sendrecv", "sendonly", "recvonly", "inactive")
STATIC = {0: ("pcmu", 8000), 8: ("pcma", 8000), 9: ("g722", 8000)}  # RFC 3551 s6: known without a=rtpmap

RTPMAP = re.compile(r"([0-9]{1,3}) +([A-Za-z0-9_.+-]{1,64})/([0-9]{1,7})(?:/([0-9]{1,2}))? *", re.ASCII)
# At least one space after the URI, then no space: otherwise two patterns would try the same run of spaces in turn.
EXTMAP = re.compile(r"([0-9]{1,5})(?:/(sendrecv|sendonly|recvonly|inactive))? +([!-~]+)(?: +([!-~][ -~]*))?", re.ASCII)
RID = re.compile(r"([A-Za-z0-9_-]+) +(send|recv)(?: +([!-~]+))? *", re.ASCII)
ICE_CHARS = re.compile(r"[A-Za-z0-9+/=_-]+", re.ASCII)  # RFC 8839 s5.4, and what base64url adds
FINGERPRINT = re.compile(r"([A-Za-z0-9-]+) +([0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2})*) *", re.ASCII)
DIGESTS = {"sha-256": 32, "sha-384": 48, "sha-512": 64}
"""Octets of the digest of each hash function that compares certificates."""


def number(text: str, limit: int) -> int | None:
    """Parses an unsigned decimal up to `limit`. None: it is none. `int()` would accept signs, spaces and digits of
    other scripts."""
    if len(text) > 10 or not (text.isascii() and text.isdigit()):
        return None
    value = int(text)
    return value if value <= limit else None


@dataclass(frozen=True, slots=True)
class RtpMap:
    """A payload type of an m-section: a=rtpmap, a=fmtp and a=rtcp-fb together."""

    number: int
    name: str
    """Lower case."""
    clock_rate: int
    channels: int
    """Channels; 1 if the line does not say."""
    parameters: Mapping[str, str]
    """The parameters of a=fmtp, keys in lower case. Text that is not `key=value` has the empty key (RED's `111/111`).
    """
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
    """a=simulcast (RFC 8853): streams in order, each with its alternatives. The `~` of paused ones is removed."""

    send: tuple[tuple[str, ...], ...] = ()
    recv: tuple[tuple[str, ...], ...] = ()
    draft: bool = False
    """The offer uses the syntax of draft-ietf-mmusic-sdp-simulcast-03, `send rid=a;b`, and so does the answer."""


def codecs(
    formats: Sequence[str], rtpmap: Sequence[str], fmtp: Sequence[str], rtcp_fb: Sequence[str]
) -> tuple[RtpMap, ...]:
    """Returns the payload types in the order of the m-line. Those without a usable a=rtpmap are left out."""
    maps = {int(m[1]): m for value in rtpmap[: limits.SDP_FORMATS] if (m := RTPMAP.fullmatch(value))}
    parameters: dict[str, dict[str, str]] = {}
    for value in fmtp[: limits.SDP_FORMATS]:
        payload_type, _, rest = value.partition(" ")
        parameters.setdefault(payload_type, {}).update(_parameters(rest))
    feedback: dict[str, set[str]] = {}
    for value in rtcp_fb[: limits.SDP_FEEDBACK_LINES]:
        if len(value) <= limits.SDP_FEEDBACK:
            payload_type, _, rest = value.partition(" ")
            feedback.setdefault(payload_type, set()).add(" ".join(rest.split()))
    # Many lines for all payload types at once would be multiplied with their number.
    everywhere = set(islice(feedback.get("*", ()), limits.SDP_FEEDBACK))
    found: dict[int, RtpMap] = {}
    for text in formats[: limits.SDP_FORMATS]:
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
            frozenset(feedback.get(text, set()) | everywhere),
        )
    return tuple(found.values())


def extensions(values: Sequence[str]) -> tuple[Extmap, ...]:
    found = []
    for value in values[: limits.SDP_EXTENSIONS]:
        match = EXTMAP.fullmatch(value)
        if match and len(match[4] or "") <= limits.SDP_EXTENSION_ATTRIBUTES:
            direction: Direction = next((d for d in DIRECTIONS if d == match[2]), "sendrecv")
            found.append(Extmap(int(match[1]), direction, match[3], match[4] or "", match[2] is not None))
    return tuple(found)


def rids(values: Sequence[str]) -> Mapping[str, Rid]:
    found: dict[str, Rid] = {}
    for value in values[: limits.SDP_RIDS]:
        match = RID.fullmatch(value)
        if match and len(match[1]) <= limits.SDP_IDENTIFICATION and len(match[3] or "") <= limits.SDP_RESTRICTIONS:
            found[match[1]] = Rid(match[1], "send" if match[2] == "send" else "recv", match[3] or "")
    return found


def simulcast(value: str, declared: Mapping[str, Rid]) -> Simulcast | None:
    """Returns the streams whose RIDs are declared for that direction. None: there are none."""
    words = value.split(maxsplit=4)
    if len(words) not in (2, 4) or len(set(words[::2])) != len(words[::2]):
        return None
    streams: dict[str, tuple[tuple[str, ...], ...]] = {}
    draft = words[1].startswith("rid=")
    for direction, names in zip(words[::2], words[1::2], strict=True):
        names = names.removeprefix("rid=") if draft else names
        known = (
            _declared(stream, direction, declared) for stream in names.split(";", limits.SDP_RIDS)[: limits.SDP_RIDS]
        )
        streams[direction] = tuple(stream for stream in known if stream)
    send, recv = streams.get("send", ()), streams.get("recv", ())
    return Simulcast(send, recv, draft) if send or recv else None


def _declared(stream: str, direction: str, declared: Mapping[str, Rid]) -> tuple[str, ...]:
    """Returns the alternatives of one stream that a=rid declares for this direction."""
    names = (name.removeprefix("~") for name in stream.split(",", limits.SDP_RIDS)[: limits.SDP_RIDS])
    return tuple(rid for rid in names if rid in declared and declared[rid].direction == direction)


def ssrcs(values: Sequence[str]) -> tuple[int, ...]:
    """Returns the SSRCs (RFC 5576) in order, without duplicates."""
    found: dict[int, None] = {}
    for value in values[: limits.SDP_SOURCES]:
        if ssrc := number(value.partition(" ")[0], 0xFFFF_FFFF):
            found[ssrc] = None
    return tuple(found)


def ssrc_groups(values: Sequence[str]) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Returns semantics (`FID`, `SIM`) and members of each group."""
    found = []
    for value in values[: limits.SDP_GROUPS]:
        semantics, *members = value.split(maxsplit=limits.SDP_GROUPS + 1) or [""]
        numbers = [ssrc for member in members[: limits.SDP_GROUPS + 1] if (ssrc := number(member, 0xFFFF_FFFF))]
        if numbers and len(numbers) == len(members):
            found.append((semantics.upper(), tuple(numbers)))
    return tuple(found)


def msid(values: Sequence[str], sources: Sequence[str]) -> tuple[str, str]:
    """Returns stream and track (RFC 8830); empty if there are none. Older clients state them with a=ssrc."""
    value = next(iter(values), None)
    if value is None:
        said = (v.partition(" ")[2] for v in sources[: limits.SDP_SOURCES])
        value = next((a.removeprefix("msid:") for a in said if a.startswith("msid:")), "")
    stream, _, track = value.partition(" ")
    return stream, track


def fingerprints(values: Sequence[str]) -> tuple[tuple[str, bytes], ...]:
    """Returns hash function (lower case) and digest (RFC 8122 s5) of the fingerprints with a known hash and the right
    length."""
    found = []
    for value in values[: limits.SDP_FINGERPRINTS]:
        match = FINGERPRINT.fullmatch(value)
        if match and len(match[2]) == 3 * DIGESTS.get(match[1].lower(), 0) - 1:
            found.append((match[1].lower(), bytes.fromhex(match[2].replace(":", ""))))
    return tuple(found)


def credentials(ufrag: str | None, pwd: str | None) -> tuple[str, str] | None:
    """Returns user fragment and password, if both exist and are usable; their lengths are those of RFC 8839 s5.4."""
    if ufrag is None or pwd is None or not 4 <= len(ufrag) <= 256 or not 22 <= len(pwd) <= 256:
        return None
    return (ufrag, pwd) if ICE_CHARS.fullmatch(ufrag) and ICE_CHARS.fullmatch(pwd) else None


def _parameters(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in text.split(";", limits.SDP_PARAMETERS)[: limits.SDP_PARAMETERS]:
        key, equals, value = part.strip().partition("=")
        if equals:
            found[key.strip().lower()] = value.strip()
        elif key:
            found[""] = key
    return found
