"""The m-sections of an offer and their answers (RFC 8841, 8853): publications and slots."""

import itertools
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sfu import limits
from sfu.errors import NegotiationError
from sfu.model import Kind
from sfu.negotiation import answer, capabilities, parameter_sets
from sfu.negotiation.attributes import Extmap, RtpMap, number
from sfu.negotiation.sdp import MediaSection, SessionDescription
from sfu.negotiation.specs import Allow, Encoding, Negotiated, PayloadType, Publication, ReceiveSection, Sctp, Section
from sfu.quoting import quote
from sfu.recent import Recent

LOCAL_SCTP_PORT = 5000
RTP_PROTOCOLS = ("UDP/TLS/RTP/SAVPF", "RTP/SAVPF", "UDP/TLS/RTP/SAVP", "RTP/SAVP")  # RFC 9429 s5.1.2
SCTP_PROTOCOLS = ("UDP/DTLS/SCTP", "DTLS/SCTP")


@dataclass(frozen=True, slots=True)
class Common:
    """The result that sections with equal payload types and extensions share."""

    formats: tuple[tuple[RtpMap, PayloadType], ...]
    """The supported payload types."""
    extensions: tuple[Extmap, ...]
    """The supported ones among them."""
    received: tuple[PayloadType, ...]
    """The formats that the client accepts, with aliases."""
    received_extensions: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Kept:
    """A computed `Common`, and the tuples whose `id()` is its key."""

    common: Common
    codecs: tuple[RtpMap, ...]
    extmaps: tuple[Extmap, ...]


_commons: Recent[Hashable, Kept] = Recent(limits.SDP_COMMON)


@dataclass(frozen=True, slots=True)
class Last:
    """The last answer to a section: it is the same again if these are."""

    common: Common
    publishes: bool
    section: Section
    written: answer.Written


