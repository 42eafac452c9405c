"""Writes an answer (RFC 9429 s5.3). Its lines come from the negotiated result, never from the offer's text.

ICE and DTLS attributes are in every section, although one is enough in a bundle: aiortc and older clients look for them
in each. Candidates are in the tagged section only.
"""

import hashlib
import ipaddress
from collections.abc import Hashable, Iterator, Sequence, Set
from dataclasses import dataclass
from typing import Literal

from sfu import limits
from sfu.negotiation import capabilities
from sfu.negotiation.attributes import Extmap, Rid, RtpMap
from sfu.negotiation.sdp import MediaSection, SessionDescription
from sfu.negotiation.specs import Local, PayloadType, Sctp, Section
from sfu.recent import Recent

LINE = "\r\n"
"""The end of a line."""
PASSIVE = 4
"""The direction preference of a passive host candidate (RFC 6544 s4.2)."""
SWAPPED = {"sendonly": "recvonly", "recvonly": "sendonly"}


@dataclass(slots=True)
class Written:
    """The lines of an answered section, if they were written: they are the same again if `terms` are."""

    terms: tuple[object, ...] = ()
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """An offered section and its answer."""

    offered: MediaSection
    section: Section
    formats: tuple[tuple[RtpMap, PayloadType], ...] = ()
    extensions: tuple[Extmap, ...] = ()
    sctp: Sctp | None = None
    written: Written | None = None
    """Kept with the section. None: each answer writes the section again."""


def tag(lines: Sequence[Line], bundle: tuple[str, ...]) -> str:
    """Returns the mid of the section that represents the transport. `bundle`: the mids of the group; empty: there is
    none."""
    accepted = [line.section.mid for line in lines if not line.section.rejected]
    return next(iter(bundle or accepted), "")


def write(
    offer: SessionDescription,
    lines: Sequence[Line],
    *,
    local: Local,
    role: Literal["server", "client"],
    tls_id: str | None,
    bundle: tuple[str, ...],
    version: int,
) -> str:
    session_id = int.from_bytes(hashlib.sha256(local.cname.encode()).digest()[:8]) >> 1  # 63 bits: RFC 9429 s5.2.1
    text = ["v=0", f"o=- {session_id} {version} IN IP4 127.0.0.1", "s=-", "t=0 0"]
    if bundle:
        text.append(f"a=group:BUNDLE {' '.join(bundle)}")
    text += ["a=ice-lite", "a=ice-options:trickle"]
    if offer.session.has("extmap-allow-mixed"):
        text.append("a=extmap-allow-mixed")
    lines_of_transport = [
        f"a=ice-ufrag:{local.ufrag}",
        f"a=ice-pwd:{local.pwd}",
        f"a=fingerprint:sha-256 {local.fingerprint}",
        f"a=setup:{'passive' if role == 'server' else 'active'}",
    ]
    if tls_id is not None:
        lines_of_transport.append(f"a=tls-id:{_own_tls_id(local, tls_id)}")
    transport = LINE.join(lines_of_transport)
    tagged = tag(lines, bundle)
    port, connection = _default_address(local)
    terms = (transport, port, connection, local.cname)
    common: dict[tuple[object, ...], Common] = {}
    for line in lines:
        if line.section.rejected:
            text += _rejected(line, transport)
            continue
        written, is_tagged = line.written, line.section.mid == tagged
        if written is not None and written.terms == terms and not is_tagged:
            text += written.lines
            continue
        # Sections with equal lists share their tuples, which live as long as the offer.
        key = (id(line.formats), id(line.extensions), line.offered.formats, line.sctp)
        of = common.get(key)
        if of is None:
            of = common[key] = _common_of(line)
        begin = (
            f"m={line.section.kind} {port} {line.offered.protocol} {of.formats}",
            connection,
            *_mid(line),
            transport,
        )
        end = tuple(_data(line, line.sctp) if line.sctp else _media(line, local, of))
        text += (*begin, *candidates(local), *end) if is_tagged else (*begin, *end)
        if written is not None:
            written.terms, written.lines = terms, (*begin, *end)
    return LINE.join(text) + LINE


