"""Tokens: HS256 JWTs whose `iss` is an API key, `sub` an identity, and whose `video` claim is the grant."""

import math
from collections.abc import Mapping
from typing import Any

import jwt

from sfu.errors import NotAllowed, Unauthenticated
from sfu.model import Grant, Permissions, Source
from sfu.quoting import quote
from sfu.revocations import LEEWAY
from sfu_client.tokens import ALGORITHM, AccessToken

MIN_SECRET = 32
"""Octets. A key shorter than the hash weakens it (RFC 7518 s3.2)."""
UNREADABLE = (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError)
"""Exceptions from reading a token. Claims that are no numbers, or are deeply nested, raise the last ones."""


class Expired(Unauthenticated):
    """The token is genuine but expired. `room` is its room. A session can still be resumed with its own secret."""

    def __init__(self, room: str) -> None:
        super().__init__("The token has expired.")
        self.room = room


def verify(token: str, keys: Mapping[str, str]) -> Grant:
    """Returns the grant of a token that is valid now and signed by one of `keys` (secrets by key).

    Raises Unauthenticated with a sentence that says what is wrong. The sentence never contains the token.
    """
    try:
        key = jwt.decode(token, options={"verify_signature": False}).get("iss")
    except UNREADABLE:
        raise Unauthenticated("The token is not a JWT.") from None
    if not isinstance(key, str) or key not in keys:
        raise Unauthenticated("The token was issued (iss) by an API key that this server does not know.")
    required = ["exp", "iss", "sub"]
    try:
        claims = jwt.decode(token, keys[key], algorithms=[ALGORITHM], leeway=LEEWAY, options={"require": required})
    except jwt.ExpiredSignatureError:
        # The library checks the signature before the times.
        genuine = jwt.decode(token, options={"verify_signature": False})
        raise Expired(grant_of(genuine).room) from None
    except UNREADABLE as wrong:
        raise Unauthenticated(_wrong(wrong)) from None
    return grant_of(claims)


def _wrong(error: Exception) -> str:
    """Returns a sentence that says what is wrong with a token."""
    match error:
        case jwt.ImmatureSignatureError():
            return "The token is not valid yet (nbf or iat lies in the future)."
        case jwt.MissingRequiredClaimError():
            return f"The token lacks the claim {quote(error.claim)}."
        case jwt.InvalidAlgorithmError():
            return f"The token must be signed with {ALGORITHM}."
        case jwt.InvalidSignatureError():
            return "The token's signature does not match its API key."
        case jwt.InvalidAudienceError():
            return "The token has an audience (aud), which tokens for this server must not have."
        case jwt.InvalidTokenError():
            return f"The token is not valid: {quote(str(error).rstrip('.'))[1:-1]}."
        case _:
            return "The token's claims exp, nbf and iat must be seconds since the epoch."


def admits(grant: Grant, room: str) -> None:
    """Raises NotAllowed if the grant does not allow joining the room, so the handshake can be refused."""
    if not grant.room_join:
        raise NotAllowed("this token does not allow joining a room (roomJoin)")
    if grant.room and grant.room != room:
        raise NotAllowed(f"this token is for the room {quote(grant.room)}, not for {quote(room)}")


def grant_of(claims: Mapping[str, Any]) -> Grant:
    """Returns the claims of a verified token as a grant. An absent permission is granted, as the ecosystem's SDKs
    expect."""
    video = claims.get("video") or {}
    if not isinstance(video, Mapping):
        raise Unauthenticated("The token's claim 'video' must be an object.")
    try:
        sources = tuple(Source(source) for source in video.get("canPublishSources") or ())
    except (ValueError, TypeError):
        known = ", ".join(Source)
        raise Unauthenticated(f"The token's canPublishSources may contain only: {known}.") from None
    attributes = claims.get("attributes") or {}
    if not isinstance(attributes, Mapping) or not all(isinstance(value, str) for value in attributes.values()):
        raise Unauthenticated("The token's claim 'attributes' must map strings to strings.")
    return Grant(
        identity=_text(claims, "sub"),
        name=_text(claims, "name"),
        room=_text(video, "room"),
        room_join=video.get("roomJoin") is True,
        room_admin=video.get("roomAdmin") is True,
        room_create=video.get("roomCreate") is True,
        room_list=video.get("roomList") is True,
        token_create=video.get("tokenCreate") is True,
        permissions=Permissions(
            can_publish=video.get("canPublish") is not False,
            can_subscribe=video.get("canSubscribe") is not False,
            can_publish_data=video.get("canPublishData") is not False,
            can_publish_sources=sources,
            can_update_own_metadata=video.get("canUpdateOwnMetadata") is True,
            hidden=video.get("hidden") is True,
        ),
        metadata=_text(claims, "metadata"),
        attributes=dict(attributes),
        key=_text(claims, "iss"),
        issued=_seconds(claims, "iat") or _seconds(claims, "nbf"),
        expires=int(_seconds(claims, "exp")),
        jti=_text(claims, "jti"),
        max_viewers=_count(video, "maxViewers"),
    )


def sign(grant: Grant, secret: str, *, ttl: float, now: float | None = None) -> str:
    """Returns a token for `grant`, signed with the secret of its key and valid for `ttl` seconds."""
    permissions = grant.permissions
    token = AccessToken(
        identity=grant.identity,
        name=grant.name,
        room=grant.room,
        room_join=grant.room_join,
        room_admin=grant.room_admin,
        room_create=grant.room_create,
        room_list=grant.room_list,
        token_create=grant.token_create,
        can_publish=permissions.can_publish,
        can_subscribe=permissions.can_subscribe,
        can_publish_data=permissions.can_publish_data,
        can_publish_sources=permissions.can_publish_sources,
        can_update_own_metadata=permissions.can_update_own_metadata,
        hidden=permissions.hidden,
        metadata=grant.metadata,
        attributes=grant.attributes,
        jti=grant.jti,
        max_viewers=grant.max_viewers,
    )
    return token.sign(grant.key, secret, ttl=ttl, now=now)


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name) or ""
    if not isinstance(value, str):
        raise Unauthenticated(f"The token's claim {quote(name)} must be a string.")
    return value


def _count(claims: Mapping[str, Any], name: str) -> int:
    value = claims.get(name) or 0
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise Unauthenticated(f"The token's claim '{name}' must be a whole number.")
    return value


def _seconds(claims: Mapping[str, Any], name: str) -> float:
    try:
        seconds = float(claims.get(name) or 0)
    except (TypeError, ValueError, OverflowError):
        seconds = math.nan
    if not math.isfinite(seconds):
        raise Unauthenticated(f"The token's claim {quote(name)} must be seconds since the epoch.")
    return seconds
