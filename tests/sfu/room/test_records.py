"""The records of decisions, as read from facts, and what becomes of them when a track or a participant goes."""

from collections.abc import Iterable
from dataclasses import replace

from sfu.facts import (
    Decided,
    DecisionsMade,
    Entry,
    Fact,
    ParticipantJoined,
    PublishingChanged,
    TrackPublished,
    TrackUnpublished,
)
from sfu.model import Cause, DisconnectReason, Kind, ParticipantKind, ParticipantState, Permissions, Source, Step
from sfu.room.records import Records
from sfu.signalling import messages
from sfu.views import ParticipantInfo, TrackInfo

from ..scene import scene, turn

PERSON = ParticipantInfo(
    "PA_1", "", "", ParticipantState.JOINING, ParticipantKind.STANDARD, "", {}, Permissions(), 0, 1
)
TRACK = TrackInfo("TR_1", Kind.VIDEO, Source.CAMERA)


def decided(*subscribers: str, detail: str = "in section 0", track: str = "TR_1") -> DecisionsMade:
    return DecisionsMade((Decided(7, track, Step.SHOWN, None, Cause.NONE, detail, subscribers),))


def joined(*sids: str) -> Iterable[Fact]:
    return [ParticipantJoined(replace(PERSON, sid=sid)) for sid in sids]


def read(records: Records, *happened: Fact) -> None:
    records.read([Entry("RM_1", number, 7, fact) for number, fact in enumerate(happened)])


def details(records: Records, subscriber: str, track: str = "TR_1", *, shows_backup: bool = False) -> list[str]:
    return [d.detail for d in records.recent(7, track, subscriber, shows_backup=shows_backup)]


def test_a_subscription_has_its_own_decisions_and_those_of_the_publisher() -> None:
    records = Records()
    read(records, *joined("A", "B", "P"), TrackPublished("P", TRACK))
    read(records, decided("A", "B"), decided("B", detail="in no section"))
    read(records, PublishingChanged("P", "TR_1", "muted by p"))
    read(records, PublishingChanged("P", "TR_1", "ignores keyframe requests", is_backup=True))
    assert details(records, "A") == ["in section 0", "muted by p"]
    assert details(records, "B") == ["in section 0", "in no section", "muted by p"]
    assert details(records, "B", shows_backup=True)[3:] == ["ignores keyframe requests"]
    assert details(records, "C") == ["muted by p"]
    assert details(records, "A", "TR_2") == []


def test_a_record_goes_with_its_track_and_a_later_decision_does_not_bring_it_back() -> None:
    records = Records()
    read(records, *joined("A", "P"), TrackPublished("P", TRACK), decided("A"))
    read(records, TrackUnpublished("P", "TR_1", "gone"), decided("A", detail="in no section"))
    assert details(records, "A") == [] and not records._tracks


def test_what_a_publisher_did_is_kept_while_its_transport_is_replaced() -> None:
    records = Records()
    read(records, *joined("A", "P"), TrackPublished("P", TRACK), decided("A"))
    read(records, PublishingChanged("P", "TR_1", "muted by p"), TrackUnpublished("P", "TR_1", "failed", is_kept=True))
    assert details(records, "A") == ["muted by p"]
    read(records, TrackPublished("P", replace(TRACK, muted=True)), decided("A"))
    assert details(records, "A") == ["in section 0", "muted by p"]


async def test_nothing_is_left_of_those_who_have_left() -> None:
    async with scene() as it:
        ada, bob = await it.client("ada"), await it.client("bob")
        for one in (ada, bob):
            await one.connect("audio recvonly", "video recvonly")
            await one.camera()
            await one.microphone()
        declared = await ada.ask(messages.Publish, cid="x", kind=Kind.AUDIO, source=Source.SCREEN_SHARE_AUDIO)
        await ada.ask(messages.Mute, track=declared.track.sid, muted=True)
        records: Records = ada.room.forwarding.overview._records
        assert len(records._tracks) == 5 and sum(len(track.subscribers) for track in records._tracks.values()) == 4
        bob.room.attendance.depart(bob.participant, DisconnectReason.CLIENT_INITIATED)
        await turn()
        assert len(records._tracks) == 3 and not any(track.subscribers for track in records._tracks.values())
        ada.room.attendance.depart(ada.participant, DisconnectReason.CLIENT_INITIATED)
        await turn()
        assert not records._tracks and not records._members
