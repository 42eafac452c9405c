"""The JavaScript of the documents and of client.js's own header, as it stands: two people in Chromium see and hear
one another. Their page is of another origin than the service, which is https://sfu.example.com as the text has it."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page as Tab

from api.lan import certificate

from ..e2e.chromium import chromium
from ..e2e.server import serving, token
from ..e2e.site import site
from ..e2e.waiting import until
from .blocks import DOCUMENTS, Block, blocks, usage
from .terminal import ROOT

HOST = "sfu.example.com"
PAGE = Path(__file__).parent / "page.html"
FRAMES, SAMPLES = 15, 24_000
"""Half a second of a picture at 30 frames a second, and of a sound at 48 kHz."""
BLOCKS = [block for document in DOCUMENTS for block in blocks(ROOT, document) if block.language == "js"]
USAGE = usage(ROOT, "api/web/client.js")

Open = Callable[[str, Block], Awaitable["Reader"]]


class Reader:
    """A page into which somebody has copied a block."""

    def __init__(self, tab: Tab) -> None:
        self.tab = tab
        self.errors: list[str] = []
        self.printed: list[str] = []
        self.sent: list[dict[str, Any]] = []
        """Messages to the service, over the WebSocket."""
        tab.on("pageerror", lambda error: self.errors.append(str(error)))
        tab.on("console", lambda message: self.printed.append(message.text))
        tab.on("websocket", lambda socket: socket.on("framesent", self._note))

    def _note(self, payload: str | bytes) -> None:
        self.sent.append(json.loads(payload))

    async def shows(self, identity: str) -> dict[str, Any]:
        assert not self.errors, self.errors
        seen: dict[str, Any] = await self.tab.evaluate("(identity) => shown(identity)", identity)
        return seen

    async def sees_and_hears(self, identity: str) -> None:
        """Until picture and sound of this participant are decoded, both in the element the page has for them."""

        def is_there(seen: dict[str, Any]) -> bool:
            flows = seen["frames"] >= FRAMES and seen["samples"] >= SAMPLES and seen["energy"] > 0
            return bool(seen["kinds"] == ["audio", "video"] and seen["played"] > 0 and flows)

        await until(lambda: self.shows(identity), is_there, f"{identity} is seen and heard; printed: {self.printed}")

    def asked(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.sent if message["type"] == kind]

    async def has_asked(self, kind: str, **wanted: object) -> None:
        async def asked() -> list[dict[str, Any]]:
            return self.asked(kind)

        def is_among(messages: list[dict[str, Any]]) -> bool:
            return any(wanted.items() <= message.items() for message in messages)

        await until(asked, is_among, f"{kind} {wanted} is asked of the service")


@pytest.fixture
async def copy(tmp_path: Path) -> AsyncIterator[Open]:
    """`await copy("ada", block)`: somebody runs the block in a page of theirs."""
    pem, key = certificate("127.0.0.1")
    (tmp_path / "certificate.pem").write_text(pem)
    (tmp_path / "key.pem").write_text(key)
    tls = serving(tls_cert=tmp_path / "certificate.pem", tls_key=tmp_path / "key.pem")
    async with tls as server, site(PAGE) as url:
        arguments = [f"--host-resolver-rules=MAP {HOST} 127.0.0.1:{server.port}", "--ignore-certificate-errors"]
        async with chromium(arguments=arguments) as browser:

            async def copied(identity: str, block: Block) -> Reader:
                opened = await browser.page(url)
                reader = Reader(opened.tab)
                await opened.tab.evaluate("(token) => { globalThis.token = token; }", token(identity))
                await opened.tab.add_script_tag(type="module", content=block.text)
                return reader

            yield copied


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.document)
async def test_who_copies_the_javascript_of_a_document_sees_and_hears_the_other(copy: Open, block: Block) -> None:
    ada, bob = await copy("ada", block), await copy("bob", block)
    await bob.sees_and_hears("ada")
    await ada.sees_and_hears("bob")


async def test_the_usage_of_the_client_works_to_the_last_line(copy: Open) -> None:
    ada = await copy("ada", USAGE)
    await ada.has_asked("publish", source="camera")
    bob = await copy("bob", USAGE)
    await bob.sees_and_hears("ada")
    await ada.sees_and_hears("bob")
    # 320 by 180 pixels, in steps of 8.
    await bob.has_asked("settings", visible=True, width=320, height=184)

    async def printed() -> list[str]:
        return list(ada.printed)

    await until(printed, lambda lines: "bob hello everybody" in lines, "ada prints what bob sends")
    await bob.tab.click("#muteButton")
    await bob.has_asked("mute", muted=True)
    await bob.tab.click("#leaveButton")
    await until(lambda: ada.shows("bob"), lambda seen: seen["kinds"] == [], "bob is no longer shown")
    assert not bob.errors
