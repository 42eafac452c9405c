"""An exception affects one member, one room or one event only. It is counted, and logged once."""

import asyncio
import logging
from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import pytest

from sfu.config import Config
from sfu.errors import SfuError
from sfu.failures import Failures
from sfu.model import Kind, ParticipantKind, Source
from sfu.plane import _native
from sfu.room import turn as turns
from sfu.room.admission import Admission
from sfu.room.forwarding import Forwarding
from sfu.room.requests import SubscriptionRequests
from sfu.signalling import messages
from sfu.signalling.outbox import REPLACED, Tail
from sfu.signalling.view import View

from ..live import rooms_of
from .scene import Client, Scene, grant, open_session, scene, sdp, turn


def broken(*_: object, **__: object) -> Any:
    raise RuntimeError("a bug")


async def three(it: Scene) -> list[Client]:
    clients = [await it.client(name) for name in ("ada", "bob", "cyd")]
    for client in clients:
        await client.connect("application", "audio recvonly", "video recvonly")
    return clients


@pytest.mark.parametrize(
    "broken_part", ["filling.refresh", "viewing.allocate", "reports.news", "viewing.renegotiate", "filling.show"]
)
async def test_a_bug_at_one_member_keeps_nobody_else_from_what_is_published(
    broken_part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scene() as it:
        ada, bob, cyd = await three(it)
        with monkeypatch.context() as patched:
            if broken_part == "filling.show":
                patched.setattr(turns, "SHARING", 2)
            part, name = broken_part.split(".")
            patched.setattr(getattr(bob.participant, part), name, broken)
            track = await ada.camera()
            await ada.publish(Kind.VIDEO, Source.UNKNOWN)  # There is no section for it.
            assert cyd.shows()["2"] == track
            assert cyd.ladder("2")
            assert it.sfu.failures.counts["subscriber"] > 0
        # What was not done is done with the next tick.
        await it.pass_time(0.2)
        assert bob.shows()["2"] == track
        assert bob.ladder("2")
        assert bob.last(messages.Slots).slots["2"].track == track
        assert bob.last(messages.Renegotiate).video == 1


@pytest.mark.parametrize("which", ["one", "two"])
async def test_a_command_that_fails_half_way_is_made_good_with_the_next_tick(
    which: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scene() as it:
        ada = await it.client("ada")
        bob = await it.client("bob")
        await ada.connect("application")
        await bob.connect("audio recvonly", "video recvonly", "video recvonly")
        refused = bob.slot("1" if which == "one" else "2")
        whole = it.plane.set_source

        def refuses(slots: Sequence[int], track: int | None) -> None:
            if refused in slots:
                raise ValueError("the plane takes no such command")
            whole(slots, track)

        with monkeypatch.context() as patched:
            patched.setattr(it.plane, "set_source", refuses)
            camera, screen = await ada.camera(), await ada.publish(Kind.VIDEO, Source.SCREEN_SHARE)
        await it.pass_time(0.2)
        assert {bob.shows()["1"], bob.shows()["2"]} == {camera, screen}
        told = {}
        for message in bob.heard(messages.Slots):
            told.update({mid: slot.track if slot else None for mid, slot in message.slots.items()})
        assert told == {"1": bob.shows()["1"], "2": bob.shows()["2"]}, "the client knows what its sections show"


async def test_a_source_that_the_plane_refuses_for_one_reaches_the_others_of_its_group(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with scene() as it:
        ada, bob, cyd = await three(it)
        whole, of_bob = it.plane.set_source, bob.slot("2")

        def refuses(slots: Sequence[int], track: int | None) -> None:
            if of_bob in slots:
                raise ValueError("the plane takes no such command")
            whole(slots, track)

        with monkeypatch.context() as patched:
            patched.setattr(turns, "SHARING", 2)
            patched.setattr(it.plane, "set_source", refuses)
            camera = await ada.camera()
            assert cyd.shows()["2"] == camera and it.plane.sources[cyd.slot("2")] is not None
            assert cyd.ladder("2") and it.plane.sources.get(of_bob) is None
        await it.pass_time(0.2)
        assert bob.shows()["2"] == camera and bob.ladder("2") == cyd.ladder("2")
        assert it.plane.sources[of_bob] == it.plane.sources[cyd.slot("2")]
        assert bob.last(messages.Slots).slots["2"].track == camera


async def test_targets_that_the_plane_refuses_for_one_reach_it_for_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    async with scene() as it:
        ada, bob, cyd = await three(it)
        whole, of_bob = it.plane.set_targets, bob.slot("2")

        def refuses(targets: Any) -> None:
            if any(slot == of_bob for slot, _ in targets):
                raise ValueError("the plane takes no such target")
            whole(targets)

        with monkeypatch.context() as patched:
            patched.setattr(it.plane, "set_targets", refuses)
            await ada.camera()
            assert cyd.ladder("2")
            assert of_bob not in it.plane.ladders
        await it.pass_time(0.2)
        assert bob.ladder("2") == cyd.ladder("2")


async def test_a_member_that_cannot_be_described_keeps_the_others_from_hearing_of_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with scene() as it:
        ada = await it.client("ada")
        await turn()
        ada.heard()
        bob = await it.client("bob")
        cyd = await it.client("cyd")
        with monkeypatch.context() as patched:
            patched.setattr(bob.participant, "info", broken)
            await turn()
            told = [p.identity for message in ada.heard(messages.Participants) for p in message.participants]
            assert told == ["cyd"]
        await it.pass_time(0.2)
        told = [p.identity for message in cyd.heard(messages.Participants) for p in message.participants]
        assert "bob" in told


async def test_a_message_that_one_member_cannot_be_told_reaches_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    async with scene() as it:
        ada, bob, cyd = await three(it)
        put, of_bob = Tail.put, bob.session.tail
        monkeypatch.setattr(Tail, "put", lambda tail, message: broken() if tail is of_bob else put(tail, message))
        rooms_of(it.sfu)["room"].update(metadata="new")
        await turn()
        for client in (ada, cyd):
            assert client.last(messages.Room).room.metadata == "new"
        assert it.sfu.failures.counts["tell"] > 0


@pytest.mark.parametrize("where", ["forwarding", "_messaging"])
async def test_one_part_of_a_turn_that_fails_leaves_the_other_parts(
    where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scene() as it:
        ada, bob, _ = await three(it)
        room = rooms_of(it.sfu)["room"]
        with monkeypatch.context() as patched:
            patched.setattr(getattr(room, where), "flush", broken)
            track = await ada.camera()
            room.update(metadata="new")
            await turn()
            assert it.sfu.failures.counts["turn"] > 0
            if where != "forwarding":
                assert bob.shows()["2"] == track
            assert bob.last(messages.Room).room.metadata == "new"
        await it.pass_time(0.2)
        assert bob.shows()["2"] == track


async def test_a_reader_of_facts_that_fails_takes_no_fact_from_the_others() -> None:
    async with scene() as it:
        ada = await it.client("ada")
        room = rooms_of(it.sfu)["room"]
        room.readers.insert(0, broken)
        rooms_of(it.sfu)["room"].update(metadata="new")
        await turn()
        assert ada.last(messages.Room).room.metadata == "new"
        assert it.sfu.facts.counts["RoomChanged"] == 1
        assert it.sfu.failures.counts["reader"] == 1


async def test_one_rooms_tick_that_fails_ends_neither_the_service_nor_the_ticks_of_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with scene() as it:
        first, _ = rooms_of(it.sfu).create("first")
        rooms_of(it.sfu).create("second")
        monkeypatch.setattr(first, "handle_timeout", broken)
        await it.pass_time(it.sfu.config.room.empty_timeout + 1)
        assert "second" not in rooms_of(it.sfu)
        assert it.sfu.failures.counts["tick"] == 1


@pytest.mark.parametrize("part", ["forwarding.handle_timeout", "admission.handle_timeout", "_has_work"])
async def test_a_part_of_a_room_that_fails_in_every_tick_keeps_nobody_who_is_gone(
    part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scene() as it:
        ada = await it.client("ada")
        room, (*path, name) = rooms_of(it.sfu)["room"], part.split(".")
        monkeypatch.setattr(attrgetter(*path)(room) if path else room, name, broken)
        await ada.cut()
        await it.pass_time(it.sfu.config.resume_window + 1)
        assert not rooms_of(it.sfu)["room"].participants
        assert it.sfu.failures.counts["tick"] == 1


async def test_who_resumes_and_cannot_be_given_a_snapshot_is_gone_after_the_resume_window(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with scene(Config(outbox=3)) as it:
        ada = await it.client("ada")
        room = rooms_of(it.sfu)["room"]
        for number in range(5):
            room.update(metadata=str(number))
            await turn()
            ada.heard()
        with monkeypatch.context() as patched:
            patched.setattr(View, "joined", broken)
            with pytest.raises(RuntimeError):
                await it.resume(ada, 1)
        assert ada.session.outbox.close_code == REPLACED
        await ada.cut()
        await it.pass_time(it.sfu.config.resume_window - 1)
        assert (await it.resume(ada, 1)).last(messages.Joined).resumed, "until then it may try again"
        await it.blocks.aclose()
        await it.pass_time(it.sfu.config.resume_window)
        assert not room.participants


async def test_a_publisher_by_whip_that_cannot_enter_leaves_nothing_in_the_plane(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with scene() as it:
        await it.client("bob")
        for of, name in ((Admission, "begin"), (Forwarding, "publish")):
            with monkeypatch.context() as patched:
                patched.setattr(of, name, broken)
                with pytest.raises(RuntimeError):
                    open_session(it.sfu, grant("ada"), "room", ParticipantKind.INGRESS, sdp([("audio", "sendonly")]))
            await turn()
            assert not it.plane.transports and not it.plane.tracks
            assert list(rooms_of(it.sfu)["room"].participants) == ["bob"]


async def test_a_channel_that_could_not_be_opened_is_removed_with_its_participant(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with scene() as it:
        ada = await it.client("ada")
        assert list(it.plane.channels) == [ada.channel("sfu-reliable")], "it awaits the first offer"
        with monkeypatch.context() as patched:
            patched.setattr(it.plane, "open_channel", broken)
            await ada.offer("application")
        assert it.sfu.failures.counts["request"] == 1
        rooms_of(it.sfu)["room"].moderation.remove("ada")
        assert not it.plane.channels


@pytest.mark.parametrize("step", ["withdraw", "forget"])
async def test_who_leaves_is_gone_whole_though_a_part_of_that_fails(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with scene() as it:
        ada, bob, _ = await three(it)
        await ada.camera()
        monkeypatch.setattr(rooms_of(it.sfu)["room"].forwarding, step, broken)
        transport = ada.transport
        with pytest.raises(RuntimeError):
            rooms_of(it.sfu)["room"].moderation.remove("ada")
        await turn()
        assert transport not in it.plane.transports
        assert ada.last(messages.Left)
        assert bob.last(messages.Participants).participants[-1].identity == "ada"
        rooms_of(it.sfu).delete("room")
        assert not it.plane.transports, "and a room is closed, whatever fails for one in it"


async def test_a_room_that_cannot_be_closed_keeps_no_other_open(monkeypatch: pytest.MonkeyPatch) -> None:
    async with scene() as it:
        await it.client("ada", "first")
        bob = await it.client("bob", "second")
        monkeypatch.setattr(rooms_of(it.sfu)["first"], "close", broken)
        it.sfu.close()
        assert bob.last(messages.Left)
        assert not rooms_of(it.sfu)


async def test_levels_that_one_room_cannot_take_reach_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    async with scene() as it:
        ada, bob = await it.client("ada", "first"), await it.client("bob", "second")
        for client in (ada, bob):
            await client.connect("application")
        of_ada, of_bob = [client.plane_track(await client.microphone()) for client in (ada, bob)]
        monkeypatch.setattr(rooms_of(it.sfu)["first"].events, "handle_levels", broken)
        heard: list[object] = []
        monkeypatch.setattr(
            rooms_of(it.sfu)["second"].events, "handle_levels", lambda levels, now: heard.append(levels)
        )
        await it.say(_native.AudioLevels(levels=[(of_ada, b"\x10" * 5), (of_bob, b"\x10" * 5)]))
        assert heard == [[(of_bob, b"\x10" * 5)]]


async def test_a_request_that_fails_here_is_answered_by_its_id(monkeypatch: pytest.MonkeyPatch) -> None:
    async with scene() as it:
        ada = await it.client("ada")
        monkeypatch.setattr(SubscriptionRequests, "subscribe", broken)
        error = await ada.ask(messages.Subscribe, tracks=(), on=True)
        assert (error.id, error.code) == (1, SfuError.code)
        assert it.sfu.failures.counts["request"] == 1


async def test_an_offer_that_fails_here_leaves_nothing_in_the_plane(monkeypatch: pytest.MonkeyPatch) -> None:
    async with scene() as it:
        monkeypatch.setattr(it.plane, "add_slot", broken)
        with pytest.raises(RuntimeError):
            open_session(it.sfu, grant("eve"), "room", ParticipantKind.VIEWER, sdp([("video", "recvonly")]))
        assert not it.plane.transports


async def test_a_callback_of_the_application_that_fails_is_its_own_trouble() -> None:
    async with scene(on_message=broken) as it:
        ada = await it.client("ada")
        await ada.connect("application")
        channel = ada.channel("sfu-reliable")
        await it.say(_native.Message(channel=channel, payload=b"\x06serverhello", text=False))
        assert it.sfu.failures.counts["on_message"] == 1


def test_a_kind_of_failure_is_logged_once_and_counted_each_time(caplog: pytest.LogCaptureFixture) -> None:
    failures = Failures()
    with caplog.at_level(logging.ERROR):
        for _ in range(5):
            for fails in (broken, int):
                try:
                    fails("no number")
                except (RuntimeError, ValueError) as error:
                    failures.note("turn", error, "room=lobby")
    assert dict(failures.counts) == {"turn": 10}
    assert len(caplog.records) == 2
    assert "where=turn room=lobby" in caplog.text
    assert "RuntimeError: a bug" in caplog.text, "with its traceback"


def test_a_block_contains_exceptions_and_records_them() -> None:
    failures = Failures()
    for _ in range(2):
        with failures.contained("tick", "room=lobby"):
            raise ValueError("a bug")
    with failures.contained("tick"):
        pass
    assert failures.counts == {"tick": 2}


@pytest.mark.parametrize("kind", [asyncio.CancelledError, KeyboardInterrupt])
def test_a_block_does_not_contain_what_ends_a_task_or_the_process(kind: type[BaseException]) -> None:
    failures = Failures()
    with pytest.raises(kind), failures.contained("tick"):
        raise kind
    assert failures.counts == {}
