"""A reader's terminal: bash in the repository's root runs the blocks unchanged, on its own ports."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from .blocks import Block

ROOT = Path(__file__).parents[2]
SHIMS = Path(__file__).parent / "shims"
PORTS = ((7880, socket.SOCK_STREAM), (7882, socket.SOCK_DGRAM), (7882, socket.SOCK_STREAM), (8000, socket.SOCK_STREAM))
"""The ports that the documents name."""
GOODBYE = 5.0
"""Seconds."""
NOT_LINKED = {".sfu-dev.json"}
"""The file that development mode writes beside the sources. The reader's own is not touched."""

SCRIPT = """\
set -e -o pipefail
trap 'echo "failed: $BASH_COMMAND"' ERR
{blocks}
echo @@ the end
"""


class Failure(AssertionError):
    """A block does not run unchanged."""


def run(blocks: Sequence[Block], folder: Path, *, before: Mapping[str, str], limit: float) -> str:
    """Returns the output of the blocks, run one after another in one shell. `before` has commands for the steps that
    the text before a heading's block asks of the reader. Ends all processes. Raises Failure."""
    isolation = namespaces()
    if not isolation:
        refuse_taken_ports()
    root, log = _copy(folder), folder / "log"
    parts: list[str] = []
    for number, block in enumerate(blocks):
        (folder / f"{number}.sh").write_text(block.text)
        parts.append(f"echo '@@ {block.place}'\n{before.get(block.heading, '')}\n. {folder}/{number}.sh")
    (folder / "all.sh").write_text(SCRIPT.format(blocks="\n".join(parts)))
    with log.open("wb") as output:
        shell = subprocess.Popen(
            [*isolation, sys.executable, Path(__file__).parent / "inside.py", "bash", folder / "all.sh"],
            cwd=root,
            env=_environment(folder),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = shell.wait(limit)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            # Remaining processes are in the session of the shell; in a PID namespace all end with its first process.
            _kill(shell)
    said = log.read_text(errors="replace")
    if code != 0 or "@@ the end" not in said:
        place = re.findall(r"^@@ (\S+:\d+)$", said, re.MULTILINE)[-1:] or [blocks[0].place]
        how = f"took more than {limit:g} s" if code is None else f"ended with {code}"
        raise Failure(f"{place[0]}: the block does not run as it stands: it {how}\n{said}")
    return said


@cache
def namespaces() -> tuple[str, ...]:
    """Returns a command that runs another one in new network and PID namespaces. Empty: this machine allows none."""
    for right in ((), ("--user", "--map-root-user")):
        command = ("unshare", *right, "--net", "--pid", "--fork", "--kill-child")
        if shutil.which("unshare") and subprocess.run([*command, "true"], capture_output=True).returncode == 0:
            return command
    return ()


def refuse_taken_ports() -> None:
    """Raises Failure with the first port of a document that is in use."""
    for port, kind in PORTS:
        with socket.socket(socket.AF_INET, kind) as probe:
            if kind is socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                name = "TCP" if kind is socket.SOCK_STREAM else "UDP"
                sentence = f"{name} port {port} is taken: end what uses it, or allow this user namespaces (unshare)"
                raise Failure(sentence) from None


def _copy(folder: Path) -> Path:
    """Makes a copy of the repository's root from links, so that new files are separate."""
    root = folder / "root"
    root.mkdir()
    for path in ROOT.iterdir():
        if path.name not in NOT_LINKED:
            (root / path.name).symlink_to(path)
    return root


def _environment(folder: Path) -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if not re.match(r"SFU_|.*_proxy$", name, re.IGNORECASE)}
    return ours | {
        "PATH": f"{SHIMS}:{ours['PATH']}",
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "DOCUMENTS_PATH": ours["PATH"],
        "DOCUMENTS_ROOT": str(ROOT),
        "DOCUMENTS_PYTHON": sys.executable,
        "DOCUMENTS_STATE": str(folder),
    }


def _kill(shell: subprocess.Popen[bytes]) -> None:
    """Returns when all processes of the group have ended, because the next terminal may need their ports."""
    deadline = time.monotonic() + GOODBYE
    with contextlib.suppress(ProcessLookupError):
        while time.monotonic() < deadline:
            os.killpg(shell.pid, signal.SIGKILL)
            shell.poll()
            time.sleep(0.01)
    shell.wait()
