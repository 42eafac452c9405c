"""The record of decisions, and the cause and sentence of a situation."""

import itertools
from dataclasses import replace

import pytest

from sfu import explain
from sfu.explain import DEAF, LACKS_PARAMETERS, STOPPED_TOP, SURPLUS, PublisherState, Record, Situation
from sfu.model import Cause, Kind, Layer, Quality, Source, Step, Wish
from sfu.views import Picture

TOP, LOW = Layer(2, 2), Layer(0, 2)
FINE = Situation(
    subscriber="bob",
    publisher="alice",
    source=Source.CAMERA,
    kind=Kind.VIDEO,
    desired=True,
    mid="1",
    target=TOP,
    current=TOP,
    picture=Picture(TOP, 1280, 720, 30.0, 1_540_000),
)
SMALL = replace(FINE, current=LOW, picture=Picture(LOW, 320, 180, 14.8, 148_700))
NOTHING = replace(FINE, current=None, picture=None)

LOSES = "loses 10 % of its packets on the way to the server"

SMALL_SHOWN = "alice's camera is shown to bob at 320x180, 15 frames/s, 149 kbit/s: "
NOT_SHOWN = "alice's camera is not shown to bob: "
TABLE = [
    (FINE, "none", "alice's camera is shown to bob at 1280x720, 30 frames/s, 1.5 Mbit/s: that is the best there is."),
    (replace(SMALL, held_by=Cause.DEMAND), "demand", SMALL_SHOWN + "bob asks for no more."),
    (replace(SMALL, held_by=Cause.BANDWIDTH), "bandwidth", SMALL_SHOWN + "the network of bob carries no more."),
    (replace(SMALL, lacks=Cause.PUBLISHER), "publisher", SMALL_SHOWN + "alice sends nothing better at present."),
    (
        replace(SMALL, lacks=Cause.PUBLISHER, facts=(STOPPED_TOP,)),
        "publisher",
        SMALL_SHOWN + "alice's browser has stopped its top encoding.",
    ),
    (
        replace(SMALL, held_by=Cause.BANDWIDTH, lacks=Cause.WAITING_FOR_KEYFRAME, facts=(DEAF,)),
        "waiting_for_keyframe",
        SMALL_SHOWN + "a keyframe of a better layer is awaited; alice ignores keyframe requests.",
    ),
    (
        replace(SMALL, lacks=Cause.ENCRYPTED),
        "encrypted",
        SMALL_SHOWN + "the layer is fixed, because keyframes cannot be recognised in encrypted media.",
    ),
    (replace(SMALL, lacks=Cause.LOSS), "loss", SMALL_SHOWN + "packets are lost on the way from alice."),
    (replace(NOTHING, lacks=Cause.WAITING_FOR_KEYFRAME), "waiting_for_keyframe", NOT_SHOWN + "a keyframe is awaited."),
    (
        replace(NOTHING, lacks=Cause.LOSS),
        "loss",
        NOT_SHOWN + "packets were lost for good, and a keyframe is awaited.",
    ),
    (replace(FINE, is_arriving=False), "publisher", NOT_SHOWN + "nothing of it arrives from alice."),
    (
        replace(FINE, is_arriving=False, held_by=Cause.DEMAND),
        "publisher",
        NOT_SHOWN + "nothing of it arrives from alice.",
    ),
    (replace(NOTHING, is_arriving=False), "publisher", NOT_SHOWN + "nothing of it arrives from alice."),
    (
        replace(NOTHING, target=None, held_by=Cause.BANDWIDTH),
        "bandwidth",
        NOT_SHOWN + "the network of bob does not carry even its lowest layer.",
    ),
    (
        replace(NOTHING, target=None, held_by=Cause.PAUSED),
        "paused",
        NOT_SHOWN + "bob has switched it off, or does not show it.",
    ),
    (replace(NOTHING, mid=""), "paused", NOT_SHOWN + "bob has no receive section free for it."),
    (
        replace(NOTHING, mid="", kept_out="the room limits pictures to 9"),
        "paused",
        NOT_SHOWN + "the room limits pictures to 9.",
    ),
    (replace(NOTHING, desired=False, mid=""), "demand", NOT_SHOWN + "bob is not subscribed to it."),
    (
        replace(FINE, facts=(STOPPED_TOP, DEAF)),
        "none",
        "alice's camera is shown to bob at 1280x720, 30 frames/s, 1.5 Mbit/s: that is the best there is; "
        "alice ignores keyframe requests.",
    ),
    (
        replace(FINE, facts=(LACKS_PARAMETERS,)),
        "none",
        "alice's camera is shown to bob at 1280x720, 30 frames/s, 1.5 Mbit/s: that is the best there is; "
        "alice sends keyframes without parameter sets (SPS, PPS), so later viewers cannot decode them.",
    ),
    (
        replace(SMALL, lacks=Cause.PUBLISHER, facts=(STOPPED_TOP, DEAF)),
        "publisher",
        SMALL_SHOWN + "alice's browser has stopped its top encoding and ignores keyframe requests.",
    ),
    (
        replace(FINE, facts=(LOSES,)),
        "publisher",
        "alice's camera is shown to bob at 1280x720, 30 frames/s, 1.5 Mbit/s: that is the best there is; "
        "alice loses 10 % of its packets on the way to the server.",
    ),
    (
        replace(NOTHING, lacks=Cause.LOSS, facts=(LOSES,)),
        "publisher",
        NOT_SHOWN + "packets were lost for good, and a keyframe is awaited; "
        "alice loses 10 % of its packets on the way to the server.",
    ),
    (
        replace(SMALL, lacks=Cause.PUBLISHER, facts=(STOPPED_TOP, LOSES)),
        "publisher",
        SMALL_SHOWN + "alice's browser has stopped its top encoding and loses 10 % of its packets on the way to the "
        "server.",
    ),
    (
        replace(SMALL, held_by=Cause.DEMAND, facts=(LOSES,)),
        "demand",
        SMALL_SHOWN + "bob asks for no more; alice loses 10 % of its packets on the way to the server.",
    ),
    (replace(NOTHING, muted_by="alice", facts=(STOPPED_TOP, DEAF)), "muted", NOT_SHOWN + "alice has muted it."),
    (replace(NOTHING, muted_by="alice"), "muted", NOT_SHOWN + "alice has muted it."),
    (replace(NOTHING, refused="cannot decode VP9"), "codec", NOT_SHOWN + "bob cannot decode VP9."),
    (
        replace(FINE, kind=Kind.AUDIO, source=Source.MICROPHONE, picture=Picture(Layer(0, 0), bitrate=32_000)),
        "none",
        "alice's microphone is heard by bob at 32 kbit/s: that is the best there is.",
    ),
    (replace(NOTHING, lacks=Cause.NONE), "waiting_for_keyframe", NOT_SHOWN + "a keyframe is awaited."),
    (
        replace(NOTHING, kind=Kind.AUDIO, source=Source.MICROPHONE),
        "none",
        "alice's microphone is not heard by bob: it is about to begin.",
    ),
]


