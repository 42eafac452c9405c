"""Rooms that an earlier process kept, as they are found at the start."""

import json
from dataclasses import asdict

from sfu.kept_rooms import KeptRooms
from sfu.model import RoomOptions

from ..live import rooms_of
from .scene import scene


async def test_rooms_are_made_again_and_one_that_cannot_be_read_prevents_no_other() -> None:
    options = RoomOptions(last_n=4, on_stage=("ada",))
    body = {**asdict(options), "key": "k"}
    kept = [
        ("broken", "{"),
        ("without a stage", json.dumps({"key": "k"})),
        ("RM_like a sid", json.dumps(body)),
        ("of a later version", json.dumps({**body, "more": 1})),
    ]
    async with scene() as it:
        KeptRooms(lambda: rooms_of(it.sfu), lambda rooms: None).restore(kept)
        assert list(rooms_of(it.sfu)) == ["of a later version"]
        assert rooms_of(it.sfu).find("of a later version").options == options
