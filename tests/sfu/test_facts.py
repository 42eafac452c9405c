"""Events of a room are facts: numbered, timed, in order, and independent of any protocol."""

import ast
import inspect
from collections.abc import Sequence

from sfu import facts
from sfu.facts import Entry, Facts
from sfu.failures import Failures
from sfu.model import DisconnectReason, Kind, Source
from sfu.signalling import messages

from ..live import rooms_of
from .scene import Scene, scene, turn


def record(it: Scene) -> list[Entry]:
    """All facts of the room from now on."""
    entries: list[Entry] = []
    rooms_of(it.sfu)["room"].readers.append(entries.extend)
    return entries


def names(entries: Sequence[Entry]) -> list[str]:
    return [type(entry.fact).__name__ for entry in entries]


async def test_a_call_is_a_row_of_facts_numbered_without_gaps() -> None:
    async with scene() as it:
        ada = await it.client("ada")
        entries = record(it)
        await ada.connect("application")
        bob = await it.client("bob")
        await bob.connect("audio recvonly", "video recvonly")
        camera = await ada.camera()
        await ada.ask(messages.Mute, track=camera, muted=True)
        await ada.ask(messages.Unpublish, track=camera)
        rooms_of(it.sfu)["room"].moderation.remove("ada")
        await turn()
        assert [entry.seq for entry in entries] == list(range(entries[0].seq, entries[0].seq + len(entries)))
        assert {entry.room for entry in entries} == {rooms_of(it.sfu)["room"].sid}
        assert all(entry.at == int(it.clock.wall() * 1000) for entry in entries)
        told = names(entries)
        for name in ("ParticipantJoined", "TrackPublished", "SlotsChanged", "TrackMuted", "TrackUnpublished"):
            assert name in told
        left = entries[told.index("ParticipantLeft")].fact
        assert isinstance(left, facts.ParticipantLeft)
        assert (left.info.identity, left.reason) == ("ada", DisconnectReason.PARTICIPANT_REMOVED)
        assert it.sfu.facts.counts["ParticipantJoined"] == 2, "the metrics count those of before, too"


async def test_a_track_whose_transport_failed_is_unpublished_and_its_declaration_kept() -> None:
    async with scene() as it:
        ada = await it.client("ada")
        await ada.connect("application")
        await ada.publish(Kind.AUDIO, Source.MICROPHONE)
        entries = record(it)
        await ada.media("failed")
        (gone,) = (entry.fact for entry in entries if isinstance(entry.fact, facts.TrackUnpublished))
        assert gone.is_kept


def test_the_first_fact_of_a_turn_asks_for_its_flush_and_every_reader_gets_all() -> None:
    asked: list[str] = []
    one: list[Entry] = []
    two: list[Entry] = []
    log = Facts("RM_1", Failures(), lambda: 7, lambda: asked.append("flush"))
    log.readers += (one.extend, two.extend)
    log.append(facts.RoomChanged())
    log.append(facts.ParticipantChanged("PA_1"))
    assert asked == ["flush"]
    log.flush()
    log.flush()
    assert (
        one == two == [Entry("RM_1", 1, 7, facts.RoomChanged()), Entry("RM_1", 2, 7, facts.ParticipantChanged("PA_1"))]
    )
    log.append(facts.RoomChanged())
    assert asked == ["flush", "flush"]


async def test_a_reader_that_fails_loses_its_own_facts_of_a_turn_and_nobody_elses() -> None:
    async with scene() as it:
        ada = await it.client("ada")
        await ada.connect("video recvonly")
        room = rooms_of(it.sfu)["room"]
        failing, calls = [True], []

        def fails(entries: Sequence[Entry]) -> None:
            calls.append(names(entries))
            if failing:
                raise RuntimeError("a bug")

        # Before all others: the log, the messages, the records, the metrics.
        room.readers.insert(0, fails)
        last = record(it)
        bob = await it.client("bob")
        camera = await bob.camera()
        assert it.sfu.failures.counts["reader"] == len(calls) > 0
        assert [name for turn in calls for name in turn] == names(last)
        assert it.sfu.facts.counts["TrackPublished"] == 1
        assert any(
            slot and slot.track == camera for slots in ada.heard(messages.Slots) for slot in slots.slots.values()
        )
        (seen,) = await ada.explain()
        assert [decision.detail for decision in seen.decisions if decision.detail] == ["in section 0"]

        failing.clear()
        count = len(calls)
        await bob.ask(messages.Unpublish, track=camera)
        assert "TrackUnpublished" in [name for turn in calls[count:] for name in turn], "it gets those of later turns"


def test_facts_speak_the_words_of_the_model_alone() -> None:
    imported = {
        alias.name if isinstance(node, ast.Import) else node.module
        for node in ast.walk(ast.parse(inspect.getsource(facts)))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert {name for name in imported if name and name.startswith("sfu")} == {"sfu.model", "sfu.views", "sfu.failures"}
