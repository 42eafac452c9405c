"""From facts to events: what is paired, numbered and coalesced."""

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest

from sfu import facts
from sfu.facts import Entry, Fact
from sfu.history.recorder import Recorder
from sfu.model import (
    Cause,
    DisconnectReason,
    EndReason,
    Kind,
    Octets,
    ParticipantKind,
    ParticipantState,
    Permissions,
    Source,
)
from sfu.room_events import EventLimit, EventQuality, EventType, RoomEvent, Usage, decode, encode
from sfu.views import ParticipantInfo, SlotInfo, SubscriptionState, TrackInfo

ADA = ParticipantInfo(
    "PA_ada", "ada", "Ada", ParticipantState.JOINING, ParticipantKind.STANDARD, "{}", {"a": "b"}, Permissions(), 1000, 1
)
CAMERA = TrackInfo("TR_1", Kind.VIDEO, Source.CAMERA, "front")
STARTED = facts.RoomStarted("lobby", 900)
JOINED = facts.ParticipantJoined(ADA)
LEFT = facts.ParticipantLeft(ADA, DisconnectReason.CLIENT_INITIATED, was_hidden=False)
PUBLISHED = facts.TrackPublished(ADA.sid, CAMERA)
UNPUBLISHED = facts.TrackUnpublished(ADA.sid, CAMERA.sid, "you unpublished it")
FINISHED = facts.RoomFinished(EndReason.EMPTY)


class Tape:
    def __init__(self) -> None:
        self.events: list[RoomEvent] = []
        self.recorder = Recorder("node", self.events.append)
        self.recorder.epoch = 5
        self._seq = 0

    def say(self, at: int, *happened: Fact, room: str = "RM_1") -> None:
        self.recorder.read([Entry(room, self._seq + n, at, fact) for n, fact in enumerate(happened)])

    def types(self) -> list[str]:
        return [event.type.value for event in self.events]


def test_a_call_is_a_row_of_paired_events_with_durations() -> None:
    tape = Tape()
    tape.say(1000, STARTED, JOINED)
    tape.say(2000, PUBLISHED)
    tape.say(2500, facts.TrackMuted(ADA.sid, CAMERA.sid, True, True))
    tape.say(2600, facts.TrackMuted(ADA.sid, CAMERA.sid, False, False))
    tape.say(4000, UNPUBLISHED)
    tape.say(5000, LEFT)
    tape.say(9000, FINISHED)
    assert [(e.type, e.seq, e.at, e.reason, e.duration, e.by_moderator) for e in tape.events] == [
        (EventType.ROOM_STARTED, 1, 1000, None, None, None),
        (EventType.PARTICIPANT_JOINED, 2, 1000, None, None, None),
        (EventType.TRACK_PUBLISHED, 3, 2000, None, None, None),
        (EventType.TRACK_MUTED, 4, 2500, None, None, True),
        (EventType.TRACK_UNMUTED, 5, 2600, None, None, False),
        (EventType.TRACK_UNPUBLISHED, 6, 4000, "you unpublished it", 2000, None),
        (EventType.PARTICIPANT_LEFT, 7, 5000, "client_initiated", 4000, None),
        (EventType.ROOM_FINISHED, 8, 9000, "empty", 8100, None),
    ]
    assert {(e.node, e.epoch, e.room.name, e.room.sid) for e in tape.events} == {("node", 5, "lobby", "RM_1")}
    assert {e.participant.identity for e in tape.events[1:7] if e.participant} == {"ada"}
    muted = [e.track.muted for e in tape.events if e.track]
    assert muted == [False, True, False, False]


