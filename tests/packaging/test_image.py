"""The image, built from the Dockerfile and run with the rights and settings that the chart gives it.

There is no registry in this: the base images are stand-ins (`stand_ins.py`). Where no container can run, it is skipped.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from . import stand_ins
from .engine import Engine
from .manifests import KEYS, Render, container, environment

IMAGE = "localhost/sfu:tested"
NAME = "sfu-tested"
VALUES = {**KEYS, "drain": {"limit": 3, "margin": 30}}
BUILD = 900.0
"""Seconds. It takes one minute with the crates compiled before, five without."""
START = 30.0


@pytest.fixture(scope="module")
def built(containers: Engine, root: Path) -> Engine:
    stand_ins.make(containers)
    stand_ins.seed(containers, root / "target")
    options = stand_ins.build_options(containers)
    containers.run(root / "scripts/build-image", IMAGE, seconds=BUILD, folder=root, **options)
    return containers


@pytest.fixture
def manifests(render: Render) -> dict[str, dict[str, Any]]:
    return render(VALUES)


@pytest.fixture
def running(built: Engine, manifests: dict[str, dict[str, Any]]) -> Iterator[Engine]:
    """A container as the kubelet would start it, in a network of its own that leads nowhere."""
    settings = [f"--env={name}={value}" for name, value in environment(manifests).items()]
    built.start(NAME, IMAGE, *settings, *rights(manifests))
    yield built
    built.remove(NAME)


def rights(manifests: dict[str, dict[str, Any]]) -> list[str]:
    """podman's words for the chart's security contexts."""
    pod = manifests["Deployment"]["spec"]["template"]["spec"]["securityContext"]
    own = container(manifests)["securityContext"]
    found = [f"--user={pod['runAsUser']}:{pod['runAsGroup']}"]
    found += [f"--cap-drop={name}" for name in own["capabilities"]["drop"]]
    if own["readOnlyRootFilesystem"]:
        found += ["--read-only", "--read-only-tmpfs=false"]
    if not own["allowPrivilegeEscalation"]:
        found += ["--security-opt=no-new-privileges"]
    # An emptyDir is writable by the pod's fsGroup.
    found += [f"--tmpfs={one['mountPath']}:mode=1777" for one in container(manifests)["volumeMounts"]]
    return found


def test_it_runs_with_no_rights_drains_by_the_charts_hook_and_ends_with_0(
    running: Engine, manifests: dict[str, dict[str, Any]]
) -> None:
    pod = container(manifests)
    hook = pod["lifecycle"]["preStop"]["exec"]["command"]
    script = Path(__file__).with_name("inside.py").read_text()
    path = pod["readinessProbe"]["httpGet"]["path"]

    said = running.run("podman", "exec", "--interactive", NAME, "python", "-", path, *hook, given=script)
    assert json.loads(said) == {
        "rights": {
            "Uid": "10001",
            "Gid": "10001",
            "CapEff": "0" * 16,
            "CapBnd": "0" * 16,
            "NoNewPrivs": "1",
            "Seccomp": "2",
        },
        "writable": [],
        "ready": 200,
        "heard": ["joined", "draining"],
        "ready while draining": 503,
        "live while draining": 200,
        "WHIP while draining": 503,
        "the hook waits": True,
    }
    # The participant that was cut off keeps its place until the limit of the drain.
    assert running.ended(NAME) == 0, running.run("podman", "logs", NAME)


def test_its_own_health_check_agrees_and_sigterm_ends_it_with_0(running: Engine) -> None:
    [image] = json.loads(running.run("podman", "image", "inspect", IMAGE))
    how, *command = image["Healthcheck"]["Test"]
    assert how == "CMD"
    running.until(START, "podman", "exec", NAME, *command)
    running.run("podman", "kill", "--signal", image["Config"]["StopSignal"], NAME)
    assert running.ended(NAME) == 0, running.run("podman", "logs", NAME)


def test_it_holds_the_service_and_none_of_what_built_it(built: Engine) -> None:
    tools = "command -v cargo rustc cc cmake maturin pip || true"
    files = "ls -d /src /wheel /build /constraints.txt /run/ca.crt /etc/pip.conf 2>/dev/null || true"
    sources = "find /opt/sfu -name '*.rs' -o -name Cargo.toml"
    built.start(NAME, IMAGE, "--entrypoint=sh", command=("-c", f"{tools}; {files}; {sources}"))
    try:
        assert built.ended(NAME) == 0
        assert built.run("podman", "logs", NAME) == ""
    finally:
        built.remove(NAME)
