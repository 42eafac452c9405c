"""Stand-ins for the base images of the Dockerfile, made of this machine's Debian, Python and Rust, with no registry.

They prove stages, paths, users, entry point, wheel and linking; not what is in the real base images. What is special
about this machine (mirror, package index, certificates) is asked of its own tools, and given to the build alone.
"""

import os
import re
import ssl
import subprocess
import sys
from pathlib import Path

from .engine import Engine

PYTHON = "localhost/sfu-stand-in/python:latest"
RUST = "localhost/sfu-stand-in/rust:latest"

# Of pip's settings, those that say where packages come from.
INDEX = ("index-url", "extra-index-url", "find-links", "trusted-host", "proxy", "timeout", "default-timeout")
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"

# A cargo that finds these finds its crates compiled, BoringSSL among them (four CPU minutes). Our own crates are left
# out: in the build they are in another folder, and so others to cargo.
SEED = f"""\
FROM {RUST}
RUN --mount=type=cache,target=/src/target \\
    cd /seed/release && mkdir -p /src/target/release \\
    && find build .fingerprint deps -type f -not -path '*plane*' \\
        '(' -not -path 'deps/*' -o -name '*.rlib' -o -name '*.rmeta' -o -name '*.d' -o -name '*.so' ')' -print0 \\
    | tar --create --null --files-from=- | tar --extract --directory=/src/target/release
"""


def make(engine: Engine) -> None:
    """Both images, unless they are there from an earlier run."""
    if not engine.has(PYTHON):
        archive = engine.state / "debian.tar"
        leave_out = (f"--dpkgopt=path-exclude=/usr/share/{part}/*" for part in ("man", "doc", "locale"))
        include = "--include=ca-certificates,python3,python3-venv"
        suite, sources = _debian()
        options = ["--quiet", "--mode=root", "--variant=minbase", include, *leave_out, *_apt_options()]
        engine.run("mmdebstrap", *options, suite, archive, "-", seconds=300, given="\n".join(sources) + "\n")
        engine.run("podman", "import", "--change", "CMD python3", archive, PYTHON, seconds=120)
        archive.unlink()
    if not engine.has(RUST):
        toolchain = f"FROM {PYTHON}\nENV PATH=/opt/rust/bin:/usr/sbin:/usr/bin:/sbin:/bin CARGO_HOME={_cargo_home()}\n"
        _build(engine, toolchain, RUST)


def seed(engine: Engine, target: Path) -> None:
    """The build's cache of compiled crates begins with ours, made by the same compiler for the same Debian."""
    mark = engine.state / "seeded"
    if not mark.exists() and (target / "release/deps").is_dir():
        _build(engine, SEED, "localhost/sfu-stand-in/seed:latest", f"--volume={target}:/seed:ro")
        mark.touch()


def build_options(engine: Engine) -> dict[str, str]:
    """The variables for scripts/build-image."""
    mounts = {_sysroot(): "/opt/rust:ro", _cargo_home(): f"{_cargo_home()}:rw"}
    trusted = os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().cafile
    found = {"PYTHON_IMAGE": PYTHON, "RUST_IMAGE": RUST}
    if trusted and Path(trusted).is_file():
        mounts[trusted] = f"{CERTIFICATES}:ro"
        found["PIP_CERT"] = trusted
    settings = _pip_settings()
    (engine.state / "pip.conf").write_text("[global]\n" + "".join(f"{name} = {value}\n" for name, value in settings))
    mounts[str(engine.state / "pip.conf")] = "/etc/pip.conf:ro"
    mounts.update((value, f"{value}:ro") for name, value in settings if name == "find-links" and Path(value).is_dir())
    volumes = " ".join(f"--volume={here}:{there}" for here, there in mounts.items())
    return found | {"BUILD_OPTIONS": f"--pull-never {volumes}"}


def _build(engine: Engine, dockerfile: str, image: str, *options: str) -> None:
    context = engine.state / "context"
    context.mkdir(exist_ok=True)
    how = ("--format=docker", "--pull-never", f"--tag={image}", "--file=-", *options)
    engine.run("buildah", "bud", *how, context, given=dockerfile, seconds=180)


def _debian() -> tuple[str, list[str]]:
    """The suite of this machine, and where its packages come from, as lines of sources.list."""
    suite = re.search(r"^VERSION_CODENAME=(\w+)$", Path("/etc/os-release").read_text(), re.MULTILINE)
    assert suite, "a Debian without a code name"
    line = "deb $(REPO_URI) $(RELEASE) $(COMPONENT)"
    command = ["apt-get", "indextargets", "--format", line, "Created-By: Packages", "Origin: Debian"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    if not lines:
        subprocess.run(["apt-get", "update", "-qq"], check=True, timeout=120)
        lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return suite[1], list(dict.fromkeys(lines))


def _apt_options() -> list[str]:
    """A proxy that apt is told of."""
    dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True).stdout
    found = re.findall(r"^(Acquire::https?::Proxy.*;)$", dump, re.MULTILINE)
    return [f"--aptopt={line}" for line in found]


def _pip_settings() -> list[tuple[str, str]]:
    """Of this machine's files and variables alike, each name once, variables first."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.findall(r"^(?:global|install|:env:)\.([\w-]+)='(.*)'$", lines, re.MULTILINE)
    return [(name, value) for name, value in dict(reversed(found)).items() if name in INDEX]


def _sysroot() -> str:
    return subprocess.run(["rustc", "--print", "sysroot"], capture_output=True, text=True, check=True).stdout.strip()


def _cargo_home() -> str:
    """At the same path in the build: cargo takes a crate for another one where its source is elsewhere."""
    return os.environ.get("CARGO_HOME") or str(Path.home() / ".cargo")
