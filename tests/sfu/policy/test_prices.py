"""Prices of layers, as tables."""

import pytest

from sfu.model import Rate
from sfu.policy import prices


@pytest.mark.parametrize(
    ("width", "height", "kbps"),
    [
        (1, 1, 0),
        (160, 90, 37),
        (320, 180, 150),
        (180, 320, 150),
        (400, 225, 240),
        (640, 360, 500),
        (1280, 720, 2_500),
        (1600, 900, 3_175),
        (1920, 1080, 4_000),
        (3840, 2160, 16_000),
    ],
)
def test_an_encoding_that_does_not_arrive_is_priced_by_its_pixels(width: int, height: int, kbps: int) -> None:
    assert prices.assumed(width, height) // 1000 == kbps


def test_a_measured_layer_costs_its_headers_too() -> None:
    assert prices.video(Rate(1_100_000, 1280, 720, 30.0)) == 1_140_000
    assert prices.video(Rate(0, 1280, 720, 30.0)) == 0


@pytest.mark.parametrize(
    ("bps", "packets", "copies", "price"),
    [
        (32_000, 50.0, 0, 48_000),
        (32_000, 50.0, 1, 80_000),
        (32_000, 0.0, 0, 48_000),
        (64_000, 100.0, 0, 96_000),
        (0, 50.0, 2, 0),
    ],
)
def test_audio_costs_its_copies_once_per_copy_and_its_headers_once_per_packet(
    bps: int, packets: float, copies: int, price: int
) -> None:
    assert prices.audio(Rate(bps, 0, 0, packets), copies) == price


@pytest.mark.parametrize(("loss", "copies"), [(0.0, 0), (0.009, 0), (0.01, 1), (0.039, 1), (0.04, 2), (1.0, 2)])
def test_audio_carries_more_copies_the_more_is_lost(loss: float, copies: int) -> None:
    assert prices.copies(loss) == copies
