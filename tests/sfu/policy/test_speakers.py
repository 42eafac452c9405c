"""Active speakers in virtual time: five levels every 100 ms, evaluated every 200 ms."""

import pytest

from sfu.policy.speakers import WINDOW, Change, Speakers


class Conversation:
    def __init__(self) -> None:
        self.speakers = Speakers()
        self.now = 50.0
        self.told: dict[str, Change] = {}
        self.changes = 0

    def hear(self, seconds: float, **levels: int) -> None:
        """These tracks are this loud (-dBov) for so long; those not named send nothing."""
        for step in range(round(seconds * 10)):
            self.now += 0.1
            if levels:
                self.speakers.record([(track, bytes([dbov] * 5)) for track, dbov in levels.items()], self.now)
            if step % 2:
                for change in self.speakers.changes(self.now):
                    self.told[change.track] = change
                    self.changes += 1

    def active(self) -> set[str]:
        return {track for track, change in self.told.items() if change.active}


def test_a_voice_is_told_within_a_second_and_its_end_too() -> None:
    it = Conversation()
    it.hear(0.8, alice=20, bob=127)
    assert it.active() == {"alice"}
    it.hear(1.0, alice=127, bob=127)
    assert it.active() == set()
    assert it.told["alice"] == Change("alice", 0.0, False)


def test_noise_below_the_threshold_is_nobody() -> None:
    it = Conversation()
    it.hear(5, alice=36, bob=60)
    assert it.changes == 0


def test_one_knock_is_no_speech() -> None:
    it = Conversation()
    for _ in range(10):
        it.hear(0.1, alice=5)
        it.hear(0.3, alice=127)
    assert it.active() == set()


def test_a_steady_voice_is_told_once() -> None:
    it = Conversation()
    it.hear(2, alice=15)
    before = it.changes
    it.hear(10, alice=15)
    assert it.changes == before


def test_the_level_is_louder_for_the_louder_and_in_eighths() -> None:
    it = Conversation()
    it.hear(3, alice=5, bob=30)
    alice, bob = it.told["alice"], it.told["bob"]
    assert alice.level > bob.level > 0
    assert alice.level * 8 == int(alice.level * 8) and alice.level <= 1


def test_a_track_that_is_no_longer_heard_is_silent() -> None:
    it = Conversation()
    it.hear(2, alice=10)
    it.hear(1.2)
    assert it.active() == set()
    assert it.speakers.is_quiet()


def test_a_track_that_is_muted_while_it_speaks_is_told_at_once() -> None:
    it = Conversation()
    it.hear(2, alice=10)
    assert it.speakers.remove("alice") == Change("alice", 0.0, False)
    assert it.speakers.remove("alice") is None


def test_what_did_not_come_is_silence() -> None:
    it = Conversation()
    for _ in range(20):
        it.now += 0.1
        it.speakers.record(
            [("alice", bytes([10, 10, 255, 255, 255])), ("bob", bytes([10, 255, 255, 255, 255]))], it.now
        )
        it.told |= {change.track: change for change in it.speakers.changes(it.now)}
    assert it.active() == {"alice"}, "40 % of the time is speech, 20 % is not"


@pytest.mark.parametrize(
    ("windows", "levels"),
    [
        # How loud, and how many of five samples are; then the level after each window.
        ([(0, 5), (0, 5), (0, 5)], [0.75, 1.0, 1.0]),
        ([(6, 5), (6, 5), (6, 5)], [0.375, 0.5, 0.5]),
        ([(12, 5), (12, 5), (12, 5)], [0.25, 0.25, 0.25]),
        ([(0, 4), (0, 4), (0, 4)], [0.625, 0.75, 0.875]),
        ([(0, 2), (0, 2), (0, 2)], [0.375, 0.375, 0.5]),
        ([(0, 1), (0, 1), (0, 1)], [0.0, 0.0, 0.0]),
        ([(34, 5), (34, 5), (34, 5)], [0.0, 0.0, 0.125]),
        ([(36, 5), (36, 5), (36, 5)], [0.0, 0.0, 0.0]),
        ([(0, 5), (20, 5), (20, 5)], [0.75, 0.375, 0.25]),
        ([(0, 5), (0, 1), (0, 5)], [0.75, 0.0, 0.75]),
    ],
)
def test_the_level_is_the_loudest_less_what_was_silent_smoothed_over_two_windows(
    windows: list[tuple[int, int]], levels: list[float]
) -> None:
    speakers, now, level = Speakers(), 50.0, 0.0
    for (dbov, loud), expected in zip(windows, levels, strict=True):
        for _ in range(4):
            now += WINDOW / 4
            speakers.record([("alice", bytes([dbov] * loud + [127] * (5 - loud)))], now)
        for change in speakers.changes(now):
            level = change.level
        assert level == expected
