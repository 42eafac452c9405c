"""Replaces the base images of the Dockerfile by this machine's Debian, Python and Rust, without a registry.

The images test stages, paths, users, entry point, wheel and linking, but not the contents of the real base images.
"""

from pathlib import Path

from . import machine
from .engine import Engine

PYTHON = "localhost/sfu-stand-in/python:latest"
RUST = "localhost/sfu-stand-in/rust:latest"

# With these files cargo need not compile its crates again, including BoringSSL (four CPU minutes). Our own crates are
# omitted: cargo treats them as different because the build has them in another folder.
SEED = f"""\
FROM {RUST}
RUN --mount=type=cache,target=/src/target \\
    cd /seed/release && mkdir -p /src/target/release \\
    && find build .fingerprint deps -type f -not -path '*plane*' \\
        '(' -not -path 'deps/*' -o -name '*.rlib' -o -name '*.rmeta' -o -name '*.d' -o -name '*.so' ')' -print0 \\
    | tar --create --null --files-from=- | tar --extract --directory=/src/target/release
"""


def make(engine: Engine) -> None:
    """Makes both images unless they exist from an earlier run."""
    if not engine.has(PYTHON):
        archive = engine.state / "debian.tar"
        machine.make_debian(engine, archive, ("ca-certificates", "python3", "python3-venv"))
        engine.run("podman", "import", "--change", "CMD python3", archive, PYTHON, seconds=120)
        archive.unlink()
    if not engine.has(RUST):
        home = machine.cargo_home()
        toolchain = f"FROM {PYTHON}\nENV PATH=/opt/rust/bin:/usr/sbin:/usr/bin:/sbin:/bin CARGO_HOME={home}\n"
        _build(engine, toolchain, RUST)


def seed(engine: Engine, target: Path) -> None:
    """Fills the build's cache with our compiled crates, made by the same compiler for the same Debian."""
    mark = engine.state / "seeded"
    if not mark.exists() and (target / "release/deps").is_dir():
        _build(engine, SEED, "localhost/sfu-stand-in/seed:latest", f"--volume={target}:/seed:ro")
        mark.touch()


def build_options(engine: Engine) -> dict[str, str]:
    """Returns the variables for scripts/build-image."""
    # Mounted at the same path in the build, because cargo compiles a crate again if its source has another path.
    home = machine.cargo_home()
    mounts = {machine.sysroot(): "/opt/rust:ro", home: f"{home}:rw"} | machine.package_sources(engine)
    volumes = " ".join(f"--volume={here}:{there}" for here, there in mounts.items())
    found = {"PYTHON_IMAGE": PYTHON, "RUST_IMAGE": RUST, "BUILD_OPTIONS": f"--pull-never {volumes}"}
    return found | ({"PIP_CERT": certificates} if (certificates := machine.trusted()) else {})


def _build(engine: Engine, dockerfile: str, image: str, *options: str) -> None:
    context = engine.state / "context"
    context.mkdir(exist_ok=True)
    how = ("--format=docker", "--pull-never", f"--tag={image}", "--file=-", *options)
    engine.run("buildah", "bud", *how, context, given=dockerfile, seconds=180)
