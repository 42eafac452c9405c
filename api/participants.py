"""REST: the participants of a room, their permissions, and their subscriptions."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from api.bodies import Boolean, Integer, Number, RequestBody
from api.dependencies import GrantDep, SfuDep
from api.errors import responses
from api.pages import NEXT, After, Limit
from sfu import commands, limits
from sfu.errors import InvalidRequest
from sfu.model import PermissionChanges, Quality, Source, WishChanges
from sfu.views import ParticipantInfo, SubscriptionInfo

router = APIRouter(prefix="/v1/rooms/{room:name}/participants", tags=["participants"])

PARTICIPANT: dict[str, Any] = {
    "sid": "PA_8sVd3kLmNpQr",
    "identity": "ada",
    "name": "Ada",
    "state": "active",
    "kind": "standard",
    "metadata": "",
    "attributes": {"hand": "up"},
    "permissions": {
        "can_publish": True,
        "can_subscribe": True,
        "can_publish_data": True,
        "can_publish_sources": [],
        "can_update_own_metadata": False,
        "hidden": False,
    },
    "joined_at": 1_767_225_600_000,
    "version": 3,
    "tracks": [],
    "disconnect_reason": None,
    "muted_sources": [],
}
SUBSCRIPTION: dict[str, Any] = {
    "track": "TR_5hJk2mNpQrSt",
    "participant": "bob",
    "desired": True,
    "wish": {"quality": "high", "width": 640, "height": 360, "fps": 0.0, "priority": 0, "visible": True},
    "mid": "1",
    "state": "active",
    "layer": {"spatial": 1, "temporal": 2},
    "reason": "",
    "cause": "demand",
    "mime": "video/VP8",
}
SHOWN: dict[int | str, dict[str, Any]] = {
    200: {"description": "The participant.", "content": {"application/json": {"example": PARTICIPANT}}}
}


class Participants(BaseModel):
    participants: list[ParticipantInfo] = Field(examples=[[PARTICIPANT]])
    next: str = Field("", description=NEXT)


class PermissionsChange(BaseModel):
    """Omitted fields keep their value."""

    model_config = ConfigDict(extra="forbid")
    can_publish: Boolean | None = Field(None, examples=[False])
    can_subscribe: Boolean | None = None
    can_publish_data: Boolean | None = None
    can_publish_sources: tuple[Source, ...] | None = Field(None, description="Empty: all sources.")
    can_update_own_metadata: Boolean | None = None
    hidden: Boolean | None = None


class ParticipantChange(RequestBody):
    """Omitted fields keep their value. An attribute set to the empty string is deleted."""

    name: str | None = Field(None, examples=["Ada Lovelace"])
    metadata: str | None = None
    attributes: dict[str, str] | None = Field(None, examples=[{"hand": "up"}])
    permissions: PermissionsChange | None = None


class MuteRequest(RequestBody):
    """Exactly one of `track` and `source`."""

    track: str | None = Field(None, examples=["TR_5hJk2mNpQrSt"])
    source: Source | None = Field(
        None, description="All tracks of this source, also those that the participant publishes later in this session."
    )
    muted: Boolean


class Readmission(BaseModel):
    model_config = ConfigDict(extra="forbid")
    jti: str | None = Field(
        None,
        min_length=1,
        max_length=limits.NAME_CHARACTERS,
        description="The id of one token. Omitted: every token issued from now on, by its `iat`, otherwise its `nbf`.",
        examples=["5f1c0a"],
    )


class TrackWish(BaseModel):
    """How the participant receives one track. Omitted fields keep their value."""

    model_config = ConfigDict(extra="forbid")
    track: str = Field(examples=["TR_5hJk2mNpQrSt"])
    quality: Quality | None = Field(None, description="The best encoding to send, or `off` to pause the track.")
    width: Integer | None = Field(
        None, description="Pixels of the box that the picture is fitted into. 0: any.", examples=[640]
    )
    height: Integer | None = Field(None, examples=[360])
    fps: Number | None = Field(None, description="Frames per second that are enough. 0: any.", examples=[15])
    priority: Integer | None = Field(
        None, description="1 to 255; higher is served first. 0: 255 for a shared screen, 1 for other sources."
    )
    visible: Boolean | None = Field(None, description="False: video is not sent; audio is.")


class SubscriptionsWish(RequestBody):
    """Omitted fields keep their value."""

    tracks: list[str] | None = Field(
        None, description="Exactly these, of the tracks that are published now.", examples=[["TR_5hJk2mNpQrSt"]]
    )
    settings: list[TrackWish] = Field(
        default_factory=list,
        description="How the participant receives single tracks.",
        json_schema_extra={"maxItems": limits.WISHES},
    )


class Subscriptions(BaseModel):
    subscriptions: list[SubscriptionInfo] = Field(examples=[[SUBSCRIPTION]])
    next: str = Field("", description=NEXT)


@router.get("", responses=responses(403, 404))
async def list_participants(
    room: str, sfu: SfuDep, grant: GrantDep, after: After = "", limit: Limit = limits.LIST_PAGE
) -> Participants:
    """Lists all participants of the room by identity, hidden ones too, a page at a time. Needs roomAdmin for the room,
    as do all operations on participants."""
    page = await sfu.execute(commands.ListParticipants(grant, room, after, limit))
    return Participants(participants=list(page.entries), next=page.next)


@router.get("/{identity:name}", responses={**responses(403, 404), **SHOWN})
async def show_participant(room: str, identity: str, sfu: SfuDep, grant: GrantDep) -> ParticipantInfo:
    return await sfu.execute(commands.ShowParticipant(grant, room, identity))


@router.patch("/{identity:name}", responses={**responses(400, 403, 404, 409, 415, 422), **SHOWN})
async def change_participant(
    room: str, identity: str, body: ParticipantChange, sfu: SfuDep, grant: GrantDep
) -> ParticipantInfo:
    """Changes a participant. Takes effect immediately. Removing a permission also revokes the participant's tokens."""
    permissions: PermissionChanges | None = None
    if body.permissions is not None:
        permissions = PermissionChanges(**body.permissions.model_dump(exclude_none=True))  # type: ignore[typeddict-item]
    return await sfu.execute(
        commands.ChangeParticipant(grant, room, identity, body.name, body.metadata, body.attributes, permissions)
    )


