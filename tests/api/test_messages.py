"""Participants are encoded once for all who are sent them."""

import json
from dataclasses import replace
from typing import Any

import pytest

from api import messages
from sfu.model import ParticipantState
from sfu.signalling.messages import Joined, Participants
from sfu.views import ParticipantInfo

from ..sfu.scene import scene


async def snapshot(count: int) -> Joined:
    async with scene() as it:
        clients = [await it.client(f"p{number}") for number in range(count)]
        joined = next(m for m in clients[-1].heard() if isinstance(m, Joined))
        assert len(joined.participants) == count - 1
        return joined


def written(message: Joined | Participants) -> dict[str, Any]:
    """As the codec of the union writes it, in one piece."""
    fields: dict[str, Any] = json.loads(messages.adapters()[1].dump_json(message))
    return {"seq": 7, **fields}


@pytest.mark.parametrize("count", [1, 2, 5])
async def test_a_snapshot_is_what_the_codec_writes_in_one_piece(count: int) -> None:
    joined = await snapshot(count)
    for _ in range(2):
        assert json.loads(messages.encode(7, joined)) == written(joined)


async def test_a_text_of_a_client_cannot_be_taken_for_the_list_of_participants() -> None:
    joined = await snapshot(2)
    odd = replace(joined.you, name='"participants":[],', attributes={"participants": "[]"})
    for message in (replace(joined, you=odd), Participants((odd,))):
        assert json.loads(messages.encode(7, message)) == written(message)


async def test_a_participant_is_encoded_once_for_all_joiners(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[str] = []

    class Counting:
        def dump_json(self, info: ParticipantInfo) -> bytes:
            encoded.append(info.sid)
            return b"{}"

    joined = await snapshot(5)
    monkeypatch.setattr(messages, "_participant", Counting())
    for _ in range(3):
        messages.encode(1, joined)
        messages.encode(1, Participants(joined.participants[:2]))
    assert encoded == [info.sid for info in joined.participants]


async def test_a_participant_that_changed_is_encoded_again() -> None:
    joined = await snapshot(2)
    (other,) = joined.participants
    messages.encode(1, joined)
    for name in ("Grace", "Hopper"):
        changed = replace(joined, participants=(replace(other, name=name),))
        assert json.loads(messages.encode(1, changed))["participants"][0]["name"] == name


async def test_nothing_is_kept_of_a_participant_that_left() -> None:
    joined = await snapshot(2)
    before = messages._participants.weight
    (other,) = joined.participants
    other = replace(other, sid="PA_leaves")
    messages.encode(1, Participants((other,)))
    assert messages._participants.weight > before
    messages.encode(1, Participants((replace(other, state=ParticipantState.DISCONNECTED),)))
    assert messages._participants.weight == before
