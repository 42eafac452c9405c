"""For each captured offer of `tests/data/sdp`, its browser makes a fresh one of that shape, and takes our answer."""

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from .browser import Browser, Page
from .chromium import Chromium, chromium
from .firefox import Firefox
from .server import Server
from .signalling import Voice, sections, voice
from .waiting import until

pytestmark = pytest.mark.browser

CAPTURED = Path(__file__).parents[1] / "data" / "sdp"

THREE = [
    {"rid": "q", "scaleResolutionDownBy": 4},
    {"rid": "h", "scaleResolutionDownBy": 2},
    {"rid": "f"},
]
LAYERED = [{"scalabilityMode": "L3T3_KEY"}]
LARGE: dict[str, Any] = {"width": 1280, "height": 720}
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
MARKS = {"chromium-rfc8888-ccfb-fieldtrial": "ack ccfb", "chromium-sctp-snap-feature": "a=sctp-init:"}
"""What these offer and no answer takes yet."""
PASSIVE = ("a=setup:actpass", "a=setup:passive")


@dataclass(frozen=True, slots=True)
class Section:
    """The properties of an m-section."""

    kind: str
    codec: str = ""
    """The first one, with its clock and channels."""
    direction: str = ""
    mid: str = ""
    rids: tuple[str, ...] = ()

    @property
    def is_sent(self) -> bool:
        return self.direction in ("sendonly", "sendrecv")

    @property
    def is_received(self) -> bool:
        return self.direction in ("recvonly", "sendrecv")


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
            offer, answer = await check(browser, site, server, server.new_room(), name, shape)
            assert MARKS[name] in offer, "the browser no longer offers what this shape is about"
            assert not any(mark in answer for mark in MARKS.values())


async def test_the_service_begins_the_dtls_handshake_where_the_offer_is_passive(
    browser: Browser, site: str, server: Server, room: str
) -> None:
    shape = {"sends": [AUDIO, video()], "channel": True}
    async with offering(browser, site, server, room, "ada", shape) as (page, ada, offer):
        assert found(offer, "setup") == {"actpass"}
        answer = (await ada.offer(offer.replace(*PASSIVE))).sdp
        assert found(answer, "setup") == {"active"}
        await page.call("accept", answer)
        await connected(page, shape)
        await arriving(server, room, offer)
        transport = await page.call("bareTransport")
        if browser.name == "chromium":
            assert transport["dtlsRole"] == "server", "it waited for our ClientHello"

        # A repeated offer has actpass again, and keeps the present association (RFC 8842 s5.5).
        offer_again = await page.call("offerAgain", {"iceRestart": True})
        assert found(offer_again, "setup") == {"actpass"}
        assert found(offer_again, "ice-ufrag") != found(offer, "ice-ufrag")
        answer_again = (await ada.offer(offer_again)).sdp
        assert found(answer_again, "setup") == {"active"}
        assert found(answer_again, "ice-ufrag") != found(answer, "ice-ufrag")
        await page.call("accept", answer_again)
        if browser.name == "chromium":
            await until(
                lambda: page.call("bareUfrag"),
                lambda used: {used} == found(answer_again, "ice-ufrag"),
                "media goes by a pair of the new credentials",
            )
        await connected(page, shape)
        before = {flow["mid"]: flow["packets"] for flow in await page.call("bareSent")}
        await until(
            lambda: page.call("bareSent"),
            lambda flows: all(flow["packets"] > before[flow["mid"]] + 30 for flow in flows),
            "the browser goes on to send",
        )
        await arriving(server, room, offer)


