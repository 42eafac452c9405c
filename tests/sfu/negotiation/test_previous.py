"""Sections that are as in the offer before are not parsed and answered again, and the answers are the same."""

import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from sfu.errors import NegotiationError
from sfu.limits import SDP_PREVIOUS
from sfu.model import Kind
from sfu.negotiation.capabilities import MID
from sfu.negotiation.negotiation import Allow, Local, Negotiated, negotiate, restarts_ice
from sfu.negotiation.previous import SECTION_WEIGHT, Previous
from sfu.negotiation.reading import Reading
from sfu.negotiation.sdp import SessionDescription
from sfu.signalling import messages

from ...benchmark.crowd import chromium
from ...live import rooms_of
from ..scene import scene
from .offers import AUDIO, DATA, FRESH, LOCAL, VIDEO, counter, edited, offer, section, stopped

SECTIONS = [*[("video", "recvonly")] * 3, *[("audio", "recvonly")] * 3, ("application", "sendrecv")]
MORE = [*SECTIONS, ("audio", "sendonly"), ("video", "sendonly")]
ALL = Allow()


def parsed(text: str, previous: SessionDescription | None = None) -> SessionDescription:
    steps = SessionDescription.steps(text, previous)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            read: SessionDescription = end.value
            return read


def reused(offer: SessionDescription, previous: SessionDescription) -> list[int]:
    return [n for n, (new, old) in enumerate(zip(offer.sections, previous.sections, strict=False)) if new is old]


# ------------------------------------------------------------------------------------------------------ what is reused


def test_an_offer_of_more_sections_parses_those() -> None:
    first = parsed(chromium(SECTIONS, "ufrag"))
    text = edited(chromium(MORE, "ufrag"), (" 2 IN IP4", " 3 IN IP4"))
    second = parsed(text, first)
    assert reused(second, first) == list(range(len(SECTIONS))) and len(second.sections) == len(MORE)
    assert str(second) == text and second.bundle == SessionDescription.parse(text).bundle


def test_a_section_that_changed_is_parsed_again() -> None:
    first = parsed(offer(section(AUDIO, "0"), section(VIDEO, "1", "a=sendonly"), section(DATA, "2")))
    second = parsed(offer(section(AUDIO, "0"), section(VIDEO, "1", "a=recvonly"), section(DATA, "2")), first)
    assert reused(second, first) == [0, 2] and second.sections[1].direction == "recvonly"


@pytest.mark.parametrize(
    "line", ["a=ice-ufrag:other", "a=setup:passive", "a=sendonly", "a=extmap:4 urn:x", "a=tls-id:x"]
)
def test_sections_that_inherit_something_else_are_parsed_again(line: str) -> None:
    text = offer(section(AUDIO, "0"))
    first = parsed(text)
    assert reused(parsed(edited(text, ("t=0 0", f"t=0 0\r\n{line}")), first), first) == []


def test_an_unchanged_section_is_answered_by_the_same_object() -> None:
    first = parsed(chromium(SECTIONS, "ufrag"))
    one = _negotiated(first, None)
    second = parsed(chromium(MORE, "ufrag"), first)
    two = _negotiated(second, one)
    media = [n for n, (kind, _) in enumerate(SECTIONS) if kind != "application"]
    assert all(two.sections[n] is one.sections[n] for n in media)


# -------------------------------------------------------------------------------------------- the same as without reuse


def _negotiated(
    offer: SessionDescription, previous: Negotiated | None, allow: Allow = ALL, local: Local = LOCAL, start: int = 1
) -> Negotiated:
    return negotiate(offer, local=local, previous=previous, allow=allow, new_ssrc=counter(start))


def _with_direction(text: str, chance: random.Random) -> str:
    parts = text.split("\r\nm=")
    place = chance.randrange(1, len(parts))
    for direction in ("recvonly", "sendonly", "inactive", "sendrecv"):
        parts[place] = parts[place].replace(f"a={direction}\r\n", f"a={chance.choice(('recvonly', 'inactive'))}\r\n")
    return "\r\nm=".join(parts)


CHANGES: list[Callable[[str, random.Random], str]] = [
    lambda text, _: text,
    lambda text, chance: text.replace("a=ice-ufrag:", f"a=ice-ufrag:{chance.randrange(10)}"),
    lambda text, _: text.replace("a=setup:actpass", "a=setup:active"),
    lambda text, _: text.replace("a=extmap-allow-mixed\r\n", ""),
    lambda text, _: text.replace("a=rtcp-fb:96 nack pli\r\n", ""),
    lambda text, _: text.replace("sdes:mid", "sdes:none", 1),
    lambda text, _: text.replace("a=rtcp-rsize\r\n", "", 1),
    lambda text, _: text.replace("m=video 9 ", "m=video 0 ", 1),
    _with_direction,
]
ALLOWED = [
    ALL,
    Allow(publish=frozenset()),
    Allow(publish=frozenset({Kind.AUDIO})),
    Allow(subscribe=False),
    Allow(data=False),
]


