"""Every codec from one browser through the service to another: the right codec, decoded, in the right size."""

from typing import Any

import pytest

from .chromium import Chromium
from .conftest import Enter
from .server import Server

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
