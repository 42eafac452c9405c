"""Routes of development mode only: tokens for the user of this machine, or for a user who was shown the QR code."""

import hmac
import ipaddress
import re
import secrets
import time
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, ConfigDict, Field

from api import auth
from api.dependencies import SettingsDep
from api.errors import responses
from api.settings import Settings
from sfu import names
from sfu.errors import NotAllowed
from sfu.model import Grant, Permissions

TTL = 3600.0
"""Seconds. Clients receive a new token at half of it."""
COOKIE = "sfu_invite"


router = APIRouter(tags=["development"])


class TokenRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")
    room: str = Field(examples=["lobby"])
    name: str = Field("", examples=["Ada"])


class TokenReply(BaseModel):
    token: str
    identity: str = Field(examples=["ada-7rK2mQ"])
    room: str = Field(examples=["lobby"])


@dataclass(frozen=True, slots=True)
class Door:
    """Decides who gets tokens: this machine, and with --lan, holders of the invitation."""

    addresses: frozenset[str] = frozenset()
    """Addresses beside the loopback ones at which browsers reach the service."""
    invitation: str = ""

    def check(self, request: Request) -> None:
        """Raises NotAllowed. Checks Host and Origin, because a page of another site runs in a local browser, too: it
        may post to this service (CSRF), or make its own name resolve to our address (DNS rebinding)."""
        if not self._is_ours(request.headers.get("host", "")):
            raise NotAllowed("development tokens are given only at a loopback address")
        origin = request.headers.get("origin")
        if origin is not None and not self._is_ours(urlsplit(origin).netloc):
            raise NotAllowed("development tokens are not given to pages of other origins")
        shown = request.cookies.get(COOKIE, "")
        if self.invitation and hmac.compare_digest(shown.encode(), self.invitation.encode()):
            return
        peer = request.client.host if request.client else ""
        if not _is_loopback(peer) or any(name in request.headers for name in ("forwarded", "x-forwarded-for")):
            raise NotAllowed("development tokens are given only to this machine")

    def _is_ours(self, authority: str) -> bool:
        try:
            name = urlsplit("//" + authority).hostname or ""
        except ValueError:
            return False
        return name == "localhost" or _is_loopback(name) or name in self.addresses


async def _door(request: Request) -> Door:
    door = request.app.state.dev_door
    assert isinstance(door, Door)
    return door


DoorDep = Annotated[Door, Depends(_door)]


def install(app: FastAPI, settings: Settings) -> None:
    """Adds the routes. Called in development mode only."""
    invitation = secrets.token_urlsafe(12) if settings.mode.lan else ""
    addresses = frozenset(settings.config().announced_addresses) if settings.mode.lan else frozenset[str]()
    app.state.dev_door = Door(addresses, invitation)
    app.include_router(router)


@router.post("/v1/dev/token", responses=responses(400, 403, 409))
async def give_token(body: TokenRequest, request: Request, settings: SettingsDep, door: DoorDep) -> TokenReply:
    """Returns a token for the page, with a new identity each time. Development mode only, from this machine only."""
    door.check(request)
    names.room_name(body.room)
    names.text("a display name", body.name)
    key, secret = next(iter(settings.keys.items()))
    slug = re.sub(r"[^a-z0-9]+", "-", body.name.lower()).strip("-")[:32] or "guest"
    grant = Grant(
        identity=f"{slug}-{secrets.token_hex(4)}",
        name=body.name,
        room=body.room,
        room_join=True,
        permissions=Permissions(can_update_own_metadata=True),
        key=key,
    )
    token = auth.sign(grant, secret, ttl=TTL, now=time.time())
    return TokenReply(token=token, identity=grant.identity, room=body.room)


@router.get("/v1/dev/enter", include_in_schema=False)
async def enter(invite: str, door: DoorDep) -> RedirectResponse:
    """The target of the QR code of --lan: stores the invitation as a cookie and redirects to the page."""
    if not door.invitation or not hmac.compare_digest(invite.encode(), door.invitation.encode()):
        raise NotAllowed("this invitation is wrong or outdated: scan the QR code that the service prints now")
    reply = RedirectResponse("/", status_code=303)
    reply.set_cookie(COOKIE, invite, httponly=True, secure=True, samesite="strict")
    return reply


def invitation_path(app: FastAPI) -> str:
    """Returns the path of the printed address."""
    door: Door = app.state.dev_door
    return f"/v1/dev/enter?invite={door.invitation}" if door.invitation else "/"


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
