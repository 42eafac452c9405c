"""Drives the system's Firefox, headless, over WebDriver BiDi (W3C): its own remote agent, no geckodriver."""

import asyncio
import contextlib
import json
import os
import re
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from .browser import PageError, program

PREFERENCES: dict[str, bool | int | str] = {
    # Fake camera and microphone, without a permission prompt.
    "media.navigator.streams.fake": True,
    "media.navigator.permission.disabled": True,
    "media.autoplay.default": 0,
    "media.peerconnection.ice.obfuscate_host_addresses": False,
    # Pages are tabs, all but one of them hidden; the timers of hidden tabs must not be throttled.
    "dom.min_background_timeout_value": 4,
    "dom.timeout.enable_budget_timer_throttling": False,
    # No requests to other hosts.
    "app.update.enabled": False,
    "app.normandy.enabled": False,
    "browser.aboutwelcome.enabled": False,
    "browser.startup.page": 0,
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.update.enabled": False,
    "media.gmp-manager.url": "data:,",
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,",
    "toolkit.telemetry.enabled": False,
}
START_LIMIT = 60.0
COMMAND_LIMIT = 60.0
CLOSE_LIMIT = 10.0
"""Seconds."""


@asynccontextmanager
async def firefox() -> AsyncIterator["Firefox"]:
    path = program("firefox-esr", "firefox-esr")
    with tempfile.TemporaryDirectory(prefix="firefox-", ignore_cleanup_errors=True) as profile:
        _write_preferences(Path(profile))
        process = await asyncio.create_subprocess_exec(
            *(path, "--headless", "--no-remote", "--profile", profile, "--remote-debugging-port=0", "about:blank"),
            env=os.environ | {"MOZ_HEADLESS": "1", "HOME": profile},
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(START_LIMIT):
                address = await _address(process)
            async with (
                aiohttp.ClientSession() as http,
                http.ws_connect(f"{address}/session", max_msg_size=0) as socket,
                asyncio.TaskGroup() as tasks,
            ):
                browser = Firefox(socket)
                beside = [tasks.create_task(browser.read()), tasks.create_task(_drain(process))]
                await browser.command("session.new", capabilities={})
                try:
                    yield browser
                finally:
                    with contextlib.suppress(PageError, TimeoutError, ConnectionError):
                        await asyncio.wait_for(browser.command("browser.close"), CLOSE_LIMIT)
                    for task in beside:
                        task.cancel()
        finally:
            await _end(process)


class Firefox:
    name = "firefox"

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._asked = 0
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}

    async def command(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Sends a command. Raises PageError with the browser's message."""
        self._asked += 1
        answer = self._answers[self._asked] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": self._asked, "method": method, "params": parameters})
        async with asyncio.timeout(COMMAND_LIMIT):
            said = await answer
        if said["type"] == "error":
            raise PageError(f"{said['error']}: {said['message']}")
        result: dict[str, Any] = said["result"]
        return result

    async def read(self) -> None:
        async for message in self._socket:
            said = json.loads(message.data)
            answer = self._answers.pop(said.get("id"), None)
            if answer is not None and not answer.done():
                answer.set_result(said)

    async def page(self, url: str) -> "FirefoxPage":
        context = (await self.command("browsingContext.create", type="tab"))["context"]
        await self.command("browsingContext.navigate", context=context, url=url, wait="complete")
        return FirefoxPage(self, context)


class FirefoxPage:
    def __init__(self, browser: Firefox, context: str) -> None:
        self._browser = browser
        self._context = context

    async def call(self, name: str, *arguments: Any) -> Any:
        done = await self._browser.command(
            "script.callFunction",
            awaitPromise=True,
            target={"context": self._context},
            functionDeclaration="async (name, given) => JSON.stringify(await peer[name](...JSON.parse(given)))",
            arguments=[{"type": "string", "value": name}, {"type": "string", "value": json.dumps(arguments)}],
        )
        if done["type"] == "exception":
            raise PageError(done["exceptionDetails"]["text"])
        value = done["result"].get("value")
        return None if value is None else json.loads(value)

    async def close(self) -> None:
        await self._browser.command("browsingContext.close", context=self._context)


def _write_preferences(profile: Path) -> None:
    lines = (f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in PREFERENCES.items())
    (profile / "user.js").write_text("".join(lines))


async def _address(process: asyncio.subprocess.Process) -> str:
    assert process.stderr is not None
    async for line in process.stderr:
        said = re.search(rb"WebDriver BiDi listening on (ws://\S+)", line)
        if said:
            return said[1].decode()
    raise PageError("Firefox ended before it listened")


async def _drain(process: asyncio.subprocess.Process) -> None:
    assert process.stderr is not None
    async for _ in process.stderr:
        pass


async def _end(process: asyncio.subprocess.Process) -> None:
    try:
        await asyncio.wait_for(process.wait(), CLOSE_LIMIT)
    except TimeoutError:
        process.kill()
        await process.wait()
