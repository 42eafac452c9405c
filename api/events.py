"""REST: the events of rooms, a page at a time."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from api.dependencies import GrantDep, SfuDep
from api.errors import responses
from api.pages import Limit
from sfu import commands, limits
from sfu.room_events import RoomEvent

router = APIRouter(prefix="/v1/events", tags=["events"])

EVENT: dict[str, Any] = {
    "id": "Xk3mPq9R-1042",
    "type": "participant_left",
    "at": 1_767_225_660_250,
    "room": {"sid": "RM_2Gk5xQ7wRtYb", "name": "lobby"},
    "seq": 7,
    "node": "sfu-0",
    "epoch": 1_767_225_000,
    "participant": {
        "sid": "PA_7nVx4cLmKwZd",
        "identity": "ada",
        "name": "Ada",
        "kind": "standard",
        "joined_at": 1_767_225_600_000,
        "hidden": False,
        "metadata": "",
        "attributes": {},
    },
    "reason": "client_initiated",
    "duration": 60_250,
}

After = Annotated[
    str,
    Query(
        max_length=limits.NAME_CHARACTERS,
        description="The `id` of the last event that you have. Omitted: from the oldest event that is kept.",
    ),
]
Room = Annotated[
    str | None,
    Query(max_length=limits.NAME_CHARACTERS, description="Only events of the rooms of this name. Omitted: all rooms."),
]


class Events(BaseModel):
    events: list[RoomEvent] = Field(examples=[[EVENT]])
    next: str = Field(description="If there are more events, the `after` of the next request. Empty: none for now.")
    latest: str = Field(
        description="The `id` of the newest event of all rooms: the `after` for later events alone.",
        examples=["Xk3mPq9R-1042"],
    )
    missed: bool = Field(
        description="Events between `after` and these are no longer kept: read the state of the rooms."
    )


@router.get("", responses=responses(400, 403, 503), response_model_exclude_none=True)
async def list_events(
    sfu: SfuDep, grant: GrantDep, after: After = "", room: Room = None, limit: Limit = limits.LIST_PAGE
) -> Events:
    """Lists what happened in the rooms, oldest first, a page at a time. Needs roomAdmin for the room; for all rooms
    roomAdmin without a room, and roomList."""
    page = await sfu.execute(commands.ListEvents(grant, room, after, limit))
    return Events(events=list(page.events), next=page.next, latest=page.latest, missed=page.missed)
