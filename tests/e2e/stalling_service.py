"""Runs `sfu serve`. On a signal its Python computes and holds the GIL until the test ends the stall: on SIGUSR1 in the
event loop's thread, on SIGUSR2 in another. It prints the beginning and the end.

The test ends a stall by the first octet of the file that `STALL` names: reading shared memory does not release the GIL.
"""

import mmap
import os
import signal
import sys
import threading
import time
from pathlib import Path

from api.cli import main

LONGEST = 120.0
"""Seconds after which the stall ends by itself, because the test may be gone."""


def compute(told: mmap.mmap) -> None:
    patience = sys.getswitchinterval()
    # Another thread requests the GIL only after this time.
    sys.setswitchinterval(2 * LONGEST)
    say("computing")
    end = time.monotonic() + LONGEST
    while not told[0] and time.monotonic() < end:
        pass
    say("computed")
    sys.setswitchinterval(patience)


def say(line: str) -> None:
    # Written in one piece, because the log uses the same stream.
    os.write(1, f"{line}\n".encode())


if __name__ == "__main__":
    with Path(os.environ["STALL"]).open("r+b") as file:
        told = mmap.mmap(file.fileno(), 1)
    signal.signal(signal.SIGUSR1, lambda *_: compute(told))
    signal.signal(signal.SIGUSR2, lambda *_: threading.Thread(target=compute, args=[told]).start())
    sys.argv[1:] = ["serve"]
    main()
