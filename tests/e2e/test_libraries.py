"""WHIP and WHEP clients of others, from npm, in Chromium: they publish and watch, trickle, and end without an error.

npm installs what `libraries/package-lock.json` pins by hash when the test runs. A machine that cannot reach a registry
skips it, and says so, CI too (`npm.py`).
"""

import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from . import npm
from .browser import Page
from .chromium import Chromium
from .server import Server, token
from .site import site
from .waiting import until

pytestmark = pytest.mark.browser

HERE = Path(__file__).parent / "libraries"

COMMON = """const sources = %s;
const loaded = {};
function load(path) {
  if (loaded[path]) return loaded[path].exports;
  const module = (loaded[path] = { exports: {} });
  const run = new Function('module', 'exports', 'require', sources[path]);
  run(module, module.exports, (name) => load(name.slice(2) + '.js'));
  return module.exports;
}
export const { %s } = load('%s');
"""
"""An ES module of a package that has none: its files, by their names, and a `require` among them."""


def as_module(folder: Path, entry: str, *names: str) -> str:
    sources = {path.name: path.read_text() for path in folder.glob("*.js")}
    return COMMON % (json.dumps(sources), ", ".join(names), entry)


@pytest.fixture(scope="module")
def page_of_libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("libraries")
    for path in HERE.iterdir():
        shutil.copy(path, home)
    npm.install(home)
    modules = home / "node_modules"
    (home / "events.js").write_text(as_module(modules / "events", "events.js", "EventEmitter"))
    (home / "sdp-transform.js").write_text(as_module(modules / "sdp-transform/lib", "index.js", "write", "parse"))
    return home / "page.html"


@pytest_asyncio.fixture(loop_scope="session")
async def pages(chromium: Chromium, page_of_libraries: Path) -> AsyncIterator[tuple[Page, Page]]:
    async with site(page_of_libraries) as url:
        sender, viewer = await chromium.page(url), await chromium.page(url)
        yield sender, viewer
        await sender.close()
        await viewer.close()


@pytest.mark.parametrize("publish", ["publishByMedooze", "publishByEyevinn"])
async def test_client_libraries_publish_watch_and_end_without_an_error(
    server: Server, pages: tuple[Page, Page], publish: str
) -> None:
    room = f"libraries-{publish}"
    sender, viewer = pages
    await sender.call(publish, {"url": f"{server.url}/v1/whip", "token": token("studio", room)})
    await viewer.call("watch", {"url": f"{server.url}/v1/whep", "token": token("viewer", room)})
    await until(lambda: viewer.call("framesDecoded"), lambda frames: frames >= 10, "the library shows the picture")
    for page in (viewer, sender):
        await page.call("end")
        requests: list[dict[str, Any]] = await page.call("requests")
        assert [one for one in requests if one["status"] >= 300] == []
        methods = {one["method"] for one in requests}
        assert {"POST", "PATCH", "DELETE"} <= methods, "it trickles, and ends"