@router.delete("/{identity:name}", status_code=204, responses=responses(403, 404))
async def remove_participant(room: str, identity: str, sfu: SfuDep, grant: GrantDep) -> None:
    """Removes a participant; it receives `left` with the reason. Its tokens no longer admit it, and neither do tokens
    issued within the next minute, because clocks may differ by that (403 with `Retry-After`). `readmit` admits it
    earlier."""
    await sfu.execute(commands.RemoveParticipant(grant, room, identity))


@router.post("/{identity:name}/readmit", status_code=204, responses=responses(400, 403, 415, 422))
async def readmit_participant(room: str, identity: str, body: Readmission, sfu: SfuDep, grant: GrantDep) -> None:
    """Readmits a participant that was removed, or whose grant was reduced: with one token, named by its `jti`, or with
    every token issued from now on. Name the token if a backend's clock may be ahead, because an older token could look
    new. Does nothing if the identity was not removed. The room need not exist."""
    await sfu.execute(commands.ReadmitParticipant(grant, room, identity, body.jti))


@router.post("/{identity:name}/mute", responses={**responses(400, 403, 404, 415, 422), **SHOWN})
async def mute_track(room: str, identity: str, body: MuteRequest, sfu: SfuDep, grant: GrantDep) -> ParticipantInfo:
    """Mutes or unmutes a track, or all tracks of a source, as a moderator. While a track is muted nothing of it is
    forwarded, and only a moderator can unmute it. The publisher receives `muted`."""
    if body.track is not None and body.source is None:
        return await sfu.execute(commands.MuteTrack(grant, room, identity, body.track, body.muted))
    if body.source is not None and body.track is None:
        return await sfu.execute(commands.MuteSource(grant, room, identity, body.source, body.muted))
    raise InvalidRequest("a mute needs either track or source")


@router.get("/{identity:name}/subscriptions", responses=responses(400, 403, 404))
async def list_subscriptions(
    room: str, identity: str, sfu: SfuDep, grant: GrantDep, after: After = "", limit: Limit = limits.LIST_PAGE
) -> Subscriptions:
    """Lists every track that the participant could receive, in the order in which their publishers joined, and what it
    receives, a page at a time."""
    page = await sfu.execute(commands.ListSubscriptions(grant, room, identity, after, limit))
    return Subscriptions(subscriptions=list(page.entries), next=page.next)


@router.put("/{identity:name}/subscriptions", responses=responses(400, 403, 404, 415, 422))
async def set_subscriptions(
    room: str, identity: str, body: SubscriptionsWish, sfu: SfuDep, grant: GrantDep
) -> Subscriptions:
    """Subscribes to exactly these tracks, or changes nothing. Later tracks follow `auto_subscribe` of the join.

    `settings` state for the participant how it receives a track: size, frame rate, visibility. The reply is the first
    page of its subscriptions.
    """
    wishes = [
        (wish.track, WishChanges(**wish.model_dump(exclude={"track"})))  # type: ignore[typeddict-item]
        for wish in body.settings
    ]
    await sfu.execute(commands.SetSubscriptions(grant, room, identity, wishes, body.tracks))
    page = await sfu.execute(commands.ListSubscriptions(grant, room, identity))
    return Subscriptions(subscriptions=list(page.entries), next=page.next)
