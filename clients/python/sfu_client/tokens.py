"""Tokens: HS256 JWTs whose `iss` is an API key, `sub` an identity, and whose `video` claim is the grant."""

import math
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jwt

ALGORITHM = "HS256"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """What a token says. `room_admin`, `room_create`, `room_list` and `token_create` are rights of REST.

    `room`: the only room of the token; empty: every room. `can_publish_sources`: empty: all sources. `jti`: the id of
    the token, with which it can be readmitted; `new_jti` makes one. `max_viewers`: the most WHEP sessions of a room, if
    more than the service's setting.
    """

    identity: str
    name: str = ""
    room: str = ""
    room_join: bool = False
    room_admin: bool = False
    room_create: bool = False
    room_list: bool = False
    token_create: bool = False
    can_publish: bool = True
    can_subscribe: bool = True
    can_publish_data: bool = True
    can_publish_sources: Sequence[str] = ()
    can_update_own_metadata: bool = False
    hidden: bool = False
    metadata: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    jti: str = ""
    max_viewers: int = 0

    def sign(self, key: str, secret: str, *, ttl: float = 3600, now: float | None = None) -> str:
        """Returns the JWT, signed with the secret of an API key and valid for `ttl` seconds. `now`: seconds since the
        epoch."""
        # The time has a fraction, which RFC 7519 s2 allows.
        issued = time.time() if now is None else now
        claims: dict[str, Any] = {
            "iss": key,
            "sub": self.identity,
            "iat": issued,
            "nbf": int(issued),
            "exp": math.ceil(issued + ttl),
            "video": self._video(),
        }
        optional = {
            "name": self.name,
            "metadata": self.metadata,
            "attributes": dict(self.attributes),
            "jti": self.jti,
        }
        claims |= {claim: value for claim, value in optional.items() if value}
        return jwt.encode(claims, secret, algorithm=ALGORITHM)

    def _video(self) -> dict[str, Any]:
        """Returns the grant: what is not said is refused for rooms, and granted for a participant."""
        video: dict[str, Any] = {"room": self.room} if self.room else {}
        for claim, given in (
            ("roomJoin", self.room_join),
            ("roomAdmin", self.room_admin),
            ("roomCreate", self.room_create),
            ("roomList", self.room_list),
            ("tokenCreate", self.token_create),
            ("canUpdateOwnMetadata", self.can_update_own_metadata),
            ("hidden", self.hidden),
        ):
            if given:
                video[claim] = True
        for claim, given in (
            ("canPublish", self.can_publish),
            ("canSubscribe", self.can_subscribe),
            ("canPublishData", self.can_publish_data),
        ):
            if not given:
                video[claim] = False
        if self.can_publish_sources:
            video["canPublishSources"] = [str(source) for source in self.can_publish_sources]
        if self.max_viewers:
            video["maxViewers"] = self.max_viewers
        return video


def new_jti() -> str:
    return secrets.token_urlsafe(12)
