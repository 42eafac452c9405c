"""`sfu serve` that gives up the silent and the gone within a second, and on SIGUSR1 says what it holds."""

import asyncio
import ctypes
import gc
import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

from api.cli import main
from api.settings import Settings
from sfu.config import Config, Silence
from sfu.negotiation import body

WINDOW = 3.0
"""Seconds, of the resume window."""

_config = Settings.config


def brisk(settings: Settings) -> Config:
    silence = Silence(with_feedback=0.5, shortest=0.5, longest=1.0)
    return replace(_config(settings), resume_window=WINDOW, silence=silence, tick=0.05)


class Allocated(ctypes.Structure):
    """`struct mallinfo2` of mallinfo(3): `used` and `mapped` is what malloc has given out, and not got back."""

    _fields_ = tuple((name, ctypes.c_size_t) for name in (*"abcd", "mapped", *"ef", "used", *"gh"))


def allocated() -> int:
    """Octets. Exact where there is one arena (MALLOC_ARENA_MAX=1), and Python uses it (PYTHONMALLOC=malloc)."""
    ask = ctypes.CDLL(None).mallinfo2
    ask.restype = Allocated
    found = ask()
    return int(found.used + found.mapped)


def tell(*_: object) -> None:
    # What was read of offers is kept for the next ones, within a budget: no leak.
    for recent in (body._bodies, body._codecs, body._extensions):
        recent.clear()
    gc.collect()
    held = {
        "tasks": len(asyncio.all_tasks(asyncio.get_running_loop())),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "octets": allocated(),
        "resident": int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE"),
    }
    os.write(1, f"holds: {json.dumps(held)}\n".encode())


signal.signal(signal.SIGUSR1, tell)
Settings.config = brisk  # type: ignore[method-assign]
sys.argv[1:] = ["serve"]
main()
