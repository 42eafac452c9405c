"""Bare Debian roots: the packages that README names, an ordinary user, the installed Rust, and nothing else.

A root is a folder, kept for the next run. Two things are lent to it, read-only, because making them again would take
minutes and prove nothing: the sources of crates that cargo has fetched, and BoringSSL compiled. Its bindings are not:
bindgen reads BoringSSL's headers in each root anew, with the libclang that `make setup` found there.
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
"""Where boring-sys is told to find what is lent."""


class BareRoot:
    """One Debian, and a container that runs in it."""

    def __init__(self, engine: Engine, suite: str, lent: dict[str, str]) -> None:
        self.suite = suite
        self._engine = engine
        self._folder = engine.state / f"bare-{suite}"
        self._mark = engine.state / f"bare-{suite}.made"
        self._lent = lent

    @property
    def checkout(self) -> Path:
        """As seen from outside."""
        return self._folder / CHECKOUT.lstrip("/")

    def make(self, checkout: Path) -> None:
        """The root, unless it is there from an earlier run; in it what git tracks in `checkout`, and nothing built."""
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
        """Its one container, for the length of the block. Yields what runs a line of bash in the checkout, as the user,
        and returns what it prints, or raises EngineError.

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
    """The packages that README says a Debian needs, beside Rust."""
    [packages] = re.findall(r"`sudo apt-get install ([^`]+)`", (checkout / "README.md").read_text())
    return str(packages).split()


def lent(engine: Engine, target: Path) -> dict[str, str]:
    """Mounts of what a root is lent, here to there. `target`: a cargo's that has compiled BoringSSL."""
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
