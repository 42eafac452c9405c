"""The chart, rendered by Helm's own engine: valid by Kubernetes' schemas and by the service's own settings."""

from pathlib import Path
from types import ModuleType
from typing import Any

import kubernetes_validate
import pytest
import yaml

from api.settings import Mode, SettingsError, read

from .manifests import KEYS, SECRET, Render, container, environment

VERSIONS = ("1.25", "1.31", "1.37")
"""Of Kubernetes: the oldest that Chart.yaml lets in, one between, the newest there is a schema for."""

EVERYTHING: dict[str, Any] = {
    "image": {"repository": "registry.example.com/sfu", "digest": "sha256:" + "0" * 64, "pullPolicy": "Always"},
    "imagePullSecrets": [{"name": "registry"}],
    "fullnameOverride": "media",
    "keys": {"existingSecret": "our-keys", "existingSecretKey": "SFU_KEYS"},
    "media": {
        "port": 30000,
        "tcpPort": 443,
        "workers": 3,
        "announcedAddresses": ["192.0.2.1", "2001:db8::1"],
        "hosts": ["0.0.0.0", "::"],
    },
    "http": {"port": 8443, "internalPort": 9000},
    "tls": {"existingSecret": "certificate"},
    "turn": {"urls": ["turn:a?transport=udp", "turns:a:443"], "existingSecret": "turn", "existingSecretKey": "shared"},
    "service": {"type": "LoadBalancer", "port": 443, "annotations": {"example.com/pool": "a"}},
    "drain": {"limit": 3600, "margin": 60},
    "settings": {"SFU_LOG_LEVEL": "warning", "SFU_MAX_ROOMS": 1_000_000, "SFU_CREATE_ON_DEMAND": False},
    "extraEnv": [
        {"name": "TZ", "value": "UTC"},
        {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
    ],
    "resources": {"limits": {"cpu": 2, "memory": "2Gi"}},
    "serviceAccount": {"create": False, "name": "ours"},
    "podAnnotations": {"example.com/why": "because"},
    "podLabels": {"tier": "media"},
    "priorityClassName": "high",
    "nodeSelector": {"pool": "media"},
    "tolerations": [{"key": "media", "operator": "Exists", "effect": "NoSchedule"}],
    "affinity": {"podAntiAffinity": {}},
}
# Empty values of a values file arrive as null.
NULLS: dict[str, Any] = {
    **KEYS,
    **dict.fromkeys(("imagePullSecrets", "settings", "extraEnv", "resources", "podAnnotations", "podLabels")),
    **dict.fromkeys(("nodeSelector", "tolerations", "affinity")),
    "service": {"annotations": None},
    "serviceAccount": {"annotations": None},
}
CLAIMED = {**KEYS, "state": {"existingClaim": "our-state"}}
MATRIX = {
    "a claim for the events": CLAIMED,
    "keys in the values": KEYS,
    "keys elsewhere": {"keys": {"existingSecret": "our-keys"}},
    "two workers": {**KEYS, "media": {"workers": 2}},
    "everything": EVERYTHING,
    "nulls": NULLS,
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("values", MATRIX.values(), ids=MATRIX.keys())
def test_every_manifest_is_valid_to_the_letter(render: Render, values: dict[str, Any], version: str) -> None:
    manifests = render(values)
    assert {"Deployment", "Service"} <= manifests.keys()
    for manifest in manifests.values():
        kubernetes_validate.validate(manifest, version, strict=True)


def test_the_check_itself_sees_a_misspelt_key(render: Render) -> None:
    manifest = render(KEYS)["Deployment"]
    manifest["spec"]["template"]["spec"]["enableServiceLink"] = False
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(manifest, VERSIONS[-1], strict=True)


@pytest.mark.parametrize("values", MATRIX.values(), ids=MATRIX.keys())
def test_the_service_takes_the_environment_it_is_given(
    render: Render, values: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = environment(render(values))
    # The files of a certificate are mounted only in a pod.
    certificate = [given.pop(name, None) for name in ("SFU_TLS_CERT", "SFU_TLS_KEY")]
    assert all(certificate) == ("tls" in values)

    settings, _ = read(given, {}, Mode())

    media = values.get("media") or {}
    assert settings.workers == media.get("workers", 1)
    assert settings.announced_addresses == tuple(media.get("announcedAddresses", ["192.0.2.7"]))
    assert settings.internal_port and settings.internal_host == settings.host
    assert settings.turn_urls == tuple(values.get("turn", {}).get("urls", ()))
    assert settings.max_rooms == (1_000_000 if values is EVERYTHING else settings.max_rooms)


@pytest.mark.parametrize(
    ("values", "volume"),
    [
        (KEYS, {"emptyDir": {"sizeLimit": "256Mi"}}),
        (CLAIMED, {"persistentVolumeClaim": {"claimName": "our-state"}}),
    ],
)
def test_the_events_are_kept_in_a_volume(render: Render, values: dict[str, Any], volume: dict[str, Any]) -> None:
    manifests = render(values)
    (state,) = [v for v in manifests["Deployment"]["spec"]["template"]["spec"]["volumes"] if v["name"] == "state"]
    assert state == {"name": "state", **volume}
    (mount,) = [one for one in container(manifests)["volumeMounts"] if one["name"] == "state"]
    assert environment(manifests)["SFU_STATE_DIR"] == mount["mountPath"] and not mount.get("readOnly")


def test_a_service_of_the_same_name_does_not_become_settings(render: Render) -> None:
    """The service refuses to start with variables that Kubernetes injects."""
    manifests = render(KEYS)
    assert manifests["Service"]["metadata"]["name"] == "sfu"
    assert manifests["Deployment"]["spec"]["template"]["spec"]["enableServiceLinks"] is False
    with pytest.raises(SettingsError, match="enableServiceLinks"):
        read({"SFU_KEYS": SECRET, "SFU_SERVICE_HOST": "10.0.0.1"}, {}, Mode())


def test_the_media_ports_are_on_the_node_and_nothing_else_is_on_it(render: Render) -> None:
    ports = container(render(EVERYTHING))["ports"]
    on_node = [(port["hostPort"], port["containerPort"], port["protocol"]) for port in ports if "hostPort" in port]
    udp = [(number, number, "UDP") for number in (30000, 30001, 30002)]
    assert on_node == [*udp, (443, 443, "TCP")]


def test_without_a_tcp_port_none_is_opened(render: Render) -> None:
    manifests = render({**KEYS, "media": {"tcpPort": 0}})
    assert [port["name"] for port in container(manifests)["ports"]] == ["http", "internal", "media-0"]
    assert environment(manifests)["SFU_TCP_PORT"] == "off"


def test_a_new_pod_waits_for_the_ports_of_the_old_one(render: Render) -> None:
    spec = render(KEYS)["Deployment"]["spec"]
    assert spec["replicas"] == 1
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}


@pytest.mark.parametrize("values", [KEYS, EVERYTHING])
def test_the_pod_is_killed_only_after_a_drain_can_have_ended(render: Render, values: dict[str, Any]) -> None:
    manifests = render(values)
    assert container(manifests)["lifecycle"]["preStop"]["exec"]["command"] == ["sfu", "drain", "--wait"]
    [limit] = [one["value"] for one in container(manifests)["env"] if one["name"] == "SFU_DRAIN_LIMIT"]
    grace = manifests["Deployment"]["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert grace >= int(limit) + 30


def test_probes_ask_the_internal_port_which_no_service_has(render: Render) -> None:
    manifests = render(EVERYTHING)
    found = container(manifests)
    asked = {name: found[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert {probe["port"] for probe in asked.values()} == {"internal"}
    assert asked["livenessProbe"]["path"] == "/live" and asked["readinessProbe"]["path"] == "/ready"
    assert [port["targetPort"] for port in manifests["Service"]["spec"]["ports"]] == ["http"]


@pytest.mark.parametrize("values", MATRIX.values(), ids=MATRIX.keys())
def test_the_pod_has_no_rights(render: Render, values: dict[str, Any]) -> None:
    manifests = render(values)
    pod = manifests["Deployment"]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True and pod["securityContext"]["runAsUser"] == 10001
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert container(manifests)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_the_keys_are_in_a_secret_and_nowhere_else(render: Render) -> None:
    manifests = render(KEYS)
    secret = manifests.pop("Secret")
    assert secret["stringData"] == {"keys": SECRET}
    assert SECRET not in yaml.safe_dump(manifests)
    [keys] = [one for one in container(manifests)["env"] if one["name"] == "SFU_KEYS"]
    assert keys["valueFrom"]["secretKeyRef"] == {"name": secret["metadata"]["name"], "key": "keys"}
    assert "Secret" not in render({"keys": {"existingSecret": "our-keys"}})


REFUSED = {
    "no keys": ({}, "keys are missing: set keys.existingSecret"),
    "keys twice": ({"keys": {"existingSecret": "ours", "value": SECRET}}, "are both set: give one of them"),
    "a typing error": ({**KEYS, "media": {"prot": 7000}}, "additional properties 'prot' not allowed"),
    "a typing error at the top": ({**KEYS, "replicas": 2}, "additional properties 'replicas' not allowed"),
    "a wrong type": ({**KEYS, "media": {"port": "7882"}}, "got string, want integer"),
    "a name for an address": ({**KEYS, "media": {"announcedAddresses": ["sfu.example.com"]}}, "not valid ipv4"),
    "a TURN server without its secret": ({**KEYS, "turn": {"urls": ["turn:a"]}}, "go together"),
    "a secret without its TURN server": ({**KEYS, "turn": {"existingSecret": "turn"}}, "go together"),
    "a setting the chart makes": ({**KEYS, "settings": {"SFU_PORT": 1}}, "the chart sets this one itself"),
    "too many ports": ({**KEYS, "media": {"port": 65535, "workers": 2}}, "the last would be above 65535"),
    "one port for two": ({**KEYS, "http": {"port": 7881}}, "the internal listener needs its own port"),
}


@pytest.mark.parametrize(("values", "sentence"), REFUSED.values(), ids=REFUSED.keys())
def test_values_that_cannot_work_are_refused_with_a_reason(
    render: Render, helm: ModuleType, values: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(helm.HelmError) as refusal:
        render(values)
    assert sentence in str(refusal.value)


def test_names_follow_the_release(render: Render) -> None:
    assert render(KEYS, name="eu")["Deployment"]["metadata"]["name"] == "eu-sfu"
    assert render(EVERYTHING, name="eu")["Deployment"]["metadata"]["name"] == "media"


def test_helm_has_nothing_to_say_against_it(root: Path, helm: ModuleType) -> None:
    report = helm.lint(root / "charts/sfu", KEYS, strict=True)
    assert report["errors"] == []
    assert [message for message in report["messages"] if message["severity"] > 1] == []
