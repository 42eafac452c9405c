"""A spec is checked when it is made: a bad one is a ValueError with a sentence, so no command can fail later."""

from collections.abc import Callable
from typing import Any

import pytest

from sfu.model import Kind
from sfu.model import Layer as ModelLayer
from sfu.plane import (
    ChannelSpec,
    DataLimits,
    EncodingSpec,
    Fingerprint,
    IceCredentials,
    Layer,
    PayloadType,
    Plane,
    PlaneConfig,
    SctpSpec,
    Silence,
    SlotSpec,
    TrackSpec,
    TransportSpec,
)

VP8 = PayloadType(number=96, codec="vp8", clock_rate=90_000, rtx=97)
OPUS = PayloadType(number=111, codec="opus", clock_rate=48_000)


def config(**changes: Any) -> PlaneConfig:
    return PlaneConfig(**{"hosts": ["127.0.0.1"], "udp_port": 7882, "workers": 1, **changes})


def credentials(**changes: Any) -> IceCredentials:
    pwd = "p" * 22
    return IceCredentials(
        **{"local_ufrag": "ours", "local_pwd": pwd, "remote_ufrag": "theirs", "remote_pwd": pwd, **changes}
    )


def track(**changes: Any) -> TrackSpec:
    fields: dict[str, Any] = {
        "id": 2,
        "transport": 1,
        "kind": "video",
        "mid": "0",
        "payload_types": [VP8],
        "encodings": [EncodingSpec(rid="q"), EncodingSpec(rid="h")],
        "extensions": {"mid": 1, "rid": 2},
        "parameter_sets": [(96, b"\x67\x42")],
        "nack": True,
        "pli": True,
        "fir": False,
    }
    return TrackSpec(**{**fields, **changes})


def slot(**changes: Any) -> SlotSpec:
    fields: dict[str, Any] = {
        "id": 3,
        "transport": 1,
        "kind": "video",
        "mid": "1",
        "ssrc": 4_294_967_295,
        "rtx_ssrc": 7,
        "payload_types": [VP8],
        "extensions": {},
    }
    return SlotSpec(**{**fields, **changes})


def channel(**changes: Any) -> ChannelSpec:
    return ChannelSpec(**{"id": 4, "transport": 1, "label": "chat", **changes})


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: config(hosts=[]), "hosts is empty: there is no address to bind to"),
        (lambda: config(hosts=["localhost"]), 'host "localhost" is not an IP address'),
        (lambda: config(udp_port=65_536), "udp_port is 65536, not within 0..65535"),
        (lambda: config(workers=0), "workers is 0, not within 1..256"),
        (lambda: config(udp_port=65_530, workers=7), "7 workers from port 65530 on need ports above 65535"),
        (lambda: Silence(shortest=9.0, longest=8.0), "shortest is 9 s, longer than longest, 8 s"),
        (lambda: Silence(with_feedback=-1.0), "with_feedback is -1 s, not a time span above 0"),
        (lambda: Silence(with_feedback=float("nan")), "with_feedback is NaN s, not a time span above 0"),
        (lambda: Silence(factor=0.5), "factor is 0.5, not within 1..1000"),
        (lambda: DataLimits(channels=65_535), "channels is 65535, not within 0..65534"),
        (lambda: DataLimits(receive_window=9), "receive_window is 9, less than one message of 65536 octets"),
        (lambda: credentials(local_ufrag="abc"), "local_ufrag has 3 characters, not 4..256 (RFC 8839)"),
        (lambda: credentials(remote_pwd="p" * 21), "remote_pwd has 21 characters, not 22..256 (RFC 8839)"),
        (
            lambda: credentials(remote_ufrag="a:b:c"),
            "remote_ufrag has a character that is none of A-Z a-z 0-9 + / = _ - (RFC 8839)",
        ),
        (lambda: Fingerprint(hash="sha-1", digest=b""), 'hash is "sha-1"; it may be sha-256, sha-384, sha-512'),  # type: ignore[arg-type]
        (lambda: Fingerprint(hash="sha-384", digest=bytes(32)), "a sha-384 digest has 48 octets, not 32"),
        (lambda: SctpSpec(local_port=0, remote_port=1, max_message_size=0), "local_port is 0, not within 1..65535"),
        (lambda: PayloadType(number=128, codec="vp8", clock_rate=1), "payload type is 128, not within 0..127"),
        (
            lambda: PayloadType(number=72, codec="vp8", clock_rate=1),
            "payload type is 72; 64..95 would be taken for RTCP (RFC 5761)",
        ),
        (lambda: PayloadType(number=96, codec="vp8", clock_rate=1, rtx=96), "payload type 96 is its own rtx"),
        (
            lambda: PayloadType(number=96, codec="VP8", clock_rate=1),  # type: ignore[arg-type]
            'codec is "VP8"; it may be opus, red, pcmu, pcma, vp8, vp9, av1, h264, h265',
        ),
        (lambda: EncodingSpec(rid=""), "rid has 0 octets, not 1..255"),
        (lambda: EncodingSpec(ssrc=-1), "ssrc is -1, not within 0..4294967295"),
        (lambda: EncodingSpec(ssrc=5, rtx_ssrc=5), "ssrc and rtx_ssrc are the same"),
        (lambda: track(kind="text"), 'kind is "text"; it may be audio, video'),
        (lambda: track(mid=""), "mid has 0 octets, not 1..255"),
        (lambda: track(payload_types=[]), "payload_types is empty"),
        (lambda: track(payload_types=[VP8, OPUS]), "payload type 111 is opus, not video"),
        (lambda: track(encodings=[]), "a track has 1..8 encodings, not 0"),
        (
            lambda: track(encodings=[EncodingSpec(rid="q"), EncodingSpec()]),
            "an encoding beside others needs a rid or an ssrc",
        ),
        (lambda: track(parameter_sets=[(96, b"")]), "a parameter set has 1..1000 octets, not 0"),
        (lambda: track(parameter_sets=[(96, b"x")] * 65), "a track has up to 64 parameter sets, not 65"),
        (lambda: track(extensions={"mid": 0}), "the id of mid is 0, not within 1..255"),
        (lambda: track(extensions={"mid": 3, "rid": 3}), "mid and rid have the same id, 3"),
        (
            lambda: track(extensions={"toffset": 2}),
            'header extension is "toffset"; it may be mid, rid, repaired_rid, audio_level, transport_cc, '
            "abs_send_time, dependency_descriptor, video_layers_allocation, playout_delay, abs_capture_time, "
            "content_type, color_space",
        ),
        (lambda: track(transport=1 << 40), "track 2 is of worker 0, its transport 1099511627776 of worker 1"),
        (lambda: slot(rtx_ssrc=4_294_967_295), "ssrc and rtx_ssrc are the same"),
        (lambda: slot(id=1 << 40), "slot 1099511627776 is of worker 1, its transport 1 of worker 0"),
        (
            lambda: channel(retransmits=1, lifetime=1),
            "a channel is limited in retransmits or in lifetime, not in both (RFC 8832)",
        ),
        (lambda: channel(retransmits=65_536), "retransmits is 65536, not within 0..65535"),
        (lambda: channel(label="x" * 65_536), "label has 65536 octets, more than 65535"),
        (lambda: Layer(8, 0), "spatial is 8, not within 0..7"),
    ],
)
def test_a_bad_spec_is_refused_with_a_sentence(make: Callable[[], object], sentence: str) -> None:
    with pytest.raises(ValueError) as refused:
        make()
    assert str(refused.value) == sentence


