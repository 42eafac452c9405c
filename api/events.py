"""REST: the events of rooms, a page at a time or as a stream."""

import json
from contextlib import AsyncExitStack
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import BaseModel, Field

from api.dependencies import GrantDep, SfuDep
from api.errors import responses
from api.event_stream import MEDIA_TYPE, EventStream
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
    "usage": {
        "octets_received": 1_203_114,
        "octets_sent": 9_840_022,
        "present": 60_250,
        "publishing": 58_004,
        "subscribing": 41_730,
    },
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


class RemovedEvents(BaseModel):
    removed: int = Field(description="The number of events.", examples=[12])


LastEventId = Annotated[
    str,
    Header(
        max_length=limits.NAME_CHARACTERS,
        description="Of a stream: the `id` of the last event that you have. It counts more than `after`, because "
        "clients send it when they connect again.",
    ),
]
STREAM = """retry: 1000

data: {"id":"Xk3mPq9R-1041","type":"participant_joined","at":1767225600000,"room":{"sid":"RM_2Gk5xQ7wRtYb",…
id: Xk3mPq9R-1041

event: end
data: {"reason": "server_shutdown"}
"""


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


@router.get(
    "",
    response_model=Events,
    responses={
        **responses(400, 403, 429, 503),
        200: {
            "description": "A page. With `Accept: text/event-stream` a stream, whose `data` are events.",
            "content": {MEDIA_TYPE: {"schema": {"type": "string"}, "example": STREAM}},
        },
    },
)
async def list_events(
    request: Request,
    sfu: SfuDep,
    grant: GrantDep,
    after: After = "",
    room: Room = None,
    limit: Limit = limits.LIST_PAGE,
    last_event_id: LastEventId = "",
) -> Response:
    """Lists what happened in the rooms, oldest first, a page at a time; or follows it as server-sent events. Needs
    roomAdmin for the room; for all rooms roomAdmin without a room, and roomList."""
    if MEDIA_TYPE in request.headers.get("accept", ""):
        stack = AsyncExitStack()
        following = await stack.enter_async_context(sfu.follow(grant, room, last_event_id or after))
        return EventStream(following, stack)
    page = await sfu.execute(commands.ListEvents(grant, room, after, limit))
    # The events are sent as they are kept.
    rest = json.dumps({"next": page.next, "latest": page.latest, "missed": page.missed})
    content = f'{{"events":[{",".join(one.json for one in page.kept)}],{rest[1:]}'
    return Response(content, media_type="application/json")


@router.delete("", responses=responses(403, 503))
async def delete_events(
    sfu: SfuDep,
    grant: GrantDep,
    identity: Annotated[
        str,
        Query(min_length=1, max_length=limits.NAME_CHARACTERS, description="The participant's identity."),
    ],
    room: Room = None,
) -> RemovedEvents:
    """Removes the events until now that name this identity, and sends them to no webhook; remove the participant first,
    because later ones are kept. Needs roomAdmin for the room; for all rooms roomAdmin without a room, and roomList."""
    return RemovedEvents(removed=await sfu.execute(commands.DeleteEvents(grant, identity, room)))
