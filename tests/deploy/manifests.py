"""What stands in files of a deployment. In: their paths. Out: documents, and what holds for every pod and every image."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml
from pydantic import SecretStr

from pg_guard.entry.http.routes import ENDPOINTS
from pg_guard.settings import Settings
from pg_guard.settings.sources import model_at

__all__ = [
    "ROOT",
    "check_deployment",
    "check_image",
    "check_together",
    "documents",
    "settings_of",
    "variable_is_known",
]

ROOT = Path(__file__).resolve().parents[2]
SPARE_SECONDS = 10
"""What closing pools and the audit log may take after requests have drained."""


def documents(*paths: Path) -> list[dict[str, Any]]:
    """Every document of YAML files."""
    return [each for path in paths for each in yaml.safe_load_all(path.read_text(encoding="utf-8")) if each]


def variable_is_known(name: str) -> bool:
    """Whether a variable names a setting, a file of a secret setting, or something that commands and the image read."""
    if not name.startswith("PG_GUARD_"):
        return re.fullmatch(r"OTEL_[A-Z_]+", name) is not None
    if name in ("PG_GUARD_CONFIG", "PG_GUARD_ENV_FILE", "PG_GUARD_WAIT_TIMEOUT", "PG_GUARD_DSN", "PG_GUARD_DSN_FILE"):
        return True
    path = tuple(name.removeprefix("PG_GUARD_").lower().split("__"))
    model = model_at(Settings, path[:-1])
    if model is None:
        return False
    if path[-1] in model.model_fields:
        return True
    known = model.model_fields.get(path[-1].removesuffix("_file"))
    return path[-1].endswith("_file") and known is not None and "SecretStr" in repr(known.annotation)


def settings_of(data: dict[str, Any], **secrets: str) -> Settings:
    """Settings as the model reads them; a secret in a file that others read is an error.

    Args:
        data: What the settings file says.
        secrets: Nothing but what variables would give.
    """
    settings = Settings.model_validate({**data, **secrets})
    assert_no_secret(settings.model_dump())
    return settings


def assert_no_secret(value: Any) -> None:
    """Fail when a secret has a value."""
    assert not isinstance(value, SecretStr)
    for each in value.values() if isinstance(value, dict) else ():
        assert_no_secret(each)


def check_image(name: str) -> None:
    """An image is pinned: to a version, never to what is newest."""
    match = re.fullmatch(
        r"[\w./:-]+:(v?\d+(?:\.\d+)+[\w.-]*)(@sha256:[0-9a-f]{64})?|[\w./:-]+@sha256:[0-9a-f]{64}", name
    )
    assert match, name


def by_kind(resources: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Resources by kind, one of each."""
    kinds = [each["kind"] for each in resources]
    assert len(set(kinds)) == len(kinds)
    return {each["kind"]: each for each in resources}


def check_deployment(deployment: dict[str, Any], config: dict[str, Any]) -> None:
    """What every form of the Deployment keeps to.

    Args:
        deployment: The resource.
        config: The ConfigMap of the settings.
    """
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    check_image(container["image"])
    check_security(pod, container)
    settings = settings_of(yaml.safe_load(config["data"]["pg-guard.yaml"]))
    check_variables(container, pod, settings)
    check_ports_and_probes(container)
    grace = pod["terminationGracePeriodSeconds"]
    before = float(container["lifecycle"]["preStop"]["exec"]["command"][-1])
    assert grace >= before + settings.http.drain_timeout + SPARE_SECONDS
    start = container["startupProbe"]
    waited = float(next(each["value"] for each in container["env"] if each["name"] == "PG_GUARD_WAIT_TIMEOUT"))
    assert start["periodSeconds"] * start["failureThreshold"] >= waited + settings.cache.startup_timeout + SPARE_SECONDS
    assert "memory" in container["resources"]["requests"]
    assert "memory" in container["resources"]["limits"]
    assert "cpu" in container["resources"]["requests"]
    # Replicas share what clients may ask for only through Redis.
    assert settings.resilience.requests_per_minute > 0
    assert "PG_GUARD_RESILIENCE__REDIS_URL_FILE" in {each["name"] for each in container["env"]}