@pytest.mark.parametrize(
    ("turns", "types"),
    [
        # WHIP enters before the room is listed, in the same turn.
        ([[JOINED, STARTED]], ["room_started", "participant_joined"]),
        # A join that fails afterwards.
        ([[STARTED, JOINED, LEFT]], ["room_started", "participant_joined", "participant_left"]),
        # A room that was never listed.
        ([[JOINED, LEFT]], []),
        # The tracks of one who leaves.
        (
            [[STARTED, JOINED, PUBLISHED], [LEFT]],
            ["room_started", "participant_joined", "track_published", "track_unpublished", "participant_left"],
        ),
        # Only declared, and twice.
        ([[STARTED, JOINED, UNPUBLISHED], [UNPUBLISHED]], ["room_started", "participant_joined"]),
        ([[STARTED], [facts.TrackMuted("PA_ada", "TR_1", True, False)]], ["room_started"]),
    ],
)
def test_each_end_follows_one_start(turns: Sequence[Sequence[Fact]], types: list[str]) -> None:
    tape = Tape()
    for at, happened in enumerate(turns):
        tape.say(at, *happened)
    assert tape.types() == types


def test_one_who_leaves_and_the_room_have_what_was_used() -> None:
    tape = Tape()
    bob, second = replace(ADA, sid="PA_bob", identity="bob", joined_at=2000), replace(CAMERA, sid="TR_2")
    shown, empty = {"1": SlotInfo("TR_1", ADA.sid)}, {"1": None}
    tape.say(1000, STARTED, JOINED)
    tape.say(2000, facts.ParticipantJoined(bob), PUBLISHED)
    tape.say(3000, facts.SlotsChanged(("PA_bob", "PA_gone"), shown), facts.TrackPublished(ADA.sid, second))
    tape.say(4000, UNPUBLISHED, facts.SlotsChanged(("PA_bob",), {"2": SlotInfo("TR_2", ADA.sid)}))
    tape.say(5000, facts.SlotsChanged(("PA_bob",), empty), facts.SlotsChanged(("PA_bob",), empty))
    now = dict(tape.recorder.usages(lambda sid: Octets(7, 70), 6000))
    assert now == {
        "RM_1": Usage(),
        "PA_ada": Usage(7, 70, present=5000, publishing=4000),
        "PA_bob": Usage(7, 70, present=4000, subscribing=3000),
    }
    tape.say(7000, facts.SlotsChanged(("PA_bob",), {"2": None}))
    left = facts.ParticipantLeft(bob, DisconnectReason.CLIENT_INITIATED, False, Octets(1, 100))
    tape.say(8000, left)
    tape.say(9000, replace(LEFT, octets=Octets(1000, 10)), FINISHED)
    used = [event.usage for event in tape.events if event.usage is not None]
    assert used == [
        Usage(1, 100, present=6000, subscribing=4000),
        Usage(1000, 10, present=8000, publishing=7000),
        Usage(1001, 110, present=14000, publishing=7000, subscribing=4000),
    ]


def test_one_who_leaves_has_joined_even_if_the_join_was_not_read() -> None:
    tape = Tape()
    tape.say(0, STARTED)
    tape.say(5000, LEFT)
    assert tape.types()[1:] == ["participant_joined", "participant_left"]


def test_speakers_are_coalesced_to_the_last_one_of_a_second() -> None:
    tape = Tape()
    bob = replace(ADA, sid="PA_bob", identity="bob")
    tape.say(0, STARTED, JOINED, facts.ParticipantJoined(bob))
    for at, sid in [(2000, "PA_ada"), (2100, "PA_bob"), (2200, ""), (2300, "PA_bob")]:
        tape.say(at, facts.DominantSpeakerChanged(sid, "TR_1"))
        tape.recorder.handle_timeout(at)
    tape.recorder.handle_timeout(2999)
    assert tape.types()[3:] == ["speaker_changed"]
    tape.recorder.handle_timeout(3000)
    tape.recorder.handle_timeout(9000)
    spoke = [(e.at, e.participant and e.participant.identity) for e in tape.events[3:]]
    assert spoke == [(2000, "ada"), (3000, "bob")]
    # One that goes back within the second is no change.
    tape.say(3100, facts.DominantSpeakerChanged("PA_ada", "TR_1"))
    tape.say(3200, facts.DominantSpeakerChanged("PA_bob", "TR_1"))
    tape.recorder.handle_timeout(5000)
    assert len(tape.events) == 5
    tape.say(6000, facts.DominantSpeakerChanged())
    assert tape.events[-1].participant is None


