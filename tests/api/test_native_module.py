"""Without a usable native module: what still works, and the one sentence otherwise."""

import os
import shutil
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from sfu import plane

from .server import KEY, SECRET

ROOT = Path(__file__).parents[2]
MODULE = "_native.abi3.so"

Said = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python sources alone."""
    copy = tmp_path_factory.mktemp("sources")
    without = shutil.ignore_patterns("*.so", "__pycache__", "core", "io", "py", "web")
    for package in ("sfu", "api"):
        shutil.copytree(ROOT / package, copy / package, ignore=without)
    return copy


@pytest.fixture
def sources(copied: Path, tmp_path: Path) -> Path:
    """The same, for a test that changes something in them."""
    return Path(shutil.copytree(copied, tmp_path / "sources"))


@pytest.fixture
def said(tmp_path: Path) -> Said:
    """Exit code, stdout and stderr of Python with the packages of a folder."""

    def run(folder: Path, *arguments: str, **environ: str) -> tuple[int, str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("SFU_")}
        environ = clean | environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
        ended = subprocess.run(
            [sys.executable, *arguments], cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=30
        )
        return ended.returncode, ended.stdout, ended.stderr

    return run


def leave_out(folder: Path) -> None:
    pass


def truncate(folder: Path) -> None:
    (folder / MODULE).write_bytes(b"\x7fELF\x02\x01\x01")


def change_the_stub(folder: Path) -> None:
    (folder / MODULE).symlink_to(Path(plane.__file__).with_name(MODULE))
    with (folder / "_native.pyi").open("a") as stub:
        stub.write("# What the module was not built from.\n")


def without_checksum(folder: Path) -> None:
    """As modules were before they had one."""
    (folder / "_native.py").write_text("class Plane: ...\n")


def without_a_name(folder: Path) -> None:
    checksum = zlib.crc32((folder / "_native.pyi").read_bytes())
    (folder / "_native.py").write_text(f"STUB_CRC32 = {checksum}\nclass Plane: ...\n")


STALE = "The native module was built from another version of the sources: run `make setup`."
BUILD = "run `make setup` in a checkout, or reinstall the package for this platform."
STATES = pytest.mark.parametrize(
    ("make", "begins", "ends"),
    [
        (leave_out, f"The native module is missing: {BUILD}", ""),
        (truncate, "The native module cannot be loaded (", f"{MODULE}: file too short): {BUILD}"),
        (change_the_stub, STALE, ""),
        (without_checksum, STALE, ""),
        (without_a_name, STALE, ""),
    ],
)


@STATES
def test_serve_says_one_sentence_and_ends_with_1(
    said: Said, sources: Path, make: Callable[[Path], None], begins: str, ends: str
) -> None:
    make(sources / "sfu" / "plane")
    code, out, err = said(sources, "-m", "api.cli", "serve", SFU_KEYS=f"{KEY}: {SECRET}")
    assert (code, out, len(err.splitlines())) == (1, "", 1)
    assert err.startswith(f"sfu: {begins}") and err.endswith(f"{ends}\n")


@STATES
def test_doctor_has_it_among_its_findings_with_the_fix(
    said: Said, sources: Path, make: Callable[[Path], None], begins: str, ends: str
) -> None:
    make(sources / "sfu" / "plane")
    code, out, err = said(sources, "-m", "api.cli", "doctor", "--dev")
    [line] = [line for line in out.splitlines() if "native module" in line]
    assert (code, err) == (1, "") and len(out.splitlines()) > 5
    assert line.startswith("FAIL  native module: ") and "Fix: run `make setup`" in line
    assert begins.removeprefix("The native module ").split(":")[0] in line


@STATES
def test_an_application_that_embeds_it_gets_an_import_error_with_the_sentence(
    said: Said, sources: Path, make: Callable[[Path], None], begins: str, ends: str
) -> None:
    make(sources / "sfu" / "plane")
    application = """
import sfu
for _ in range(2):
    try:
        from sfu import Sfu
    except ImportError as error:
        assert type(error) is sfu.NativeModuleError
        print(error)
"""
    code, out, err = said(sources, "-c", application)
    assert (code, err) == (0, "") and out.startswith(begins) and out.endswith(f"{ends}\n")
    assert len(set(out.splitlines())) == 1 and len(out.splitlines()) == 2


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (["--help"], (0, "Usage:")),
        (["--version"], (0, "sfu 0.1.0\n")),
        (["serve", "--help"], (0, "--print-config")),
        (["serve", "--print-config"], (0, "SFU_KEYS")),
        (["token", "--identity", "ada"], (0, "eyJ")),
        (["rooms", "list"], (1, "Nothing answers at http://127.0.0.1:1")),
        (["rooms", "create", "lobby"], (1, "Nothing answers")),
        (["participants", "list", "lobby"], (1, "Nothing answers")),
        (["explain", "lobby", "ada"], (1, "Nothing answers")),
        (["drain"], (1, "Nothing answers")),
    ],
)
def test_commands_that_move_no_packets_need_no_native_module(
    said: Said, copied: Path, command: list[str], expected: tuple[int, str]
) -> None:
    environ = {"SFU_KEYS": f"{KEY}: {SECRET}", "SFU_URL": "http://127.0.0.1:1", "SFU_INTERNAL_PORT": "1"}
    code, out, err = said(copied, "-m", "api.cli", *command, **environ)
    assert code == expected[0] and expected[1] in out + err and "Traceback" not in err
