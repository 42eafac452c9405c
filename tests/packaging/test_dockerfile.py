"""The Dockerfile, as a linter and its user read it. test_image.py tests the image."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def dockerfile(root: Path) -> str:
    return (root / "Dockerfile").read_text()


def test_hadolint_has_nothing_to_say_against_it(root: Path) -> None:
    hadolint = shutil.which("hadolint", path=Path(sys.executable).parent)
    if hadolint is None:
        assert os.environ.get("CI") != "true", "hadolint is missing: CI must not skip it"
        pytest.skip("hadolint is not there for this platform: tests/packaging/requirements.txt")
    seen = subprocess.run([hadolint, "--no-color", root / "Dockerfile"], capture_output=True, text=True)
    assert (seen.returncode, seen.stdout) == (0, "")


def test_three_stages_from_two_bases_that_can_be_swapped(dockerfile: str) -> None:
    stages = re.findall(r"^FROM \$\{(\w+)\} AS (\w+)$", dockerfile, re.MULTILINE)
    assert stages == [("RUST_IMAGE", "wheel"), ("PYTHON_IMAGE", "packages"), ("PYTHON_IMAGE", "runtime")]


def test_it_runs_as_nobody_in_particular(dockerfile: str, root: Path) -> None:
    """Kubernetes checks runAsNonRoot against a number; the chart says the same one."""
    assert re.findall(r"^USER (.*)$", dockerfile, re.MULTILINE) == ["10001:10001"]
    assert "runAsUser: 10001" in (root / "charts/sfu/templates/deployment.yaml").read_text()


def test_a_certificate_for_pip_is_given_for_the_build_and_has_no_default(dockerfile: str) -> None:
    assert re.findall(r"^ARG PIP_CERT(.*)$", dockerfile, re.MULTILINE) == ["", ""]
    runtime = dockerfile.partition("AS runtime")[2]
    assert "PIP_CERT" not in runtime and "pip" not in re.sub(r"^#.*$", "", runtime, flags=re.MULTILINE)


def test_what_is_copied_is_let_in(dockerfile: str, root: Path) -> None:
    let_in = {line[1:] for line in (root / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", dockerfile, re.MULTILINE)
    names = {name for line in copied for name in line.split()}
    assert names == let_in
    assert [name for name in names if not (root / name).exists()] == []