def test_hits_of_a_limit_are_one_event_at_once_and_then_a_number_for_ten_seconds() -> None:
    tape = Tape()
    tape.say(0, STARTED)
    for at in (1000, 2000, 3000):
        tape.recorder.note_limit("RM_1", "max_participants", f"late-{at}", at)
    tape.recorder.note_limit("RM_unlisted", "joins_per_key", "eve", 3000)
    for at in (10_999, 11_000, 21_000, 31_000):
        tape.recorder.handle_timeout(at)
    tape.recorder.note_limit("RM_1", "max_participants", "again", 31_000)
    assert [(e.at, e.room.sid, e.seq, e.limit) for e in tape.events[1:]] == [
        (1000, "RM_1", 2, EventLimit("max_participants", 1, "late-1000")),
        (3000, "", 0, EventLimit("joins_per_key", 1, "eve")),
        (11_000, "RM_1", 3, EventLimit("max_participants", 2, "late-3000")),
        (31_000, "RM_1", 4, EventLimit("max_participants", 1, "again")),
    ]
    assert [decode("", json.loads(encode(e))) for e in tape.events] == tape.events


def test_quality_is_reported_once_for_all_who_lost_it_when_it_has_lasted_and_when_it_is_back() -> None:
    tape = Tape()
    bob, eve = (replace(ADA, sid=f"PA_{name}", identity=name) for name in ("bob", "eve"))
    tape.say(0, STARTED, JOINED, facts.ParticipantJoined(bob), facts.ParticipantJoined(eve), PUBLISHED)
    seen = len(tape.events)

    def shows(at: int, cause: Cause, height: int, *subscribers: str, track: str = "TR_1") -> None:
        state = SubscriptionState(track, "active", None, height * 2, height, cause=cause)
        tape.say(at, facts.SubscriptionsChanged(subscribers, (state,)))
        tape.recorder.handle_timeout(at)

    shows(1000, Cause.NONE, 720, "PA_bob", "PA_eve")
    shows(1000, Cause.LOSS, 720, "PA_bob", track="TR_unknown")
    # One who recovers in time, and one whose choice it is, are no news.
    shows(2000, Cause.BANDWIDTH, 360, "PA_bob")
    shows(11_999, Cause.DEMAND, 360, "PA_bob")
    shows(20_000, Cause.BANDWIDTH, 360, "PA_bob", "PA_eve")
    shows(25_000, Cause.BANDWIDTH, 180, "PA_bob", "PA_eve")
    tape.recorder.handle_timeout(29_999)
    assert len(tape.events) == seen
    tape.recorder.handle_timeout(30_000)
    shows(31_000, Cause.NONE, 720, "PA_eve")
    shows(32_000, Cause.LOSS, 180, "PA_bob")
    shows(33_000, Cause.BANDWIDTH, 180, "PA_bob")
    for at in (40_999, 41_000, 60_000, 90_000):
        tape.recorder.handle_timeout(at)
    found = tape.events[seen:]
    assert [(e.type, e.at, e.participant and e.participant.identity, e.quality) for e in found] == [
        ("quality_changed", 30_000, "ada", EventQuality("active", Cause.BANDWIDTH, ("bob", "eve"), 2, 360, 180)),
        ("quality_changed", 41_000, "ada", EventQuality("active", Cause.NONE, ("eve",), 1, 1440, 720)),
    ]
    assert [decode("", json.loads(encode(e))) for e in found] == found
    # What has ended is watched no more.
    shows(100_000, Cause.LOSS, 0, "PA_bob", "PA_eve")
    tape.say(101_000, facts.ParticipantLeft(bob, DisconnectReason.CLIENT_INITIATED, was_hidden=False), UNPUBLISHED)
    tape.recorder.handle_timeout(200_000)
    assert tape.types()[-2:] == ["participant_left", "track_unpublished"]


def test_an_event_is_the_same_after_its_json() -> None:
    tape = Tape()
    tape.say(1000, STARTED, JOINED, PUBLISHED, facts.TrackMuted(ADA.sid, CAMERA.sid, True, True), LEFT, FINISHED)
    for event in tape.events:
        assert decode("", json.loads(encode(event))) == event
    assert "metadata" in encode(tape.events[1]) and "metadata" not in encode(tape.events[2])
