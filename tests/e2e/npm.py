"""npm, as the tests use it: what is missing is told in a line of its own, and in CI fails where it could be there."""

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
"""What npm calls faults of the files that it was given; with all others the registry is out of reach, or npm broken."""


def install(home: Path) -> None:
    """What `home/package-lock.json` pins. Skips, or fails in CI, where that cannot be."""
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
    """By the packages of this machine, and to this user."""
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
