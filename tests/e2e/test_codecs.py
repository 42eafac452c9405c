"""Every codec from one browser through the service to another: the right codec, decoded, in the right size."""

import pytest

from .chromium import Chromium
from .conftest import Enter

pytestmark = pytest.mark.browser

SMALL = {"width": {"ideal": 640}, "height": {"ideal": 360}, "frameRate": {"ideal": 20}}


@pytest.mark.parametrize("codec", ["vp8", "h264", "vp9", "av1"])
async def test_a_picture_of_one_layer_arrives_in_its_size(chromium: Chromium, enter: Enter, codec: str) -> None:
    ada, bob = await enter(chromium, "ada"), await enter(chromium, "bob")
    await ada.call("publishCamera", {"codec": codec, "simulcast": False, "constraints": SMALL})
    seen = await bob.see("ada", holds=lambda flow: (flow["width"], flow["height"]) == (640, 360))
    assert seen["codec"] == codec


@pytest.mark.parametrize("codec", ["vp8", "h264"])
async def test_the_best_of_three_layers_arrives_as_it_was_captured(
    chromium: Chromium, enter: Enter, codec: str
) -> None:
    ada, bob = await enter(chromium, "ada"), await enter(chromium, "bob")
    await ada.call("publishCamera", {"codec": codec})
    seen = await bob.see("ada", holds=lambda flow: (flow["width"], flow["height"]) == (1280, 720), limit=30.0)
    assert seen["codec"] == codec


@pytest.mark.parametrize("codec", ["vp9", "av1"])
@pytest.mark.parametrize("mode", ["L1T3", "L3T3_KEY"])
async def test_a_layered_stream_arrives_whole(chromium: Chromium, enter: Enter, codec: str, mode: str) -> None:
    ada, bob = await enter(chromium, "ada"), await enter(chromium, "bob")
    options = {"codec": codec, "scalabilityMode": mode, "constraints": SMALL}
    await ada.call("publishCamera", options)
    seen = await bob.see("ada", holds=lambda flow: (flow["width"], flow["height"]) == (640, 360), limit=30.0)
    assert seen["codec"] == codec
    (sent,) = await ada.call("sent")
    assert sent["mode"] == mode


@pytest.mark.parametrize("codec", ["vp9", "av1"])
async def test_what_the_client_does_by_default_with_a_codec_of_layers_arrives(
    chromium: Chromium, enter: Enter, codec: str
) -> None:
    ada, bob = await enter(chromium, "ada"), await enter(chromium, "bob")
    await ada.call("publishCamera", {"codec": codec, "constraints": SMALL})
    seen = await bob.see("ada", limit=30.0)
    assert seen["codec"] == codec


@pytest.mark.parametrize("codec", ["opus", "red"])
async def test_a_voice_arrives(chromium: Chromium, enter: Enter, codec: str) -> None:
    ada, bob = await enter(chromium, "ada"), await enter(chromium, "bob")
    await ada.call("publishMicrophone", {"codec": codec})
    await bob.hear("ada")
    print(await bob.flow("ada", "microphone"))
    (sent,) = await ada.call("sent")
    assert sent["codec"] == codec
