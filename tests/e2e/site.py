"""A front end of somebody else: serves the pages of the tests from another origin than the service's."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

PAGES = Path(__file__).parent / "pages"


@asynccontextmanager
async def site() -> AsyncIterator[str]:
    """The address of the page whose `peer` the tests call."""
    app = web.Application()
    app.router.add_static("/", PAGES)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        yield f"http://127.0.0.1:{port}/peer.html"
    finally:
        await runner.cleanup()
