"""For each captured offer of `tests/data/sdp`, its browser makes a fresh one of that shape, and takes our answer."""

import re
from pathlib import Path
from typing import Any

import pytest

from .browser import Browser
from .chromium import Chromium, chromium
from .firefox import Firefox
from .server import Server
from .signalling import sections, sending, voice
from .waiting import until

pytestmark = pytest.mark.browser

CAPTURED = Path(__file__).parents[1] / "data" / "sdp"

THREE = [
    {"rid": "q", "scaleResolutionDownBy": 4},
    {"rid": "h", "scaleResolutionDownBy": 2},
    {"rid": "f"},
]
LAYERED = [{"scalabilityMode": "L3T3_KEY"}]
LARGE = {"width": 1280, "height": 720}
AUDIO: dict[str, Any] = {"kind": "audio"}


def video(codec: str = "vp8", **more: Any) -> dict[str, Any]:
    return {"kind": "video", "codec": codec, **more}


SHAPES: dict[str, dict[str, Any]] = {
    "chromium-audio": {"sends": [AUDIO]},
    "chromium-audio-red-first": {"sends": [AUDIO | {"codec": "red"}]},
    "chromium-audio-video-dc-sendrecv": {"both": ["audio", "video"], "channel": True},
    "chromium-audio-vp8-simulcast-3rids": {"sends": [AUDIO, video(encodings=THREE, **LARGE)]},
    "chromium-av1": {"sends": [video("av1")]},
    "chromium-av1-l3t3key": {"sends": [video("av1", encodings=LAYERED, **LARGE)]},
    "chromium-datachannel": {"channel": True},
    "chromium-h264": {"sends": [video("h264")]},
    "chromium-h264-simulcast-3rids": {"sends": [video("h264", encodings=THREE, **LARGE)]},
    "chromium-recvonly-audio-video": {"receives": ["audio", "video"]},
    "chromium-trickle-no-candidates": {"sends": [AUDIO, video(encodings=THREE, **LARGE)], "trickle": True},
    "chromium-vp8-simulcast-3rids": {"sends": [video(encodings=THREE, **LARGE)]},
    "chromium-vp9-svc-l3t3key": {"sends": [video("vp9", encodings=LAYERED, **LARGE)]},
    "firefox-audio": {"sends": [AUDIO]},
    "firefox-audio-video-dc-sendrecv": {"both": ["audio", "video"], "channel": True},
    "firefox-audio-vp8-simulcast-3rids": {"sends": [AUDIO, video(encodings=THREE, **LARGE)]},
    "firefox-av1": {"sends": [video("av1")]},
    "firefox-datachannel": {"channel": True},
    "firefox-recvonly-audio-video": {"receives": ["audio", "video"]},
    "firefox-vp8-simulcast-3rids": {"sends": [video(encodings=THREE, **LARGE)]},
    "firefox-vp9": {"sends": [video("vp9")]},
    "firefox-vp9-svc-l3t3key": {"sends": [video("vp9", encodings=LAYERED, **LARGE)]},
}
SPECIAL: dict[str, dict[str, Any]] = {
    "chromium-rfc8888-ccfb-fieldtrial": {"sends": [video()]},
    "chromium-sctp-snap-feature": {"sends": [video()], "channel": True},
}
MARKS = {"chromium-rfc8888-ccfb-fieldtrial": "a=rtcp-fb:96 ack ccfb", "chromium-sctp-snap-feature": "a=sctp-init:"}


def test_every_captured_offer_has_its_shape_here() -> None:
    assert {path.stem for path in CAPTURED.glob("*.sdp")} == {*SHAPES, *SPECIAL}


@pytest.mark.parametrize("name", [name for name in SHAPES if name.startswith("chromium")])
async def test_chromium_takes_the_answer_to_a_fresh_offer(
    chromium: Chromium, site: str, server: Server, room: str, name: str
) -> None:
    await check(chromium, site, server, room, name, SHAPES[name])


@pytest.mark.parametrize("name", [name for name in SHAPES if name.startswith("firefox")])
async def test_firefox_takes_the_answer_to_a_fresh_offer(
    firefox: Firefox, site: str, server: Server, room: str, name: str
) -> None:
    await check(firefox, site, server, room, name, SHAPES[name])


async def test_chromium_with_what_is_to_come_takes_the_answer(site: str, server: Server) -> None:
    trials = ["WebRTC-RFC8888CongestionControlFeedback/Enabled,offer:true"]
    async with chromium(trials=trials, features=["WebRtcSctpSnap"]) as browser:
        for name, shape in SPECIAL.items():
            offer = await check(browser, site, server, server.new_room(), name, shape)
            assert MARKS[name] in offer, "the browser no longer offers what this shape is about"


async def test_the_service_begins_the_dtls_handshake_where_the_offer_is_passive(
    browser: Browser, site: str, server: Server, room: str
) -> None:
    shape = {"sends": [AUDIO, video()], "channel": True}
    await check(browser, site, server, room, None, shape, on_the_way=("a=setup:actpass", "a=setup:passive"))


async def check(
    browser: Browser,
    site: str,
    server: Server,
    room: str,
    captured: str | None,
    shape: dict[str, Any],
    *,
    on_the_way: tuple[str, str] = ("", ""),
) -> str:
    """Media flows, and channels open, after the answer to an offer of this shape. Returns the offer."""
    page = await browser.page(site)
    try:
        offer: str = await page.call("offer", shape)
        if captured is not None:
            assert outline(offer) == outline((CAPTURED / f"{captured}.sdp").read_bytes().decode())
        async with voice(server, room, "ada") as ada:
            answer = await ada.offer(offer.replace(*on_the_way) if on_the_way[0] else offer)
            if on_the_way[0]:
                assert "a=setup:active" in answer.sdp and "a=setup:passive" not in answer.sdp
            await page.call("accept", answer.sdp)
            await until(
                lambda: page.call("bareState"),
                lambda state: (
                    state["connection"] == "connected" and (not shape.get("channel") or state["channel"] == "open")
                ),
                "the connection is up",
            )

            async def arriving() -> list[Any]:
                found: list[Any] = (await server.ask("GET", f"/v1/rooms/{room}/tracks"))["tracks"]
                return found

            count = len(sending(offer))
            await until(
                arriving,
                lambda tracks: (
                    len(tracks) == count
                    and all(track["track"]["mime"] and any(e["active"] for e in track["encodings"]) for track in tracks)
                ),
                "the service receives every track",
            )
    finally:
        await page.close()
    return offer


def outline(sdp: str) -> list[tuple[str, ...]]:
    """What an offer is about: kinds, directions, first codecs, RIDs."""
    return [tuple(_outline(section)) for section in sections(sdp)]


def _outline(section: str) -> list[str]:
    head = section.split("\r\n", 1)[0].split(" ")
    found = [head[0].removeprefix("m="), head[2]]
    if head[2] != "UDP/DTLS/SCTP":
        codec = re.search(rf"a=rtpmap:{head[3]} (\S+)", section)
        direction = re.search(r"a=(sendrecv|sendonly|recvonly|inactive)", section)
        assert codec and direction, "every media section has both"
        found += [codec[1], direction[1], *re.findall(r"a=rid:(\S+) send", section)]
    return found
