"""Decisions of a turn: one fact for many subscribers, and for each of them in the order in which they were made."""

import random
from collections.abc import Iterable

from sfu.facts import Decided, DecisionsMade, Entry, Facts
from sfu.failures import Failures
from sfu.model import Cause, Layer, Step
from sfu.plane import Layer as PlaneLayer
from sfu.room.notes import Notes

from ..scene import scene
from ..test_facts import record
from .test_mutes import VIEWERS, audience


def made_in(entries: Iterable[Entry]) -> list[Decided]:
    facts = (entry.fact for entry in entries)
    return [decided for fact in facts if isinstance(fact, DecisionsMade) for decided in fact.decisions]


def noted(notes: Notes) -> list[Decided]:
    entries: list[Entry] = []
    log = Facts("RM_1", Failures(), lambda: 7, lambda: None)
    log.readers.append(entries.extend)
    notes.append_to(log)
    log.flush()
    return made_in(entries)


def test_equal_decisions_about_many_subscribers_are_one_fact() -> None:
    notes = Notes(lambda: 7)
    for number in range(300):
        notes.add(f"PA_{number}", "TR_1", Step.SHOWN, detail="in section 3")
        # Each subscriber has a layer of its own, equal to those of the others.
        notes.add(f"PA_{number}", "TR_1", Step.CURRENT, Layer(1, 2), Cause.LOSS)
    everybody = [f"PA_{number}" for number in range(300)]
    assert noted(notes) == [
        Decided(7, "TR_1", Step.SHOWN, None, Cause.NONE, "in section 3", everybody),
        Decided(7, "TR_1", Step.CURRENT, Layer(1, 2), Cause.LOSS, "", everybody),
    ]
    assert noted(notes) == [], "each turn has its own"


def test_every_subscriber_reads_its_decisions_in_the_order_in_which_they_were_made() -> None:
    """Subscribers decide between few states, so that equal decisions of others come before, between and after."""
    chance = random.Random(7)
    for _ in range(50):
        notes = Notes(lambda: 7)
        made: dict[tuple[str, str], list[str]] = {}
        for _ in range(60):
            who, track, detail = chance.choice("abcd"), chance.choice("xy"), chance.choice("1234")
            notes.add(who, track, Step.SHOWN, detail=detail)
            made.setdefault((who, track), []).append(detail)
        read: dict[tuple[str, str], list[str]] = {}
        for decided in noted(notes):
            for who in decided.subscribers:
                read.setdefault((who, decided.track), []).append(decided.detail)
        assert read == made


async def test_a_decision_that_repeats_the_last_one_is_no_fact() -> None:
    async with scene() as it:
        _, _, viewers = await audience(it)
        entries = record(it)
        for _ in range(3):
            await it.say(*(viewer.switched("0", PlaneLayer(0, 0)) for viewer in viewers))
        for viewer in viewers:
            # Nothing about it changed: its layers are decided again, with the same result.
            viewer.room.forwarding.touch(viewer.participant)
        await it.pass_time(1)
        assert made_in(entries) == []


async def test_what_all_viewers_of_a_track_switch_to_is_one_fact() -> None:
    async with scene() as it:
        _, microphone, viewers = await audience(it)
        entries = record(it)
        await it.say(*(viewer.switched("0", None, "loss") for viewer in viewers))
        (made,) = made_in(entries)
        assert (made.track, made.step, made.layer, made.cause) == (microphone, Step.CURRENT, None, Cause.LOSS)
        assert len(made.subscribers) == VIEWERS