async def check(
    browser: Browser, site: str, server: Server, room: str, captured: str, shape: dict[str, Any]
) -> tuple[str, str]:
    """A fresh offer is like the captured one; after our answer media flows where it offers to, and channels open.

    Returns offer and answer.
    """
    async with AsyncExitStack() as stack:
        page, ada, offer = await stack.enter_async_context(offering(browser, site, server, room, "ada", shape))
        assert outline(offer) == outline((CAPTURED / f"{captured}.sdp").read_bytes().decode())
        # Firefox has no candidate to put in where the machine has no address but those of loopback.
        assert browser.name == "firefox" or ("a=candidate:" in offer) == (not shape.get("trickle"))
        received = {section.mid for section in outline(offer) if section.is_received}
        if received:
            both = {"sends": [AUDIO, video()]}
            far, bob, seen = await stack.enter_async_context(offering(browser, site, server, room, "bob", both))
            await far.call("accept", (await bob.offer(seen)).sdp)
        answer = (await ada.offer(offer)).sdp
        await page.call("accept", answer)
        await connected(page, shape)
        await arriving(server, room, offer)
        await until(
            lambda: page.call("bareFlows"),
            lambda flows: {flow["mid"] for flow in flows if flow["packets"] > 0} == received,
            "packets come in every section that receives, and in no other",
        )
        modes = {encoding["scalabilityMode"] for one in shape.get("sends", []) for encoding in layered(one)}
        if modes and browser.name == "chromium":
            assert {flow["mode"] for flow in await page.call("bareSent")} == modes
        return offer, answer


@asynccontextmanager
async def offering(
    browser: Browser, site: str, server: Server, room: str, identity: str, shape: dict[str, Any]
) -> AsyncIterator[tuple[Page, Voice, str]]:
    """A page with an offer of this shape, and somebody in the room to bring it to the service."""
    page = await browser.page(site)
    try:
        offer: str = await page.call("offer", shape)
        async with voice(server, room, identity) as person:
            yield page, person, offer
    finally:
        await page.close()


async def connected(page: Page, shape: dict[str, Any]) -> None:
    wanted = {"connection": "connected", "signalling": "stable", "channel": "open" if shape.get("channel") else None}
    await until(lambda: page.call("bareState"), lambda state: state == wanted, "the connection is up")


async def arriving(server: Server, room: str, offer: str) -> None:
    """Waits until all that this offer of ada's sends flows into the service: its first codec, in all its encodings."""
    wanted = [
        (f"{section.kind}/{section.codec.split('/')[0].lower()}", {*section.rids} or {""})
        for section in outline(offer)
        if section.is_sent
    ]

    async def read() -> list[tuple[str, set[str]]]:
        tracks = (await server.ask("GET", f"/v1/rooms/{room}/tracks"))["tracks"]
        return [
            (one["track"]["mime"].lower(), {e["rid"] for e in one["encodings"] if e["bitrate"] > 0})
            for one in tracks
            if one["participant"] == "ada"
        ]

    await until(read, lambda tracks: tracks == wanted, f"the service receives {wanted}", limit=30.0)


def layered(sent: dict[str, Any]) -> list[dict[str, Any]]:
    return [encoding for encoding in sent.get("encodings", []) if "scalabilityMode" in encoding]


def found(sdp: str, attribute: str) -> set[str]:
    return set(re.findall(rf"a={attribute}:(\S+)", sdp))


def outline(sdp: str) -> list[Section]:
    return [_outline(section) for section in sections(sdp)]


def _outline(section: str) -> Section:
    kind, _, protocol, first, *_ = section.removeprefix("m=").split("\r\n", 1)[0].split(" ")
    (mid,) = found(section, "mid")
    if protocol == "UDP/DTLS/SCTP":
        return Section(kind, mid=mid)
    codec = re.search(rf"a=rtpmap:{first} (\S+)", section)
    direction = re.search(r"a=(sendrecv|sendonly|recvonly|inactive)", section)
    assert codec and direction, "every media section has both"
    rids = re.findall(r"a=rid:(\S+) send", section)
    simulcast = re.search(r"a=simulcast:send (\S+)", section)
    assert rids == (simulcast[1].split(";") if simulcast else []), "RIDs are for simulcast"
    return Section(kind, codec[1], direction[1], mid, tuple(rids))
