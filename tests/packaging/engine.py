"""A container engine without a registry: its storage and runtime are under .platform. Also checks whether it can
work."""

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

TOOLS = ("buildah", "podman", "runc", "mmdebstrap", "catatonit")

STORAGE = """\
[storage]
driver = "overlay"
runroot = "{state}/run"
graphroot = "{state}/graph"
"""
# crun, podman's first choice, refuses hosts that mix both generations of cgroups; limits above the host's are refused.
CONTAINERS = """\
[containers]
default_ulimits = ["nofile=20000:20000", "nproc=4000:4000"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
static_dir = "{state}/libpod"
tmp_dir = "{state}/run/libpod"
"""


class Engine:
    """buildah and podman with the folder `state`, which git ignores. The machine's own engine is not touched."""

    def __init__(self, state: Path) -> None:
        self.state = state
        temporary = state / "tmp"
        temporary.mkdir(parents=True, exist_ok=True)
        files = {
            "storage.conf": STORAGE.format(state=state),
            "containers.conf": CONTAINERS.format(state=state),
            "auth.json": "{}",
        }
        for name, text in files.items():
            (state / name).write_text(text)
        self.environment = os.environ | {
            "CONTAINERS_STORAGE_CONF": str(state / "storage.conf"),
            "CONTAINERS_CONF": str(state / "containers.conf"),
            "REGISTRY_AUTH_FILE": str(state / "auth.json"),
            "TMPDIR": str(temporary),
            # A RUN gets no new namespaces, because other containers refuse them.
            "BUILDAH_ISOLATION": "chroot",
        }

    def run(
        self,
        *command: str | Path,
        seconds: float = 60,
        given: str = "",
        folder: Path | None = None,
        **environment: str,
    ) -> str:
        """Returns the output of the command. Raises EngineError with its last lines if it fails or takes too long."""
        line = [str(word) for word in command]
        try:
            seen = subprocess.run(
                line,
                cwd=folder,
                env=self.environment | environment,
                input=given,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=seconds,
            )
        except subprocess.TimeoutExpired as slow:
            said = slow.output.decode(errors="replace") if isinstance(slow.output, bytes) else slow.output or ""
            raise EngineError(line, f"not done after {seconds:g} s", said) from None
        if seen.returncode:
            raise EngineError(line, f"exit code {seen.returncode}", seen.stdout)
        return seen.stdout

    def has(self, image: str) -> bool:
        return any(
            image in (entry.get("Names") or ()) for entry in json.loads(self.run("podman", "images", "--format=json"))
        )

    def start(self, name: str, image: str, *options: str, command: Sequence[str] = (), network: str = "none") -> None:
        """Starts a container in the background, by default in an isolated network."""
        self.run(
            "podman",
            "run",
            "--detach",
            # A container of this name exists if an earlier run was killed.
            "--replace",
            f"--name={name}",
            f"--network={network}",
            "--no-healthcheck",
            *options,
            image,
            *command,
        )

    def ended(self, name: str, seconds: float = 30) -> int:
        """Returns the exit code after the end. `podman wait` also waits for its monitor, which not every init reaps."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            [seen] = json.loads(self.run("podman", "container", "inspect", name))
            if not seen["State"]["Running"]:
                return int(seen["State"]["ExitCode"])
            time.sleep(0.1)
        raise EngineError(["podman", "run", name], f"runs after {seconds:g} s", self.run("podman", "logs", name))

    def until(self, seconds: float, *command: str) -> None:
        """Repeats the command until it succeeds."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                self.run(*command)
                return
            except EngineError:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(0.2)

    def remove(self, name: str) -> None:
        self.run("podman", "rm", "--force", "--ignore", "--time=0", name)

    def close(self) -> None:
        """Removes all containers and mounts. Images stay, so the next run builds only changes."""
        self.run("podman", "rm", "--all", "--force", "--time=0")
        self.run("buildah", "rm", "--all")
        self.run("podman", "image", "prune", "--force", "--filter=until=24h")
        with open("/proc/self/mounts") as mounts:
            below = [point for point in (line.split()[1] for line in mounts) if point.startswith(f"{self.state}/")]
        for point in reversed(below):
            self.run("umount", point)


class EngineError(Exception):
    """A command of the engine failed. The text has the end of its output."""

    def __init__(self, command: list[str], why: str, said: str) -> None:
        super().__init__(f"{' '.join(command[:4])} …: {why}\n" + "\n".join(said.splitlines()[-60:]))


def obstacle(state: Path) -> str | None:
    """Returns why no container can run on this machine, whatever is installed. None: containers can run.

    Tries the kernel features of a container without an engine: an overlay mount, and namespaces.
    """
    if os.geteuid() != 0:
        return "making the stand-ins of the base images takes root"
    release = Path("/etc/os-release")
    if not release.exists() or "\nID=debian\n" not in release.read_text():
        return "the stand-ins of the base images are made of Debian's packages"
    state.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=state) as folder:
        parts = {name: f"{folder}/{name}" for name in ("lower", "upper", "work", "merged")}
        for part in parts.values():
            Path(part).mkdir()
        mount = "mount -t overlay overlay -o lowerdir={lower},upperdir={upper},workdir={work} {merged}".format(**parts)
        alone = ("unshare", "--mount", "--uts", "--ipc", "--net", "--pid", "--fork")
        seen = subprocess.run([*alone, "sh", "-c", mount], capture_output=True, text=True, timeout=20)
    if seen.returncode:
        return f"this machine allows no overlay mounts or no namespaces: {seen.stderr.strip()}"
    return None


def missing() -> list[str]:
    return [tool for tool in TOOLS if shutil.which(tool) is None]