@pytest.mark.parametrize(("situation", "cause", "sentence"), TABLE)
def test_a_situation_has_one_cause_and_one_sentence(situation: Situation, cause: str, sentence: str) -> None:
    assert (explain.cause(situation), explain.sentence(situation)) == (cause, sentence)


def test_every_cause_is_in_the_table() -> None:
    assert {cause for _, cause, _ in TABLE} == set(Cause)


@pytest.mark.parametrize("cause", Cause)
@pytest.mark.parametrize("situation", [FINE, NOTHING, replace(NOTHING, target=None), replace(FINE, target=None)])
def test_no_situation_is_without_a_sentence(situation: Situation, cause: Cause) -> None:
    for odd in (replace(situation, held_by=cause), replace(situation, lacks=cause)):
        said = explain.sentence(odd)
        assert said.startswith("alice's camera is ") and said.endswith(".") and "{" not in said


def test_a_mute_is_named_before_what_follows_from_it() -> None:
    muted = replace(FINE, muted_by="a moderator", target=None, held_by=Cause.MUTED, lacks=Cause.PAUSED)
    assert explain.sentence(muted) == NOT_SHOWN + "a moderator has muted it."


def test_a_decision_is_kept_once_until_another_of_its_step_comes() -> None:
    record = Record()
    record.add((1, Step.TARGET, TOP, Cause.NONE, ""))
    record.add((2, Step.CURRENT, LOW, Cause.NONE, ""))
    record.add((3, Step.TARGET, Layer(TOP.spatial, TOP.temporal), Cause.NONE, ""))
    record.add((4, Step.TARGET, LOW, Cause.DEMAND, ""))
    record.add((5, Step.TARGET, TOP, Cause.NONE, ""))
    assert [decision.at for decision in explain.recent(5, record)] == [1, 2, 4, 5]


