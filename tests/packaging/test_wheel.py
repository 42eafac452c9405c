"""The wheel that a user gets by `pip install`."""

import email
import os
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

CRATES = ("sfu/plane/core/", "sfu/plane/io/", "sfu/plane/py/")


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    """Built with the profile of `make setup`, so that nothing is compiled again."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "maturin", "build", "--release", "--locked", "--out", str(folder)]
    made = subprocess.run(build, cwd=root, capture_output=True, text=True, env=os.environ | {"NO_COLOR": "1"})
    assert made.returncode == 0, made.stderr
    [path] = folder.glob("*.whl")
    assert path.name.startswith("sfu-0.1.0-cp311-abi3-"), "one wheel for Python 3.11 and all that follow"
    with zipfile.ZipFile(path) as opened:
        yield opened


def tracked(root: Path, *folders: str) -> set[str]:
    listed = subprocess.run(["git", "ls-files", *folders], cwd=root, capture_output=True, text=True, check=True)
    return set(listed.stdout.split())


def test_it_holds_every_python_file_and_the_pages(root: Path, wheel: zipfile.ZipFile) -> None:
    wanted = {name for name in tracked(root, "sfu", "api") if not name.startswith(CRATES)}
    assert wanted - set(wheel.namelist()) == set()
    assert any(name.startswith("api/web/") and name.endswith(".html") for name in wanted)


def test_it_holds_the_native_plane_and_none_of_its_sources(wheel: zipfile.ZipFile) -> None:
    names = wheel.namelist()
    assert len([name for name in names if name.startswith("sfu/plane/_native") and name.endswith(".so")]) == 1
    assert [name for name in names if name.startswith(CRATES)] == []


def test_its_native_module_is_built_from_its_stub_and_is_loaded(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    wheel.extractall(tmp_path)
    script = "from sfu.plane import _native; print(_native.__file__, _native.STUB_CRC32)"
    path = {"PYTHONPATH": str(tmp_path)}
    seen = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=path, capture_output=True, text=True)
    assert seen.stderr == ""
    assert seen.stdout.startswith(str(tmp_path))
    assert int(seen.stdout.split()[-1]) == zlib.crc32(wheel.read("sfu/plane/_native.pyi"))


def test_it_holds_nothing_else(wheel: zipfile.ZipFile) -> None:
    assert {name.split("/")[0] for name in wheel.namelist()} == {"sfu", "api", "sfu-0.1.0.dist-info"}
    assert [name for name in wheel.namelist() if "__pycache__" in name or ".sfu-dev" in name] == []


def test_it_brings_the_command_and_its_licence(wheel: zipfile.ZipFile) -> None:
    assert "sfu=api.cli:main" in wheel.read("sfu-0.1.0.dist-info/entry_points.txt").decode().replace(" ", "")
    metadata = email.message_from_bytes(wheel.read("sfu-0.1.0.dist-info/METADATA"))
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    assert "sfu-0.1.0.dist-info/licenses/LICENSE" in wheel.namelist()
