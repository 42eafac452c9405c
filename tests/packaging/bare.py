"""Bare Debian roots: the packages that README names, an ordinary user, the installed Rust, and nothing else.

A root is a folder, kept for the next run. Two things are mounted read-only, because making them again would take
minutes and prove nothing: the sources of fetched crates, and compiled BoringSSL. Its bindings are made in each root:
bindgen reads BoringSSL's headers with the libclang that `make setup` found there.
"""

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from . import machine
from .engine import Engine

USER = "user"
HOME = f"/home/{USER}"
PATH = "/opt/rust/bin:/usr/local/bin:/usr/bin:/bin"
CHECKOUT = f"{HOME}/sfu"
BORINGSSL = {"BORING_BSSL_PATH": "/opt/boringssl/build", "BORING_BSSL_INCLUDE_PATH": "/opt/boringssl/include"}
"""The mounted BoringSSL for boring-sys."""


class BareRoot:
    """One Debian root and its container."""

    def __init__(self, engine: Engine, suite: str, lent: dict[str, str]) -> None:
        self.suite = suite
        self._engine = engine
        self._folder = engine.state / f"bare-{suite}"
        self._mark = engine.state / f"bare-{suite}.made"
        self._lent = lent

    @property
    def checkout(self) -> Path:
        """The path of the checkout on the host."""
        return self._folder / CHECKOUT.lstrip("/")

    def make(self, checkout: Path) -> None:
        """Makes the root unless it exists from an earlier run, with the files that git tracks in `checkout` and no
        build results."""
        packages = documented(checkout)
        if not self._mark.exists() or self._mark.read_text().split() != packages:
            shutil.rmtree(self._folder, ignore_errors=True)
            user = f'chroot "$1" useradd --create-home --uid 1000 --shell /bin/bash {USER}'
            how = (f"--customize-hook={user}", "--format=directory")
            machine.make_debian(self._engine, self._folder, packages, self.suite, *how)
            self._mark.write_text(" ".join(packages))
        home = self._folder / HOME.lstrip("/")
        shutil.rmtree(home)
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=checkout, capture_output=True, text=True, check=True)
        for name in listed.stdout.split("\0"):
            if not (checkout / name).is_file():
                continue
            (self.checkout / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(checkout / name, self.checkout / name)
        (home / ".cargo").mkdir()
        subprocess.run(["chown", "--recursive", "1000:1000", home], check=True)

    @contextmanager
    def running(self, network: str = "none") -> Iterator[Callable[..., str]]:
        """Runs its container during the block. Yields a function that runs a line of bash in the checkout as the user,
        and returns its output or raises EngineError.

        `network`: `none` has a loopback interface alone; `host` reaches the package registries.
        """
        name = f"sfu-bare-{self.suite}"
        mounts = [f"--volume={here}:{there}" for here, there in self._lent.items()]
        variables = {"PATH": PATH, "HOME": HOME, "LANG": "C.UTF-8"} | BORINGSSL
        rights = ("--rootfs", f"--user={USER}", "--cap-drop=all", "--security-opt=no-new-privileges")
        options = [*rights, f"--workdir={CHECKOUT}", *mounts, *(f"--env={n}={v}" for n, v in variables.items())]
        self._engine.start(name, str(self._folder), *options, command=("sleep", "infinity"), network=network)

        def run(command: str, seconds: float) -> str:
            return self._engine.run("podman", "exec", name, "bash", "-euo", "pipefail", "-c", command, seconds=seconds)

        try:
            yield run
        finally:
            self._engine.remove(name)


def documented(checkout: Path) -> list[str]:
    """Returns the Debian packages that README names, besides Rust."""
    [packages] = re.findall(r"`sudo apt-get install ([^`]+)`", (checkout / "README.md").read_text())
    return str(packages).split()


def lent(engine: Engine, target: Path) -> dict[str, str]:
    """Returns the mounts of a root, by path on the host. `target`: a target folder with compiled BoringSSL."""
    libraries = target.glob("release/build/boring-sys-*/out/build/libssl.a")
    newest = max(libraries, key=lambda path: path.stat().st_mtime, default=None)
    assert newest, f"BoringSSL is not compiled in {target}: make setup"
    out = newest.parents[1]
    return machine.package_sources(engine) | {
        machine.sysroot(): "/opt/rust:ro",
        f"{machine.cargo_home()}/registry": f"{HOME}/.cargo/registry:ro",
        str(out / "build"): "/opt/boringssl/build:ro",
        str(out / "boringssl/include"): "/opt/boringssl/include:ro",
    }
