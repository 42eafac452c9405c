"""What the server supports: codecs with their formats and feedback, and header extensions, as two tables.

`sfu/plane/core/src/rtp/extension.rs` repeats the second table, because the plane handles the extensions.

A codec's *format* is a number for its profile and packetization. Payload types of one codec and equal format are
interchangeable between participants; the plane compares nothing else. Answers omit whatever is not in these tables:
comfort noise, telephone events, FEC for video. REMB and the feedback of RFC 8888 are answered only for receive sections
without transport-wide feedback.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sfu.model import Kind
from sfu.negotiation.attributes import Extmap, RtpMap, number
from sfu.negotiation.sdp import SessionDescription

Parameters = Mapping[str, str]

VALUE = re.compile(r"[A-Za-z0-9./+-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Codec:
    name: str
    """The plane's name of the codec."""
    kind: Kind
    encoding: str
    """The name in a=rtpmap."""
    clock_rate: int
    channels: int
    format: Callable[[Parameters], int | None]
    """Returns the format of these a=fmtp parameters. None: it is not supported."""
    feedback: tuple[str, ...]
    own: Parameters
    """a=fmtp of every answer: the features that subscribers of the forwarded media use."""
    echoed: tuple[str, ...]
    """a=fmtp parameters that belong to the format, or that a client requests for both directions."""

    def answer_parameters(self, offered: Parameters) -> str:
        """Returns the value of a=fmtp in the answer. Empty: none."""
        chosen = dict(self.own)
        for key in self.echoed:
            value = offered.get(key)
            if value is not None and VALUE.fullmatch(value):
                chosen[key] = value
        return ";".join(f"{key}={value}" if key else value for key, value in chosen.items())


# --------------------------------------------------------------------------------------------------- formats


def only(_parameters: Parameters) -> int | None:
    return 0


def vp9(parameters: Parameters) -> int | None:
    """`profile-id` (RFC 9628 s6)."""
    return number(parameters.get("profile-id", "0"), 3)


def av1(parameters: Parameters) -> int | None:
    """`profile` (RTP payload format for AV1, s7.2). Level and tier limit the sender and do not distinguish formats."""
    return number(parameters.get("profile", "0"), 2)


def h265(parameters: Parameters) -> int | None:
    """`profile-id` (RFC 7798 s7.1; 1 is Main), if the codec uses one stream only."""
    if parameters.get("tx-mode", "SRST").upper() != "SRST":
        return None
    return number(parameters.get("profile-id", "1"), 31)


CONSTRAINED_BASELINE, BASELINE, MAIN, CONSTRAINED_HIGH, HIGH, HIGH_444 = range(1, 7)

# RFC 6184 s8.1, table 5: profile_idc, then which bits of profile-iop count, and what they are.
H264_PROFILES = (
    (0x42, 0x4F, 0x40, CONSTRAINED_BASELINE),
    (0x4D, 0x8F, 0x80, CONSTRAINED_BASELINE),
    (0x58, 0xCF, 0xC0, CONSTRAINED_BASELINE),
    (0x42, 0x4F, 0x00, BASELINE),
    (0x58, 0xCF, 0x80, BASELINE),
    (0x4D, 0xAF, 0x00, MAIN),
    (0x64, 0xFF, 0x0C, CONSTRAINED_HIGH),
    (0x64, 0xFF, 0x00, HIGH),
    (0xF4, 0xFF, 0x00, HIGH_444),
)


def h264(parameters: Parameters) -> int | None:
    """Profile and packetization mode (RFC 6184 s8.1). The level is asymmetric and does not distinguish formats."""
    level_id = parameters.get("profile-level-id", "42000a")
    mode = parameters.get("packetization-mode", "0")
    if not re.fullmatch(r"[0-9A-Fa-f]{6}", level_id) or mode not in ("0", "1"):
        return None
    profile_idc, profile_iop = int(level_id[:2], 16), int(level_id[2:4], 16)
    for idc, mask, bits, profile in H264_PROFILES:
        if profile_idc == idc and profile_iop & mask == bits:
            return profile << 1 | int(mode)
    return None


