"""The dominant speaker in virtual time: five levels of 20 ms each 100 ms, a decision each 300 ms."""

import itertools
import math
import random

import pytest

from sfu.policy.dominance import (
    FLOOR_WINDOW,
    IMMEDIATE_SCORES,
    LONG_SCORES,
    MEDIUM_SCORES,
    SILENT,
    Dominance,
    _Voice,
)

NOTHING = 255
"""No packet came."""


class Conversation:
    def __init__(self) -> None:
        self.floor = Dominance()
        self.now = 50.0
        self.holders: list[str | None] = []
        """Everybody who was given the floor."""
        self._chance = random.Random(7)

    def hear(self, seconds: float, **voices: int | None) -> None:
        """These are about this loud (-dBov) for so long, as speech is: with pauses. None: nothing is sent."""
        for _ in range(round(seconds * 10)):
            self.now += 0.1
            sent = {track: self._samples(dbov) for track, dbov in voices.items() if dbov is not None}
            self.floor.record(sent.items(), self.now)
            if self.floor.decide(self.now):
                self.holders.append(self.floor.dominant)

    def steadily(self, seconds: float, **levels: int) -> None:
        """The same without any ups and downs: noise."""
        for _ in range(round(seconds * 10)):
            self.now += 0.1
            self.floor.record({track: bytes([dbov] * 5) for track, dbov in levels.items()}.items(), self.now)
            if self.floor.decide(self.now):
                self.holders.append(self.floor.dominant)

    def _samples(self, dbov: int) -> bytes:
        if dbov >= SILENT:
            return bytes([dbov] * 5)
        # Between words there is a moment of the room.
        return bytes(
            [min(SILENT, dbov + self._chance.randrange(12)) if self._chance.random() > 0.03 else 80 for _ in range(5)]
        )

    def room_noise(self, *tracks: str) -> None:
        """The levels of the microphones when nobody speaks."""
        self.steadily(1, **dict.fromkeys(tracks, 75))


def test_nobody_has_the_floor_before_somebody_has_spoken() -> None:
    it = Conversation()
    it.room_noise("ada", "bob")
    it.hear(5, ada=80, bob=SILENT)
    assert (it.floor.dominant, it.holders) == (None, [])


def test_who_speaks_has_the_floor_within_a_second() -> None:
    it = Conversation()
    it.room_noise("ada", "bob")
    it.hear(1, ada=20, bob=75)
    assert it.floor.dominant == "ada"


def test_one_who_is_alone_needs_only_speak() -> None:
    it = Conversation()
    it.hear(2, ada=SILENT)
    assert it.floor.dominant is None
    it.hear(1, ada=25)
    assert it.floor.dominant == "ada"


def test_the_floor_goes_over_when_one_stops_and_the_other_begins() -> None:
    it = Conversation()
    it.room_noise("ada", "bob")
    it.hear(4, ada=20, bob=75)
    it.hear(2, ada=75, bob=20)
    it.hear(2, ada=20, bob=75)
    assert it.holders == ["ada", "bob", "ada"]


def test_the_answer_is_quicker_than_three_seconds_after_the_last_word() -> None:
    it = Conversation()
    it.room_noise("ada", "bob")
    it.hear(10, ada=20, bob=75)
    began = it.now
    while it.floor.dominant == "ada":
        it.hear(0.1, ada=75, bob=20)
    assert it.now - began < 1.5


@pytest.mark.parametrize("cough", [0.1, 0.2, 0.3])
def test_a_cough_does_not_take_the_floor_from_who_speaks(cough: float) -> None:
    it = Conversation()
    it.room_noise("ada", "bob")
    it.hear(3, ada=25, bob=75)
    for _ in range(10):
        it.hear(cough, ada=25, bob=5)
        it.hear(1, ada=25, bob=75)
    assert it.holders == ["ada"]


def test_a_cough_in_a_pause_for_breath_does_not_take_the_floor() -> None:
    it = Conversation()
    it.room_noise("ada", "bob")
    for _ in range(10):
        it.hear(2, ada=25, bob=75)
        it.hear(0.2, ada=75, bob=10)
        it.hear(0.1, ada=75, bob=75)
    assert it.holders == ["ada"]


def test_two_at_once_do_not_take_turns() -> None:
    it = Conversation()
    it.room_noise("ada", "bob")
    it.hear(2, ada=22, bob=75)
    it.hear(30, ada=22, bob=20)
    assert it.holders == ["ada"]


def test_noise_has_no_floor_however_loud() -> None:
    it = Conversation()
    it.steadily(30, fan=35, ada=75)
    assert it.floor.dominant is None
    it.hear(2, fan=35, ada=20)
    assert it.floor.dominant == "ada"