def candidates(local: Local) -> list[str]:
    """Returns one host candidate per announced address and protocol (RFC 8445 s5.1.2, 8839 s5.1). Those of TCP have
    lower priorities (RFC 6544 s4.2), and the type preference of Chromium's own ones."""
    lines = []
    for index, (address, port, protocol) in enumerate(local.candidates):
        if protocol == "udp":
            priority = 126 << 24 | (65_535 - index) << 8 | 255
            lines.append(f"a=candidate:{index + 1} 1 udp {priority} {address} {port} typ host")
        else:
            priority = 90 << 24 | (PASSIVE << 13 | 8_191 - index) << 8 | 255
            lines.append(f"a=candidate:{index + 1} 1 tcp {priority} {address} {port} typ host tcptype passive")
    return [*lines, "a=end-of-candidates"]


def restrictions(rid: Rid, answered: Set[str]) -> str | None:
    """Returns the offered restrictions with `pt=` reduced to payload types of the answer. None: none is left (RFC
    8851)."""
    kept = []
    for restriction in rid.restrictions.split(";"):
        key, _, value = restriction.partition("=")
        if key == "pt":
            numbers = [number for number in value.split(",") if number in answered]
            if not numbers:
                return None
            restriction = f"pt={','.join(numbers)}"
        kept.append(restriction)
    return ";".join(kept)


def _default_address(local: Local) -> tuple[int, str]:
    for address, port, _ in local.candidates:
        try:
            version = ipaddress.ip_address(address).version
        except ValueError:  # An announced address may be a host name, which c= does not resolve.
            continue
        return port, f"c=IN IP{version} {address}"
    return 9, "c=IN IP4 0.0.0.0"


def _own_tls_id(local: Local, theirs: str) -> str:
    """Returns our tls-id. It changes only when the client's, or one of the two certificates, changes (RFC 8842
    s5.3)."""
    return hashlib.sha256(f"{local.cname} {local.fingerprint} {theirs}".encode(errors="replace")).hexdigest()


def _mid(line: Line) -> list[str]:
    """Returns the a=mid line. None is invented if the offer has none (RFC 9429 s5.10)."""
    return [] if line.offered.offered_mid is None else [f"a=mid:{line.offered.offered_mid}"]


def _rejected(line: Line, transport: str) -> Iterator[str]:
    """Returns port 0, a format and the mid. The rest is for aiortc, which otherwise refuses the whole answer."""
    yield f"m={line.section.kind} 0 {line.offered.protocol} {line.offered.formats[0]}"
    yield "c=IN IP4 0.0.0.0"
    yield from _mid(line)
    yield transport
    yield "a=inactive"
    if line.section.kind in ("audio", "video"):
        yield "a=rtcp-mux"


@dataclass(frozen=True, slots=True)
class Common:
    """The lines that sections with equal formats and extensions share, written once."""

    formats: str
    extensions: str
    """One line or several; empty: none."""
    codecs: str
    """One line or several; empty: none."""
    estimates: str
    """The feedback that tells what the network to a receive section carries, if it is not transport-wide."""

    @classmethod
    def of(cls, line: Line) -> "Common":
        # Transport-wide feedback needs its header extension.
        counts = any(capabilities.EXTENSIONS[extension.uri] == "transport_cc" for extension in line.extensions)
        codecs = [text for format in line.formats for text in _codec(*format, counts=counts)]
        counts = counts and any("transport-cc" in offered.feedback for offered, _ in line.formats)
        estimates = [] if counts else _estimates(line)
        return cls(
            " ".join(_formats(line)),
            LINE.join(map(_extension, line.extensions)),
            LINE.join(codecs),
            LINE.join(estimates),
        )


@dataclass(frozen=True, slots=True)
class Kept:
    """A written `Common`, and the tuples whose `id()` is its key."""

    common: Common
    formats: tuple[tuple[RtpMap, PayloadType], ...]
    extensions: tuple[Extmap, ...]


_commons: Recent[Hashable, Kept] = Recent(limits.SDP_COMMON)


def _common_of(line: Line) -> Common:
    """Returns what sections with the same formats and extensions have, of all participants."""
    if line.sctp:
        return Common.of(line)

    def compute() -> tuple[Kept, int]:
        common = Common.of(line)
        weight = 512 * (len(line.formats) + len(line.extensions) + 1) + 64 * len(line.offered.formats)
        weight += len(common.formats) + len(common.extensions) + len(common.codecs) + len(common.estimates)
        return Kept(common, line.formats, line.extensions), weight

    return _commons.recall((id(line.formats), id(line.extensions), line.offered.formats), compute).common


