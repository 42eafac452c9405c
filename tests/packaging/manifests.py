"""The rendered chart, as tests of the chart and the image read it."""

from collections.abc import Callable
from typing import Any

SECRET = "key: " + "s" * 32
KEYS = {"keys": {"value": SECRET}}

Render = Callable[..., dict[str, dict[str, Any]]]
"""Renders values to manifests by kind."""


def container(manifests: dict[str, dict[str, Any]]) -> dict[str, Any]:
    [found] = manifests["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert isinstance(found, dict)
    return found


def environment(manifests: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Returns the environment of the container, as a node would set it."""
    found: dict[str, str] = {}
    for variable in container(manifests)["env"]:
        source = variable.get("valueFrom", {})
        if "secretKeyRef" in source:
            found[variable["name"]] = SECRET if variable["name"] == "SFU_KEYS" else "t" * 32
        elif "fieldRef" in source:
            found[variable["name"]] = "192.0.2.7"
        else:
            found[variable["name"]] = variable["value"]
    return found
