"""Browsers in a room see and hear one another."""

import pytest

from .chromium import Chromium
from .conftest import Enter

pytestmark = pytest.mark.browser


async def test_two_chromiums_see_and_hear_one_another(chromium: Chromium, enter: Enter) -> None:
    ada, bob = await enter(chromium, "ada"), await enter(chromium, "bob")
    for person in (ada, bob):
        await person.call("publishCamera")
        await person.call("publishMicrophone")
    for person, other in ((ada, "bob"), (bob, "ada")):
        seen = await person.see(other)
        assert seen["codec"] == "vp8"
        heard = await person.hear(other)
        assert heard["codec"] == "opus"
