"""Versions: one for the whole, and each dependency pinned, with no address of where it came from."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from sfu.config import Config


def toml(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text())


def test_there_is_one_version(root: Path) -> None:
    chart = yaml.safe_load((root / "charts/sfu/Chart.yaml").read_text())
    said = {
        toml(root / "pyproject.toml")["project"]["version"],
        toml(root / "Cargo.toml")["workspace"]["package"]["version"],
        chart["appVersion"],
        Config().version,
    }
    assert len(said) == 1
    assert f"## {said.pop()}" in (root / "CHANGELOG.md").read_text()


def test_every_python_package_is_pinned(root: Path) -> None:
    lines = [line for line in (root / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9_.-]+==[A-Za-z0-9_.+!-]+", line)] == []
    pinned = {normal(line.partition("==")[0]) for line in lines}
    project = toml(root / "pyproject.toml")["project"]
    named = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    assert {normal(re.split(r"[<>=\[; ]", one)[0]) for one in named} - pinned == set()


@pytest.mark.parametrize("file", ["constraints.txt", "tests/packaging/requirements.txt", "pyproject.toml"])
def test_no_download_address_is_written_down(root: Path, file: str) -> None:
    text = (root / file).read_text()
    assert "://" not in text and "index-url" not in text


def test_rust_comes_from_the_public_index_by_its_own_name(root: Path) -> None:
    packages = toml(root / "Cargo.lock")["package"]
    sources = {package["source"] for package in packages if "source" in package}
    assert sources == {"registry+https://github.com/rust-lang/crates.io-index"}


def test_the_reason_for_every_dependency_is_given(root: Path) -> None:
    """CONTRIBUTING.md has a row for each."""
    text = (root / "CONTRIBUTING.md").read_text()
    rows = set(re.findall(r"^\| `([^`]+)`", text, re.MULTILINE))
    project = toml(root / "pyproject.toml")["project"]
    python = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    named = {normal(re.split(r"[<>=\[; ]", one)[0]) for one in python}
    named |= set(toml(root / "Cargo.toml")["workspace"]["dependencies"])
    assert named - rows == set()


def normal(name: str) -> str:
    """PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()
