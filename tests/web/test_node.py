"""The JavaScript tests, run by Node. They need no package; a machine without Node says so."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def test_the_client_and_the_page_pass_their_own_tests() -> None:
    node = shutil.which("node")
    if node is None and os.environ.get("CI") != "true":
        pytest.skip("node is not installed")
    assert node is not None, "node is needed for the JavaScript tests"
    files = sorted(str(path) for path in HERE.glob("*.test.js"))
    assert files
    run = subprocess.run([node, "--test", *files], capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
