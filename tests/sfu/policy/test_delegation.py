"""What a token may hand out."""

from dataclasses import replace

import pytest

from sfu.model import Grant, Permissions, Source
from sfu.policy.delegation import excess

ALL = Permissions(can_update_own_metadata=True, hidden=True)
OWN = Grant(
    "backend",
    room="lobby",
    room_join=True,
    room_admin=True,
    token_create=True,
    permissions=replace(ALL, hidden=False, can_publish_sources=(Source.CAMERA, Source.MICROPHONE)),
    max_viewers=5,
    expires=1_000,
)
WANTED = Grant("ada", room="lobby", room_join=True, permissions=Permissions(can_publish=False), expires=1_000)
CASES: list[tuple[Grant, str]] = [
    (WANTED, ""),
    (replace(WANTED, room_admin=True, max_viewers=5), ""),
    (replace(WANTED, permissions=Permissions(can_publish_sources=(Source.CAMERA,))), ""),
    (replace(WANTED, room=""), "every room: it is for the room 'lobby'"),
    (replace(WANTED, room="hall"), "'hall': it is for the room 'lobby'"),
    (replace(WANTED, room_create=True), "roomCreate"),
    (replace(WANTED, room_list=True), "roomList"),
    (replace(WANTED, permissions=Permissions()), "publishing the source screen_share"),
    (replace(WANTED, permissions=replace(WANTED.permissions, hidden=True)), "hidden"),
    (replace(WANTED, max_viewers=6), "maxViewers above 5"),
    (replace(WANTED, expires=1_001), "a lifetime beyond its own"),
]


@pytest.mark.parametrize(("wanted", "more"), CASES, ids=[more or "nothing" for _, more in CASES])
def test_a_token_hands_out_no_more_than_it_has(wanted: Grant, more: str) -> None:
    assert excess(OWN, wanted) == more


def test_each_right_and_permission_is_compared() -> None:
    less = Grant("backend", permissions=Permissions(False, False, False, (), False, False))
    for right in ("room_join", "room_admin", "room_create", "room_list", "token_create"):
        assert excess(less, replace(less, **{right: True}))
    for permission in ("can_publish", "can_subscribe", "can_publish_data", "can_update_own_metadata", "hidden"):
        assert excess(less, replace(less, permissions=replace(less.permissions, **{permission: True})))
