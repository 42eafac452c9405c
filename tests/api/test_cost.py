"""The cost of a message or a body grows with its octets, whatever it contains, and its refusal stays short."""

import json
import string
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from api import messages
from api.participants import ParticipantChange, SubscriptionsWish
from api.rooms import Data, NewRoom, RoomChange
from sfu.errors import InvalidRequest
from sfu.limits import BODY_OCTETS, MESSAGE_OCTETS

from ..cost import Grow, costs_in_proportion

BODIES = (Data, NewRoom, ParticipantChange, RoomChange, SubscriptionsWish)
TYPES = ("join", "offer", "candidate", "publish", "unpublish", "mute", "subscribe", "settings", "update", "leave", "x")
FIELDS = (
    "id", "tracks", "sdp", "attributes", "metadata", "client", "features", "resume", "track", "on", "settings", "name",
    "permissions", "can_publish_sources", "on_stage", "to", "text", "base64", "loudest", "x",
)  # fmt: skip
VALUES = (
    "1", '""', "null", "[]", "{}", "-1e999", '"\\ud800"', '{"track": 1}', '{"track": "x", "fps": "y"}', '"\\u00e9"',
    '{"x": {"x": [0]}}', "9" * 30, "1.0", '{"track": "x", "width": 640.0}',
)  # fmt: skip

relaxed = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def listed(type_: str, field: str, value: str) -> Grow:
    return lambda size: (
        f'{{"type": "{type_}", "id": 1, "{field}": [{", ".join([value] * (size // (len(value) + 2)))}]}}'
    )


def mapped(type_: str, field: str, value: str) -> Grow:
    def grow(size: int) -> str:
        pairs = (f'"k{number}": {value}' for number in range(size // (len(value) + 10)))
        return f'{{"type": "{type_}", "id": 1, "{field}": {{{", ".join(pairs)}}}}}'

    return grow


def spread(type_: str, field: str, value: str) -> Grow:
    """As fields of the message itself, known and unknown ones."""

    def grow(size: int) -> str:
        pairs = (f'"{field}{number}": {value}' for number in range(size // (len(value) + 12)))
        return f'{{"type": "{type_}", "id": 1, {", ".join(pairs)}}}'

    return grow


def repeated(type_: str, field: str, unit: str) -> Grow:
    return lambda size: f'{{"type": "{type_}", "id": 1, "{field}": {unit * (size // len(unit))}'


growths = st.one_of(
    *(
        st.builds(kind, st.sampled_from(TYPES), st.sampled_from(FIELDS), st.sampled_from(VALUES))
        for kind in (listed, mapped, spread)
    ),
    st.builds(
        repeated,
        st.sampled_from(TYPES),
        st.sampled_from(FIELDS),
        st.sampled_from(("[", "{", '"', "1", "-", "\\", " ", '{"a":', "[1,", "\n")),
    ),
)


def decode(text: str) -> None:
    try:
        messages.decode(text)
    except InvalidRequest as error:
        assert len(str(error)) < 500
        messages.request_id(text)


def validate(body: type[BaseModel]) -> Callable[[str], None]:
    """As the framework does it: JSON first, and every mistake as a dictionary."""

    def act(text: str) -> None:
        try:
            body.model_validate(json.loads(text))
        except ValidationError as error:
            assert len(error.errors(include_url=False)) <= 16

    return act


def test_a_cost_that_grows_with_the_square_is_seen() -> None:
    def act(text: str) -> None:
        for end in range(0, len(text), 100):
            text.count("x", 0, end)

    with pytest.raises(AssertionError, match="readings of JSON"):
        costs_in_proportion(act, "a" * 50_000, "a" * 200_000)


@relaxed
@given(growths)
def test_a_message_costs_in_proportion_to_its_octets(grow: Grow) -> None:
    costs_in_proportion(decode, grow(MESSAGE_OCTETS // 5), grow(MESSAGE_OCTETS * 4 // 5))


@relaxed
@given(growths, st.sampled_from(BODIES))
def test_a_body_costs_in_proportion_to_its_octets(grow: Grow, body: type[BaseModel]) -> None:
    costs_in_proportion(validate(body), grow(BODY_OCTETS // 5), grow(BODY_OCTETS * 4 // 5), ValueError, RecursionError)


@relaxed
@given(st.text(st.sampled_from(string.printable + "\u00e9\ud800"), max_size=200))
def test_whatever_is_sent_is_a_message_or_refused_with_a_sentence(text: str) -> None:
    decode(text)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"type": "subscribe", "id": 1, "on": true, "tracks": [1]}', "The message is wrong at subscribe.tracks.0: "),
        (
            f'{{"type": "subscribe", "id": 1, "on": true, "tracks": [{"1, " * 99}1]}}',
            "The message is wrong in 100 places.",
        ),
    ],
)
def test_few_mistakes_are_named_and_many_are_counted(text: str, sentence: str) -> None:
    with pytest.raises(InvalidRequest) as error:
        messages.decode(text)
    assert str(error.value).startswith(sentence)


@pytest.mark.parametrize("candidate", ["null", '""', '"candidate:1 1 udp 1 192.0.2.1 9 typ host"'])
def test_the_end_of_candidates_may_be_null(candidate: str) -> None:
    """The last `icecandidate` event of a browser."""
    assert messages.decode(f'{{"type": "candidate", "candidate": {candidate}}}')