# The other profiles that a decoder of each profile decodes. A decoder of constrained baseline decodes baseline, which
# only adds FMO, ASO and redundant slices, because no WebRTC encoder uses these. Chromium prefers to send 42001f, and
# Firefox offers only 42e01f.
H264_DECODES = {
    CONSTRAINED_BASELINE: (BASELINE,),
    BASELINE: (CONSTRAINED_BASELINE,),
    MAIN: (CONSTRAINED_BASELINE, BASELINE),
    CONSTRAINED_HIGH: (CONSTRAINED_BASELINE, BASELINE),
    HIGH: (CONSTRAINED_HIGH, MAIN, CONSTRAINED_BASELINE, BASELINE),
    HIGH_444: (HIGH, CONSTRAINED_HIGH, MAIN, CONSTRAINED_BASELINE, BASELINE),
}


def also_decodes(codec: str, format: int) -> tuple[int, ...]:
    """Returns the formats that a receiver of this format decodes, too, nearest first."""
    match codec:
        case "h264":
            profile, mode = format >> 1, format & 1
            modes = (1, 0) if mode else (0,)  # Mode 1 includes mode 0 (RFC 6184 s6.3).
            profiles = (profile, *H264_DECODES.get(profile, ()))
            return tuple(p << 1 | m for p in profiles for m in modes if p << 1 | m != format)
        case "av1":
            return tuple(range(format - 1, -1, -1))  # AV1, annex A.2: each profile includes the lower ones.
        case "h265":
            return (1,) if format == 2 else ()  # Main 10 includes Main.
        case _:
            return ()


# ---------------------------------------------------------------------------------------------------- tables

VIDEO_FEEDBACK = ("transport-cc", "ccm fir", "nack", "nack pli")
AUDIO_FEEDBACK = ("transport-cc", "nack")
FEC = {"minptime": "10", "useinbandfec": "1"}
LIKED = ("maxplaybackrate", "stereo", "usedtx")  # A client that requests stereo, or DTX, sends it, too.
H264_ECHOED = ("level-asymmetry-allowed", "packetization-mode", "profile-level-id")
H265_ECHOED = ("level-id", "profile-id", "tier-flag", "tx-mode")
AUDIO, VIDEO = Kind.AUDIO, Kind.VIDEO

CODECS = (
    Codec("opus", AUDIO, "opus", 48_000, 2, only, AUDIO_FEEDBACK, FEC, LIKED),
    Codec("red", AUDIO, "red", 48_000, 2, only, AUDIO_FEEDBACK, {}, ("",)),
    Codec("pcmu", AUDIO, "PCMU", 8_000, 1, only, AUDIO_FEEDBACK, {}, ()),
    Codec("pcma", AUDIO, "PCMA", 8_000, 1, only, AUDIO_FEEDBACK, {}, ()),
    Codec("vp8", VIDEO, "VP8", 90_000, 1, only, VIDEO_FEEDBACK, {}, ()),
    Codec("vp9", VIDEO, "VP9", 90_000, 1, vp9, VIDEO_FEEDBACK, {}, ("profile-id",)),
    Codec("av1", VIDEO, "AV1", 90_000, 1, av1, VIDEO_FEEDBACK, {}, ("level-idx", "profile", "tier")),
    Codec("h264", VIDEO, "H264", 90_000, 1, h264, VIDEO_FEEDBACK, {}, H264_ECHOED),
    Codec("h265", VIDEO, "H265", 90_000, 1, h265, VIDEO_FEEDBACK, {}, H265_ECHOED),
)

BY_NAME = {codec.name: codec for codec in CODECS}


class Treatment(StrEnum):
    """The treatment of a header extension between publisher and subscriber."""

    REWRITTEN = "rewritten"
    """The server writes its own, whatever the publisher sent."""
    PASSED = "passed"
    """Forwarded unchanged, under the subscriber's id."""
    STRIPPED = "stripped"
    """Used between publisher and server only."""
    REFUSED = "refused"
    """Omitted from answers, like everything that the table does not name, so no client sends it."""


@dataclass(frozen=True, slots=True)
class Extension:
    uri: str
    treatment: Treatment
    name: str = ""
    """The plane's name of the extension. Empty: the plane never sees it."""


REWRITTEN, PASSED, STRIPPED, REFUSED = Treatment
SDES = "urn:ietf:params:rtp-hdrext:sdes"
WEBRTC = "http://www.webrtc.org/experiments/rtp-hdrext"

