"""The distribution sfu-client: its wheel, alone in a virtual environment with httpx, pydantic and pyjwt."""

import importlib.metadata
import re
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from .test_pins import normal, toml

IMPORT = """
import sys, sfu_client
token = sfu_client.AccessToken(identity="ada", room="lobby", room_join=True).sign("key", "s" * 32)
with sfu_client.SyncClient("http://127.0.0.1:1", key="key", secret="s" * 32) as client:
    try:
        client.list_rooms()
    except sfu_client.Unreachable as error:
        print(sfu_client.__file__, error)
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("client")
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(folder)]
    build = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", *options, "clients/python"]
    subprocess.run(build, cwd=root, check=True)
    [path] = folder.glob("*.whl")
    return path


def test_it_is_pure_typed_and_whole(root: Path, wheel: Path) -> None:
    assert wheel.name == "sfu_client-0.1.0-py3-none-any.whl"
    listed = subprocess.run(["git", "ls-files", "clients/python/sfu_client"], cwd=root, capture_output=True, text=True)
    tracked = {name.removeprefix("clients/python/") for name in listed.stdout.split()}
    with zipfile.ZipFile(wheel) as opened:
        held = {name for name in opened.namelist() if not name.startswith("sfu_client-0.1.0.dist-info/")}
        assert "sfu_client-0.1.0.dist-info/licenses/LICENSE" in opened.namelist()
    assert held == tracked and "sfu_client/py.typed" in held


def test_it_works_with_its_dependencies_alone(root: Path, wheel: Path, tmp_path: Path) -> None:
    """The dependencies are those of this environment, so no index is needed; the service is not among them."""
    venv.create(tmp_path / "bare", with_pip=False)
    [site] = (tmp_path / "bare/lib").glob("python3*/site-packages")
    with zipfile.ZipFile(wheel) as opened:
        opened.extractall(site)
    project = toml(root / "clients/python/pyproject.toml")["project"]
    for name in needed([re.split(r"[<>=\[; ]", one)[0] for one in project["dependencies"]]):
        for file in importlib.metadata.files(name) or []:
            if not str(file).startswith(".."):
                (site / file).parent.mkdir(parents=True, exist_ok=True)
                (site / file).write_bytes(Path(str(file.locate())).read_bytes())
    seen = subprocess.run(
        [tmp_path / "bare/bin/python", "-c", IMPORT], cwd=tmp_path, env={}, capture_output=True, text=True
    )
    assert seen.stderr == ""
    where, modules = seen.stdout.splitlines()
    assert where.startswith(str(site)) and "Nothing answers at http://127.0.0.1:1" in where
    assert not {"sfu", "api", "fastapi", "starlette", "uvicorn", "typer"} & set(modules.split())


def needed(names: list[str]) -> set[str]:
    """Returns these distributions and all that they need, without extras."""
    found: set[str] = set()
    while names:
        name = normal(names.pop())
        if name in found:
            continue
        found.add(name)
        for one in importlib.metadata.requires(name) or []:
            what, _, condition = one.partition(";")
            if "extra" not in condition and "python_version" not in condition:
                names.append(re.split(r"[<>=!~\[ (]", what.strip())[0])
    return found


def test_its_version_is_that_of_the_service(root: Path) -> None:
    version = toml(root / "pyproject.toml")["project"]["version"]
    assert toml(root / "clients/python/pyproject.toml")["project"]["version"] == version
    assert f'__version__ = "{version}"' in (root / "clients/python/sfu_client/__init__.py").read_text()
