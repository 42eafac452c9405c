"""Another front end: serves the pages of the tests from another origin than the service's."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

PEER = Path(__file__).parent / "pages/peer.html"
"""The page with the object `peer` that tests call."""


@asynccontextmanager
async def site(page: Path = PEER) -> AsyncIterator[str]:
    """Returns the address of a page, which loads scripts from the same folder."""
    app = web.Application()
    app.router.add_static("/", page.parent)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        yield f"http://127.0.0.1:{port}/{page.name}"
    finally:
        await runner.cleanup()