def test_a_transport_needs_a_fingerprint_and_a_cname(ice: IceCredentials) -> None:
    fingerprint = Fingerprint(hash="sha-256", digest=bytes(32))
    with pytest.raises(ValueError, match="the peer's certificate could not be checked"):
        TransportSpec(id=1, ice=ice, dtls_role="server", fingerprints=[], cname="c")
    with pytest.raises(ValueError, match="cname has 0 octets"):
        TransportSpec(id=1, ice=ice, dtls_role="server", fingerprints=[fingerprint], cname="")


def test_specs_read_back_as_they_were_made() -> None:
    spec = track(kind=Kind.VIDEO, extensions={"transport_cc": 5, "mid": 1})
    assert (spec.id, spec.transport, spec.kind, spec.mid) == (2, 1, "video", "0")
    assert spec.payload_types == [VP8]
    assert [encoding.rid for encoding in spec.encodings] == ["q", "h"]
    assert spec.extensions == {"mid": 1, "transport_cc": 5}
    assert Fingerprint(hash="sha-256", digest=bytes(range(32))).digest == bytes(range(32))
    assert config().silence == Silence() and config().data == DataLimits()


def test_specs_are_values() -> None:
    assert track() == track() and hash(track()) == hash(track())
    assert track() != track(mid="1")
    with pytest.raises(AttributeError):
        track().mid = "1"  # type: ignore[misc]
    with pytest.raises(TypeError):
        EncodingSpec("q")  # type: ignore[call-arg]


def test_layers_sort_from_the_least_to_the_best_picture() -> None:
    layers = [Layer(1, 0), Layer(0, 2), Layer(0, 0)]
    assert sorted(layers) == [Layer(0, 0), Layer(0, 2), Layer(1, 0)]
    assert repr(Layer(1, 2)) == "Layer(spatial=1, temporal=2)"


def test_a_ladder_takes_layers_of_the_model_too(make_plane: Callable[..., Plane]) -> None:
    plane = make_plane()
    plane.set_targets([(3, [ModelLayer(2, 2), Layer(0, 2)]), (4, [])])
    with pytest.raises(ValueError, match=r"temporal is 9, not within 0\.\.7"):
        plane.set_targets([(3, [ModelLayer(0, 9)])])
