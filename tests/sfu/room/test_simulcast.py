"""The encodings of a track: their names and their measured properties."""

from sfu.plane import Layer, LayerRate
from sfu.room.simulcast import Simulcast


def rate(place: int, bps: int, width: int, height: int) -> LayerRate:
    return LayerRate(Layer(place, 0), bps, width, height, 30.0)


def offered(*rids: str) -> Simulcast:
    simulcast = Simulcast()
    simulcast.offer(rids)
    return simulcast


def test_an_encoding_without_a_rid_is_named_by_its_place_counted_from_one() -> None:
    assert offered("", "", "f").names() == ["#1", "#2", "f"]


def test_the_size_of_an_encoding_is_that_of_its_last_picture() -> None:
    simulcast = offered("q", "h")
    simulcast.measure([rate(0, 100_000, 320, 180), rate(1, 500_000, 640, 360)], 0)
    simulcast.measure([rate(1, 500_000, 0, 0)], 0)
    assert simulcast.sizes() == {0: (320, 180), 1: (640, 360)}


def test_a_layer_that_was_not_offered_keeps_no_other_from_being_measured() -> None:
    simulcast = offered("q", "h")
    simulcast.measure([rate(2, 900_000, 1280, 720), rate(1, 500_000, 640, 360)], 0)
    assert simulcast.sizes() == {1: (640, 360)}


def test_a_place_beyond_the_offer_is_its_own_rank() -> None:
    simulcast = offered("f", "q")
    simulcast.measure([rate(0, 500_000, 640, 360), rate(1, 100_000, 320, 180)], 0)
    assert [simulcast.rank(place) for place in (0, 1, 2, 3)] == [1, 0, 2, 3]