def check_security(pod: dict[str, Any], container: dict[str, Any]) -> None:
    """The restricted standard of Kubernetes, and a root that cannot be written."""
    assert pod["automountServiceAccountToken"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & set(pod)
    account = pod["securityContext"]
    assert account["runAsNonRoot"] is True
    assert account["runAsUser"] == account["runAsGroup"] == account["fsGroup"] == 65532
    assert account["seccompProfile"] == {"type": "RuntimeDefault"}
    own = container["securityContext"]
    assert own == {
        "allowPrivilegeEscalation": False,
        "privileged": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def check_variables(container: dict[str, Any], pod: dict[str, Any], settings: Settings) -> None:
    """Variables are settings, none is a secret, and the files that they name are mounted."""
    places = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
    assert all(each["readOnly"] is True and "subPath" not in each for each in container["volumeMounts"])
    assert {each["name"] for each in pod["volumes"]} == set(places)
    (secret,) = [each for each in pod["volumes"] if "secret" in each]
    assert secret["secret"]["defaultMode"] == 0o440
    (config,) = [each for each in pod["volumes"] if "configMap" in each]
    for each in container["env"]:
        assert set(each) == {"name", "value"}, each["name"]
        assert variable_is_known(each["name"]), each["name"]
        if each["name"].endswith("_FILE"):
            assert each["value"].startswith(places[secret["name"]] + "/")
    given = {each["name"]: each["value"] for each in container["env"]}
    assert given["PG_GUARD_CONFIG"] == places[config["name"]] + "/pg-guard.yaml"
    assert str(settings.http.tokens).startswith(places[secret["name"]] + "/")
    for name in settings.databases:
        assert f"PG_GUARD_DATABASES__{name.upper()}__PASSWORD_FILE" in given


def check_ports_and_probes(container: dict[str, Any]) -> None:
    """What is served, what is named and what is asked are the same ports and paths."""
    ports = {each["name"]: each["containerPort"] for each in container["ports"]}
    words = container["args"]
    assert words[0] == "serve"
    assert words[words.index("--http") + 1] == f"0.0.0.0:{ports['http']}"
    assert words[words.index("--observe") + 1] == f"0.0.0.0:{ports['observe']}"
    paths = {}
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        asked = container[probe]["httpGet"]
        assert asked["path"] in ENDPOINTS
        assert asked["port"] == "observe"
        paths[probe] = asked["path"]
    # A database that is away makes a pod unready, and never restarts it.
    assert paths["livenessProbe"] == "/health/live"
    assert paths["readinessProbe"] == paths["startupProbe"] == "/health/ready"


def check_together(resources: list[dict[str, Any]]) -> None:
    """Names, labels and ports of resources lead to each other."""
    kinds = by_kind(resources)
    deployment = kinds["Deployment"]
    template = deployment["spec"]["template"]
    labels = template["metadata"]["labels"]
    pod = template["spec"]
    ports = {each["name"]: each["containerPort"] for each in pod["containers"][0]["ports"]}

    def leads_to_pods(selector: dict[str, str]) -> bool:
        return bool(selector) and selector.items() <= labels.items()

    assert leads_to_pods(deployment["spec"]["selector"]["matchLabels"])
    for each in pod["topologySpreadConstraints"]:
        assert leads_to_pods(each["labelSelector"]["matchLabels"])
    service = kinds["Service"]["spec"]
    assert leads_to_pods(service["selector"])
    assert {each["targetPort"] for each in service["ports"]} == set(ports)
    assert service["sessionAffinity"] == "ClientIP"
    config = yaml.safe_load(kinds["ConfigMap"]["data"]["pg-guard.yaml"])
    idle = Settings.model_validate(config).http.session_idle
    assert idle < service["sessionAffinityConfig"]["clientIP"]["timeoutSeconds"] <= 86_400
    given = {each["name"]: each["value"] for each in pod["containers"][0]["env"]}
    hosts = json.loads(given["PG_GUARD_HTTP__ALLOWED_HOSTS"])
    port = next(each["port"] for each in service["ports"] if each["name"] == "http")
    assert f"{kinds['Service']['metadata']['name']}:{port}" in hosts
    # Variables win over the file, where the same would be without effect.
    assert "allowed_hosts" not in config["http"]
    if "PodDisruptionBudget" in kinds:
        assert leads_to_pods(kinds["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"])
    if "HorizontalPodAutoscaler" in kinds:
        scaler = kinds["HorizontalPodAutoscaler"]["spec"]
        assert scaler["scaleTargetRef"] == {
            "apiVersion": deployment["apiVersion"],
            "kind": "Deployment",
            "name": deployment["metadata"]["name"],
        }
        # Both would set it, in turn.
        assert "replicas" not in deployment["spec"]
        assert 2 <= scaler["minReplicas"] <= scaler["maxReplicas"]
    if "NetworkPolicy" in kinds:
        policy = kinds["NetworkPolicy"]["spec"]
        assert leads_to_pods(policy["podSelector"]["matchLabels"])
        assert policy["policyTypes"] == ["Ingress", "Egress"]
        opened = {port["port"] for rule in policy["ingress"] for port in rule["ports"]}
        assert opened == set(ports.values())
        assert all(rule.get("from") for rule in policy["ingress"])
        assert all(rule.get("to") for rule in policy["egress"])
        leaving = {port["port"] for rule in policy["egress"] for port in rule["ports"]}
        databases = Settings.model_validate(config).databases.values()
        assert {53, 6379, *(each.port for each in databases)} <= leaving
    if "Ingress" in kinds:
        (rule,) = kinds["Ingress"]["spec"]["rules"]
        (path,) = rule["http"]["paths"]
        assert path["path"] == "/mcp"
        assert path["backend"]["service"] == {
            "name": kinds["Service"]["metadata"]["name"],
            "port": {"name": "http"},
        }
        assert kinds["Ingress"]["spec"]["tls"][0]["hosts"] == [rule["host"]]
        assert rule["host"] in hosts
    if "ServiceAccount" in kinds:
        assert kinds["ServiceAccount"]["automountServiceAccountToken"] is False
        assert pod["serviceAccountName"] == kinds["ServiceAccount"]["metadata"]["name"]
    (name,) = [each["configMap"]["name"] for each in pod["volumes"] if each["name"] == "config"]
    assert name == kinds["ConfigMap"]["metadata"]["name"]
    annotations = template["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == str(ports["observe"])
    assert annotations["prometheus.io/path"] in ENDPOINTS