MID = f"{SDES}:mid"

EXTENSION_TABLE = (
    Extension(MID, REWRITTEN, "mid"),
    Extension("http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01", REWRITTEN, "transport_cc"),
    Extension(f"{WEBRTC}/abs-send-time", REWRITTEN, "abs_send_time"),
    # Frame numbers and active targets differ between subscribers, because they receive different layers.
    Extension(
        "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension",
        REWRITTEN,
        "dependency_descriptor",
    ),
    Extension("urn:ietf:params:rtp-hdrext:ssrc-audio-level", PASSED, "audio_level"),
    Extension(f"{WEBRTC}/playout-delay", PASSED, "playout_delay"),
    Extension(f"{WEBRTC}/abs-capture-time", PASSED, "abs_capture_time"),
    Extension(f"{WEBRTC}/video-content-type", PASSED, "content_type"),
    Extension(f"{WEBRTC}/color-space", PASSED, "color_space"),
    # A slot is one stream of one section, which its SSRC identifies.
    Extension(f"{SDES}:rtp-stream-id", STRIPPED, "rid"),
    Extension(f"{SDES}:repaired-rtp-stream-id", STRIPPED, "repaired_rid"),
    Extension(f"{WEBRTC}/video-layers-allocation00", STRIPPED, "video_layers_allocation"),
    # Without this extension senders rotate the picture themselves. Some receivers (WHEP players, recorders) do not
    # rotate, and a slot that changes its publisher would have to rotate between two frames.
    Extension("urn:3gpp:video-orientation", REFUSED),
    # Send times are per hop, and each subscriber has its own.
    Extension("urn:ietf:params:rtp-hdrext:toffset", REFUSED),
    Extension(f"{WEBRTC}/video-timing", REFUSED),
    # The server mixes nothing.
    Extension("urn:ietf:params:rtp-hdrext:csrc-audio-level", REFUSED),
)

EXTENSIONS = {extension.uri: extension.name for extension in EXTENSION_TABLE if extension.treatment is not REFUSED}
"""The plane's name of each accepted extension, by URI."""


def find(kind: Kind, offered: RtpMap) -> tuple[Codec, int] | None:
    """Returns codec and format of an offered payload type, if supported."""
    codec = BY_NAME.get(offered.name)
    if codec is None or (codec.kind, codec.clock_rate) != (kind, offered.clock_rate):
        return None
    # Gateways write `opus/48000` or `/1`, although opus always has two channels there (RFC 7587 s7).
    if offered.channels not in (1, codec.channels):
        return None
    format = codec.format(offered.parameters)
    return None if format is None else (codec, format)


def extension_ids(offer: SessionDescription) -> Mapping[str, int]:
    """Returns one id per supported extension for the whole bundle: one map of the plane serves all (RFC 8843 s9).

    An extension that has other ids in later sections is omitted there. An id that means two supported extensions is
    omitted.
    """
    found: dict[str, int] = {}
    for extmaps, mixed in _levels(offer):
        for extension in extmaps:
            name = EXTENSIONS.get(extension.uri)
            # RFC 8285: ids 1 to 14 have a one-byte form. Ids above 15 require that both forms may be mixed.
            if name and (1 <= extension.id <= 14 or (mixed and 16 <= extension.id <= 255)):
                found.setdefault(name, extension.id)
    meanings = Counter(found.values())
    return {name: id for name, id in found.items() if meanings[id] == 1}


def _levels(offer: SessionDescription) -> Iterator[tuple[tuple[Extmap, ...], bool]]:
    """Yields the extensions of each level, and whether both forms may be mixed there. Equal levels come once."""
    mixed = offer.session.has("extmap-allow-mixed")
    yield offer.session.extmaps, mixed
    looked: set[tuple[int, bool]] = set()
    for section in (s for s in offer.sections if not s.stopped):
        key = (id(section.extmaps), mixed or section.has("extmap-allow-mixed"))
        if key not in looked:
            looked.add(key)
            yield section.extmaps, key[1]


def ids_by_name(extensions: Sequence[Extmap], way: str) -> Mapping[str, int]:
    """Returns the ids of extensions that the client uses in that direction, by the plane's name."""
    return {EXTENSIONS[e.uri]: e.id for e in extensions if e.direction in ("sendrecv", way)}
