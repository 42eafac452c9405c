"""`sfu serve` whose Python computes until it is told to stop, and lets no other thread have the GIL: on SIGUSR1 in the
event loop's thread, on SIGUSR2 in another. It prints when that began and ended.

It is told by the first octet of the file that `STALL` names: a look at shared memory does not release the GIL.
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
"""Seconds: whoever should tell it may be gone."""


def compute(told: mmap.mmap) -> None:
    patience = sys.getswitchinterval()
    # Another thread that wants the GIL asks for it only after so long.
    sys.setswitchinterval(2 * LONGEST)
    say("computing")
    end = time.monotonic() + LONGEST
    while not told[0] and time.monotonic() < end:
        pass
    say("computed")
    sys.setswitchinterval(patience)


def say(line: str) -> None:
    # In one piece: the log goes the same way.
    os.write(1, f"{line}\n".encode())


if __name__ == "__main__":
    with Path(os.environ["STALL"]).open("r+b") as file:
        told = mmap.mmap(file.fileno(), 1)
    signal.signal(signal.SIGUSR1, lambda *_: compute(told))
    signal.signal(signal.SIGUSR2, lambda *_: threading.Thread(target=compute, args=[told]).start())
    sys.argv[1:] = ["serve"]
    main()
