# Made from aio/tokens.py by scripts/make-sync-client.
"""The operation that makes tokens without an API secret."""

from collections.abc import Mapping, Sequence

from ..address import given, path
from ..models import IssuedToken
from .requests import Requests


class TokenOperations(Requests):
    def create_token(
        self,
        identity: str,
        *,
        name: str | None = None,
        room: str | None = None,
        room_join: bool | None = None,
        room_admin: bool | None = None,
        room_create: bool | None = None,
        room_list: bool | None = None,
        can_publish: bool | None = None,
        can_subscribe: bool | None = None,
        can_publish_data: bool | None = None,
        can_publish_sources: Sequence[str] | None = None,
        can_update_own_metadata: bool | None = None,
        hidden: bool | None = None,
        metadata: str | None = None,
        attributes: Mapping[str, str] | None = None,
        max_viewers: int | None = None,
        ttl: float | None = None,
    ) -> IssuedToken:
        """Makes a token with no more rooms, rights or lifetime than the one that this client sends, which needs
        tokenCreate. `ttl`: seconds. With an API secret, `AccessToken` makes tokens without a request."""
        body = given(
            identity=identity,
            name=name,
            room=room,
            room_join=room_join,
            room_admin=room_admin,
            room_create=room_create,
            room_list=room_list,
            can_publish=can_publish,
            can_subscribe=can_subscribe,
            can_publish_data=can_publish_data,
            can_publish_sources=can_publish_sources,
            can_update_own_metadata=can_update_own_metadata,
            hidden=hidden,
            metadata=metadata,
            attributes=attributes,
            max_viewers=max_viewers,
            ttl=ttl,
        )
        return self._send(IssuedToken, "POST", path("v1", "tokens"), body)
