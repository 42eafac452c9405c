"""The JavaScript tests, run by Node. They need no package; without Node they are skipped with a reason."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
OLDEST = 20
"""Its first version whose test runner has timers that a test turns."""


def node() -> str:
    """The path of a Node that runs these tests. Without one the test is skipped, or fails where CI=true."""
    found = shutil.which("node")
    sentence = f"Node.js is not installed, and the JavaScript tests need version {OLDEST} or newer (https://nodejs.org)"
    if found is not None:
        version = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout.strip()
        if int(version.removeprefix("v").split(".")[0]) >= OLDEST:
            return found
        sentence = f"Node.js {version} is too old: the JavaScript tests need version {OLDEST} or newer"
    if os.environ.get("CI") == "true":
        pytest.fail(sentence)
    pytest.skip(sentence)


def test_the_client_and_the_page_pass_their_own_tests() -> None:
    files = sorted(str(path) for path in HERE.glob("*.test.js"))
    assert files
    run = subprocess.run([node(), "--test", *files], capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize(("version", "sentence"), [("", "is not installed"), ("v18.20.4", "v18.20.4 is too old")])
@pytest.mark.parametrize(("ci", "outcome"), [("true", pytest.fail.Exception), ("", pytest.skip.Exception)])
def test_a_machine_without_a_node_that_serves_is_told_and_ci_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: str, sentence: str, ci: str, outcome: type[BaseException]
) -> None:
    if version:
        (tmp_path / "node").write_text(f"#!/bin/sh\necho {version}\n")
        (tmp_path / "node").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match=sentence):
        node()