def test_the_last_minute_of_all_records_is_told_in_order() -> None:
    one, other = Record(), Record()
    for second in range(90):
        record = one if second % 2 else other
        record.add((second * 1000, Step.CURRENT, Layer(second % 3, second % 2), Cause.NONE, str(second)))
    seen = [decision.at // 1000 for decision in explain.recent(89_000, one, other)]
    assert seen == list(range(29, 90))


def test_a_record_keeps_the_latest_however_many_there_are() -> None:
    record = Record()
    for at in range(10_000):
        record.add((at, Step.CURRENT, Layer(at % 2, 0), Cause.NONE, ""))
    assert [decision.at for decision in explain.recent(10_000, record)] == list(range(10_000 - explain.MOST, 10_000))


def test_a_publisher_that_stops_its_top_encoding_is_noted_and_so_is_its_return() -> None:
    alice = PublisherState()
    assert alice.arriving("vp8", {0, 1, 2}) == []
    assert list(alice.facts) == []
    assert alice.arriving("vp8", {0, 1}) == ["has stopped its top encoding"]
    assert alice.arriving("vp8", {0, 1}) == []
    assert list(alice.facts) == [STOPPED_TOP]
    assert alice.arriving("vp8", {0, 1, 2}) == ["no longer: has stopped its top encoding"]
    assert list(alice.facts) == []


def test_an_encoding_that_it_was_asked_to_stop_is_not_held_against_it() -> None:
    alice = PublisherState()
    alice.arriving("vp8", {0, 1, 2})
    alice.arriving("vp8", {0, 1}, unwanted={2})
    assert list(alice.facts) == []


def test_a_publisher_of_whom_nothing_arrives_has_not_stopped_its_top_encoding_alone() -> None:
    alice = PublisherState()
    alice.arriving("vp8", {0, 1, 2})
    alice.arriving("vp8", set())
    assert list(alice.facts) == []


def test_who_ignores_keyframe_requests_is_named() -> None:
    alice = PublisherState()
    assert alice.arriving("vp8", {0}, deaf=True) == [DEAF]
    assert list(alice.facts) == [DEAF]


def test_streams_that_are_ignored_are_told_with_their_ssrcs() -> None:
    alice = PublisherState()
    assert alice.arriving("vp8", {0}, surplus=[201, 301]) == [SURPLUS, "the streams with SSRC 201, 301 are ignored"]
    assert alice.arriving("vp8", {0}, surplus=[201, 301]) == []
    assert alice.facts == (SURPLUS,)
    assert alice.arriving("vp8", {0}) == [f"no longer: {SURPLUS}"]
    assert alice.facts == ()


def test_another_codec_has_another_top() -> None:
    alice = PublisherState()
    alice.arriving("vp9", {0, 1, 2})
    alice.arriving("vp8", {0})
    assert list(alice.facts) == []


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        (Wish(), "anything"),
        (Wish(quality=Quality.OFF, width=320), "off"),
        (Wish(quality=Quality.LOW), "quality low"),
        (Wish(width=320, height=180, fps=15), "320x180, 15 frames/s"),
        (Wish(height=180, visible=False, priority=9), "height 180, priority 9, out of sight"),
    ],
)
def test_a_wish_is_said_shortly(wish: Wish, said: str) -> None:
    assert explain.wish(wish) == said


def test_nothing_is_called_the_best_there_is_while_nothing_arrives() -> None:
    """For every situation: the cause of a track that does not arrive is never `none`."""
    choices: dict[str, tuple[object, ...]] = {
        "desired": (True, False),
        "mid": ("1", ""),
        "refused": ("", "cannot decode H265"),
        "muted_by": ("", "a moderator"),
        "kept_out": ("", "it is not among the last 9 who spoke"),
        "target": (None, LOW, TOP),
        "current": (None, LOW, TOP),
        "held_by": tuple(Cause),
        "lacks": tuple(Cause),
    }
    silent = replace(FINE, is_arriving=False)
    for values in itertools.product(*choices.values()):
        situation = replace(silent, **dict(zip(choices, values, strict=True)))  # type: ignore[arg-type]
        assert explain.cause(situation) is not Cause.NONE, situation


def test_a_publisher_that_loses_packets_is_told_with_numbers_that_change_seldom() -> None:
    state = PublisherState()
    table = [
        (0.03, ""),
        (0.04, "loses 4 % of its packets on the way to the server, 80 ms there and back"),
        (0.049, "loses 4 % of its packets on the way to the server, 80 ms there and back"),
        (0.1, "loses 10 % of its packets on the way to the server, 80 ms there and back"),
        (0.09, "loses 10 % of its packets on the way to the server, 80 ms there and back"),
        (0.021, "loses 2 % of its packets on the way to the server, 80 ms there and back"),
        (0.019, ""),
        (0.03, ""),
    ]
    for loss, fact in table:
        before = state.facts
        changes = state.arriving("vp8", {0}, loss=loss, round_trip=80.4)
        assert state.facts == ((fact,) if fact else ()), loss
        expected = [fact] if fact and (fact,) != before else []
        expected += [f"no longer: {gone}" for gone in before if gone != fact]
        assert changes == expected
    state.arriving("opus", {0}, loss=0.25)
    assert state.facts == ("loses 25 % of its packets on the way to the server",)
