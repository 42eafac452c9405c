"""Ids and credentials are random texts."""

from sfu.model import BASE57, new_sid, random_text


def test_a_random_text_has_its_length_and_every_character_occurs_at_every_place() -> None:
    texts = [random_text(8) for _ in range(2_000)]
    assert len(set(texts)) == len(texts)
    for place in zip(*texts, strict=True):
        assert set(place) == set(BASE57)
    assert random_text(0) == ""


def test_an_id_names_its_kind() -> None:
    prefix, _, text = new_sid("PA").partition("_")
    assert prefix == "PA" and len(text) == 12
