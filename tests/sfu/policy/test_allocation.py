"""What the tracks of a subscriber get within a budget, as tables; and how far it is from the best, by brute force."""

import itertools
import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sfu.model import Cause, Kind, Layer, Quality, Rate, Source, Wish
from sfu.policy.allocation import PAUSED, SWITCH, Allocation, Offer, allocate, keep, lower, may_oversend
from sfu.policy.ladders import Demand, Supply, Target

from .supplies import any_offer, camera, voice

SCREEN = Source.SCREEN_SHARE
ANY = Wish()


def offer(supply: Supply | None = None, wish: Wish = ANY, **standing: bool) -> Offer:
    return Offer(Demand(supply or camera(), wish), **standing)


def fresh(kbps: int, *offers: Offer) -> Allocation:
    """Allocates while nothing flows."""
    return allocate(kbps * 1000, offers, [None] * len(offers))


def names(layers: Sequence[Layer | None]) -> str:
    return " ".join(f"{layer.spatial}{layer.temporal}" if layer is not None else "-" for layer in layers)


def ladder(target: Target) -> str:
    return names(target.ladder)


BUDGETS: Sequence[tuple[int, str]] = [
    # kbit/s for a shared screen, two cameras, and a voice of 48 kbit/s with its headers; the layer of each
    (0, "- - - -"),
    (60, "- - - -"),
    (111, "00 - - -"),
    (180, "00 00 - -"),
    (240, "00 00 00 -"),
    (400, "02 01 01 -"),
    (750, "12 01 00 -"),
    (1_150, "21 01 00 -"),
    (2_200, "22 12 00 -"),
    (3_000, "22 21 11 -"),
    (9_000, "22 22 22 -"),
]  # fmt: skip


@pytest.mark.parametrize(("kbps", "after"), BUDGETS)
def test_a_budget_gives_every_track_its_lowest_layer_first_and_then_most_to_a_shared_screen(
    kbps: int, after: str
) -> None:
    result = fresh(kbps, offer(camera(source=SCREEN)), offer(), offer(), offer(voice()))
    assert sorted(names(result.layers).split()[1:3]) == sorted(after.split()[1:3])
    assert names(result.layers).split()[0] == after.split()[0]
    assert result.audio == 48_000
    assert result.video <= max(kbps * 1000 - 48_000, 0)


def test_audio_is_never_paused_and_video_gets_what_is_left() -> None:
    voices = [offer(voice()) for _ in range(3)]
    result = fresh(150, *voices, offer())
    assert (result.audio, result.layers) == (144_000, (None,) * 4)
    assert fresh(144 + 63, *voices, offer()).layers[3] == Layer(0, 0)


def test_audio_that_is_switched_off_or_silent_costs_nothing() -> None:
    off = offer(voice(), Wish(Quality.OFF))
    assert fresh(100, off, offer(voice(0))).audio == 0


def test_redundant_audio_costs_its_copies() -> None:
    assert Offer(Demand(voice(32_000), Wish()), copies=1).bps == 2 * 32_000 + 50 * 40 * 8


@pytest.mark.parametrize(
    ("why", "first", "second"),
    [
        ("a priority", offer(wish=Wish(priority=2)), offer()),
        ("a shared screen before a camera", offer(camera(source=SCREEN)), offer()),
        ("a priority above a screen's", offer(wish=Wish(priority=255)), offer(camera(source=SCREEN), Wish(priority=9))),
        ("on stage", offer(is_on_stage=True), offer()),
        ("the dominant speaker", offer(is_speaking=True), offer()),
        ("on stage before a speaker", offer(is_on_stage=True), offer(is_speaking=True)),
    ],
)  # fmt: skip
def test_a_weight_decides_who_gets_the_only_layer(why: str, first: Offer, second: Offer) -> None:
    assert names(fresh(65, first, second).layers) == "00 -"
    assert names(fresh(65, second, first).layers) == "- 00"


@pytest.mark.parametrize(
    ("kbps", "temporal", "after"),
    [
        # ten cameras of which the fourth is on stage, and ten voices of 24 kbit/s with their headers
        (1_500, 1, "00 00 00 10 00 - - - - -"),
        (1_500, 3, "01 01 01 12 01 01 00 00 00 00"),
        (2_300, 1, "00 00 00 10 00 00 00 00 00 00"),
        (400, 3, "- - - 01 00 - - - - -"),
        (260, 3, "- - - - - - - - - -"),
    ],
)
def test_in_little_bandwidth_the_one_on_stage_is_shown_best(kbps: int, temporal: int, after: str) -> None:
    cameras = [offer(camera(temporal=temporal), is_on_stage=at == 3) for at in range(10)]
    result = fresh(kbps, *cameras, *[offer(voice(8_000)) for _ in range(10)])
    assert result.audio == 240_000
    shown, expected = (names(result.layers[:10]).split(), after.split())
    assert shown[3] == expected[3]
    assert sorted(shown) == sorted(expected), "which of the equal others is shown does not matter"


