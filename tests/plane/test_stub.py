"""`_native.pyi` is the specification of the seam: it must match the module."""

import subprocess
import sys
import zlib
from pathlib import Path

import sfu.plane
from sfu.plane import _native


def test_the_stub_and_the_module_agree() -> None:
    command = [sys.executable, "-m", "mypy.stubtest", "sfu.plane._native"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_package_exports_the_whole_module() -> None:
    assert set(_native.__all__) - {"STUB_CRC32"} <= set(sfu.plane.__all__)


def test_the_module_carries_the_checksum_of_the_stub_it_was_built_from() -> None:
    assert zlib.crc32(Path(sfu.plane.__file__).with_name("_native.pyi").read_bytes()) == _native.STUB_CRC32
