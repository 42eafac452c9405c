"""REST: the participants of a room, what they may do, and what they are shown."""

from dataclasses import replace
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from api import pages
from api.bodies import RequestBody
from api.dependencies import ModeratorDep, SfuDep
from api.errors import responses
from api.pages import NEXT, After, Limit
from sfu import limits
from sfu.model import ParticipantInfo, Quality, Source, SubscriptionInfo
from sfu.room.participant import Participant
from sfu.signalling.messages import TrackSettings
from sfu.signalling.requests import changes

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
    """What is left out stays as it is."""

    model_config = ConfigDict(extra="forbid")
    can_publish: bool | None = Field(None, examples=[False])
    can_subscribe: bool | None = None
    can_publish_data: bool | None = None
    can_publish_sources: tuple[Source, ...] | None = Field(None, description="Empty: every source.")
    can_update_own_metadata: bool | None = None
    hidden: bool | None = None


class ParticipantChange(RequestBody):
    """What is left out stays as it is; an attribute set to the empty string is deleted."""

    name: str | None = Field(None, examples=["Ada Lovelace"])
    metadata: str | None = None
    attributes: dict[str, str] | None = Field(None, examples=[{"hand": "up"}])
    permissions: PermissionsChange | None = None


class MuteRequest(RequestBody):
    track: str = Field(examples=["TR_5hJk2mNpQrSt"])
    muted: bool


class Readmission(BaseModel):
    model_config = ConfigDict(extra="forbid")
    jti: str | None = Field(
        None,
        min_length=1,
        max_length=limits.NAME_CHARACTERS,
        description="The id of one token. Left out: every token made from now on, by its `iat`, else its `nbf`.",
        examples=["5f1c0a"],
    )


class TrackWish(BaseModel):
    """How one track is to be shown. What is left out stays as it is."""

    model_config = ConfigDict(extra="forbid")
    track: str = Field(examples=["TR_5hJk2mNpQrSt"])
    quality: Quality | None = Field(None, description="The best worth its bits, or `off` to pause it.")
    width: int | None = Field(None, description="Pixels of the box it is fitted into; 0: any.", examples=[640])
    height: int | None = Field(None, examples=[360])
    fps: float | None = Field(None, description="Frames per second that are enough; 0: any.", examples=[15])
    priority: int | None = Field(None, description="1 to 255; 0: as its source has it.")
    visible: bool | None = Field(None, description="Video that is not visible is not sent.")


class SubscriptionsWish(RequestBody):
    """What is left out stays as it is."""

    tracks: list[str] | None = Field(
        None, description="Exactly these, of those that are published now.", examples=[["TR_5hJk2mNpQrSt"]]
    )
    settings: list[TrackWish] = Field(
        default_factory=list, description="How single tracks are to be shown.", max_length=limits.WISHES
    )


class Subscriptions(BaseModel):
    subscriptions: list[SubscriptionInfo] = Field(examples=[[SUBSCRIPTION]])
    next: str = Field("", description=NEXT)


@router.get("", responses=responses(403, 404))
async def list_participants(
    room: str, sfu: SfuDep, grant: ModeratorDep, after: After = "", limit: Limit = limits.LIST_PAGE
) -> Participants:
    """Everybody in the room by identity, also who is hidden, a page at a time. Needs roomAdmin for the room, as all of
    these do."""
    present = sfu.room(room).participants
    entries = ((identity, present[identity].info()) for identity in pages.by_name(present, after, limit))
    participants, next = pages.page(entries, limit, pages.of_participant)
    return Participants(participants=participants, next=next)


@router.get("/{identity:name}", responses={**responses(403, 404), **SHOWN})
async def show_participant(room: str, identity: str, sfu: SfuDep, grant: ModeratorDep) -> ParticipantInfo:
    return sfu.room(room).participant(identity).info()


@router.patch("/{identity:name}", responses={**responses(400, 403, 404, 409, 415, 422), **SHOWN})
async def change_participant(
    room: str, identity: str, body: ParticipantChange, sfu: SfuDep, grant: ModeratorDep
) -> ParticipantInfo:
    """Takes effect at once. A permission that is taken away also revokes the participant's tokens."""
    participant = sfu.room(room).participant(identity)
    permissions = participant.permissions
    if body.permissions is not None:
        permissions = replace(permissions, **body.permissions.model_dump(exclude_none=True))
    participant.update(name=body.name, metadata=body.metadata, attributes=body.attributes, permissions=permissions)
    return participant.info()


@router.delete("/{identity:name}", status_code=204, responses=responses(403, 404))
async def remove_participant(room: str, identity: str, sfu: SfuDep, grant: ModeratorDep) -> None:
    """Out, and told so. Its tokens no longer let it in, nor do those that say they were made within the next minute, as
    clocks may differ by that (403 with `Retry-After`). `readmit` lets it in before."""
    sfu.room(room).remove(identity)


@router.post("/{identity:name}/readmit", status_code=204, responses=responses(400, 403, 415, 422))
async def readmit_participant(room: str, identity: str, body: Readmission, sfu: SfuDep, grant: ModeratorDep) -> None:
    """Lets somebody in at once who was removed, or whose grant was reduced: with one token, named by its `jti`, or with
    every token made from now on. Name the token where a backend's clock may be ahead, as one of before could pass for
    new. Does nothing if the identity was not removed; the room need not exist."""
    sfu.readmit(room, identity, body.jti)


@router.post("/{identity:name}/mute", responses={**responses(403, 404, 415, 422), **SHOWN})
async def mute_track(room: str, identity: str, body: MuteRequest, sfu: SfuDep, grant: ModeratorDep) -> ParticipantInfo:
    """Nothing of the track is forwarded until a moderator allows it again; its owner is told."""
    participant = sfu.room(room).participant(identity)
    participant.mute(body.track, body.muted)
    return participant.info()


@router.get("/{identity:name}/subscriptions", responses=responses(400, 403, 404))
async def list_subscriptions(
    room: str, identity: str, sfu: SfuDep, grant: ModeratorDep, after: After = "", limit: Limit = limits.LIST_PAGE
) -> Subscriptions:
    """Every track it could be shown, in the order their publishers joined, and what it really gets of it; a page at a
    time."""
    return _subscriptions(sfu.room(room).participant(identity), after, limit)


@router.put("/{identity:name}/subscriptions", responses=responses(400, 403, 404, 415, 422))
async def set_subscriptions(
    room: str, identity: str, body: SubscriptionsWish, sfu: SfuDep, grant: ModeratorDep
) -> Subscriptions:
    """Subscribes to exactly these tracks, or changes nothing. What comes later follows `auto_subscribe` of the join.

    `settings` say for the participant what its client would: in which size, how fast, visible or not. The answer is the
    first page of its subscriptions.
    """
    participant = sfu.room(room).participant(identity)
    participant.demand(
        {wish.track: changes(TrackSettings(**wish.model_dump())) for wish in body.settings},
        body.tracks,
    )
    return _subscriptions(participant)


def _subscriptions(participant: Participant, after: str = "", limit: int = limits.LIST_PAGE) -> Subscriptions:
    entries = pages.by_order(participant.subscriptions_after(pages.order(after)))
    subscriptions, next = pages.page(entries, limit, pages.of_subscription)
    return Subscriptions(subscriptions=subscriptions, next=next)
