"""Subscribers are planned again only if their selection changed, with the same result as a plan of everybody."""

import asyncio
import random
from collections.abc import Callable, Mapping
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sfu import facts
from sfu.model import Cause, Layer, Permissions, Quality, Wish
from sfu.plane import Layer as PlaneLayer
from sfu.policy import ladders, slots
from sfu.room import turn as turns
from sfu.room.decisions import Decisions, _decide, _remembered
from sfu.room.ranking import Ranking
from sfu.room.slot import Slot
from sfu.room.subscriptions import Subscriptions
from sfu.room.tracks import Track
from sfu.room.wishes import ANY
from sfu.signalling import messages

from ...live import rooms_of
from ..policy import full_plan
from ..scene import Client, Scene, scene, turn
from ..test_facts import record
from .test_crowd import Crowd
from .test_demand import arriving

STEPS = 25
EXAMPLES = 25


def planned(client: Client) -> Mapping[str, str | None]:
    """The plan for one subscriber from everything there is."""
    room, participant = client.room, client.participant
    viewing, stage = participant.viewing, room.forwarding
    ranks = {room.members.find(one).sid: n for n, one in enumerate(room.options.on_stage) if one in room.participants}
    visible = [track.claim for track in stage.overview.visible_to(participant)]
    ordered = slots.order(visible, ranks, stage.speech.spoke)
    wanted = [claim for claim in ordered if viewing.wishes.wants(stage.tracks[claim.track])]
    chosen = full_plan.choose(wanted, viewing.wishes.unseen, room.options.last_n)
    sections = [(slot.mid, slot.kind) for slot in viewing.slots.values()]
    return full_plan.plan(chosen, sections, shown(client))


def shown(client: Client) -> Mapping[str, str | None]:
    slots = client.participant.viewing.slots.values()
    return {slot.mid: slot.track.sid if slot.track is not None else None for slot in slots}


def check(it: Scene, clients: list[Client]) -> None:
    decisions = Decisions()
    for client in clients:
        assert client.participant.info() == client.participant._describe()
        assert all(track.info() == track._describe() for track in client.participant.tracks.values())
        assert shown(client) == planned(client)
        viewing = client.participant.viewing
        assert viewing.audience in (None, client.room.forwarding.ranking.audience(client.participant))
        for slot in viewing.slots.values():
            assert slot.is_current and it.plane.sources.get(slot.id) == slot.source
            if slot.track is not None and slot.shown is not None:
                assert _remembered(slot.shown) == _decide(slot.shown, ANY)
                decision = decisions.of(slot.shown, viewing.wishes.of(slot.track))
                assert slot.target == decision.target
                assert it.plane.ladders[slot.id] == [(layer.spatial, layer.temporal) for layer in decision.ladder]
                wanted = decision.wanted if slot.can_decode(slot.shown) else None
                assert slot.shown.asked.get(client.sid) == wanted
                assert slot.track.viewers[client.sid] == slot.mid
                # What one subscriber is told of it is what all others are told whose subscriptions look the same.
                own = client.participant.reports.state(slot, slot.track)
                assert client.participant.reports.shared_state(slot, slot.track, decisions) == own


@pytest.mark.parametrize("sharing", [1, turns.SHARING])
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.randoms(use_true_random=False))
def test_after_any_acts_everybody_shows_what_a_plan_of_all_would_show(sharing: int, chance: random.Random) -> None:
    async def run() -> None:
        with patch.object(turns, "SHARING", sharing):
            await act()

    async def act() -> None:
        async with scene() as it:
            crowd = Crowd(it, chance)
            for _ in range(STEPS):
                await crowd.step()
                await it.pass_time(0)
                for client in crowd.people:
                    client.heard()
                check(it, crowd.people)

    asyncio.run(run())


async def audience(it: Scene, size: int) -> list[Client]:
    """Two publishers, and viewers with one section of each kind."""
    publishers = [await it.client(name) for name in ("ada", "bob")]
    for publisher in publishers:
        await publisher.connect("audio recvonly")
        await publisher.camera()
    viewers = [await it.client(f"v{number}") for number in range(size)]
    for viewer in viewers:
        await viewer.connect("audio recvonly", "video recvonly")
    return viewers


