"""Versions: one for the whole project, and each dependency pinned, without the address of its source."""

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
    assert python_packages(root) - pinned == set()


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
    assert (python_packages(root) | set(toml(root / "Cargo.toml")["workspace"]["dependencies"])) - rows == set()


def python_packages(root: Path) -> set[str]:
    """All that pyproject.toml names: of the service, its extras and the build. The client is none of an index."""
    file = toml(root / "pyproject.toml")
    groups = (file["project"]["optional-dependencies"] | file["dependency-groups"]).values()
    named = [*file["project"]["dependencies"], *(one for group in groups for one in group)]
    return {normal(re.split(r"[<>=\[; ]", one)[0]) for one in named} - {"sfu-client"}


def test_the_client_is_of_this_checkout_and_of_the_same_version(root: Path) -> None:
    project = toml(root / "pyproject.toml")["project"]
    assert f"sfu-client=={project['version']}" in project["dependencies"]
    assert "sfu" not in (root / "constraints.txt").read_text()


def normal(name: str) -> str:
    """PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()
