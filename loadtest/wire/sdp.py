"""Writes offers, and reads the few needed values of an answer (RFC 9429, 8839, 8842)."""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["audio", "video"]
Simulcast = Literal["rid", "group"]
"""How encodings are identified: by RID, or by the SSRCs of a group."""

OPUS, VP8, VP8_RTX = 111, 96, 97
MID_EXTENSION, TRANSPORT_CC, AUDIO_LEVEL, RID_EXTENSION = 1, 2, 3, 4

EXTENSIONS = {
    MID_EXTENSION: "urn:ietf:params:rtp-hdrext:sdes:mid",
    TRANSPORT_CC: "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
    AUDIO_LEVEL: "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
    RID_EXTENSION: "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
}

CODECS: dict[Kind, tuple[str, ...]] = {
    "audio": (
        f"a=rtpmap:{OPUS} opus/48000/2",
        f"a=fmtp:{OPUS} minptime=10;useinbandfec=1",
        f"a=rtcp-fb:{OPUS} transport-cc",
    ),
    "video": (
        f"a=rtpmap:{VP8} VP8/90000",
        *(f"a=rtcp-fb:{VP8} {feedback}" for feedback in ("transport-cc", "ccm fir", "nack", "nack pli")),
        f"a=rtpmap:{VP8_RTX} rtx/90000",
        f"a=fmtp:{VP8_RTX} apt={VP8}",
    ),
}


@dataclass(frozen=True, slots=True)
class Section:
    """An m-section of the client. `ssrc` is set if the client sends in it."""

    mid: str
    kind: Kind
    ssrc: int | None = None
    rtx_ssrc: int | None = None
    rids: tuple[str, ...] = ()
    """RIDs of a simulcast (RFC 8853), lowest first. The SSRCs are then not signalled."""
    group: tuple[int, ...] = ()
    """SSRCs of a simulcast without RIDs, as in old clients (RFC 5576, semantics SIM), lowest first."""


@dataclass(frozen=True, slots=True)
class Remote:
    """The server's address and credentials in the answer."""

    address: str
    port: int
    ufrag: str
    password: str
    fingerprint: str
    """SHA-256."""


def sections(
    *, sends: Sequence[Kind] = (), rids: tuple[str, ...] = (), streams: int = 0, audios: int = 0, videos: int = 0
) -> tuple[Section, ...]:
    """Returns the sending sections, then the receive sections: audio and video alternate, as viewers of participants
    offer.

    `rids`: video is a simulcast with these RIDs. `streams`: video is a simulcast of this many SSRCs in a group.
    """
    kinds: list[Kind] = [kind for i in range(max(audios, videos)) for kind in _pair(i < audios, i < videos)]
    group = tuple(new_ssrc() for _ in range(streams))
    sent = [
        Section(str(mid), kind, group[0], group=group)
        if group and kind == "video"
        else Section(
            str(mid), kind, new_ssrc(), new_ssrc() if kind == "video" else None, rids if kind == "video" else ()
        )
        for mid, kind in enumerate(sends)
    ]
    return (*sent, *(Section(str(mid), kind) for mid, kind in enumerate(kinds, len(sent))))


def offer(sections: Sequence[Section], *, ufrag: str, password: str, fingerprint: str) -> str:
    lines = [
        "v=0",
        f"o=- {secrets.randbits(62)} 1 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        f"a=group:BUNDLE {' '.join(section.mid for section in sections)}",
    ]
    for section in sections:
        formats = str(OPUS) if section.kind == "audio" else f"{VP8} {VP8_RTX}"
        lines += [
            f"m={section.kind} 9 UDP/TLS/RTP/SAVPF {formats}",
            "c=IN IP4 0.0.0.0",
            f"a=mid:{section.mid}",
            f"a=ice-ufrag:{ufrag}",
            f"a=ice-pwd:{password}",
            "a=ice-options:trickle",
            f"a=fingerprint:sha-256 {fingerprint}",
            "a=setup:actpass",
            "a=rtcp-mux",
            "a=rtcp-rsize",
            "a=sendonly" if section.ssrc else "a=recvonly",
            *(f"a=extmap:{id} {uri}" for id, uri in EXTENSIONS.items() if _concerns(id, section)),
            *CODECS[section.kind],
            *_sources(section),
        ]
    return "\r\n".join(lines) + "\r\n"


def remote(answer: str) -> Remote:
    """Reads the server's end from an answer. Raises ValueError with a sentence if a connection is impossible."""
    if "a=setup:passive" not in answer:
        raise ValueError("the answer does not leave the DTLS client role to us")
    address, port = _find(answer, r"a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ host", "host candidate").groups()
    return Remote(
        address,
        int(port),
        _find(answer, r"a=ice-ufrag:(\S+)", "ICE ufrag")[1],
        _find(answer, r"a=ice-pwd:(\S+)", "ICE password")[1],
        _find(answer, r"a=fingerprint:sha-256 (\S+)", "SHA-256 fingerprint")[1].upper(),
    )


def _find(answer: str, pattern: str, what: str) -> re.Match[str]:
    found = re.search(pattern, answer, re.IGNORECASE)
    if found is None:
        raise ValueError(f"the answer has no {what}")
    return found


def _pair(audio: bool, video: bool) -> list[Kind]:
    kinds: list[Kind] = []
    if audio:
        kinds.append("audio")
    if video:
        kinds.append("video")
    return kinds


def _concerns(extension: int, section: Section) -> bool:
    only = {AUDIO_LEVEL: section.kind == "audio", RID_EXTENSION: bool(section.rids)}
    return only.get(extension, True)


def _sources(section: Section) -> list[str]:
    if section.ssrc is None:
        return []
    if section.rids:
        lines = [f"a=rid:{rid} send" for rid in section.rids]
        return [f"a=msid:wire wire-{section.mid}", *lines, f"a=simulcast:send {';'.join(section.rids)}"]
    if section.group:
        group = f"a=ssrc-group:SIM {' '.join(map(str, section.group))}"
        return [f"a=msid:wire wire-{section.mid}", group, *(f"a=ssrc:{ssrc} cname:wire" for ssrc in section.group)]
    sources = [section.ssrc] if section.rtx_ssrc is None else [section.ssrc, section.rtx_ssrc]
    pair = [f"a=ssrc-group:FID {section.ssrc} {section.rtx_ssrc}"] if section.rtx_ssrc else []
    return [f"a=msid:wire wire-{section.mid}", *pair, *(f"a=ssrc:{ssrc} cname:wire" for ssrc in sources)]


def new_ssrc() -> int:
    return secrets.randbelow(0xFFFF_FFFE) + 1