def test_a_noise_that_sets_in_is_taken_for_speech_until_its_floor_is_learned() -> None:
    it = Conversation()
    it.steadily(2, fan=90, ada=75)
    it.steadily(5, fan=40, ada=75)
    assert it.floor.dominant == "fan"
    it.steadily(100, fan=40, ada=75)
    it.hear(2, ada=25)
    it.steadily(20, fan=40, ada=75)
    assert it.floor.dominant == "ada", "the noise does not take it back"


def test_who_sends_nothing_while_silent_is_heard_like_everybody() -> None:
    it = Conversation()
    it.hear(3, ada=20, bob=75)
    it.hear(2, ada=None, bob=20)
    it.hear(2, ada=20, bob=None)
    it.hear(2, ada=NOTHING, bob=20)
    assert it.holders == ["ada", "bob", "ada", "bob"]


def test_the_floor_is_kept_while_everybody_is_silent() -> None:
    it = Conversation()
    it.hear(2, ada=20, bob=75)
    it.hear(3600, ada=SILENT, bob=SILENT)
    assert it.floor.dominant == "ada"
    it.hear(2)
    assert it.floor.dominant == "ada"
    it.hear(1, bob=20)
    assert it.holders == ["ada", "bob"]


def test_who_is_gone_has_the_floor_no_longer() -> None:
    it = Conversation()
    it.hear(2, ada=20, bob=75)
    it.floor.remove("ada")
    assert it.floor.dominant is None
    it.hear(1, bob=20)
    assert it.floor.dominant == "bob"


def test_the_floor_is_given_at_most_once_in_300_ms() -> None:
    it = Conversation()
    given: list[float] = []
    chance = random.Random(1)
    for _ in range(3_000):
        before = len(it.holders)
        it.hear(0.1, **{name: chance.choice((10, 30, 75, 127)) for name in "abcd"})
        given += [it.now] * (len(it.holders) - before)
    assert len(given) > 10
    assert min(later - earlier for earlier, later in itertools.pairwise(given)) > 0.29


@pytest.mark.parametrize("seed", range(20))
def test_whatever_is_heard_who_has_the_floor_has_spoken_and_is_there(seed: int) -> None:
    chance = random.Random(seed)
    floor, now = Dominance(), 0.0
    loud: dict[str, float] = {}
    for _ in range(400):
        now += chance.choice((0.1, 0.1, 0.1, 0.12, 0.5, 3.0))
        heard = []
        for track in "abcde":
            if chance.random() < 0.7:
                base = chance.choice((15, 40, 80, 127, 255))
                samples = bytes(min(255, base + chance.randrange(20)) for _ in range(5))
                if min(samples) <= SILENT - 80:
                    loud[track] = now
                heard.append((track, samples))
        floor.record(heard, now)
        before = floor.dominant
        changed = floor.decide(now)
        assert changed == (floor.dominant != before)
        if changed:
            assert floor.dominant is not None
            assert now - loud[floor.dominant] <= 1.0
        if chance.random() < 0.05:
            gone = chance.choice("abcde")
            floor.remove(gone)
            loud.pop(gone, None)
            assert floor.dominant != gone


@pytest.mark.parametrize(
    ("scores", "active", "score"),
    [
        # ln C(N, v) + N ln 1/2 - ln lambda + lambda v (Volfin and Cohen), with the numbers of Jitsi; at least
        # 1e-10, of which the logarithm can be taken.
        (IMMEDIATE_SCORES, 0, 1e-10),
        (IMMEDIATE_SCORES, 6, 3.365_3),
        (IMMEDIATE_SCORES, 13, 1.377_5),
        (MEDIUM_SCORES, 0, 1e-10),
        (MEDIUM_SCORES, 1, 18.965_6),
        (MEDIUM_SCORES, 3, 67.658_8),
        (MEDIUM_SCORES, 5, 113.356_2),
        (LONG_SCORES, 0, 1e-10),
        (LONG_SCORES, 5, 229.747_8),
        (LONG_SCORES, 10, 459.218_4),
    ],
)
def test_the_score_is_the_likelihood_ratio_of_speech_and_silence(
    scores: tuple[float, ...], active: int, score: float
) -> None:
    assert math.exp(scores[active]) == pytest.approx(score, rel=1e-4)


def test_the_noise_floor_rises_after_its_window_of_samples() -> None:
    voice = _Voice(0.0)
    voice.record(bytes([SILENT - 10]))
    voice.record(bytes([SILENT - 40] * (FLOOR_WINDOW - 1)))
    assert voice.floor == 10
    voice.record(bytes([SILENT - 40]))
    assert voice.floor == math.isqrt(10 * 40)