@pytest.mark.parametrize("seed", range(40))
def test_offers_are_answered_as_if_none_was_kept(seed: int) -> None:
    """Two negotiations of the same offers: one reuses what was parsed and answered, the other one parses all anew."""
    chance = random.Random(seed)
    sections, text = list(SECTIONS), chromium(SECTIONS, "ufrag")
    kept: SessionDescription | None = None
    with_reuse: Negotiated | None = None
    without: Negotiated | None = None
    local = LOCAL
    for turn in range(8):
        if chance.random() < 0.4:
            sections += [(chance.choice(("audio", "video")), chance.choice(("recvonly", "sendonly")))]
            text = chromium(sections, "ufrag")
        changed = chance.choice(CHANGES)(text, chance)
        allow = chance.choice(ALLOWED) if chance.random() < 0.5 else ALLOWED[0]
        kept = parsed(changed, kept)
        anew = SessionDescription.parse(changed)
        assert str(kept) == str(anew)
        if restarts_ice(anew, without):
            local = replace(FRESH, ufrag=f"anew{turn}")
        try:
            expected = _negotiated(anew, without, allow, local, 1000 * (turn + 1))
        except NegotiationError as refused:
            with pytest.raises(NegotiationError) as raised:
                _negotiated(kept, with_reuse, allow, local, 1000 * (turn + 1))
            assert str(raised.value) == str(refused)
            continue
        without, with_reuse = expected, _negotiated(kept, with_reuse, allow, local, 1000 * (turn + 1))
        assert with_reuse == without


@pytest.mark.parametrize(
    ("change", "in_answer"),
    [
        ((f"a=extmap:4 {MID}", f"a=extmap:5 {MID}"), f"a=extmap:4 {MID}"),
        (("a=setup:actpass", "a=setup:passive"), "a=setup:passive"),
        (("a=ice-ufrag:them", "a=ice-ufrag:theirs"), "a=ice-ufrag:ours"),
    ],
)
def test_an_unchanged_section_is_answered_anew_if_its_answer_depends_on_what_changed(
    change: tuple[str, str], in_answer: str
) -> None:
    mid = f"a=extmap:4 {MID}"
    head, middle, tail = offer(section(AUDIO, "0", mid), section(VIDEO, "1", mid)).partition("m=video")
    first = parsed(head + middle + tail)
    one = _negotiated(first, None)
    second = parsed(edited(head, change) + middle + tail, first)
    assert reused(second, first) == [1]
    local = FRESH if restarts_ice(second, one) else LOCAL
    two = _negotiated(second, one, local=local, start=2000)
    assert two == _negotiated(SessionDescription.parse(str(second)), one, local=local, start=2000)
    answers = [result.answer.partition("m=video")[2] for result in (one, two)]
    assert in_answer in answers[0] and in_answer not in answers[1]


# --------------------------------------------------------------------------------------------------------- the budget


def test_a_body_that_offers_share_counts_once() -> None:
    previous = Previous(SDP_PREVIOUS)
    offers = [parsed(chromium(SECTIONS, f"ufrag{number}")) for number in range(3)]
    weights = []
    for number, one in enumerate(offers):
        previous.keep(f"PA_{number}", one)
        weights.append(previous.weight)
    assert weights[2] - weights[1] == weights[1] - weights[0] < weights[0]


def test_offers_within_the_budget_are_kept_and_the_oldest_are_dropped() -> None:
    lines = [f"a=x{number}:{'y' * 1000}" for number in range(30)]
    offers = [parsed(offer(section(VIDEO, "0", f"a=n:{number}", *lines))) for number in range(40)]
    measure = Previous(1 << 30)
    measure.keep("one", offers[0])
    previous = Previous(20 * measure.weight)
    for number, one in enumerate(offers):
        previous.keep(str(number), one)
        assert previous.weight <= 20 * measure.weight
    assert len(previous) in (19, 20) and previous.find("0") is None and previous.find("39") is offers[39]


def test_an_offer_replaces_the_one_before_and_frees_its_weight() -> None:
    previous = Previous(SDP_PREVIOUS)
    small, large = parsed(offer(section(AUDIO, "0"))), parsed(chromium(MORE, "ufrag"))
    previous.keep("ada", small)
    weight = previous.weight
    previous.keep("ada", large)
    previous.keep("ada", small)
    assert (previous.weight, len(previous)) == (weight, 1)


def test_an_offer_that_would_drop_many_others_is_not_kept() -> None:
    previous = Previous(100 * SECTION_WEIGHT)
    previous.keep("ada", parsed(chromium(MORE, "ufrag")))
    assert (previous.weight, len(previous)) == (0, 0)


async def test_a_reader_keeps_the_last_offer_of_each_participant() -> None:
    reading, texts = Reading(lambda: 0.0), [chromium(SECTIONS, "ufrag"), chromium(MORE, "ufrag")]
    first = await reading.read(texts[0], "PA_ada")
    other = await reading.read(texts[1], "PA_ben")
    second = await reading.read(texts[1], "PA_ada")
    assert reused(second, first) == list(range(len(SECTIONS))) and reused(other, first) == []


async def test_a_participant_that_leaves_is_forgotten() -> None:
    async with scene() as it:
        ada = await it.client("ada")
        await ada.ask(messages.Offer, sdp=chromium(MORE, "ufrag"))
        kept = it.sfu._context.reading._previous
        assert len(kept) == 1 and kept.weight > 0
        rooms_of(it.sfu).find("room").moderation.remove("ada")
        assert (len(kept), kept.weight) == (0, 0)


def test_a_stopped_section_is_rejected_though_it_was_answered_before() -> None:
    first = parsed(offer(section(AUDIO, "0"), section(VIDEO, "1")))
    one = _negotiated(first, None)
    second = parsed(offer(section(AUDIO, "0"), stopped(VIDEO, "1")), first)
    two = _negotiated(second, one)
    assert reused(second, first) == [0]
    assert [section.rejected for section in two.sections] == [False, True]
