"""What the packaging tests share: the folder, and how a tool that is not there is spoken of."""

import importlib
import os
from pathlib import Path
from types import ModuleType

import pytest

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
