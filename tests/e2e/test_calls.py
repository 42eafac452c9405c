"""Browsers in a room see and hear one another."""

import pytest

from .chromium import Chromium
from .conftest import Enter
from .firefox import Firefox
from .waiting import until

pytestmark = pytest.mark.browser


async def test_two_chromiums_see_and_hear_one_another(chromium: Chromium, enter: Enter) -> None:
    ada, bob = await enter(chromium, "ada"), await enter(chromium, "bob")
    for person in (ada, bob):
        await person.call("publishCamera")
        await person.call("publishMicrophone")
    for person, other in ((ada, "bob"), (bob, "ada")):
        assert (await person.see(other))["codec"] == "vp8"
        assert (await person.hear(other))["codec"] == "opus"


async def test_chromium_and_firefox_see_and_hear_one_another(
    chromium: Chromium, firefox: Firefox, enter: Enter
) -> None:
    ada, fox = await enter(chromium, "ada"), await enter(firefox, "fox")
    for person in (ada, fox):
        await person.call("publishCamera")
        await person.call("publishMicrophone")
    assert (await ada.see("fox", limit=40.0))["codec"] == "vp8"
    assert (await fox.see("ada", limit=40.0))["codec"] == "vp8"
    await ada.hear("fox")
    await fox.hear("ada")


async def test_what_firefox_draws_is_what_firefox_and_chromium_are_shown(
    chromium: Chromium, firefox: Firefox, enter: Enter
) -> None:
    fox, hen, ada = await enter(firefox, "fox"), await enter(firefox, "hen"), await enter(chromium, "ada")
    track = await fox.call("publishCard", {"card": 3, "simulcast": False})
    await ada.watch_card(track, 3)
    await hen.watch_card(track, 3)


async def test_three_in_a_room_see_each_of_the_others(chromium: Chromium, enter: Enter) -> None:
    people = [await enter(chromium, identity) for identity in ("ada", "bob", "cyd")]
    cards = {}
    for number, person in enumerate(people):
        cards[person] = (number, await person.call("publishCard", {"card": number, "simulcast": False}))
    for person in people:
        for other, (number, track) in cards.items():
            if other is not person:
                await person.watch_card(track, number)


async def test_a_screen_is_shown_beside_the_camera(chromium: Chromium, enter: Enter) -> None:
    ada, bob = await enter(chromium, "ada"), await enter(chromium, "bob")
    await ada.call("publishCamera")
    await ada.page.call_as_user("publishScreen")
    await bob.see("ada", "camera")
    await bob.see("ada", "screen_share")


async def test_somebody_who_comes_late_sees_those_who_were_there(chromium: Chromium, enter: Enter) -> None:
    ada = await enter(chromium, "ada")
    track = await ada.call("publishCard", {"card": 9, "simulcast": False})
    await until(lambda: ada.call("sent"), lambda sent: sent and sent[0]["frames"] > 30, "the keyframe is long past")
    bob = await enter(chromium, "bob")
    await bob.watch_card(track, 9)