def test_a_tile_gets_no_more_than_it_shows_and_a_hidden_one_nothing() -> None:
    small, hidden = offer(wish=Wish(width=320, height=180)), offer(wish=Wish(visible=False))
    result = fresh(9_000, small, hidden)
    assert names(result.layers) == "02 -"
    assert small.target(result.layers[0]).cause is Cause.DEMAND
    assert hidden.target(None).cause is Cause.PAUSED


def test_a_picture_larger_than_its_tile_counts_as_the_tile() -> None:
    """Only the largest encoding arrives: it must not be taken from another track that shows it in full."""
    rates = {Layer(2, 0): Rate(1_500_000, 1280, 720, 30.0)}
    large = replace(camera(), rates=rates)
    assert names(fresh(1_600, offer(large, Wish(width=320)), offer(large)).layers) == "- 20"


def test_a_layer_that_stopped_is_not_offered_and_a_track_that_is_about_to_begin_has_assumed_prices() -> None:
    stopped = replace(camera(), rates={at: rate for at, rate in camera().rates.items() if at.spatial == 0})
    assert names(fresh(9_000, offer(stopped)).layers) == "02"
    begins = offer(replace(camera(), rates={}))
    assert [names(fresh(kbps, begins).layers) for kbps in (100, 150, 500, 2_500)] == ["-", "03", "13", "23"]
    assert begins.target(Layer(1, 3)) == Target((Layer(1, 3), Layer(0, 3)), Cause.BANDWIDTH)


@pytest.mark.parametrize(
    ("layer", "after", "cause"),
    [
        (Layer(2, 2), "23 13 03", "none"),
        (Layer(2, 1), "21 13 03", "bandwidth"),
        (Layer(1, 2), "13 03", "bandwidth"),
        (Layer(1, 0), "10 03", "bandwidth"),
        (Layer(0, 0), "00", "bandwidth"),
        (None, "", "bandwidth"),
    ],
)
def test_a_chosen_layer_becomes_a_ladder_of_what_is_cheaper(layer: Layer | None, after: str, cause: str) -> None:
    target = offer().target(layer)
    assert (ladder(target), target.cause) == (after, cause)
    assert offer().target(layer) == target


def test_a_lower_rung_that_is_dearer_is_left_out_of_the_ladder() -> None:
    rates = {**camera(2).rates, Layer(0, 2): Rate(900_000, 320, 180, 30.0)}
    assert ladder(offer(replace(camera(2), rates=rates)).target(Layer(1, 1))) == "11 01"


def test_a_layer_that_flows_is_kept_where_a_change_gains_less_than_it_costs() -> None:
    near = {Layer(0, 0): Rate(100_000, 320, 180, 20.0), Layer(0, 1): Rate(101_000, 320, 180, 21.0)}
    it = offer(replace(camera(1), rates=near))
    assert names(fresh(9_000, it).layers) == "01"
    assert names(allocate(9_000_000, [it], [Layer(0, 0)]).layers) == "00"


def test_lowering_raises_nothing() -> None:
    offers = [offer(is_on_stage=True), offer(), offer(voice())]
    before = [Layer(0, 0), Layer(2, 2), None]
    result = lower(1_000_000, offers, before)
    assert names(result.layers) == "00 12 -"
    # A layer that is gone counts as the next lower one.
    stopped = replace(camera(), rates={at: rate for at, rate in camera().rates.items() if at.spatial < 2})
    assert names(lower(1_000_000, [offer(stopped)], [Layer(2, 2)]).layers) == "12"
    assert names(lower(1_000_000, [offer()], [None]).layers) == "-"


def test_what_flows_has_a_price_and_what_is_gone_cannot_be_kept() -> None:
    offers = [offer(), offer(voice())]
    kept = keep(offers, [Layer(0, 2), None])
    assert kept is not None and (kept.audio, kept.video) == (48_000, 155_454)
    assert keep(offers, [Layer(1, 3), None]) is None
    unasked = keep([offer(wish=Wish(visible=False))], [Layer(0, 0)])
    assert unasked is not None and unasked.layers == (None,)


SHARP = [
    # kbit/s, on stage, the layer of a shared screen of 1.5 Mbit/s and three temporal layers beside a camera
    (600, (), "12 00"),
    (600, (0,), "20 00"),
    (600, (0, 1), "12 00"),
    (300, (0,), "02 01"),
    (9_000, (0,), "22 22"),
]