class Sections:
    """The m-sections of one offer, while they are answered."""

    def __init__(
        self, offer: SessionDescription, previous: Negotiated | None, allow: Allow, new_ssrc: Callable[[], int]
    ) -> None:
        self.offer = offer
        self.previous = previous
        self.allow = allow
        self.new_ssrc = new_ssrc
        self.faults: list[str] = []
        """One sentence per rejected section: why."""
        self.ids = capabilities.extension_ids(offer)
        self.muxed = any(section.has("rtcp-mux") for section in offer.sections)
        self.used = {ssrc for section in offer.sections for ssrc in section.ssrcs}
        self.kept: dict[str, ReceiveSection] = {}
        self._common: dict[tuple[int, int, Kind, bool], Common] = {}
        self._same: dict[tuple[int, int, int], bool] = {}
        """Whether kept slots have the payload types and extensions of `Common`, by the `id()` of all three."""
        self._codecs = 0
        """Payload types in `_common`."""
        self._session_extensions = self._ours(offer.session.extmaps)
        live = {section.mid for section in offer.sections if not section.stopped and section.receives}
        indexes: dict[Kind, set[int]] = {kind: set() for kind in Kind}
        for slot in previous.slots if previous else ():
            self.used |= {slot.ssrc, slot.rtx_ssrc or 0}
            if slot.mid in live:
                self.kept[slot.mid] = slot
                indexes[slot.kind].add(slot.index)
        self._kinds = {s.mid: s.kind for s in previous.sections if not s.rejected} if previous else {}
        self._free = {kind: _free(taken) for kind, taken in indexes.items()}

    def answered(self) -> list[answer.Line]:
        """Returns the answered sections. Raises NegotiationError if usable sections are not bundled, because each needs
        its own transport."""
        lines: list[answer.Line] = []
        mids: set[str] = set()
        has_data = False
        for section in self.offer.sections:
            if section.mid in mids:
                line = self._rejected(section, "" if section.stopped else f"two m-sections have {quote(section.mid)}")
            else:
                line = self._answered(section, has_data=has_data)
            lines.append(line)
            mids.add(section.mid)
            has_data = has_data or line.sctp is not None
        _check_bundle(self.offer, lines)
        return lines

    def _answered(self, section: MediaSection, *, has_data: bool) -> answer.Line:
        if section.stopped or section.fault:
            return self._rejected(section, section.fault)
        if self._kinds.get(section.mid, section.kind) != section.kind:
            return self._rejected(section, f"the section {quote(section.mid)} is now {quote(section.kind)}")
        match section.kind:
            case "application":
                return self._data(section) if self.allow.data and not has_data else self._rejected(section)
            case "audio" | "video":
                return self._media(section, Kind(section.kind))
            case _:
                return self._rejected(section)

    def _rejected(self, section: MediaSection, fault: str = "") -> answer.Line:
        if fault:
            self.faults.append(fault)
        return answer.Line(section, Section(section.mid, section.kind, rejected=True))

    def _data(self, section: MediaSection) -> answer.Line:
        """RFC 8841; also the form of its drafts, `DTLS/SCTP 5000` with a=sctpmap."""
        legacy = section.formats[0] if section.has("sctpmap") else ""
        port = number(section.value("sctp-port") or legacy or "5000", 0xFFFF)
        if section.protocol not in SCTP_PROTOCOLS or not port:
            return self._rejected(section)
        size = number(section.value("max-message-size") or "65536", 0xFFFF_FFFF)
        sctp = Sctp(LOCAL_SCTP_PORT, port, size or 0xFFFF_FFFF)  # 0: any size
        return answer.Line(section, Section(section.mid, section.kind), sctp=sctp)

    def _media(self, section: MediaSection, kind: Kind) -> answer.Line:
        common = self._in_common(section, kind)
        if common is None:
            return self._rejected(section, f"the offer has more than {limits.SDP_ALL_CODECS} different payload types")
        if section.protocol not in RTP_PROTOCOLS or not common.formats:
            return self._rejected(section)
        if not self.muxed:
            # One section of a bundle with a=rtcp-mux is enough, because the bundle has one transport.
            return self._rejected(section, f"the section {quote(section.mid)} does not offer a=rtcp-mux")
        publishes = section.sends and self.allow.publishes(section.mid, kind)
        receives = section.receives and self.allow.subscribe
        last = section.answered
        if isinstance(last, Last) and self._is_answered(last, common, publishes=publishes, receives=receives):
            return answer.Line(section, last.section, common.formats, common.extensions, written=last.written)
        publication = slot = None
        if publishes:
            publication = _publication(section, kind, common.formats, common.extensions)
        if receives:
            slot = self._slot(section.mid, kind, common)
        accepted, written = Section(section.mid, kind.value, publication, slot), answer.Written()
        section.answered = Last(common, publishes, accepted, written)
        return answer.Line(section, accepted, common.formats, common.extensions, written=written)

    def _is_answered(self, last: Last, common: Common, *, publishes: bool, receives: bool) -> bool:
        """Returns whether the last answer to a section answers it again."""
        slot = last.section.slot
        is_slot = slot is not None and slot is self.kept.get(slot.mid) if receives else slot is None
        return is_slot and last.common is common and last.publishes == publishes

    def _in_common(self, section: MediaSection, kind: Kind) -> Common | None:
        """Returns the `Common` of a section. None: other sections have used up the limits of the offer."""
        # Sections with equal lists share their tuples, which live as long as the offer.
        key = (id(section.codecs), id(section.extmaps), kind, section.has_extension_for_mid)
        common = self._common.get(key)
        if common is None and self._codecs <= limits.SDP_ALL_CODECS:
            ours = tuple(map(self._is_ours, section.extmaps))

            def compute() -> tuple[Kept, int]:
                weight = 512 * (len(section.codecs) + len(section.extmaps) + len(self._session_extensions) + 1)
                return Kept(self._common_of(section, kind), section.codecs, section.extmaps), weight

            # Participants with the same browser have the very same tuples, too. The cache keeps them.
            common = _commons.recall((*key, ours, self._session_extensions), compute).common
            self._codecs += len(common.formats)
            self._common[key] = common
        return common

    def _common_of(self, section: MediaSection, kind: Kind) -> Common:
        formats = _formats(section, kind)
        ours = {e.uri: e for e in (*self._session_extensions, *self._ours(section.extmaps))}
        if not section.has_extension_for_mid:
            ours.pop(capabilities.MID, None)
        extensions = tuple(ours.values())
        received = _with_aliases(tuple(payload_type for _, payload_type in formats))
        return Common(formats, extensions, received, capabilities.ids_by_name(extensions, "recvonly"))

    def _ours(self, extensions: Sequence[Extmap]) -> tuple[Extmap, ...]:
        return tuple(filter(self._is_ours, extensions))

    def _is_ours(self, extension: Extmap) -> bool:
        return self.ids.get(capabilities.EXTENSIONS.get(extension.uri, "")) == extension.id

    def _slot(self, mid: str, kind: Kind, common: Common) -> ReceiveSection:
        """Returns the slot of a section. A slot keeps its SSRCs. A new slot gets new SSRCs, because its sequence
        numbers start again. Other payload types or extensions make a new slot."""
        kept = self.kept.get(mid)
        payload_types, extensions = common.received, common.received_extensions
        index = kept.index if kept else next(self._free[kind])
        if kept and self._is_same(kept, common):
            return kept
        rtx = any(payload_type.rtx is not None for payload_type in payload_types)
        ssrc, rtx_ssrc = self._fresh_ssrc(), self._fresh_ssrc() if rtx else None
        return ReceiveSection(mid, kind, ssrc, rtx_ssrc, payload_types, extensions, index)

    def _is_same(self, kept: ReceiveSection, common: Common) -> bool:
        # Kept slots, and `_common`, live as long as the offer is answered.
        key = (id(kept.payload_types), id(kept.extensions), id(common))
        same = self._same.get(key)
        if same is None:
            is_list = kept.payload_types is common.received or set(kept.payload_types) == set(common.received)
            same = is_list and kept.extensions == common.received_extensions
            self._same[key] = same
        return same

    def _fresh_ssrc(self) -> int:
        for _ in range(100):
            ssrc = self.new_ssrc()
            if ssrc and ssrc not in self.used:
                self.used.add(ssrc)
                return ssrc
        raise ValueError("new_ssrc yields only SSRCs that are in use")


