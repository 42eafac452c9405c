"""Shared by packaging tests: the folder, the rendered chart, and skips for missing tools."""

import importlib
import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from . import engine
from .engine import Engine
from .manifests import Render

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def containers(root: Path) -> Iterator[Engine]:
    """Returns an engine, or skips with the reason why no container can run on this machine. CI skips for no other
    reason."""
    state = root / ".platform"
    obstacle = engine.obstacle(state)
    if obstacle:
        pytest.skip(f"no container can run here: {obstacle}")
    missing = ", ".join(engine.missing())
    if missing:
        assert os.environ.get("CI") != "true", f"CI must not skip the tests in containers: install {missing}"
        pytest.skip(f"no container is run without {missing}")
    opened = Engine(state)
    try:
        yield opened
    finally:
        opened.close()


@pytest.fixture(scope="session")
def helm() -> ModuleType:
    """Helm's engine as a library. It exists for some platforms only: elsewhere the tests are skipped, and fail in
    CI."""
    try:
        return importlib.import_module("helm_python")
    except ImportError:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip("Helm's engine is not there for this platform: tests/packaging/requirements.txt")


@pytest.fixture(scope="session")
def render(root: Path, helm: ModuleType) -> Render:
    """Renders values to manifests by kind, like `helm template`: checks values against the schema first."""

    def rendered(values: dict[str, Any], name: str = "sfu") -> dict[str, dict[str, Any]]:
        with helm.Chart.load(root / "charts/sfu") as chart:
            chart.validate_schema(values)
            files = chart.render(values, name=name, namespace="calls")
        documents = [yaml.safe_load(text) for path, text in files.items() if path.endswith(".yaml") and text.strip()]
        return {document["kind"]: document for document in documents if document}

    return rendered
