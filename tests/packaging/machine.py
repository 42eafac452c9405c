"""Properties of this machine: its package sources, certificates and Rust. They come from its own tools and are used
only by builds in containers and roots, whose results do not contain them.
"""

import os
import re
import ssl
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from .engine import Engine

# The settings of pip about package sources.
INDEX = ("index-url", "extra-index-url", "find-links", "trusted-host", "proxy", "timeout", "default-timeout")
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
LEFT_OUT = ("man", "doc", "locale")
"""Folders of /usr/share that no test reads."""


def make_debian(engine: Engine, target: Path, packages: Sequence[str], suite: str = "", *options: str) -> None:
    """Makes a minimal Debian with these packages as a folder, or as an archive if `target` ends in .tar. `suite`: its
    code name; default: this machine's."""
    suite = suite or _suite()
    without = (f"--dpkgopt=path-exclude=/usr/share/{part}/*" for part in LEFT_OUT)
    how = ("--quiet", "--mode=root", "--variant=minbase", f"--include={','.join(packages)}", *without)
    sources = "\n".join(_sources(suite)) + "\n"
    engine.run("mmdebstrap", *how, *_apt_options(), *options, suite, target, "-", seconds=300, given=sources)


def package_sources(engine: Engine) -> dict[str, str]:
    """Returns mounts, by path on the host, with which pip uses the same package sources in a container."""
    mounts: dict[str, str] = {}
    if certificates := trusted():
        mounts[certificates] = f"{CERTIFICATES}:ro"
    settings = _pip_settings()
    (engine.state / "pip.conf").write_text("[global]\n" + "".join(f"{name} = {value}\n" for name, value in settings))
    mounts[str(engine.state / "pip.conf")] = "/etc/pip.conf:ro"
    mounts.update((value, f"{value}:ro") for name, value in settings if name == "find-links" and Path(value).is_dir())
    return mounts


def trusted() -> str:
    """Returns the file of the certificates that this machine trusts, if there is one."""
    found = os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().cafile
    return found if found and Path(found).is_file() else ""


def sysroot() -> str:
    """Returns the folder of the Rust toolchain."""
    return subprocess.run(["rustc", "--print", "sysroot"], capture_output=True, text=True, check=True).stdout.strip()


def cargo_home() -> str:
    return os.environ.get("CARGO_HOME") or str(Path.home() / ".cargo")


def _suite() -> str:
    found = re.search(r"^VERSION_CODENAME=(\w+)$", Path("/etc/os-release").read_text(), re.MULTILINE)
    assert found, "a Debian without a code name"
    return found[1]


def _sources(suite: str) -> list[str]:
    """Returns this machine's package sources as lines of sources.list, with another suite."""
    line = "deb $(REPO_URI) $(RELEASE) $(COMPONENT)"
    command = ["apt-get", "indextargets", "--format", line, "Created-By: Packages", "Origin: Debian"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    if not lines:
        subprocess.run(["apt-get", "update", "-qq"], check=True, timeout=120)
        lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return [re.sub(rf" {_suite()}(?=[- ])", f" {suite}", line) for line in dict.fromkeys(lines)]


def _apt_options() -> list[str]:
    """Returns the proxy options of apt."""
    dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True).stdout
    found = re.findall(r"^(Acquire::https?::Proxy.*;)$", dump, re.MULTILINE)
    return [f"--aptopt={line}" for line in found]


def _pip_settings() -> list[tuple[str, str]]:
    """Returns the settings from files and variables, each name once; variables have priority."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.findall(r"^(?:global|install|:env:)\.([\w-]+)='(.*)'$", lines, re.MULTILINE)
    return [(name, value) for name, value in dict(reversed(found)).items() if name in INDEX]
