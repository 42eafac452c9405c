"""Parameter sets in an offer: read if well-formed, bounded, and of the payload type that names them."""

import base64

import pytest

from sfu import limits
from sfu.negotiation import parameter_sets
from sfu.negotiation.attributes import RtpMap
from sfu.negotiation.specs import PayloadType

SPS, PPS = b"\x67\x42\xc0\x1f", b"\x68\xce\x3c\x80"


def b64(*units: bytes) -> str:
    return ",".join(base64.b64encode(unit).decode() for unit in units)


def of(codec: str, **parameters: str) -> list[bytes]:
    offered = RtpMap(96, codec, 90_000, 1, {k.replace("_", "-"): v for k, v in parameters.items()}, frozenset())
    found = parameter_sets.of([(offered, PayloadType(96, codec, 0, 90_000, None))])
    assert all(number == 96 for number, _ in found)
    return [unit for _, unit in found]


def test_h264_lists_them_in_one_parameter_and_h265_in_three() -> None:
    assert of("h264", sprop_parameter_sets=b64(SPS, PPS)) == [SPS, PPS]
    assert of("h265", sprop_vps=b64(b"v"), sprop_sps=b64(b"s"), sprop_pps=b64(b"p", b"q")) == [b"v", b"s", b"p", b"q"]
    assert of("vp8", sprop_parameter_sets=b64(SPS)) == []


@pytest.mark.parametrize("odd", ["", ",", "Z0LAH", "é", "Z0 LAH==", b64(b""), b64(bytes(limits.SDP_PARAMETER_SET + 1))])
def test_what_cannot_be_read_or_used_is_left_out(odd: str) -> None:
    assert of("h264", sprop_parameter_sets=f"{odd},{b64(PPS)}") == [PPS]


def test_a_long_list_is_cut() -> None:
    assert len(of("h264", sprop_parameter_sets=b64(*[PPS] * 1_000))) == limits.SDP_FORMAT_PARAMETER_SETS