async def test_a_track_that_nobody_has_a_section_for_moves_nobody() -> None:
    async with scene() as it:
        viewers = await audience(it, 5)
        late = await it.client("late")
        await late.connect("audio recvonly")
        before = len(it.plane.commands)
        await late.camera()
        await turn()
        assert [name for name, *_ in it.plane.commands[before:]] == ["add_track"]
        assert all(viewer.participant.viewing.sections == (1, 1) for viewer in viewers)


async def test_what_many_viewers_are_to_be_shown_is_computed_once() -> None:
    async with scene() as it:
        viewers = await audience(it, 5)
        selections = {id(one.room.forwarding.ranking.selection(one.participant)) for one in viewers}
        assert len(selections) == 1
        await viewers[0].ask(messages.Settings, track=viewers[0].shows()["1"], visible=False)
        selections = {id(one.room.forwarding.ranking.selection(one.participant)) for one in viewers}
        assert len(selections) == 2, "who has wishes of its own has a selection of its own"


async def test_the_selection_of_an_audience_is_computed_once_for_all_of_it() -> None:
    async with scene() as it:
        viewers = await audience(it, 20)
        bob = viewers[0].room.members.find("bob")
        before = [viewer.shows()["1"] for viewer in viewers]
        with patch.object(Ranking, "audience", autospec=True, side_effect=Ranking.audience) as examined:
            viewers[0].room.update(on_stage=("bob",))
            await turn()
        assert {call.args[1].identity for call in examined.call_args_list} == {"ada", "bob"}, "publishers are alone"
        assert {viewer.shows()["1"] for viewer in viewers} == set(bob.tracks) != set(before)


async def test_a_viewer_leaves_its_audience_while_it_differs_from_it() -> None:
    async with scene() as it:
        viewers = await audience(it, 3)
        viewer, viewing = viewers[0], viewers[0].participant.viewing
        common = viewers[1].participant.viewing.audience
        assert common is not None and viewing.audience == common
        sid = viewer.shows()["1"]
        for leave, enter in (
            (viewer.camera, lambda: viewer.ask(messages.Unpublish, track=next(iter(viewer.participant.tracks)))),
            (
                lambda: viewer.ask(messages.Settings, track=sid, visible=False),
                lambda: viewer.ask(messages.Settings, track=sid, visible=True),
            ),
            (
                lambda: viewer.change(Permissions(can_subscribe=False)),
                lambda: viewer.change(Permissions(can_subscribe=True)),
            ),
        ):
            await leave()
            await turn()
            assert viewing.audience is None
            await enter()
            first, *_ = viewer.room.options.on_stage or ("ada",)
            viewer.room.update(on_stage=("bob",) if first == "ada" else ("ada",))
            await turn()
            assert viewing.audience == common
        await viewer.offer("video recvonly")
        assert viewing.audience is not None and viewing.audience != common
        await viewer.media("failed")
        viewer.room.update(on_stage=())
        await turn()
        assert viewing.audience is None, "it has no sections any more"


async def test_viewers_whose_sections_change_alike_share_one_fact() -> None:
    async with scene() as it:
        viewers = await audience(it, 5)
        other = await it.client("other")
        await other.connect("audio recvonly", "video recvonly", "video recvonly")
        await viewers[0].ask(messages.Subscribe, tracks=[viewers[0].shows()["1"]], on=False)
        entries = record(it)
        rooms_of(it.sfu).find("room").moderation.remove("ada")
        await turn()
        told = [entry.fact for entry in entries if isinstance(entry.fact, facts.SlotsChanged)]
        (alike,) = [fact for fact in told if len(fact.subscribers) > 1]
        assert set(alike.subscribers) == {one.sid for one in viewers[1:]}
        messages_of = [viewer.last(messages.Slots) for viewer in viewers[1:]]
        assert all(message is messages_of[0] for message in messages_of), "it is encoded once"
        assert other.last(messages.Slots) is not messages_of[0]


