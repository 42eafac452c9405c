"""Reconnecting: cut WebSockets resume, changed networks restart ICE, and media continues meanwhile."""

import pytest

from .browser import Browser
from .chromium import Chromium
from .conftest import Enter
from .server import Server
from .waiting import until
from .wire import wire

pytestmark = pytest.mark.browser


async def test_media_goes_on_while_the_websocket_is_cut_and_resumes(
    browser: Browser, chromium: Chromium, server: Server, enter: Enter
) -> None:
    ada = await enter(chromium, "ada")
    await ada.call("publishCard", {"simulcast": False})
    async with wire(server.port) as cable:
        bob = await enter(browser, "bob", url=cable.url)
        await bob.call("publishCard", {"simulcast": False})
        await bob.see("ada")
        await ada.see("bob")
        await bob.become("connected")

        cable.pull()
        await bob.become("reconnecting")
        await bob.see_more("ada")
        await ada.see_more("bob")
        await ada.call("publishMicrophone")
        await until(
            lambda: server.ask("GET", f"/v1/rooms/{ada.room}/tracks"),
            lambda found: len(found["tracks"]) == 3,
            "something happens that bob misses",
        )

        cable.plug()
        await bob.become("connected")
        await bob.hear("ada")
        await bob.see_more("ada")
    assert await ada.events("participantLeft") == []
    assert await bob.events("left") == []
    assert [p["identity"] for p in await ada.call("people")] == ["bob"]
    shown = await server.ask("GET", f"/v1/rooms/{ada.room}/participants/bob")
    assert shown["sid"] == bob.sid, "it is the same session, not a new one"


async def test_media_goes_on_over_an_ice_restart(browser: Browser, chromium: Chromium, enter: Enter) -> None:
    ada, bob = await enter(chromium, "ada"), await enter(browser, "bob")
    await ada.call("publishCard", {"simulcast": False})
    await bob.call("publishCard", {"simulcast": False})
    await bob.see("ada")
    await ada.see("bob")
    before = await bob.call("iceUfrag")
    # The browser tells that the network is another: the client resumes, and restarts ICE.
    await bob.call("comeOnline")
    await until(lambda: bob.call("iceUfrag"), lambda now: now != before, "the service has new credentials")
    await bob.become("connected")
    await bob.see_more("ada")
    await ada.see_more("bob")
    assert await ada.events("participantLeft") == []


async def test_who_comes_back_to_a_session_that_is_over_joins_anew_with_what_it_published(
    chromium: Chromium, server: Server, enter: Enter
) -> None:
    async with wire(server.port) as cable:
        bob = await enter(chromium, "bob", url=cable.url)
        await bob.call("publishCard", {"card": 2, "simulcast": False})
        await bob.become("connected")
        cable.pull()
        await bob.become("reconnecting")
        await server.ask("DELETE", f"/v1/rooms/{bob.room}")
        cable.plug()
        await bob.become("connected")
        ada = await enter(chromium, "ada")
        (known,) = await until(lambda: ada.call("people"), lambda people: any(p["tracks"] for p in people), "bob is in")
        assert known["identity"] == "bob"
        await ada.watch_card(known["tracks"][0]["sid"], 2)
        shown = await server.ask("GET", f"/v1/rooms/{bob.room}/participants/bob")
        assert shown["sid"] != bob.sid, "it is a new session"
        assert await bob.events("left") == []


async def test_who_leaves_is_gone_at_once(chromium: Chromium, enter: Enter) -> None:
    ada, bob = await enter(chromium, "ada"), await enter(chromium, "bob")
    await bob.call("leave")
    (gone,) = await until(lambda: ada.events("participantLeft"), bool, "ada is told that bob left")
    assert (gone["participant"], gone["reason"]) == ("bob", "client_initiated")
