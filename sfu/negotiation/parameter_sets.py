"""Parameter sets of H.264 and H.265 in an offer (RFC 6184 s8.1, RFC 7798 s7.1). A publisher that states them there need
not send them with the media."""

import base64
import itertools
from collections.abc import Iterable, Iterator

from sfu import limits
from sfu.negotiation.attributes import RtpMap
from sfu.negotiation.specs import PayloadType

ATTRIBUTES = {
    "h264": ("sprop-parameter-sets",),
    "h265": ("sprop-vps", "sprop-sps", "sprop-pps"),
}


def of(formats: Iterable[tuple[RtpMap, PayloadType]]) -> tuple[tuple[int, bytes], ...]:
    """Returns NAL units with their payload types. Unreadable ones are left out: the media may have them."""
    found = ((payload_type.number, unit) for offered, payload_type in formats for unit in _units(offered, payload_type))
    return tuple(itertools.islice(found, limits.SDP_PARAMETER_SETS))


def _units(offered: RtpMap, payload_type: PayloadType) -> Iterator[bytes]:
    for attribute in ATTRIBUTES.get(payload_type.codec, ()):
        listed = offered.parameters.get(attribute, "").split(",", limits.SDP_FORMAT_PARAMETER_SETS)
        for text in listed[: limits.SDP_FORMAT_PARAMETER_SETS]:
            try:
                unit = base64.b64decode(text.strip(), validate=True)
            except ValueError:  # Raised for text that is not base64 (binascii.Error) or not ASCII.
                continue
            if 0 < len(unit) <= limits.SDP_PARAMETER_SET:
                yield unit
