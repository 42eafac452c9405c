"""Every codec from one browser through the service to another: the right codec, decoded, in the right size."""

from typing import Any

import pytest

from loadtest import sources
from loadtest.bot import Bot
from sfu.model import Source

from .chromium import Chromium
from .conftest import Enter
from .person import Flow, Person
from .server import Server, token
from .waiting import until

pytestmark = pytest.mark.browser


def size(of: dict[str, Any]) -> tuple[int, int]:
    return of["width"], of["height"]


SMALL = {"width": {"ideal": 640}, "height": {"ideal": 360}, "frameRate": {"ideal": 20}}


@pytest.mark.parametrize("codec", ["vp8", "h264", "vp9", "av1"])
async def test_a_picture_of_one_layer_arrives_in_its_size(chromium: Chromium, enter: Enter, codec: str) -> None:
    ada, bob = await enter(chromium, "ada"), await enter(chromium, "bob")
    await ada.call("publishSharp", {"codec": codec, "width": 640, "height": 360})
    seen = await bob.see("ada", holds=lambda flow: size(flow) == (640, 360))
    assert seen["codec"] == codec


@pytest.mark.parametrize("codec", ["vp8", "h264"])
async def test_the_best_of_three_layers_arrives_as_it_was_captured(
    chromium: Chromium, enter: Enter, codec: str
) -> None:
    ada, bob = await enter(chromium, "ada"), await enter(chromium, "bob")
    await ada.call("publishCamera", {"codec": codec})
    seen = await bob.see("ada", holds=lambda flow: size(flow) == (1280, 720), limit=30.0)
    assert seen["codec"] == codec


@pytest.mark.parametrize("codec", ["vp9", "av1"])
@pytest.mark.parametrize(("mode", "width", "height"), [("L1T3", 640, 360), ("L3T3_KEY", 1280, 720)])
async def test_a_layered_stream_arrives_whole(
    chromium: Chromium, enter: Enter, codec: str, mode: str, width: int, height: int
) -> None:
    ada, bob = await enter(chromium, "ada"), await enter(chromium, "bob")
    # Of a screen, VP9 has no spatial layers.
    hint = "detail" if mode == "L1T3" else ""
    options = {"codec": codec, "scalabilityMode": mode, "width": width, "height": height, "hint": hint}
    await ada.call("publishSharp", options)
    seen = await bob.see("ada", holds=lambda flow: size(flow) == (width, height), limit=40.0)
    assert seen["codec"] == codec
    (sent,) = await ada.call("sent")
    assert sent["mode"] == mode


@pytest.mark.parametrize("codec", ["vp9", "av1"])
async def test_what_the_client_sends_by_default_of_a_codec_with_layers_arrives(
    chromium: Chromium, enter: Enter, codec: str
) -> None:
    ada, bob = await enter(chromium, "ada"), await enter(chromium, "bob")
    await ada.call("publishCamera", {"codec": codec, "constraints": SMALL})
    seen = await bob.see("ada", limit=30.0)
    assert seen["codec"] == codec


@pytest.mark.parametrize("codec", ["opus", "red"])
async def test_a_voice_arrives(chromium: Chromium, enter: Enter, server: Server, room: str, codec: str) -> None:
    ada, bob = await enter(chromium, "ada"), await enter(chromium, "bob")
    await ada.call("publishMicrophone", {"codec": codec})
    await bob.hear("ada")
    # Browsers name only the inner codec of RED: the service tells what is on the wire.
    (track,) = (await server.ask("GET", f"/v1/rooms/{room}/tracks"))["tracks"]
    assert track["track"]["mime"] == f"audio/{codec}"


async def growth(server: Server, room: str, listener: Person, of: str) -> float:
    """How much larger somebody's sound comes to a listener, packet by packet, than it came to the service.

    A browser names the inner codec of RED only, and counts its copies only where it needed them.
    """

    async def look() -> tuple[Flow | None, int]:
        listed = (await server.ask("GET", f"/v1/rooms/{room}/tracks"))["tracks"]
        sound = [one for one in listed if (one["participant"], one["track"]["kind"]) == (of, "audio")]
        return await listener.flow(of, "microphone"), sound[0]["encodings"][0]["bitrate"] if sound else 0

    # What an encoder begins with is smaller: two seconds and more make up for it.
    flow, bitrate = await until(
        look,
        lambda now: now[0] is not None and now[0]["packets"] > 150 and now[0]["energy"] > 0 and now[1] > 0,
        f"{listener.identity} hears {of}",
    )
    assert flow is not None
    return float(flow["bytes"] / flow["packets"] / (bitrate / 8 / 50))


# On a network without loss redundancy ends after 20 s, of what a publisher sends, too.
@pytest.mark.parametrize(("codec", "least", "most"), [("opus", 1.2, 2.5), ("red", 0.4, 1.3)])
async def test_a_browser_gets_redundant_sound_whether_it_was_sent_so_or_not(
    chromium: Chromium, enter: Enter, server: Server, room: str, codec: str, least: float, most: float
) -> None:
    ada, bob = await enter(chromium, "ada"), await enter(chromium, "bob")
    await ada.call("publishTone", 0.5, {"codec": codec})
    assert least < await growth(server, room, bob, "ada") < most


async def test_a_browser_gets_redundant_sound_of_whoever_knows_none(
    chromium: Chromium, enter: Enter, server: Server, room: str
) -> None:
    ada = await enter(chromium, "ada")
    async with Bot(server.url, room=room, token=token("bot", room), source=sources.card(7)):
        await ada.hear("bot")
        assert 1.2 < await growth(server, room, ada, "bot") < 2.5


async def test_who_knows_no_redundancy_hears_who_sends_it(
    chromium: Chromium, enter: Enter, server: Server, room: str
) -> None:
    ada = await enter(chromium, "ada")
    await ada.call("publishTone", 0.5, {"codec": "red"})
    async with Bot(server.url, room=room, token=token("bot", room)) as bot:
        heard = await bot.until(lambda: bot.of("ada", Source.MICROPHONE), 20.0)
        await bot.until(lambda: heard.frames > 50 and heard.pitch, 20.0)


async def test_a_layer_asked_for_is_the_layer_shown(
    chromium: Chromium, enter: Enter, server: Server, room: str
) -> None:
    ada, bob = await enter(chromium, "ada"), await enter(chromium, "bob")
    track = await ada.call("publishCamera")
    await bob.see("ada", holds=lambda flow: size(flow) == (1280, 720), limit=40.0)
    for quality, width, height in (("low", 320, 180), ("medium", 640, 360), ("high", 1280, 720)):
        await bob.call("want", track, quality)
        await bob.see("ada", holds=lambda flow, wanted=(width, height): size(flow) == wanted)
    (seen,) = (await server.ask("GET", f"/v1/rooms/{room}/tracks"))["tracks"]
    assert [encoding["rid"] for encoding in seen["encodings"]] == ["q", "h", "f"]
    assert all(encoding["active"] and encoding["bitrate"] > 0 for encoding in seen["encodings"])
    assert [size(encoding) for encoding in seen["encodings"]] == [(320, 180), (640, 360), (1280, 720)]


async def test_a_picture_that_is_switched_off_stops_and_comes_back(chromium: Chromium, enter: Enter) -> None:
    ada, bob = await enter(chromium, "ada"), await enter(chromium, "bob")
    track = await ada.call("publishCamera", {"constraints": SMALL})
    await bob.see("ada")
    await bob.call("want", track, "off")
    await bob.still("ada")
    await bob.call("want", track, "high")
    await bob.see("ada")
