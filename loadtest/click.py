"""Measures the time from a click to the first decoded frame in Chromium, with our protocol and the client of the try-it
page."""

import asyncio
import contextlib
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from loadtest.service import Service, serving

ROOM = "bench"
FPS = 30
WARM_UP = 2
"""The number of first clicks that are not counted: they compile the page's script and start the decoder process."""
PAUSE = 0.5
SETTLE = 4.0
"""Seconds."""

# The page is loaded before the click. The page itself measures the time from the click.
CLICK = """async ([url, room, token]) => {
  const { Room } = await import(`${url}/client.js`);
  const video = Object.assign(document.createElement('video'), { muted: true, autoplay: true });
  document.body.append(video);
  return new Promise((resolve, reject) => {
    setTimeout(() => reject(new Error('no frame within 15 s')), 15000);
    const began = performance.now();
    const call = new Room({ url, room, token });
    call.addEventListener('trackSubscribed', ({ detail: { track } }) => {
      if (track.mediaStreamTrack.kind !== 'video') return;
      track.attach(video);
      video.requestVideoFrameCallback((now) => {
        resolve(now - began);
        call.leave();
      });
    });
    call.join().catch(reject);
  });
}"""


async def clicks(repetitions: int) -> list[float]:
    """Returns the milliseconds of each click. The room has one publisher, an aiortc bot with its test card."""
    try:
        from playwright.async_api import async_playwright
    except ImportError:
        raise ValueError("playwright is not installed (pip install playwright)") from None
    program = shutil.which("chromium")
    if program is None:
        raise ValueError("chromium is not installed (Debian: sudo apt-get install chromium)")
    taken: list[float] = []
    async with serving() as service, _test_card(service), async_playwright() as playwright:
        arguments = ["--allow-loopback-in-peer-connection", "--autoplay-policy=no-user-gesture-required"]
        browser = await playwright.chromium.launch(executable_path=program, headless=True, args=arguments)
        await asyncio.sleep(SETTLE)
        for i in range(WARM_UP + repetitions):
            tab = await browser.new_page()
            await tab.goto(f"{service.url}/client.js")
            token = service.token(f"viewer-{i}", ROOM)
            milliseconds = await tab.evaluate(CLICK, [service.url, ROOM, token])
            await tab.close()
            await asyncio.sleep(PAUSE)
            if i >= WARM_UP:
                taken.append(milliseconds)
        await browser.close()
    return taken


@asynccontextmanager
async def _test_card(service: Service) -> AsyncIterator[None]:
    options = ["--url", service.url, "--room", ROOM, "--token", service.token("card", ROOM)]
    bot = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "loadtest", "bot", "--test-card", "--fps", str(FPS), *options),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            bot.kill()
        await bot.wait()
