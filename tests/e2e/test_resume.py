"""Resuming: a cut causes no negotiation and no loss, and a client that is too late starts a new session."""

import pytest

from loadtest import sources
from loadtest.bot import Bot
from sfu.model import Source
from sfu.signalling import messages

from .browser import Browser
from .chromium import Chromium
from .conftest import Enter
from .server import Server, serving, token
from .waiting import until
from .wire import wire

pytestmark = pytest.mark.browser


async def test_a_subscriber_comes_back_without_another_offer(
    browser: Browser, chromium: Chromium, server: Server, enter: Enter, room: str
) -> None:
    ada = await enter(chromium, "ada")
    await ada.call("publishCard", {"simulcast": False})
    async with wire(server.port) as cable:
        bob = await enter(browser, "bob", url=cable.url)
        await bob.see("ada")
        await bob.become("connected")
        origin, credentials = await bob.call("origin"), await bob.call("iceUfrag")

        cable.pull()
        await bob.become("reconnecting")
        assert (await bob.call("state"))["media"] == "connected"
        await bob.see_more("ada")
        await server.ask("POST", f"/v1/rooms/{room}/data", {"text": "by the media, not by the WebSocket"})
        await until(lambda: bob.call("arrived"), bool, "data comes during the cut, too")
        await server.ask("PATCH", f"/v1/rooms/{room}", {"metadata": "missed"})

        cable.plug()
        await bob.become("connected")
        await until(lambda: bob.events("roomChanged"), lambda told: len(told) == 1, "what bob missed is told, once")
        await bob.see_more("ada")
        assert (await bob.call("origin"), await bob.call("iceUfrag")) == (origin, credentials)
        shown = await server.ask("GET", f"/v1/rooms/{room}/participants/bob")
        assert shown["sid"] == bob.sid
    assert await ada.events("participantLeft") == []


async def test_after_an_ice_restart_media_goes_by_the_new_credentials(chromium: Chromium, enter: Enter) -> None:
    ada, bob = await enter(chromium, "ada"), await enter(chromium, "bob")
    await ada.call("publishCard", {"simulcast": False})
    await bob.see("ada")
    before = await bob.call("usedUfrag")
    assert before == await bob.call("iceUfrag")
    await bob.call("comeOnline")
    after = await until(lambda: bob.call("iceUfrag"), lambda now: now != before, "the service has new credentials")
    await until(lambda: bob.call("usedUfrag"), lambda now: now == after, "a pair of the new credentials is nominated")
    await bob.see_more("ada")
    assert [told["state"] for told in await bob.events("stateChanged")][-1] == "connected"
    assert (await bob.call("state"))["media"] == "connected"


async def test_who_comes_back_too_late_joins_anew_and_publishes_again(
    chromium: Chromium, enter: Enter, room: str
) -> None:
    async with serving(resume_window=1) as server, wire(server.port) as cable:
        ada, bob = await enter(chromium, "ada", url=server.url), await enter(chromium, "bob", url=cable.url)
        first = await bob.call("publishCard", {"card": 2, "simulcast": False})
        await ada.watch_card(first, 2)

        cable.pull()
        await bob.call("loseMedia")
        (gone,) = await until(lambda: ada.events("participantLeft"), bool, "ada is told that bob left", limit=30.0)
        assert gone["participant"] == "bob"

        cable.plug()
        await bob.become("connected")
        await ada.see("bob")
        (again,) = (await server.ask("GET", f"/v1/rooms/{room}/tracks"))["tracks"]
        assert again["participant"] == "bob" and again["track"]["sid"] != first
        await ada.watch_card(again["track"]["sid"], 2)
        shown = await server.ask("GET", f"/v1/rooms/{room}/participants/bob")
        assert shown["sid"] != bob.sid, "it is a new session"
        assert await bob.events("left") == [], "the person in front of the page has nothing to do"


async def test_a_bot_comes_back_and_has_missed_nothing(server: Server, room: str) -> None:
    async with (
        wire(server.port) as cable,
        Bot(server.url, room=room, token=token("ada", room), source=sources.card(3)) as ada,
        Bot(cable.url, room=room, token=token("bob", room), source=sources.card(4)) as bob,
    ):
        shown = await bob.until(lambda: bob.of("ada", Source.CAMERA), 20.0)
        back = await ada.until(lambda: ada.of("bob", Source.CAMERA), 20.0)
        assert shown is not None and back is not None
        await bob.until(lambda: shown.cards[3] > 5 and len(bob.tracks) == 2, 20.0)
        offered = bob.pc.localDescription.sdp

        cable.pull()
        seen, sent = shown.advanced, back.advanced
        await bob.until(lambda: shown.advanced > seen + 15, 20.0)
        await ada.until(lambda: back.advanced > sent + 15, 20.0)
        await server.ask("PATCH", f"/v1/rooms/{room}", {"metadata": "missed"})
        assert bob.resumes == 0

        cable.plug()
        await bob.until(lambda: bob.resumes == 1)
        await bob.until(lambda: [m.room.metadata for m in bob.heard if isinstance(m, messages.Room)] == ["missed"])
        seen = shown.advanced
        await bob.until(lambda: shown.advanced > seen + 15, 20.0)
        assert shown.went_back == back.went_back == 0
        assert bob.pc.localDescription.sdp == offered
        assert (await server.ask("GET", f"/v1/rooms/{room}/participants/bob"))["sid"] == bob.sid
        assert ada.participant("bob") is not None
