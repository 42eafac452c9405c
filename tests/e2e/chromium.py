"""Drives the system's Chromium, headless, through Playwright: fake camera, microphone and screen."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from playwright.async_api import Browser as Driver
from playwright.async_api import CDPSession, Error, async_playwright
from playwright.async_api import Page as Tab

from .browser import PageError, program

ARGUMENTS = (
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream=fps=30,display-media-type=monitor",
    # Without this flag no candidate of 127.0.0.1 is gathered, and a machine may have no other address.
    "--allow-loopback-in-peer-connection",
    "--autoplay-policy=no-user-gesture-required",
)


@asynccontextmanager
async def chromium(
    *, trials: Sequence[str] = (), features: Sequence[str] = (), arguments: Sequence[str] = ()
) -> AsyncIterator["Chromium"]:
    """Runs one browser. `trials`: WebRTC field trials ("Name/Enabled"). `features`: features of Chromium."""
    path = program("chromium", "chromium")
    arguments = [*ARGUMENTS, *arguments]
    if trials:
        arguments.append(f"--force-fieldtrials={'/'.join(trials)}/")
    if features:
        arguments.append(f"--enable-features={','.join(features)}")
    async with async_playwright() as playwright:
        driver = await playwright.chromium.launch(executable_path=path, headless=True, args=arguments)
        try:
            yield Chromium(driver)
        finally:
            await driver.close()


class Chromium:
    name = "chromium"

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def page(self, url: str) -> "ChromiumPage":
        tab = await self._driver.new_page()
        await tab.goto(url)
        return ChromiumPage(tab, await tab.context.new_cdp_session(tab))


class ChromiumPage:
    def __init__(self, tab: Tab, tools: CDPSession) -> None:
        self.tab = tab
        self._tools = tools

    async def call(self, name: str, *arguments: Any) -> Any:
        try:
            return await self.tab.evaluate("([name, given]) => peer[name](...given)", [name, arguments])
        except Error as error:
            raise PageError(str(error)) from None

    async def call_as_user(self, name: str) -> Any:
        """Calls with a user gesture, which sharing a screen requires."""
        expression = f"peer[{name!r}]()"
        done = await self._tools.send(
            "Runtime.evaluate",
            {"expression": expression, "userGesture": True, "awaitPromise": True, "returnByValue": True},
        )
        if "exceptionDetails" in done:
            raise PageError(str(done["exceptionDetails"].get("exception", {}).get("description", done)))
        return done["result"].get("value")

    async def close(self) -> None:
        await self.tab.close()
