"""Installs npm packages for tests. Prints a line if that is impossible; in CI it fails if it should be possible."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest

INSTALL = ("ci", "--ignore-scripts", "--no-audit", "--no-fund")
LIMIT = 120
"""Seconds."""
OURS = ("EUSAGE", "EINTEGRITY", "EJSONPARSE", "ENOLOCK")
"""npm's error codes for wrong input files. All others mean that the registry is unreachable or npm is broken."""


def install(home: Path) -> None:
    """Installs the packages that `home/package-lock.json` pins. If that is impossible, skips the test, or fails in
    CI."""
    npm = shutil.which("npm")
    if npm is None:
        _missing("it is not installed (Debian: sudo apt-get install npm)", could_be_there=_is_offered())
    try:
        ran = subprocess.run([npm, *INSTALL], cwd=home, capture_output=True, text=True, timeout=LIMIT, check=False)
    except subprocess.TimeoutExpired:
        _missing(f"it took more than {LIMIT} s", could_be_there=False)
    if ran.returncode != 0:
        code = re.search(r"\bcode (E[A-Z0-9]+)", ran.stderr)
        why = next(iter(ran.stderr.splitlines()), "it says nothing")
        _missing(why, could_be_there=code is not None and code[1] in OURS)


def _is_offered() -> bool:
    """Returns whether this user can install npm from this machine's packages."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return False
    tried = subprocess.run(["apt-get", "install", "--simulate", "-qq", "npm"], capture_output=True, check=False)
    return tried.returncode == 0


def _missing(why: str, *, could_be_there: bool) -> NoReturn:
    sentence = f"client libraries are not tested: npm cannot install them here: {why}"
    if os.environ.get("CI") == "true":
        print(sentence, file=sys.__stderr__, flush=True)
        if could_be_there:
            pytest.fail(sentence)
    pytest.skip(sentence)
