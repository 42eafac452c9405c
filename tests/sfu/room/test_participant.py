"""The description of a participant follows each of its changes."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from sfu.facts import ParticipantHidden
from sfu.model import ParticipantState, Permissions
from sfu.signalling import messages
from sfu.signalling.messages import Joined

from ..scene import Client, scene, turn

CHANGES: list[tuple[str, Callable[[Client], Awaitable[Any]], Any]] = [
    ("name", lambda one: one.change(name="Ada Lovelace"), "Ada Lovelace"),
    ("metadata", lambda one: one.change(metadata="host"), "host"),
    ("attributes", lambda one: one.change(attributes={"hand": "up"}), {"hand": "up"}),
    ("permissions", lambda one: one.change(permissions=Permissions(can_publish=False)), Permissions(can_publish=False)),
    ("state", lambda one: one.offer("video recvonly"), ParticipantState.JOINED),
    ("state", lambda one: one.connect("video recvonly"), ParticipantState.ACTIVE),
]


@pytest.mark.parametrize(("field", "change", "expected"), CHANGES, ids=[f"{name} {to}" for name, _, to in CHANGES])
async def test_a_change_is_in_the_description_that_was_asked_for_before(
    field: str, change: Callable[[Client], Awaitable[Any]], expected: Any
) -> None:
    async with scene() as it:
        ada = await it.client("ada")
        before = ada.participant.info()
        assert ada.participant.info() is before, "nothing changed"
        await change(ada)
        now = ada.participant.info()
        assert getattr(now, field) == expected and now.version > before.version
        late = await it.client("late")
        assert late.last(Joined).participants == (now,)


async def test_a_change_of_a_track_is_in_the_description_that_was_asked_for_before() -> None:
    async with scene() as it:
        ada = await it.client("ada")
        camera = await ada.camera()
        before = ada.participant.info()
        assert ada.participant.info() is before, "nothing changed"
        ada.participant.tracks[camera].muted = True
        muted = ada.participant.info()
        assert muted.tracks[0].muted and not before.tracks[0].muted
        assert ada.participant.info() is muted
        await ada.ask(messages.Unpublish, track=camera)
        assert ada.participant.info().tracks == ()


async def test_who_is_hidden_leaves_with_the_permissions_it_has_now() -> None:
    async with scene() as it:
        ada = await it.client("ada")
        read: list[Any] = []
        ada.room.readers.append(lambda entries: read.extend(entry.fact for entry in entries))
        assert not ada.participant.info().permissions.hidden
        await ada.change(permissions=Permissions(hidden=True))
        await turn()
        (hidden,) = (fact for fact in read if isinstance(fact, ParticipantHidden))
        assert hidden.info.permissions.hidden
