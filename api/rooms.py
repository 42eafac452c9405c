"""REST: rooms, and data from the server."""

import base64
import binascii
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Body, Request, Response
from pydantic import BaseModel, Field

from api.bodies import Boolean, Integer, Number, RequestBody
from api.dependencies import GrantDep, SfuDep, prefix_of
from api.errors import responses
from api.pages import NEXT, After, Limit
from sfu import commands, limits
from sfu.errors import InvalidRequest
from sfu.model import RoomChanges
from sfu.views import RoomInfo

router = APIRouter(prefix="/v1/rooms", tags=["rooms"])

Seconds = Annotated[Number, Field(ge=0, le=1e9, allow_inf_nan=False)]
Participants = Annotated[Integer, Field(ge=0, le=1_000_000, description="0: no limit.")]

LastN = Annotated[
    Integer, Field(ge=0, le=1_000, description="Maximum video tracks that a participant is shown. 0: all.")
]
OnStage = Annotated[tuple[str, ...], Field(description="Identities whose video is shown first, in this order.")]
Loudest = Annotated[
    Integer, Field(ge=0, le=1_000, description="Maximum microphones that are forwarded at a time. 0: all.")
]

ROOM: dict[str, Any] = {
    "sid": "RM_2Gk5xQ7wRtYb",
    "name": "lobby",
    "created_at": 1_767_225_600_000,
    "max_participants": 0,
    "empty_timeout": 300.0,
    "departure_timeout": 20.0,
    "metadata": "",
    "locked": False,
    "last_n": 0,
    "on_stage": [],
    "loudest": 0,
    "num_participants": 2,
    "num_publishers": 1,
    "dominant_speaker": "",
}


class WholeRoom(RequestBody):
    """Omitted fields have the server's default."""

    max_participants: Participants | None = None
    empty_timeout: Seconds | None = Field(None, description="Seconds until it is deleted if nobody joins.")
    departure_timeout: Seconds | None = Field(
        None, description="Seconds until it is deleted once the last participant left."
    )
    metadata: str | None = Field(None, examples=['{"topic": "weekly"}'])
    locked: Boolean | None = Field(None, description="No new participant may join.")
    last_n: LastN | None = None
    on_stage: OnStage | None = None
    loudest: Loudest | None = None


class NewRoom(WholeRoom):
    """Omitted fields have the server's default."""

    name: str = Field(examples=["lobby"])


class RoomChange(RequestBody):
    """Omitted fields keep their value."""

    max_participants: Participants | None = None
    empty_timeout: Seconds | None = None
    departure_timeout: Seconds | None = None
    metadata: str | None = None
    locked: Boolean | None = Field(None, examples=[True])
    last_n: LastN | None = None
    on_stage: OnStage | None = None
    loudest: Loudest | None = None


class Rooms(BaseModel):
    rooms: list[RoomInfo] = Field(examples=[[ROOM]])
    next: str = Field("", description=NEXT)


class Data(RequestBody):
    """Exactly one of `text` and `base64`."""

    text: str | None = Field(None, examples=["The break is over."])
    base64: str | None = None
    reliable: Boolean = True
    to: list[str] | None = Field(None, description="Identities. Omitted: all participants.", examples=[["ada"]])


class Delivery(BaseModel):
    receivers: int = Field(description="Participants with a channel for it, open or opening.", examples=[1])


def _answers(description: str) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"example": ROOM}}}


@router.post(
    "",
    status_code=201,
    responses={
        **responses(400, 403, 409, 415, 422, 429, 503),
        201: _answers("It is new. `Location` is its address."),
        200: _answers("It existed already, with the same options."),
    },
)
async def create_room(body: NewRoom, request: Request, response: Response, sfu: SfuDep, grant: GrantDep) -> RoomInfo:
    """Creates a room. If the room exists with the same options, returns it with status 200. Needs roomCreate."""
    options = RoomChanges(**body.model_dump(exclude={"name"}))  # type: ignore[typeddict-item]
    created = await sfu.execute(commands.CreateRoom(grant, body.name, options))
    return _created(created, request, response)


