"""`_native.pyi` is the specification of the seam: it must say what the module is."""

import subprocess
import sys

import sfu.plane
from sfu.plane import _native


def test_the_stub_and_the_module_agree() -> None:
    command = [sys.executable, "-m", "mypy.stubtest", "sfu.plane._native"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_package_exports_the_whole_module() -> None:
    assert set(_native.__all__) <= set(sfu.plane.__all__)
