"""Formats: which payload types of two participants are interchangeable; and header extensions, row by row."""

from typing import cast

import pytest

from sfu.negotiation.capabilities import (
    BY_NAME,
    EXTENSION_TABLE,
    EXTENSIONS,
    Extension,
    Treatment,
    also_decodes,
    h264,
)
from sfu.negotiation.sdp import SessionDescription
from sfu.plane import _native

from .offers import NAMES, VIDEO, answered, captured, offer, section


@pytest.mark.parametrize(
    ("profile_level_id", "same_as"),
    [
        ("42e01f", "42e034"),  # the level does not divide
        ("42E01F", "42e01f"),
        ("42c01f", "42e01f"),  # both have constraint_set1: constrained baseline
        ("4d801f", "42e01f"),
        ("42001f", "42801e"),
        ("4d001f", "4d0028"),
        ("64001f", "640034"),
        ("640c1f", "640c2a"),
        ("f4001f", "f40034"),
    ],
)
def test_h264_profiles_that_are_one(profile_level_id: str, same_as: str) -> None:
    assert h264({"profile-level-id": profile_level_id}) == h264({"profile-level-id": same_as}) is not None


def test_h264_profiles_and_modes_of_the_browsers_are_all_different() -> None:
    formats = {
        h264({"profile-level-id": f"{profile}1f", "packetization-mode": mode})
        for profile in ("42e0", "4200", "4d00", "640c", "6400", "f400")
        for mode in "01"
    }
    assert len(formats) == 12
    assert None not in formats


@pytest.mark.parametrize(
    "parameters",
    [
        {"profile-level-id": "42e01"},
        {"profile-level-id": "42e01g"},
        {"profile-level-id": "ff001f"},
        {"profile-level-id": "42e01f", "packetization-mode": "2"},
        {"profile-level-id": "42e01f", "packetization-mode": ""},
    ],
)
def test_h264_that_we_cannot_place_is_not_ours(parameters: dict[str, str]) -> None:
    assert h264(parameters) is None


def test_h264_without_parameters_is_baseline_in_single_packets() -> None:
    assert h264({}) == h264({"profile-level-id": "42000a", "packetization-mode": "0"})


@pytest.mark.parametrize(
    ("codec", "parameters", "format"),
    [
        ("vp8", {"max-fs": "12288"}, 0),
        ("vp9", {}, 0),
        ("vp9", {"profile-id": "2"}, 2),
        ("vp9", {"profile-id": "4"}, None),
        ("vp9", {"profile-id": "-1"}, None),
        ("av1", {"profile": "1", "level-idx": "5", "tier": "0"}, 1),
        ("av1", {"profile": "x"}, None),
        ("h265", {}, 1),
        ("h265", {"profile-id": "2"}, 2),
        ("h265", {"tx-mode": "MRST"}, None),
    ],
)
def test_formats_of_the_other_codecs(codec: str, parameters: dict[str, str], format: int | None) -> None:
    assert BY_NAME[codec].format(parameters) == format


def test_a_decoder_takes_the_profiles_inside_its_own_and_no_larger_mode() -> None:
    high_1, baseline_0 = 5 << 1 | 1, 2 << 1
    assert baseline_0 in also_decodes("h264", high_1)
    assert also_decodes("h264", baseline_0) == (1 << 1,)
    assert also_decodes("av1", 2) == (1, 0)
    assert also_decodes("h265", 2) == (1,)
    assert also_decodes("h265", 1) == also_decodes("vp9", 2) == also_decodes("opus", 0) == ()


def test_every_format_fits_the_number_the_plane_has_for_it() -> None:
    assert all(0 <= format < 1 << 16 for h in range(1, 7) for format in also_decodes("h264", h << 1 | 1))


@pytest.mark.parametrize("extension", EXTENSION_TABLE, ids=lambda extension: extension.uri)
def test_an_extension_is_in_answers_unless_it_is_refused(extension: Extension) -> None:
    negotiated = answered(offer(section(VIDEO, "0", "a=sendrecv", f"a=extmap:7 {extension.uri}")))
    (line,) = SessionDescription.parse(negotiated.answer).sections
    if extension.treatment is Treatment.REFUSED:
        assert line.extensions == ()
        return
    assert [(e.id, e.uri) for e in line.extensions] == [(7, extension.uri)]
    (publication,), (slot,) = negotiated.publications, negotiated.slots
    assert publication.extensions == slot.extensions == {extension.name: 7}


@pytest.mark.parametrize("name", NAMES)
def test_of_the_browsers_offers_all_is_taken_that_is_in_the_table_and_not_refused(name: str) -> None:
    offered = SessionDescription.parse(captured(name))
    answer = SessionDescription.parse(answered(captured(name)).answer)
    treatments = {extension.uri: extension.treatment for extension in EXTENSION_TABLE}
    for theirs, ours in zip(offered.sections, answer.sections, strict=True):
        uris = [e.uri for e in theirs.extensions]
        assert set(uris) <= treatments.keys(), "browsers offer what the table does not name"
        assert [e.uri for e in ours.extensions] == [uri for uri in uris if treatments[uri] is not Treatment.REFUSED]
        assert "urn:3gpp:video-orientation" not in [e.uri for e in ours.extensions], "senders turn their pictures"


def test_the_plane_knows_every_extension_that_is_accepted() -> None:
    extensions = {name: id for id, name in enumerate(EXTENSIONS.values(), 1)}
    spec = _native.SlotSpec(
        id=2,
        transport=1,
        kind="video",
        mid="0",
        ssrc=1,
        rtx_ssrc=None,
        payload_types=[_native.PayloadType(number=96, codec="vp8", format=0, clock_rate=90_000, rtx=None)],
        extensions=cast("dict[_native._Extension, int]", extensions),
    )
    assert spec.extensions == extensions