def _created(created: commands.Created, request: Request, response: Response) -> RoomInfo:
    """Sets the status of the reply, and `Location` if the room is new."""
    if created.is_new:
        response.status_code = 201
        response.headers["Location"] = f"{prefix_of(request)}/v1/rooms/{quote(created.room.name, safe='')}"
    else:
        response.status_code = 200
    return created.room


@router.get("", responses=responses(403))
async def list_rooms(sfu: SfuDep, grant: GrantDep, after: After = "", limit: Limit = limits.LIST_PAGE) -> Rooms:
    """Lists the rooms of this server by name, a page at a time. Needs roomList."""
    page = await sfu.execute(commands.ListRooms(grant, after, limit))
    return Rooms(rooms=list(page.entries), next=page.next)


@router.get("/{room:name}", responses={**responses(403, 404), 200: _answers("The room.")})
async def show_room(room: str, sfu: SfuDep, grant: GrantDep) -> RoomInfo:
    """Returns a room. Needs roomList, or roomAdmin for the room."""
    return await sfu.execute(commands.ShowRoom(grant, room))


@router.put(
    "/{room:name}",
    responses={
        **responses(400, 403, 415, 422, 429, 503),
        201: _answers("It is new. `Location` is its address."),
        200: _answers("It existed. It has these options now."),
    },
)
async def put_room(
    room: str, body: WholeRoom, request: Request, response: Response, sfu: SfuDep, grant: GrantDep
) -> RoomInfo:
    """Creates a room, or changes the options of the one with this name: omitted ones become the server's default. Needs
    roomCreate, and roomAdmin for the room if its options change."""
    options = RoomChanges(**body.model_dump())  # type: ignore[typeddict-item]
    return _created(await sfu.execute(commands.PutRoom(grant, room, options)), request, response)


@router.patch(
    "/{room:name}", responses={**responses(400, 403, 404, 409, 415, 422), 200: _answers("The room as it is now.")}
)
async def change_room(room: str, body: RoomChange, sfu: SfuDep, grant: GrantDep) -> RoomInfo:
    """Changes a room. Its participants receive the change. Needs roomAdmin for the room."""
    changes = RoomChanges(**body.model_dump())  # type: ignore[typeddict-item]
    return await sfu.execute(commands.ChangeRoom(grant, room, changes))


@router.delete("/{room:name}", status_code=204, responses=responses(403, 404))
async def delete_room(room: str, sfu: SfuDep, grant: GrantDep) -> None:
    """Closes a room. Its participants receive `left` with the reason. Needs roomCreate, or roomAdmin for the room."""
    await sfu.execute(commands.DeleteRoom(grant, room))


@router.post("/{room:name}/data", responses=responses(400, 403, 404, 409, 415, 422))
async def send_data(
    room: str,
    body: Annotated[Data, Body(openapi_examples={"text": {"value": {"text": "The break is over.", "to": ["ada"]}}})],
    sfu: SfuDep,
    grant: GrantDep,
) -> Delivery:
    """Sends a message of the server over the data channels of the room. Needs roomAdmin for the room."""
    if (body.text is None) == (body.base64 is None):
        raise InvalidRequest("a message needs either text or base64")
    try:
        payload = (
            base64.b64decode(body.base64, validate=True) if body.base64 is not None else (body.text or "").encode()
        )
    except UnicodeEncodeError:
        raise InvalidRequest("the text has half of a surrogate pair, which is no character") from None
    except (binascii.Error, ValueError):
        raise InvalidRequest("the value of base64 is not base64 (RFC 4648)") from None
    return Delivery(receivers=await sfu.execute(commands.SendData(grant, room, payload, body.reliable, body.to)))