def _free(taken: set[int]) -> Iterator[int]:
    """Yields the numbers from 0 that are not taken."""
    return (index for index in itertools.count() if index not in taken)


def _check_bundle(offer: SessionDescription, lines: Sequence[answer.Line]) -> None:
    """Raises if one of several usable sections is not in the bundle (RFC 8843 s7.3). The server has one transport, and
    half a call helps nobody."""
    accepted = [line.offered for line in lines if not line.section.rejected]
    bundled = set(offer.bundle or ())
    outside = [section for section in accepted if section.offered_mid not in bundled]
    if len(accepted) < 2 or not outside:
        return
    first = outside[0]
    if first.offered_mid is None:
        raise NegotiationError(f"the {first.kind} section {first.index} has no a=mid, which bundling needs")
    raise NegotiationError(
        f"a=group:BUNDLE does not name the {first.kind} section {quote(first.mid)}, "
        "but the server has one transport for all: set the bundle policy max-bundle"
    )


def _formats(section: MediaSection, kind: Kind) -> tuple[tuple[RtpMap, PayloadType], ...]:
    """Returns the supported payload types in the offer's order, each with its retransmission payload type."""
    offered = [c for c in section.codecs if not 64 <= c.number <= 95]  # RFC 5761 s4: these look like RTCP.
    rtx = {c.parameters.get("apt"): c.number for c in reversed(offered) if c.name == "rtx"}
    opus = {str(c.number) for c in offered if c.name == "opus" and capabilities.find(kind, c)}
    chosen: list[tuple[RtpMap, PayloadType]] = []
    for c in offered:
        found = capabilities.find(kind, c)
        if found is None or (c.name == "red" and not _is_red_of(c, opus)):
            continue
        codec, format = found
        if len(chosen) == limits.SDP_CODECS:
            break
        chosen.append((c, PayloadType(c.number, codec.name, format, codec.clock_rate, rtx.get(str(c.number)))))
    return tuple(chosen)


