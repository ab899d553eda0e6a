"""The manifests: well-formed, hardened, and such that each leads to the others. No cluster is asked."""

from __future__ import annotations

import copy
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from pg_guard.policy.load import parse_policy
from tests.deploy.manifests import ROOT, by_kind, check_deployment, check_together, documents, variable_is_known

if TYPE_CHECKING:
    from collections.abc import Callable

DIRECTORY = ROOT / "deploy" / "kubernetes"
VERSIONS = {
    "ConfigMap": "v1",
    "Deployment": "apps/v1",
    "HorizontalPodAutoscaler": "autoscaling/v2",
    "Namespace": "v1",
    "NetworkPolicy": "networking.k8s.io/v1",
    "PodDisruptionBudget": "policy/v1",
    "Service": "v1",
    "ServiceAccount": "v1",
}


def resources() -> list[dict[str, Any]]:
    return documents(*sorted(path for path in DIRECTORY.glob("*.yaml") if path.name != "kustomization.yaml"))


def test_every_file_is_part_of_the_whole() -> None:
    (whole,) = documents(DIRECTORY / "kustomization.yaml")
    assert set(whole["resources"]) == {path.name for path in DIRECTORY.iterdir()} - {"kustomization.yaml"}
    assert {each["kind"]: each["apiVersion"] for each in resources()} == VERSIONS
    (image,) = whole["images"]
    (container,) = by_kind(resources())["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"{image['name']}:{image['newTag']}"
    assert whole["namespace"] == by_kind(resources())["Namespace"]["metadata"]["name"]


def test_no_secret_is_among_them() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in DIRECTORY.iterdir())
    assert "kind: Secret" not in text
    assert "secretKeyRef" not in text  # that would be the environment


def test_the_pods_are_as_hardened_as_they_can_be() -> None:
    kinds = by_kind(resources())
    check_deployment(kinds["Deployment"], kinds["ConfigMap"])
    assert kinds["Namespace"]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_names_labels_and_ports_lead_to_each_other() -> None:
    check_together(resources())


def test_the_policy_is_valid() -> None:
    loaded = parse_policy(by_kind(resources())["ConfigMap"]["data"]["policy.yaml"], "policy.yaml")
    assert loaded.problems == ()


def check(kinds: dict[str, Any]) -> None:
    check_deployment(kinds["Deployment"], kinds["ConfigMap"])
    check_together(list(kinds.values()))


def _container(kinds: dict[str, Any]) -> Any:
    return kinds["Deployment"]["spec"]["template"]["spec"]["containers"][0]


@pytest.mark.parametrize(
    "harm",
    [
        lambda kinds: _container(kinds).update(image="pg-guard:latest"),
        lambda kinds: _container(kinds)["securityContext"].update(readOnlyRootFilesystem=False),
        lambda kinds: _container(kinds)["livenessProbe"]["httpGet"].update(path="/health/ready"),
        lambda kinds: _container(kinds)["readinessProbe"]["httpGet"].update(path="/healthz"),
        lambda kinds: _container(kinds)["ports"][0].update(containerPort=8000),
        lambda kinds: _container(kinds)["env"].append(
            {"name": "PG_GUARD_DATABASES__SHOP__PASWORD_FILE", "value": "/x"}
        ),
        lambda kinds: _container(kinds)["env"].append({"name": "PG_GUARD_MODEL__KEY", "valueFrom": {}}),
        lambda kinds: kinds["Deployment"]["spec"]["template"]["spec"].update(terminationGracePeriodSeconds=15),
        lambda kinds: kinds["Deployment"]["spec"].update(replicas=2),
        lambda kinds: kinds["Service"]["spec"]["selector"].update(app="other"),
        lambda kinds: kinds["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"].update(name="other"),
        lambda kinds: kinds["PodDisruptionBudget"]["spec"].update(selector={"matchLabels": {}}),
        lambda kinds: kinds["NetworkPolicy"]["spec"]["ingress"][0].pop("from"),
        lambda kinds: kinds["NetworkPolicy"]["spec"]["egress"].pop(1),
        lambda kinds: kinds["ServiceAccount"].update(automountServiceAccountToken=True),
        lambda kinds: kinds["ConfigMap"]["data"].update(
            {"pg-guard.yaml": kinds["ConfigMap"]["data"]["pg-guard.yaml"] + "model: {key: secret}\n"}
        ),
    ],
)
def test_a_mistake_is_found(harm: Callable[[dict[str, Any]], None]) -> None:
    kinds = copy.deepcopy(by_kind(resources()))
    check(kinds)
    harm(kinds)
    with pytest.raises((AssertionError, ValueError)):
        check(kinds)


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("PG_GUARD_DATABASES__SHOP__PASSWORD_FILE", True),
        ("PG_GUARD_RESILIENCE__DATABASE__RETRIES", True),
        ("PG_GUARD_HTTP__OAUTH__ISSUER", True),
        ("PG_GUARD_AUDIT__KEY_FILE", True),
        ("PG_GUARD_POLICY_FILE", False),
        ("PG_GUARD_HTTP__TOKENS_FILE", False),
        ("PG_GUARD_DATABASES__SHOP__PASSWD", False),
        ("PG_GUARD_DATABASE__SHOP__PASSWORD", False),
        ("PGPASSWORD", False),
    ],
)
def test_variables_are_held_against_the_settings(name: str, known: bool) -> None:
    assert variable_is_known(name) is known


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_kubectl_puts_them_together() -> None:
    """Without a cluster: kustomize is a part of the client."""
    done = subprocess.run(
        ["kubectl", "kustomize", DIRECTORY], capture_output=True, text=True, timeout=60, check=False
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    whole = by_kind([each for each in yaml.safe_load_all(done.stdout) if each])
    assert set(whole) == set(VERSIONS)
    assert {each["metadata"].get("namespace") for kind, each in whole.items() if kind != "Namespace"} == {"pg-guard"}
