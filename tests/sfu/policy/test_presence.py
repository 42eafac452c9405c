"""When a participant is removed, and when a permission is reduced."""

import pytest

from sfu.model import Permissions, Source
from sfu.policy.permissions import is_reduced, may_publish
from sfu.policy.presence import departs_at


@pytest.mark.parametrize(
    ("signal_gone", "media_gone", "at"),
    [
        (None, None, None),
        (100.0, None, None),
        (None, 100.0, None),
        (100.0, 90.0, 130.0),
        (100.0, 110.0, 140.0),
    ],
)
def test_one_goes_a_while_after_the_later_of_its_websocket_and_its_media(
    signal_gone: float | None, media_gone: float | None, at: float | None
) -> None:
    assert departs_at(signal_gone, media_gone, 30.0) == at


ALL = Permissions()
CAMERA = Permissions(can_publish_sources=(Source.CAMERA,))
BOTH = Permissions(can_publish_sources=(Source.CAMERA, Source.MICROPHONE))
MUTE = Permissions(can_publish=False)


@pytest.mark.parametrize(
    ("before", "after", "reduced"),
    [
        (ALL, ALL, False),
        (ALL, MUTE, True),
        (MUTE, ALL, False),
        (ALL, CAMERA, True),
        (CAMERA, ALL, False),
        (CAMERA, BOTH, False),
        (BOTH, CAMERA, True),
        (MUTE, CAMERA, False),
        (ALL, Permissions(can_subscribe=False), True),
        (ALL, Permissions(can_publish_data=False), True),
        (ALL, Permissions(hidden=True), False),
        (Permissions(can_update_own_metadata=True), ALL, True),
        (MUTE, Permissions(can_publish=False, can_publish_sources=(Source.CAMERA,)), False),
    ],
)
def test_a_grant_is_reduced_when_something_allowed_no_longer_is(
    before: Permissions, after: Permissions, reduced: bool
) -> None:
    assert is_reduced(before, after) is reduced


def test_a_list_of_sources_allows_those_only() -> None:
    assert may_publish(CAMERA, Source.CAMERA) and not may_publish(CAMERA, Source.SCREEN_SHARE)
    assert may_publish(ALL, Source.UNKNOWN) and not may_publish(MUTE, Source.CAMERA)
