"""Tokens that the client makes are read by the service as they were meant."""

import time
from dataclasses import replace

import pytest

from api import auth
from sfu.model import Grant, Permissions, Source
from sfu_client import AccessToken, new_jti

from ..api.server import KEY, SECRET

FULL = AccessToken(
    identity="ada",
    name="Ada",
    room="lobby",
    room_join=True,
    room_admin=True,
    room_create=True,
    room_list=True,
    can_publish=False,
    can_subscribe=False,
    can_publish_data=False,
    can_publish_sources=["camera", "screen_share"],
    can_update_own_metadata=True,
    hidden=True,
    metadata="m",
    attributes={"hand": "up"},
    jti="j",
    max_viewers=7,
)
GRANT = Grant(
    identity="ada",
    name="Ada",
    room="lobby",
    room_join=True,
    room_admin=True,
    room_create=True,
    room_list=True,
    permissions=Permissions(False, False, False, (Source.CAMERA, Source.SCREEN_SHARE), True, True),
    metadata="m",
    attributes={"hand": "up"},
    key=KEY,
    jti="j",
    max_viewers=7,
)


def read(token: str) -> Grant:
    return replace(auth.verify(token, {KEY: SECRET}), issued=0, expires=0)


@pytest.mark.parametrize(
    ("token", "grant"),
    [(FULL, GRANT), (AccessToken(identity="bob"), Grant(identity="bob", key=KEY))],
    ids=["all", "nothing"],
)
def test_the_service_reads_what_was_said(token: AccessToken, grant: Grant) -> None:
    assert read(token.sign(KEY, SECRET)) == replace(grant, issued=0, expires=0)


def test_it_is_valid_for_the_time_that_is_given() -> None:
    now = time.time()
    grant = auth.verify(FULL.sign(KEY, SECRET, ttl=60, now=now), {KEY: SECRET})
    assert grant.issued == now and now + 60 <= grant.expires < now + 61
    with pytest.raises(auth.Expired):
        auth.verify(FULL.sign(KEY, SECRET, ttl=60, now=now - 3600), {KEY: SECRET})


def test_ids_of_tokens_differ() -> None:
    assert len({new_jti() for _ in range(1000)}) == 1000
