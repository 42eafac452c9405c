"""`make` on machines without a tool: one sentence that names it."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

SHELL = ("bash", "env", "sed", "sort", "head", "cut", "id", "true")
TOOLS = ("git", "python3", "cargo", "cc", "c++")
BROWSERS = ("chromium", "firefox-esr", "curl", "openssl")

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(root: Path, tmp_path: Path) -> Run:
    """A script on a machine that has these tools and no others; it cannot install any, since apt-get is not there."""

    def script(name: str, *tools: str, **environment: str) -> subprocess.CompletedProcess[str]:
        for tool in (*SHELL, *tools):
            # A python3 of pyenv is a script that wants more; of a browser it is enough to know that it is there.
            found = sys.executable if tool == "python3" else shutil.which(tool) or shutil.which("true")
            # Not a link: what cargo is depends on how it is called.
            (tmp_path / tool).write_text(f'#!/bin/sh\nexec {found} "$@"\n')
            (tmp_path / tool).chmod(0o755)
        given = {"PATH": str(tmp_path), "HOME": os.environ.get("HOME", "/")} | environment
        bash = shutil.which("bash")
        assert bash
        return subprocess.run([bash, f"scripts/{name}"], cwd=root, env=given, capture_output=True, text=True)

    return script


def test_a_machine_with_all_tools_is_told_nothing(run: Run) -> None:
    seen = run("check-tools", *TOOLS)
    assert (seen.returncode, seen.stdout, seen.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("missing", "sentence"),
    [
        ("git", "git is missing: install it (Debian: sudo apt-get install git)."),
        ("python3", "Python is missing: install Python 3.11 or newer, or name yours with make PYTHON=…"),
        ("cargo", "A Rust toolchain is missing: install version 1.90 or newer (https://rustup.rs)."),
        ("c++", "A C++ compiler is missing: install one (Debian: sudo apt-get install g++)."),
        ("cc", "A C++ compiler is missing: install one (Debian: sudo apt-get install g++)."),
    ],
)
def test_a_missing_tool_is_named_in_one_sentence(run: Run, missing: str, sentence: str) -> None:
    seen = run("check-tools", *(tool for tool in TOOLS if tool != missing))
    assert (seen.returncode, seen.stderr) == (1, f"setup: {sentence}\n")


def test_browsers_are_skipped_at_a_desk_with_a_word(run: Run) -> None:
    seen = run("install-browsers", *(tool for tool in BROWSERS if tool != "firefox-esr"))
    assert seen.returncode == 0
    assert "tests that need firefox-esr are skipped until you install them" in seen.stdout


def test_browsers_are_never_skipped_in_ci(run: Run) -> None:
    seen = run("install-browsers", *(tool for tool in BROWSERS if tool != "firefox-esr"), CI="true")
    assert (seen.returncode, seen.stderr) == (1, "test: CI must not skip the browser tests: install firefox-esr.\n")


def test_with_all_browsers_there_is_nothing_to_do(run: Run) -> None:
    seen = run("install-browsers", *BROWSERS, CI="true")
    assert (seen.returncode, seen.stdout, seen.stderr) == (0, "", "")


def test_gstreamer_is_skipped_at_a_desk_with_a_word_and_never_in_ci(run: Run) -> None:
    seen = run("install-gstreamer", SYSTEM_PYTHON="false")
    assert seen.returncode == 0
    assert seen.stdout.startswith("test: GStreamer is not tested until you install its webrtcbin (Debian: ")
    seen = run("install-gstreamer", SYSTEM_PYTHON="false", CI="true")
    assert seen.returncode == 1
    assert seen.stderr.startswith("test: CI must not skip the test with GStreamer: install python3-gst-1.0 ")
    assert run("install-gstreamer", SYSTEM_PYTHON="true").stdout == ""


def test_coturn_is_skipped_at_a_desk_with_a_word_and_never_in_ci(run: Run) -> None:
    seen = run("install-coturn", "nft")
    assert (seen.returncode, seen.stdout) == (
        0, "test: TURN is not tested until you install coturn (Debian: sudo apt-get install coturn).\n"
    )  # fmt: skip
    seen = run("install-coturn", CI="true")
    assert (seen.returncode, seen.stderr) == (1, "test: CI must not skip the tests of TURN: install coturn.\n")
    assert run("install-coturn", "turnserver", "nft").stdout == ""


def test_npm_is_missed_with_a_word(run: Run) -> None:
    seen = run("install-npm", CI="true")
    assert (seen.returncode, seen.stderr) == (0, ""), "its test decides whether it could be there"
    assert seen.stdout.startswith("test: client libraries are not tested until you install npm (Debian: ")
    assert run("install-npm", "npm").stdout == ""


@pytest.mark.parametrize(("given", "is_lan"), [("LAN=1", True), ("LAN=0", False), ("LAN=", False)])
def test_lan_is_said_to_the_service(root: Path, given: str, is_lan: bool) -> None:
    seen = subprocess.run(["make", "-n", "run", given], cwd=root, capture_output=True, text=True)
    assert seen.returncode == 0, seen.stderr
    [line] = [line for line in seen.stdout.splitlines() if "sfu serve" in line]
    assert line.strip().endswith("--lan" if is_lan else "--dev")


STEPS = (".venv/.made", ".cargo/config.toml", ".venv/.packages", "sfu/plane/_native.abi3.so")
"""What the steps of `make setup` leave, in order."""


@pytest.fixture
def checkout(root: Path, tmp_path: Path) -> Path:
    """Makes a checkout with the files that `make setup` reads, and scripts that all fail."""
    sources = ("Cargo.toml", "Cargo.lock", "pyproject.toml", "constraints.txt", "sfu/plane/_native.pyi")
    named = ("tests/packaging/requirements.txt", "clients/python/pyproject.toml")
    for name in (*sources, *named, ".cargo/none", ".venv/.place"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    shutil.copy(root / "Makefile", tmp_path)
    shutil.copytree(root / "scripts", tmp_path / "scripts")
    for script in (tmp_path / "scripts").iterdir():
        script.write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / ".venv/.place").write_text(str(tmp_path))
    return tmp_path


def setup(checkout: Path) -> int:
    return subprocess.run(["make", "setup"], cwd=checkout, capture_output=True).returncode


@pytest.mark.parametrize("step", STEPS)
def test_a_step_of_the_setup_that_failed_leaves_no_mark_of_success(checkout: Path, step: str) -> None:
    for before in STEPS[: STEPS.index(step)]:
        (checkout / before).touch()
    assert setup(checkout) == 2 and not (checkout / step).exists()


def test_a_checkout_that_was_moved_is_set_up_anew(checkout: Path) -> None:
    for step in STEPS:
        (checkout / step).touch()
    assert setup(checkout) == 0
    (checkout / ".venv/.place").write_text("/somewhere/else")
    assert setup(checkout) == 2


def test_a_changed_stub_builds_the_native_module_again(root: Path) -> None:
    rules = subprocess.run(["make", "-pn", "setup"], cwd=root, capture_output=True, text=True, check=True).stdout
    targets = [line.split() for line in rules.splitlines() if re.match(r"\S+:\s.*scripts/build-native", line)]
    assert targets and all("sfu/plane/_native.pyi" in needed for _, *needed in targets)


def test_ci_runs_lint_types_and_every_kind_of_test(root: Path) -> None:
    assert "exec make check" in (root / ".ci/run").read_text()
    planned = subprocess.run(["make", "-n", "check"], cwd=root, capture_output=True, text=True, check=True).stdout
    for step in (
        "ruff check",
        "lint-imports",
        "clippy",
        "bin/mypy",
        "stubtest",
        "cargo test",
        "scripts/install-engine",
        "-m pytest",
        "scripts/fuzz --check",
    ):
        assert step in planned
