"""Runs `sfu …` with a fake plane, for tests of the process: `python -m tests.api.serve_fake serve --dev`.

A worker fails after FAKE_FAILS_AFTER seconds.
"""

import os
import threading
from typing import Any

from api import cli, main
from api.settings import Settings
from sfu.plane import _native

from .plane import CountingPlane

run = main.run


def run_fake(settings: Settings, **_: Any) -> int:
    plane = CountingPlane(settings.workers)
    if "FAKE_FAILS_AFTER" in os.environ:
        failure = _native.WorkerFailed(worker=0, reason="told to")
        threading.Timer(float(os.environ["FAKE_FAILS_AFTER"]), plane.say, (failure,)).start()
    return run(settings, plane=plane)


main.run = run_fake

if __name__ == "__main__":
    cli.main()
