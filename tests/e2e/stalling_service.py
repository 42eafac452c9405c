"""`sfu serve` whose Python computes for a second and lets nobody else have the GIL: on SIGUSR1 in the event loop's
thread, on SIGUSR2 in another. It prints when that began and ended, by CLOCK_MONOTONIC."""

import os
import signal
import sys
import threading
import time

from api.cli import main

LENGTH = 1.0
"""Seconds."""


def compute() -> None:
    patience = sys.getswitchinterval()
    # Another thread that wants the GIL asks for it only after so long.
    sys.setswitchinterval(60)
    begun = time.monotonic()
    say(f"computing: {begun}")
    while time.monotonic() < begun + LENGTH:
        pass
    say(f"computed: {time.monotonic()}")
    sys.setswitchinterval(patience)


def say(line: str) -> None:
    # In one piece: the log goes the same way.
    os.write(1, f"{line}\n".encode())


signal.signal(signal.SIGUSR1, lambda *_: compute())
signal.signal(signal.SIGUSR2, lambda *_: threading.Thread(target=compute).start())
sys.argv[1:] = ["serve"]
main()
