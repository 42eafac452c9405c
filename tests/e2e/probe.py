"""`sfu serve` with three more paths, for tests alone: what the process holds, and Python that computes.

`python -m tests.e2e.probe serve`. The packet plane, the rooms and the doors are the product's own.
"""

import asyncio
import gc
import hashlib
import os
import sys
import threading
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

from fastapi import FastAPI

import api.app
from api.cli import main
from api.settings import Settings
from sfu.config import Config, Silence
from sfu.service import Sfu

SILENCE = Silence(with_feedback=2.0, shortest=2.0, longest=3.0)
"""A fourth of what is usual: who has gone is found out soon, and what it left is gone when the test looks."""


@dataclass(frozen=True, slots=True)
class Computed:
    """Times on CLOCK_MONOTONIC, which all processes of a machine share; seconds."""

    began: float
    ended: float
    frozen: float
    """For how long another thread that wanted the GIL stood still."""


async def compute(begins: float, seconds: float, holding: bool) -> Computed:
    """Python that computes in a thread, with the GIL or without: the same core is busy for the same time."""
    is_over = threading.Event()
    watching = asyncio.to_thread(_want_the_gil, is_over)
    computing = asyncio.to_thread(_compute, begins, seconds, holding, is_over)
    frozen, (began, ended) = await asyncio.gather(watching, computing)
    return Computed(began, ended, frozen)


def _compute(begins: float, seconds: float, holding: bool, is_over: threading.Event) -> tuple[float, float]:
    """When it really began and ended."""
    time.sleep(max(0.0, begins - time.monotonic()))
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 0)  # whatever precedence the process has
    interval = sys.getswitchinterval()
    if holding:
        sys.setswitchinterval(10 * seconds)  # nobody is let in between two bytecodes
    began = time.monotonic()
    while time.monotonic() < began + seconds:
        if not holding:
            hashlib.pbkdf2_hmac("sha256", b"password", b"salt", 10_000)  # a few ms, without the GIL
    ended = time.monotonic()
    sys.setswitchinterval(interval)
    is_over.set()
    return began, ended


def _want_the_gil(is_over: threading.Event) -> float:
    """The longest time that this thread stood still; seconds."""
    longest = 0.0
    while not is_over.is_set():
        before = time.monotonic()
        time.sleep(0.02)
        longest = max(longest, time.monotonic() - before)
    return longest


def held(sfu: Sfu) -> dict[str, int]:
    """How much there is of everything that a participant brings along."""
    gc.collect()
    stats, binding = sfu.stats(), sfu._context.binding
    return {
        "transports": stats.transports,
        "tracks": stats.tracks,
        "slots": stats.slots,
        "channels": stats.channels,
        "ids": len(binding.owners),
        "rooms": len(sfu.rooms),
        "participants": sum(len(room.members) for room in sfu.rooms.values()),
        "media_sessions": len(sfu.media_sessions),
        "joins": sfu.joins,
        "tasks": len(asyncio.all_tasks()),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "threads": len(os.listdir("/proc/self/task")),
        "rss": int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE"),
    }


def create_app(*arguments: Any, **more: Any) -> FastAPI:
    app = _create_app(*arguments, **more)

    @app.get("/probe/held")
    async def show_held() -> dict[str, int]:
        return held(app.state.sfu)

    @app.get("/probe/compute")
    async def show_computed(begins: float, seconds: float, holding: bool) -> dict[str, float]:
        """From the time given on: the request has to be here by then."""
        return asdict(await compute(begins, seconds, holding))

    return app


def config(settings: Settings) -> Config:
    return replace(_config(settings), silence=SILENCE)


_create_app, _config = api.app.create_app, Settings.config

if __name__ == "__main__":
    with mock.patch("api.main.create_app", create_app), mock.patch.object(Settings, "config", config):
        main()
