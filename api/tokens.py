"""REST: tokens for backends that have no API secret."""

import math
import time
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from api import auth
from api.bodies import Boolean, Integer, Number, RequestBody
from api.dependencies import GrantDep, SettingsDep, SfuDep
from api.errors import responses
from sfu import commands
from sfu.model import Grant, Permissions, Source
from sfu_client.tokens import new_jti

router = APIRouter(prefix="/v1/tokens", tags=["tokens"])

TTL = 3600
"""Seconds until a token expires whose lifetime is not given."""
Lifetime = Annotated[Number, Field(ge=1, le=1e9, description="Seconds until the token expires.")]


class NewToken(RequestBody):
    """What a token says. No value may exceed what the caller's own token has."""

    identity: str = Field(examples=["ada"])
    name: str = Field("", description="The name shown to others.")
    room: str = Field("", description="The only room of the token. Empty: every room.", examples=["lobby"])
    room_join: Boolean = True
    room_admin: Boolean = False
    room_create: Boolean = False
    room_list: Boolean = False
    can_publish: Boolean = True
    can_subscribe: Boolean = True
    can_publish_data: Boolean = True
    can_publish_sources: tuple[Source, ...] = Field((), max_length=len(Source), description="Empty: all sources.")
    can_update_own_metadata: Boolean = False
    hidden: Boolean = False
    metadata: str = ""
    attributes: dict[str, str] = Field(default_factory=dict)
    max_viewers: Annotated[Integer, Field(ge=0, le=1_000_000)] = 0
    ttl: Lifetime | None = Field(
        None, description=f"Omitted: {TTL} s, or as long as the caller's token if that is less."
    )


class IssuedToken(BaseModel):
    token: str = Field(description="A JWT.", examples=["eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJteWtleSJ9.…"])
    jti: str = Field(description="The id of the token, by which its identity can be readmitted.", examples=["5f1c0a"])
    expires_at: int = Field(description="Milliseconds since the epoch.", examples=[1_767_229_200_000])


@router.post("", status_code=201, responses=responses(400, 403, 415, 422))
async def create_token(body: NewToken, sfu: SfuDep, settings: SettingsDep, grant: GrantDep) -> IssuedToken:
    """Makes a token, signed with the API key of the caller's token. Needs tokenCreate."""
    now = time.time()
    wanted = Grant(
        identity=body.identity,
        name=body.name,
        room=body.room,
        room_join=body.room_join,
        room_admin=body.room_admin,
        room_create=body.room_create,
        room_list=body.room_list,
        permissions=Permissions(
            can_publish=body.can_publish,
            can_subscribe=body.can_subscribe,
            can_publish_data=body.can_publish_data,
            can_publish_sources=body.can_publish_sources,
            can_update_own_metadata=body.can_update_own_metadata,
            hidden=body.hidden,
        ),
        metadata=body.metadata,
        attributes=body.attributes,
        max_viewers=body.max_viewers,
        expires=math.ceil(now + body.ttl) if body.ttl is not None else min(grant.expires, int(now) + TTL),
        jti=new_jti(),
    )
    given = await sfu.execute(commands.DelegateGrant(grant, wanted))
    # The expiry is rounded up to a second, which must not be the next one.
    token = auth.sign(given, settings.keys[given.key], ttl=given.expires - now - 0.001, now=now)
    return IssuedToken(token=token, jti=given.jti, expires_at=given.expires * 1_000)
