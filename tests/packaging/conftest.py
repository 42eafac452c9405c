"""What the packaging tests share: the folder, the rendered chart, and how a tool that is not there is spoken of."""

import importlib
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from .manifests import Render

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def helm() -> ModuleType:
    """Helm's engine as a library. It is made for some platforms only: elsewhere the tests skip, in CI they fail."""
    try:
        return importlib.import_module("helm_python")
    except ImportError:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip("Helm's engine is not there for this platform: tests/packaging/requirements.txt")


@pytest.fixture(scope="session")
def render(root: Path, helm: ModuleType) -> Render:
    """Values to manifests by kind, as `helm template` does it: values against the schema first."""

    def rendered(values: dict[str, Any], name: str = "sfu") -> dict[str, dict[str, Any]]:
        with helm.Chart.load(root / "charts/sfu") as chart:
            chart.validate_schema(values)
            files = chart.render(values, name=name, namespace="calls")
        documents = [yaml.safe_load(text) for path, text in files.items() if path.endswith(".yaml") and text.strip()]
        return {document["kind"]: document for document in documents if document}

    return rendered
