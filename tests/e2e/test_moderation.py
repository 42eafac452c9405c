"""Actions of moderators, owners and duplicate identities, as browsers notice them."""

from typing import Any

import pytest

from .browser import PageError
from .chromium import Chromium
from .conftest import Enter
from .person import Person
from .server import Server
from .waiting import until

pytestmark = pytest.mark.browser


async def told(person: Person, type: str, **wanted: Any) -> dict[str, Any]:
    """Waits for an event with these values."""

    async def find() -> dict[str, Any] | None:
        matching = (e for e in await person.events(type) if all(e.get(name) == wanted[name] for name in wanted))
        return next(matching, None)

    found = await until(find, bool, f"{person.identity} is told {type} {wanted}")
    assert found is not None
    return found


async def test_who_is_removed_is_told_and_gone(chromium: Chromium, server: Server, enter: Enter) -> None:
    ada, bob = await enter(chromium, "ada"), await enter(chromium, "bob")
    await bob.call("publishCard", {"simulcast": False})
    await ada.see("bob")
    await server.ask("DELETE", f"/v1/rooms/{ada.room}/participants/bob")
    assert (await told(bob, "left"))["reason"] == "participant_removed"
    await told(ada, "participantLeft", participant="bob", reason="participant_removed")
    await until(lambda: ada.call("flows"), lambda flows: flows == [], "nothing of bob is shown any more")


async def test_a_second_join_with_the_same_identity_replaces_the_first(chromium: Chromium, enter: Enter) -> None:
    ada, first = await enter(chromium, "ada"), await enter(chromium, "bob")
    await first.call("publishCard", {"card": 1, "simulcast": False})
    await ada.see("bob")
    second = await enter(chromium, "bob")
    track = await second.call("publishCard", {"card": 2, "simulcast": False})
    assert (await told(first, "left"))["reason"] == "duplicate_identity"
    await ada.watch_card(track, 2)
    assert [p["identity"] for p in await ada.call("people")] == ["bob"]


async def test_a_picture_that_its_owner_mutes_stands_still_for_all(chromium: Chromium, enter: Enter) -> None:
    ada, bob = await enter(chromium, "ada"), await enter(chromium, "bob")
    track = await ada.call("publishCard", {"card": 3, "simulcast": False})
    await bob.watch_card(track, 3)
    await ada.call("mute", track, True)
    await told(bob, "trackChanged", track=track, muted=True)
    await bob.still("ada")
    await ada.call("mute", track, False)
    await told(bob, "trackChanged", track=track, muted=False)
    await bob.watch_card(track, 3)


async def test_a_moderator_mutes_and_only_a_moderator_allows_again(
    chromium: Chromium, server: Server, enter: Enter
) -> None:
    ada, bob = await enter(chromium, "ada"), await enter(chromium, "bob")
    track = await ada.call("publishCard", {"card": 3, "simulcast": False})
    await bob.watch_card(track, 3)
    where = f"/v1/rooms/{ada.room}/participants/ada/mute"
    await server.ask("POST", where, {"track": track, "muted": True})
    await told(ada, "localTrackMuted", track=track)
    await bob.still("ada")
    with pytest.raises(PageError):
        await ada.call("mute", track, False)
    await bob.still("ada")
    await server.ask("POST", where, {"track": track, "muted": False})
    await until(lambda: ada.events("localTrackMuted"), lambda events: len(events) == 2, "ada is told")
    await ada.call("mute", track, False)
    await bob.watch_card(track, 3)


async def test_who_may_no_longer_publish_is_no_longer_seen(chromium: Chromium, server: Server, enter: Enter) -> None:
    ada, bob = await enter(chromium, "ada"), await enter(chromium, "bob")
    track = await ada.call("publishCard", {"simulcast": False})
    await bob.see("ada")
    where = f"/v1/rooms/{ada.room}/participants/ada"
    await server.ask("PATCH", where, {"permissions": {"can_publish": False}})
    await told(ada, "localTrackUnpublished", reason="you may no longer publish it")
    await told(bob, "trackUnpublished", track=track)
    with pytest.raises(PageError, match="publish"):
        await ada.call("publishCard", {"simulcast": False})
    await server.ask("PATCH", where, {"permissions": {"can_publish": True}})
    again = await ada.call("publishCard", {"card": 6, "simulcast": False})
    await bob.watch_card(again, 6)


async def test_who_is_hidden_sees_and_is_not_seen(chromium: Chromium, server: Server, enter: Enter) -> None:
    ada, ghost = await enter(chromium, "ada"), await enter(chromium, "ghost", hidden=True)
    track = await ada.call("publishCard", {"card": 4, "simulcast": False})
    await ghost.watch_card(track, 4)
    assert await ada.call("people") == []
    assert await ada.events("participantJoined") == []


async def test_only_those_inside_are_in_a_locked_room(chromium: Chromium, server: Server, enter: Enter) -> None:
    ada = await enter(chromium, "ada")
    await server.ask("PATCH", f"/v1/rooms/{ada.room}", {"locked": True})
    await told(ada, "roomChanged", locked=True)
    with pytest.raises(PageError, match="locked"):
        await enter(chromium, "bob")


async def test_a_room_that_is_deleted_is_over_for_everybody(chromium: Chromium, server: Server, enter: Enter) -> None:
    people = [await enter(chromium, "ada"), await enter(chromium, "bob")]
    await server.ask("DELETE", f"/v1/rooms/{people[0].room}")
    for person in people:
        assert (await told(person, "left"))["reason"] == "room_deleted"


async def test_who_speaks_is_told(chromium: Chromium, enter: Enter) -> None:
    ada, bob = await enter(chromium, "ada"), await enter(chromium, "bob")
    await ada.call("publishTone")
    await bob.hear("ada")

    async def speakers() -> list[str]:
        events = await bob.events("speakers")
        return [one["participant"] for event in events for one in event["speakers"] if one["active"]]

    await until(speakers, lambda found: "ada" in found, "bob is told that ada speaks")


async def test_what_is_not_subscribed_is_not_sent(chromium: Chromium, enter: Enter) -> None:
    ada, bob = await enter(chromium, "ada"), await enter(chromium, "bob", options={"autoSubscribe": False})
    track = await ada.call("publishCard", {"card": 5, "simulcast": False})
    await until(lambda: bob.call("people"), lambda people: any(p["tracks"] for p in people), "bob knows of the track")
    assert await bob.call("flows") == []
    await bob.call("subscribe", track)
    await bob.watch_card(track, 5)
    await bob.call("unsubscribe", track)
    await told(bob, "trackUnsubscribed", track=track)


async def test_a_track_that_ends_makes_room_for_the_next(chromium: Chromium, enter: Enter) -> None:
    ada, bob = await enter(chromium, "ada"), await enter(chromium, "bob")
    for card in (1, 2, 3):
        track = await ada.call("publishCard", {"card": card, "simulcast": False})
        await bob.watch_card(track, card)
        await ada.call("unpublish", track)
        await told(bob, "trackUnpublished", track=track)
