"""The number of processor cores that this process may use: affinity, and the quota of its control group (cgroup v2 and
v1)."""

import os
from pathlib import Path


def usable(system: Path = Path("/")) -> int:
    """Returns the number of usable cores, at least 1. `system` is the folder of `proc` and `sys`."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, int(quota(system))))


def quota(system: Path) -> float:
    """Returns the cores' worth of time that the tightest control group allows. Infinite: there is no quota."""
    tightest = float(1 << 20)
    for line in _text(system / "proc/self/cgroup").splitlines():
        _, controllers, group = line.split(":", 2)
        if not controllers:
            root, read = system / "sys/fs/cgroup", _quota_v2
        elif "cpu" in controllers.split(","):
            root, read = system / "sys/fs/cgroup/cpu", _quota_v1
        else:
            continue
        # A parent's limit holds for its children. In a container the root is the group itself.
        here = root / group.lstrip("/")
        for folder in (here, *here.parents):
            tightest = min(tightest, read(folder))
            if folder == root:
                break
    return tightest


def workers(cores: int) -> int:
    """Returns the number of packet threads for this number of cores: one core is left for Python if there are more than
    two."""
    return cores - 1 if cores > 2 else cores


def _quota_v2(folder: Path) -> float:
    allowed, _, period = _text(folder / "cpu.max").strip().partition(" ")
    return int(allowed) / int(period) if allowed.isdigit() and period.isdigit() else float("inf")


def _quota_v1(folder: Path) -> float:
    allowed = _text(folder / "cpu.cfs_quota_us").strip()
    period = _text(folder / "cpu.cfs_period_us").strip()
    return int(allowed) / int(period) if allowed.isdigit() and period.isdigit() else float("inf")


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