def _is_red_of(offered: RtpMap, opus: set[str]) -> bool:
    """Returns whether the primary and all copies of this RED (RFC 2198) have the same opus payload type."""
    blocks = offered.parameters.get("", "").split("/")
    return len(set(blocks)) == 1 and blocks[0] in opus


def _with_aliases(payload_types: Sequence[PayloadType]) -> tuple[PayloadType, ...]:
    """Adds profiles that the client decodes but does not list. Their tracks are sent with a payload type that it
    lists."""
    known = {(p.codec, p.format): p for p in reversed(payload_types)}
    aliases: dict[tuple[str, int], PayloadType] = {}
    for p in payload_types:
        for format in capabilities.also_decodes(p.codec, p.format):
            if (p.codec, format) not in known:
                aliases.setdefault((p.codec, format), PayloadType(p.number, p.codec, format, p.clock_rate, p.rtx))
    return (*payload_types, *aliases.values())


def _publication(
    section: MediaSection,
    kind: Kind,
    formats: tuple[tuple[RtpMap, PayloadType], ...],
    extensions: tuple[Extmap, ...],
) -> Publication:
    # Only answered formats count, because no others are negotiated.
    feedback = {f for offered, p in formats for f in capabilities.BY_NAME[p.codec].feedback if f in offered.feedback}
    return Publication(
        mid=section.mid,
        kind=kind,
        payload_types=tuple(payload_type for _, payload_type in formats),
        encodings=_encodings(section, formats, capabilities.ids_by_name(extensions, "sendonly")),
        extensions=capabilities.ids_by_name(extensions, "sendonly"),
        nack="nack" in feedback,
        pli="nack pli" in feedback,
        fir="ccm fir" in feedback,
        repairs=_repairs(section),
        msid=section.msid,
        parameter_sets=parameter_sets.of(formats),
    )


def _repairs(section: MediaSection) -> tuple[tuple[int, int], ...]:
    """Returns the SSRCs of FID groups (RFC 5576 s4.2)."""
    pairs = (group for semantics, group in section.ssrc_groups if semantics == "FID" and len(set(group)) == 2)
    return tuple((pair[0], pair[1]) for pair in itertools.islice(pairs, limits.SDP_REPAIRS))


def _encodings(
    section: MediaSection, formats: tuple[tuple[RtpMap, PayloadType], ...], extensions: Mapping[str, int]
) -> tuple[Encoding, ...]:
    """Returns the encodings by RID (RFC 8853), else by the SSRCs of a SIM group (old clients), else one.

    Only the first `SDP_ENCODINGS` are used.
    """
    if section.simulcast and "rid" in extensions:
        answered = {str(payload_type.number) for _, payload_type in formats}
        first = list(dict.fromkeys(stream[0] for stream in section.simulcast.send))[: limits.SDP_ENCODINGS]
        rids = [rid for rid in first if answer.restrictions(section.rids[rid], answered) is not None]
        if rids:
            return tuple(Encoding(rid=rid) for rid in rids)
    repairs = dict(_repairs(section))
    simulcast = next((group for semantics, group in section.ssrc_groups if semantics == "SIM"), ())
    primaries = tuple(dict.fromkeys(simulcast))[: limits.SDP_ENCODINGS] or tuple(repairs)[:1] or section.ssrcs[:1]
    return tuple(Encoding(None, ssrc, repairs.get(ssrc)) for ssrc in primaries) or (Encoding(),)
