"""The cost of an offer or a fragment grows with its octets, whatever it contains: no two numbers multiply."""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sfu.errors import NegotiationError
from sfu.limits import FRAGMENT_OCTETS, SDP_OCTETS
from sfu.negotiation.fragment import fragment

from ...cost import Grow, costs_in_proportion
from .hostile import PRODUCTS, growths
from .offers import answered

relaxed = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


def negotiate_twice(text: str) -> None:
    """As a first offer, and again."""
    answered(text, answered(text))


def grows_with_its_octets(act: Callable[[str], object], grow: Grow, limit: int) -> None:
    costs_in_proportion(act, grow(limit // 5), grow(limit * 4 // 5), NegotiationError)


@relaxed
@given(growths)
def test_an_offer_costs_in_proportion_to_its_octets(grow: Grow) -> None:
    grows_with_its_octets(negotiate_twice, grow, SDP_OCTETS)


@pytest.mark.parametrize("grow", PRODUCTS)
def test_no_list_of_an_offer_is_multiplied_with_another(grow: Grow) -> None:
    grows_with_its_octets(negotiate_twice, grow, SDP_OCTETS)


@relaxed
@given(growths)
def test_a_fragment_costs_in_proportion_to_its_octets(grow: Grow) -> None:
    grows_with_its_octets(fragment, grow, FRAGMENT_OCTETS)


@relaxed
@given(st.text(st.sampled_from("ma=:\r\n 0;,~/\x00\u00e9"), max_size=400), st.integers(1, 600))
def test_whatever_is_repeated_is_read_in_proportion(unit: str, times: int) -> None:
    small, large = ("v=0\r\n" + unit * count for count in (times // 4, times))
    if len(large) <= SDP_OCTETS:
        costs_in_proportion(answered, small, large, NegotiationError)


@pytest.mark.parametrize("grow", PRODUCTS)
def test_an_answer_is_not_many_times_as_long_as_its_offer(grow: Grow) -> None:
    text = grow(64 * 1024)
    try:
        assert len(answered(text).answer) < 4 * len(text)
    except NegotiationError as error:
        assert len(str(error)) < 500
