"""A bad network between two virtual machines: network namespaces, with `link/linkem.c` between them.

Code within `Link.inside` creates sockets and starts processes on that machine. The thread of the event loop changes its
namespace, so one module at a time does that, with its own browsers and services.
"""

import asyncio
import ctypes
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).with_name("link") / "linkem.c"
CLONE_NEWNET = 0x4000_0000
"""linux/sched.h"""
SERVER, CLIENTS = "10.78.0.1", "10.78.0.2"
"""The two machines."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers of lost packets: from clients, and to them."""

    up: int
    down: int


class Link:
    def __init__(self, process: asyncio.subprocess.Process, machines: dict[str, int]) -> None:
        self._process = process
        self._machines = machines
        self._turn = asyncio.Lock()

    @contextmanager
    def inside(self, address: str) -> Iterator[None]:
        """New sockets and processes of this thread are on the machine with that address. Existing ones stay where they
        are."""
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _enter(self._machines[address])
            yield
        finally:
            _enter(before)
            os.close(before)

    async def change(self, *, loss: float, duplicates: float, late: float, delay: float = 0.01) -> None:
        """Sets the network in each direction: probabilities, and seconds. A `late` packet is delayed twice as long, so
        others overtake it."""
        command = f"loss={loss * 100:g} dup={duplicates * 100:g} reorder={late * 100:g} delay={delay * 1000:g}"
        said = await self._ask(command)
        assert said == "ok", said

    async def lost(self) -> Counts:
        said = json.loads(await self._ask("stats"))
        return Counts(said["up"]["lost"], said["down"]["lost"])

    async def _ask(self, command: str) -> str:
        assert self._process.stdin is not None and self._process.stdout is not None
        async with self._turn:
            self._process.stdin.write(f"{command}\n".encode())
            return (await self._process.stdout.readline()).decode().strip()


@cache
def why_not() -> str:
    """Returns why this machine cannot have such a link. Empty: it can. Tries everything that the link needs."""
    if shutil.which("cc") is None:
        return "there is no C compiler (cc)"
    if not Path("/dev/net/tun").exists():
        return "there is no /dev/net/tun"
    with tempfile.TemporaryDirectory() as folder:
        try:
            program = _build(Path(folder))
        except subprocess.CalledProcessError as error:
            return f"{SOURCE.name} cannot be built: {error.stderr}"
        try:
            with _machine() as one, _machine() as other:
                said = subprocess.run(
                    _command(program, one, other), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
                )
                with open(one) as namespace:
                    back = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
                    _enter(namespace.fileno())
                    _enter(back)
                    os.close(back)
        except OSError as error:
            return f"no network namespaces are allowed: {error}"
    return "" if said.returncode == 0 else f"no TUN device is allowed in a namespace: {said.stderr.strip()}"


@asynccontextmanager
async def linked() -> AsyncIterator[Link]:
    """Runs two machines that reach only each other. Call `why_not` before."""
    with tempfile.TemporaryDirectory() as folder, _machine() as server, _machine() as clients:
        process = await asyncio.create_subprocess_exec(
            *_command(_build(Path(folder)), server, clients),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        files = {address: os.open(path, os.O_RDONLY) for address, path in ((SERVER, server), (CLIENTS, clients))}
        try:
            assert process.stdout is not None
            assert await process.stdout.readline() == b"up\n"
            yield Link(process, files)
        finally:
            for file in files.values():
                os.close(file)
            process.terminate()
            await process.wait()


def _build(folder: Path) -> Path:
    program = folder / "linkem"
    subprocess.run(["cc", "-O2", "-o", program, SOURCE], check=True, capture_output=True, text=True)
    return program


def _command(program: Path, server: str, clients: str) -> list[str]:
    return [str(program), server, SERVER, clients, CLIENTS]


@contextmanager
def _machine() -> Iterator[str]:
    """Returns the file of a new namespace, which exists as long as a process waits in it. Raises OSError."""
    holder = subprocess.Popen(
        ["unshare", "--net", "sh", "-c", "echo here; exec cat"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert holder.stdin is not None and holder.stdout is not None and holder.stderr is not None
    try:
        if holder.stdout.readline() != b"here\n":
            raise PermissionError(holder.stderr.read().decode().strip())
        yield f"/proc/{holder.pid}/ns/net"
    finally:
        holder.stdin.close()
        holder.wait()
        holder.stdout.close()
        holder.stderr.close()


def _enter(file: int) -> None:
    """setns(2), which Python has from 3.12 on."""
    if ctypes.CDLL(None, use_errno=True).setns(file, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
