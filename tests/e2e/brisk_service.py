"""Runs `sfu serve` with time limits of a second for silent and disconnected participants. On SIGUSR1 it prints its
memory and objects."""

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
"""The resume window in seconds."""

_config = Settings.config


def brisk(settings: Settings) -> Config:
    silence = Silence(with_feedback=0.5, shortest=0.5, longest=1.0)
    return replace(_config(settings), resume_window=WINDOW, silence=silence, tick=0.05)


class Allocated(ctypes.Structure):
    """`struct mallinfo2` of mallinfo(3): `used` and `mapped` are the allocated octets that were not freed."""

    _fields_ = tuple((name, ctypes.c_size_t) for name in (*"abcd", "mapped", *"ef", "used", *"gh"))


def allocated() -> int:
    """Returns octets. Exact if there is one arena (MALLOC_ARENA_MAX=1) and Python uses it (PYTHONMALLOC=malloc)."""
    ask = ctypes.CDLL(None).mallinfo2
    ask.restype = Allocated
    found = ask()
    return int(found.used + found.mapped)


def tell(*_: object) -> None:
    # The bounded cache of parsed offers is no leak.
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
