"""Messages between Chromium, Firefox and aiortc: reliable and lossy, to everybody, to one, from the server."""

from typing import Any

import pytest

from loadtest.bot import Bot, Message

from .chromium import Chromium
from .conftest import Enter
from .firefox import Firefox
from .person import Person
from .server import Server, token
from .waiting import until

pytestmark = pytest.mark.browser


async def got(person: Person, text: str) -> dict[str, Any]:
    """Waits for a message of this text."""

    async def find() -> dict[str, Any] | None:
        return next((one for one in await person.call("arrived") if one["text"] == text), None)

    found = await until(find, bool, f"{person.identity} gets {text!r}")
    assert found is not None
    return found


@pytest.mark.parametrize("way", ["sendReliable", "sendLossy"])
async def test_everybody_gets_what_anybody_sends(
    chromium: Chromium, firefox: Firefox, server: Server, room: str, enter: Enter, way: str
) -> None:
    ada, fox = await enter(chromium, "ada"), await enter(firefox, "fox")
    is_reliable = way == "sendReliable"
    async with Bot(server.url, room=room, token=token("bot", room)) as bot:
        for sender, other in ((ada, fox), (fox, ada)):
            text = f"hello from {sender.identity}"
            if is_reliable:
                await sender.call(way, text, None)
            else:
                await say_until_heard(sender, text, other, bot)
            message = await got(other, text)
            assert (message["identity"], message["reliable"]) == (sender.identity, is_reliable)
            found = await until_received(bot, text)
            assert (found.sender, found.reliable) == (sender.sid, is_reliable)
        await bot.send(b"hello from bot", reliable=is_reliable)
        for person in (ada, fox):
            message = await got(person, "hello from bot")
            assert (message["identity"], message["reliable"]) == ("bot", is_reliable)


async def test_only_the_one_who_is_named_gets_a_message(
    chromium: Chromium, firefox: Firefox, server: Server, room: str, enter: Enter
) -> None:
    ada, bob, fox = await enter(chromium, "ada"), await enter(chromium, "bob"), await enter(firefox, "fox")
    async with Bot(server.url, room=room, token=token("bot", room)) as bot:
        await known(ada, "fox", "bob", "bot")
        await ada.call("sendReliable", "for fox", "fox")
        await got(fox, "for fox")
        await bot.send(b"for bob", to=bob.sid)
        await got(bob, "for bob")
        await ada.call("sendReliable", "for bot", "bot")
        await bot.until(lambda: any(m.payload == b"for bot" for m in bot.messages))
        # What comes in order behind them to everybody shows that nothing else was on its way.
        await ada.call("sendReliable", "for all", None)
        assert (await got(bob, "for all"))["identity"] == "ada"
        assert (await got(fox, "for all"))["identity"] == "ada"
        await bot.until(lambda: any(m.payload == b"for all" for m in bot.messages))
        assert [m["text"] for m in await bob.call("arrived")] == ["for bob", "for all"]
        assert [m["text"] for m in await fox.call("arrived")] == ["for fox", "for all"]
        assert [m.payload for m in bot.messages] == [b"for bot", b"for all"]


async def test_a_newcomer_gets_what_it_is_sent_before_it_has_offered(
    chromium: Chromium, firefox: Firefox, server: Server, room: str, enter: Enter
) -> None:
    ada = await enter(chromium, "ada")
    await until(lambda: ada.call("state"), lambda now: now["media"] == "connected", "media is connected")
    await ada.call("greet", "welcome")
    fox = await enter(firefox, "fox")
    assert (await got(fox, "welcome"))["identity"] == "ada"
    async with Bot(server.url, room=room, token=token("bot", room)) as bot:
        await bot.until(lambda: any(m.payload == b"welcome" for m in bot.messages))


async def test_the_server_has_a_say(
    chromium: Chromium, firefox: Firefox, server: Server, room: str, enter: Enter
) -> None:
    ada, fox = await enter(chromium, "ada"), await enter(firefox, "fox")
    body = {"text": "the break is over", "to": ["fox"]}
    delivery = await server.ask("POST", f"/v1/rooms/{room}/data", body)
    assert delivery["receivers"] == 1
    assert (await got(fox, "the break is over"))["sender"] == "server"
    await server.ask("POST", f"/v1/rooms/{room}/data", {"text": "to your seats"})
    assert (await got(ada, "to your seats"))["sender"] == "server"
    assert [m["text"] for m in await ada.call("arrived")] == ["to your seats"]


async def test_the_largest_message_arrives_whole(chromium: Chromium, firefox: Firefox, enter: Enter) -> None:
    ada, fox = await enter(chromium, "ada"), await enter(firefox, "fox")
    size = 60_000
    for sender, other in ((ada, fox), (fox, ada)):
        await known(sender, other.identity)
        await sender.call("sendReliable", "x" * size, other.identity)
        assert (await got(other, "x" * 80))["size"] == size


async def test_who_may_not_send_is_not_heard(chromium: Chromium, enter: Enter) -> None:
    ada, bob = await enter(chromium, "ada"), await enter(chromium, "bob")
    mute = await enter(chromium, "mute", can_publish_data=False)
    await until(lambda: mute.call("state"), lambda now: now["media"] == "connected", "media is connected")
    await mute.call("sendLossy", "psst", None)
    await known(bob, "ada")
    await bob.call("sendReliable", "loud", None)
    await got(ada, "loud")
    assert [m["text"] for m in await ada.call("arrived")] == ["loud"]


async def known(person: Person, *identities: str) -> None:
    """Waits until the page knows of these, and that they are connected: what is sent to them before may be lost."""
    await until(
        lambda: person.call("people"),
        lambda people: set(identities) <= {one["identity"] for one in people if one["state"] == "active"},
        f"{person.identity} knows {', '.join(identities)}",
    )


def received(bot: Bot, text: str) -> Message | None:
    """Returns the first message of this text that a bot got."""
    return next((message for message in bot.messages if message.payload == text.encode()), None)


async def until_received(bot: Bot, text: str) -> Message:
    """Waits until a bot has a message of this text."""
    await bot.until(lambda: received(bot, text) is not None)
    found = received(bot, text)
    assert found is not None
    return found


async def say_until_heard(sender: Person, text: str, other: Person, bot: Bot) -> None:
    """Sends a lossy message until both have got it: it is lost for everybody whose channel is not open yet."""

    async def say() -> bool:
        if received(bot, text) and any(one["text"] == text for one in await other.call("arrived")):
            return True
        await sender.call("sendLossy", text, None)
        return False

    await until(say, bool, f"{other.identity} and the bot get {text!r}")
