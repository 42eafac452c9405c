"""Replaces `kubectl` and `helm` without a cluster: reads, renders and validates their arguments, which must be
consistent."""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

VERSION = "1.37"
"""The newest version of Kubernetes with a schema."""


def kubectl(arguments: list[str], secrets: Path) -> None:
    """`create secret generic`: stores the secret for the chart that is installed later."""
    parser = argparse.ArgumentParser(prog="kubectl", allow_abbrev=False)
    parser.add_argument("words", nargs="+")
    parser.add_argument("--from-literal", action="append", default=[])
    given = parser.parse_args(arguments)
    if given.words[:3] != ["create", "secret", "generic"] or len(given.words) != 4 or not given.from_literal:
        parser.error(f"the check knows only `create secret generic NAME --from-literal=…`, not {given.words}")
    kept = json.loads(secrets.read_text()) if secrets.exists() else {}
    kept[given.words[3]] = dict(literal.split("=", 1) for literal in given.from_literal)
    secrets.write_text(json.dumps(kept))
    print(f"secret/{given.words[3]} created")


def helm(arguments: list[str], secrets: Path) -> None:
    """`install`: Helm's engine renders the chart, and the service must accept the resulting settings."""
    import helm_python
    import kubernetes_validate
    import yaml

    parser = argparse.ArgumentParser(prog="helm", allow_abbrev=False)
    parser.add_argument("command", choices=["install"])
    parser.add_argument("name")
    parser.add_argument("chart", type=Path)
    parser.add_argument("--set", action="append", default=[], metavar="VALUE")
    given = parser.parse_args(arguments)
    # Values are set one after another, as by Helm's --set.
    values = helm_python.parse_set_string(",".join(given.set))
    with helm_python.Chart.load(given.chart.resolve()) as chart:
        chart.validate_schema(values)
        files = chart.render(values, name=given.name, namespace="default")
    manifests = [yaml.safe_load(text) for path, text in files.items() if path.endswith(".yaml") and text.strip()]
    for manifest in filter(None, manifests):
        kubernetes_validate.validate(manifest, VERSION, strict=True)
    [deployment] = [manifest for manifest in manifests if manifest and manifest["kind"] == "Deployment"]
    kept = json.loads(secrets.read_text()) if secrets.exists() else {}
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    _read_settings(container, kept)
    print(f"{given.name} would run {container['image']}")


def _read_settings(container: dict[str, Any], secrets: dict[str, dict[str, str]]) -> None:
    from api.settings import Mode, read

    environment: dict[str, str] = {}
    for variable in container["env"]:
        source = variable.get("valueFrom", {})
        if "secretKeyRef" in source:
            name, key = source["secretKeyRef"]["name"], source["secretKeyRef"]["key"]
            if key not in secrets.get(name, {}):
                raise SystemExit(f"helm: the chart reads {key!r} of the secret {name!r}, which nobody has created")
            environment[variable["name"]] = secrets[name][key]
        else:
            environment[variable["name"]] = variable.get("value", "192.0.2.7")
    read(environment, {}, Mode())


if __name__ == "__main__":
    {"kubectl": kubectl, "helm": helm}[sys.argv[1]](sys.argv[2:], Path(os.environ["DOCUMENTS_STATE"]) / "secrets.json")