def _extension(extension: Extmap) -> str:
    direction = f"/{SWAPPED.get(extension.direction, extension.direction)}" if extension.explicit else ""
    attributes = f" {extension.attributes}" if extension.attributes else ""
    return f"a=extmap:{extension.id}{direction} {extension.uri}{attributes}"


def _formats(line: Line) -> Iterator[str]:
    if line.sctp:
        yield str(line.sctp.local_port) if line.offered.has("sctpmap") else "webrtc-datachannel"
        return
    answered = {str(payload_type.number) for _, payload_type in line.formats}
    answered |= {str(payload_type.rtx) for _, payload_type in line.formats}
    yield from (format for format in dict.fromkeys(line.offered.formats) if format in answered)


def _data(line: Line, sctp: Sctp) -> Iterator[str]:
    if line.offered.has("sctpmap"):
        yield f"a=sctpmap:{sctp.local_port} webrtc-datachannel 65535"
    else:
        yield f"a=sctp-port:{sctp.local_port}"
    yield f"a=max-message-size:{limits.DATA_MESSAGE_OCTETS}"


def _media(line: Line, local: Local, common: Common) -> Iterator[str]:
    publication, slot = line.section.publication, line.section.slot
    match publication is not None, slot is not None:
        case True, True:
            yield "a=sendrecv"
        case True, False:
            yield "a=recvonly"
        case False, True:
            yield "a=sendonly"
        case _:
            yield "a=inactive"
    if line.offered.has("extmap-allow-mixed"):
        yield "a=extmap-allow-mixed"
    if common.extensions:
        yield common.extensions
    yield "a=rtcp-mux"
    if line.offered.has("rtcp-rsize"):
        yield "a=rtcp-rsize"
    if slot:
        yield f"a=msid:slot-{slot.index} slot-{line.offered.offered_mid or slot.index}"
    if common.codecs:
        yield common.codecs
    if slot and common.estimates:
        yield common.estimates
    if publication and publication.encodings[0].rid:
        rids = [encoding.rid or "" for encoding in publication.encodings]
        answered = {str(payload_type.number) for _, payload_type in line.formats}
        for rid in rids:
            yield f"a=rid:{rid} recv {restrictions(line.offered.rids[rid], answered)}".rstrip()
        is_draft = line.offered.simulcast is not None and line.offered.simulcast.draft
        yield f"a=simulcast:{' recv rid=' if is_draft else 'recv '}{';'.join(rids)}"
    if slot:
        if slot.rtx_ssrc is not None:
            yield f"a=ssrc-group:FID {slot.ssrc} {slot.rtx_ssrc}"
        yield f"a=ssrc:{slot.ssrc} cname:{local.cname}"
        if slot.rtx_ssrc is not None:
            yield f"a=ssrc:{slot.rtx_ssrc} cname:{local.cname}"


def _estimates(line: Line) -> Iterator[str]:
    """Returns the lines of RFC 8888 (s6: for all payload types at once) and REMB."""
    if any("ack ccfb" in offered.feedback for offered, _ in line.formats):
        yield "a=rtcp-fb:* ack ccfb"
    for offered, payload_type in line.formats:
        if "goog-remb" in offered.feedback:
            yield f"a=rtcp-fb:{payload_type.number} goog-remb"


def _codec(offered: RtpMap, payload_type: PayloadType, *, counts: bool) -> Iterator[str]:
    codec = capabilities.BY_NAME[payload_type.codec]
    number = payload_type.number
    channels = f"/{codec.channels}" if codec.channels > 1 else ""
    yield f"a=rtpmap:{number} {codec.encoding}/{codec.clock_rate}{channels}"
    for feedback in codec.feedback:
        if feedback in offered.feedback and (counts or feedback != "transport-cc"):
            yield f"a=rtcp-fb:{number} {feedback}"
    if parameters := codec.answer_parameters(offered.parameters):
        yield f"a=fmtp:{number} {parameters}"
    if payload_type.rtx is not None:
        yield f"a=rtpmap:{payload_type.rtx} rtx/{codec.clock_rate}"
        yield f"a=fmtp:{payload_type.rtx} apt={number}"