async def test_publishers_share_a_change_although_each_of_them_shows_others() -> None:
    async with scene() as it:
        publishers = [await it.client(f"p{number}") for number in range(turns.SHARING + 1)]
        for publisher in publishers:
            await publisher.connect(*["audio recvonly"] * len(publishers))
            await publisher.microphone()
        *present, late = publishers
        assert len({frozenset(one.shows().values()) for one in present}) == len(present)
        before, entries = len(it.plane.commands), record(it)
        await late.ask(messages.Unpublish, track=next(iter(late.participant.tracks)))
        await late.microphone()
        commands = [command for command in it.plane.commands[before:] if command[0] == "set_source"]
        assert [(len(slots), track) for _, slots, track in commands[-1:]] == [(len(present), plane_id(late))]
        told = [entry.fact for entry in entries if isinstance(entry.fact, facts.SlotsChanged)]
        assert set(told[-1].subscribers) == {one.sid for one in present}
        states = [entry.fact for entry in entries if isinstance(entry.fact, facts.SubscriptionsChanged)]
        assert set(states[-1].subscribers) == {one.sid for one in present}


def plane_id(publisher: Client) -> int | None:
    """The plane's id of its only track."""
    (track,) = publisher.participant.tracks.values()
    return track.plane_id


@pytest.mark.parametrize("sharing", [1, 100])
async def test_viewers_who_change_together_are_told_the_same_as_one_alone(sharing: int) -> None:
    async with scene() as it:
        viewers = await audience(it, 2)
        with patch.object(turns, "SHARING", sharing):
            viewers[0].room.update(on_stage=("bob",))
            await turn()
        for viewer in viewers:
            told = viewer.heard_states()[-1]
            assert (told.track, told.state) == (viewer.shows()["1"], "pending")
            assert told.cause is Cause.PUBLISHER, "no media arrives yet"


Alter = Callable[[Subscriptions, Slot, Track], object]
DIFFERENCES: dict[str, Alter] = {
    "the layer that is sent": lambda _, slot, __: setattr(slot, "layer", Layer(1, 0)),
    "what the plane lacks": lambda _, slot, __: setattr(slot, "lacks", Cause.LOSS),
    "what the plane refuses": lambda _, slot, __: setattr(slot, "refused", "cannot decode VP8"),
    "a profile that cannot be decoded": lambda _, slot, track: setattr(slot, "unreadable", track.plane_id),
    "the codecs that it decodes": lambda _, slot, __: setattr(slot, "codecs", frozenset()),
    "the target": lambda _, slot, __: setattr(slot, "target", ladders.Target((Layer(0, 0),), Cause.BANDWIDTH)),
    "the wish": lambda viewing, _, track: viewing.wishes.set(track, Wish(quality=Quality.OFF)),
    "whether it is wanted": lambda viewing, _, track: viewing.wishes.subscribe(track, False),
    "whether the room excludes it": lambda viewing, _, track: viewing.select(
        slots.NOTHING._replace(last_n=1, beyond=frozenset({track.sid}))
    ),
}


@pytest.mark.parametrize("what", DIFFERENCES)
async def test_who_differs_from_other_viewers_of_a_track_is_told_otherwise(what: str) -> None:
    async with scene() as it:
        viewers = await audience(it, 2)
        (track, *_) = [track for track in viewers[0].room.forwarding.tracks.values() if track.viewers]
        await it.say(arriving(track.plane_id or 0, 2))
        decisions, states = Decisions(), []
        for viewer in viewers:
            await it.say(viewer.switched("1", PlaneLayer(0, 0), "none"))
        for viewer in viewers:
            viewing = viewer.participant.viewing
            slot = viewing.showing(track)
            assert slot is not None
            if states:
                DIFFERENCES[what](viewing, slot, track)
            states.append(viewer.participant.reports.shared_state(slot, track, decisions))
            assert states[-1] == viewer.participant.reports.state(slot, track)
        assert states[0] != states[1]
