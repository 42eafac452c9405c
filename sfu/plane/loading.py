"""Checks that the native module exists, loads, and was built from the `_native.pyi` beside it."""

import sys
import zlib
from pathlib import Path

from sfu.errors import NativeModuleError

MODULE = "sfu.plane._native"
STUB = Path(__file__).with_name("_native.pyi")
BUILD = "run `make setup` in a checkout, or reinstall the package for this platform"


def explained(error: ImportError) -> NativeModuleError:
    """Returns the exception that explains why `from ._native import …` failed."""
    if MODULE in sys.modules:
        return _stale()  # The module was loaded but lacks a name.
    if isinstance(error, ModuleNotFoundError):
        return NativeModuleError("is missing", BUILD)
    return NativeModuleError(f"cannot be loaded ({error})", BUILD)


def refuse_stale(crc32: int) -> None:
    """Raises NativeModuleError if the module was built from another stub. `crc32` is that of its stub."""
    try:
        stub = STUB.read_bytes()
    except OSError:
        return  # The package is installed without stubs, so nothing can be compared.
    if zlib.crc32(stub) != crc32:
        raise _stale()


def _stale() -> NativeModuleError:
    return NativeModuleError("was built from another version of the sources", "run `make setup`")