@pytest.mark.parametrize(("kbps", "staged", "after"), SHARP)
def test_a_shared_screen_that_is_alone_on_stage_may_exceed_the_budget(
    kbps: int, staged: tuple[int, ...], after: str
) -> None:
    of = [camera(source=SCREEN), camera()]
    offers = [offer(supply, is_on_stage=at in staged) for at, supply in enumerate(of)]
    result = fresh(kbps, *offers)
    assert names(result.layers) == after
    assert result.video <= kbps * 1000 + may_oversend(kbps * 1000, offers, result.layers)
    assert may_oversend(kbps * 1000, offers, result.layers) == (500_000 if after[:2] == "20" else 0)


def test_a_camera_that_is_alone_on_stage_stays_within_the_budget() -> None:
    assert names(fresh(600, offer(is_on_stage=True), offer()).layers) == "12 00"


def brute(budget: int, offers: Sequence[Offer], present: Sequence[Layer | None]) -> float:
    """Returns the largest utility of all combinations that fit."""
    best = -1e9
    for options in itertools.product(*(of.options for of in offers)):
        if sum(option.bps for option in options) <= budget:
            pairs = zip(options, present, strict=True)
            switches = sum(flows is not None and option.layer != flows for option, flows in pairs)
            best = max(best, sum(option.utility for option in options) - SWITCH * switches)
    return best


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32), count=st.integers(1, 4), share=st.floats(0, 1.1))
def test_any_allocation_is_within_the_budget_and_within_two_percent_of_the_best(
    seed: int, count: int, share: float
) -> None:
    chance = random.Random(seed)
    offers = [any_offer(chance) for _ in range(count)]
    present = [chance.choice(of.options).layer if chance.random() < 0.7 else None for of in offers]
    budget = int(share * sum(of.options[-1].bps for of in offers))
    result = allocate(budget, offers, present)
    best = brute(budget, offers, present)
    assert best - 0.02 * abs(best) <= result.utility <= best + 1e-9
    chosen = [of.option(layer) for of, layer in zip(offers, result.layers, strict=True)]
    assert result.video == sum(option.bps for option in chosen if option is not None) <= budget
    ups = lower(budget, offers, present)
    for of, flows, layer in zip(offers, present, ups.layers, strict=True):
        now, before = of.option(layer), of.option(flows)
        assert now is not None and before is not None and now.bps <= before.bps


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), share=st.floats(0.05, 1))
@example(seed=2931, share=0.05078125)
def test_a_large_room_is_near_the_bound_of_the_linear_relaxation(seed: int, share: float) -> None:
    """The relaxation may send a part of one layer. No allocation reaches its bound if that layer counts much."""
    chance = random.Random(seed)
    offers = [any_offer(chance) for _ in range(50)]
    budget = int(share * sum(of.options[-1].bps for of in offers))
    result = allocate(budget, offers, [None] * 50)
    least = sum(PAUSED * of.weight for of in offers)
    bound, split = relaxed(budget, offers)
    assert result.video <= budget
    assert result.utility >= min(bound - 0.02 * (bound - least), bound - split)


def relaxed(budget: int, offers: Sequence[Offer]) -> tuple[float, float]:
    """Returns the Lagrangian bound of the utility, and what the option counts that the linear relaxation divides."""

    def chosen(of: Offer, price: float) -> float:
        return max((it.utility - price * it.bps, it.utility) for it in of.options)[1]

    def bound(price: float) -> float:
        return price * budget + sum(max(it.utility - price * it.bps for it in of.options) for of in offers)

    # The bound is convex in the price.
    low, high = 0.0, 1e-2
    for _ in range(200):
        left, right = low + (high - low) / 3, high - (high - low) / 3
        low, high = (low, right) if bound(left) < bound(right) else (left, high)
    split = max(chosen(of, low * 0.999) - chosen(of, high * 1.001) for of in offers)
    return bound(high), split


@pytest.mark.parametrize("seed", range(10))
def test_more_budget_never_takes_a_layer_from_the_only_track(seed: int) -> None:
    it, before = any_offer(random.Random(seed)), -1
    for budget in range(0, 3_000_000, 50_000):
        option = it.option(allocate(budget, [it], [None]).layers[0])
        assert option is not None and option.bps >= before
        before = option.bps


def test_a_track_without_a_wish_is_not_counted() -> None:
    nothing = Supply(Kind.VIDEO, Source.CAMERA, ((320, 180),), {})
    result = fresh(100, offer(nothing, Wish(Quality.OFF)))
    assert result == Allocation((None,), 0, 0, 0.0)
