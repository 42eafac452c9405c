"""The folder `sync` of the client is what the script makes of `aio`."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_synchronous_client_is_made_from_the_other() -> None:
    checked = subprocess.run(
        [sys.executable, "scripts/make-sync-client", "--check"], cwd=ROOT, capture_output=True, text=True
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
