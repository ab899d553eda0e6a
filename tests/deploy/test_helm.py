"""The chart, rendered by `gotemplate.py`: with its own values it gives the manifests; with others what holds for those still does."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from pg_guard._version import __version__
from tests.deploy.gotemplate import TemplateError, render
from tests.deploy.manifests import ROOT, by_kind, check_deployment, check_together, documents

CHART = ROOT / "deploy" / "helm" / "pg-guard"
(ABOUT,) = documents(CHART / "Chart.yaml")
(VALUES,) = documents(CHART / "values.yaml")
SCHEMA = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
# What Helm's own labels say beside those of the manifests.
ADDED = ("app.kubernetes.io/version", "app.kubernetes.io/managed-by", "helm.sh/chart")


def texts(name: str = "pg-guard", **changed: Any) -> dict[str, str]:
    values = merged(VALUES, changed)
    Draft7Validator(SCHEMA).validate(values)
    root = {
        "Values": values,
        "Release": {"Name": name, "Namespace": "pg-guard", "Service": "Helm"},
        "Chart": {"Name": ABOUT["name"], "Version": ABOUT["version"], "AppVersion": ABOUT["appVersion"]},
    }
    return render({path.name: path.read_text(encoding="utf-8") for path in (CHART / "templates").iterdir()}, root)


def rendered(name: str = "pg-guard", **changed: Any) -> dict[str, Any]:
    """Resources by kind; what belongs to Helm alone is left out."""
    documents = [
        each
        for path, text in texts(name, **changed).items()
        if path.endswith(".yaml")
        for each in yaml.safe_load_all(text)
        if each
    ]
    for each in documents:
        for label in ADDED:
            assert each["metadata"]["labels"].pop(label)
    return by_kind(documents)


def merged(values: dict[str, Any], changed: dict[str, Any]) -> dict[str, Any]:
    """As Helm merges: mappings by key, all else replaced."""
    result = copy.deepcopy(values)
    for name, value in changed.items():
        both = isinstance(value, dict) and isinstance(result.get(name), dict)
        result[name] = merged(result[name], value) if both else value
    return result


def test_its_own_values_give_the_manifests() -> None:
    found = rendered()
    plain = by_kind(documents(*sorted((ROOT / "deploy" / "kubernetes").glob("*.yaml"))))
    del plain["Kustomization"], plain["Namespace"]
    assert found.keys() == plain.keys()
    for kind, each in plain.items():
        mine = found[kind]
        if kind == "ConfigMap":
            for name in each["data"]:
                each["data"][name] = yaml.safe_load(each["data"][name])
                mine["data"][name] = yaml.safe_load(mine["data"][name])
        assert mine == each, kind


def test_the_version_is_that_of_pg_guard() -> None:
    assert ABOUT["version"] == ABOUT["appVersion"] == __version__
    image = by_kind(documents(ROOT / "deploy/kubernetes/deployment.yaml"))["Deployment"]["spec"]["template"]["spec"]
    assert image["containers"][0]["image"] == f"pg-guard:{__version__}"


OTHERS: dict[str, dict[str, Any]] = {
    "ingress": {
        "ingress": {"enabled": True, "className": "nginx", "host": "guard.test", "annotations": {"a/b": "c: d"}},
    },
    "fixed": {"autoscaling": {"enabled": False}, "replicas": 3, "podDisruptionBudget": {"enabled": False}},
    "open network": {"networkPolicy": {"enabled": False}, "serviceAccount": {"create": False}},
    "digest": {"image": {"repository": "registry.test:5000/x/pg-guard", "digest": "sha256:" + "a" * 64}},
    "much": {
        "imagePullSecrets": [{"name": "registry"}],
        "priorityClassName": "high",
        "allowedHosts": ["guard.example:443", "[::1]:*"],
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "a", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "podLabels": {"team": "data: \"yes\""},
        "extraEnv": [{"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": "http://collector:4318"}],
        "extraVolumes": [{"name": "ca", "configMap": {"name": "ca"}}],
        "extraVolumeMounts": [{"name": "ca", "mountPath": "/etc/ca", "readOnly": True}],
        "service": {"annotations": {"x": "z"}},
        "serviceAccount": {"annotations": {"x": "z"}},
        "files": {"more.yaml": "a: 'b'\n# c\n\nd: \"e\"\n"},
    },
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_other_values_give_what_holds_for_the_manifests(name: str) -> None:
    kinds = rendered(**OTHERS[name])
    check_together(list(kinds.values()))
    if name != "much":  # its volumes are others
        check_deployment(kinds["Deployment"], kinds["ConfigMap"])


def test_what_values_say_is_there() -> None:
    kinds = rendered(**OTHERS["much"])
    pod = kinds["Deployment"]["spec"]["template"]
    assert pod["metadata"]["labels"]["team"] == 'data: "yes"'
    assert pod["spec"]["containers"][0]["env"][-1] == OTHERS["much"]["extraEnv"][0]
    assert pod["spec"]["volumes"][-1] == OTHERS["much"]["extraVolumes"][0]
    assert kinds["ConfigMap"]["data"]["more.yaml"].rstrip() == OTHERS["much"]["files"]["more.yaml"].rstrip()
    for key in ("imagePullSecrets", "nodeSelector", "tolerations", "affinity", "priorityClassName"):
        assert pod["spec"][key] == OTHERS["much"][key]
    fixed = rendered(**OTHERS["fixed"])
    assert fixed["Deployment"]["spec"]["replicas"] == 3
    assert not {"HorizontalPodAutoscaler", "PodDisruptionBudget"} & fixed.keys()
    assert (
        rendered(**OTHERS["open network"])["Deployment"]["spec"]["template"]["spec"]["serviceAccountName"] == "default"
    )
    assert "Ingress" in rendered(**OTHERS["ingress"])


def test_two_releases_do_not_meet() -> None:
    one, two = rendered("team-a"), rendered("team-b")
    check_together(list(two.values()))
    for kind, each in one.items():
        assert each["metadata"]["name"] == "team-a" != two[kind]["metadata"]["name"]
    assert one["Service"]["spec"]["selector"] != two["Service"]["spec"]["selector"]
    check_together(list(rendered("team-c", fullnameOverride="guard").values()))


def test_the_notes_say_where_clients_connect() -> None:
    assert "http://pg-guard.pg-guard.svc:8080/mcp" in texts()["NOTES.txt"]
    notes = texts(**OTHERS["ingress"])["NOTES.txt"]
    assert "https://guard.test/mcp" in notes
    assert "svc:8080" not in notes
    assert "reader-password, scrape-token, redis-url" in notes


# -- the schema of values ----------------------------------------------------------------------------------------------


def test_every_value_is_in_the_schema_and_commented() -> None:
    Draft7Validator.check_schema(SCHEMA)
    Draft7Validator(SCHEMA).validate(VALUES)
    assert set(SCHEMA["properties"]) - {"global"} == set(VALUES)
    used = set()
    for path in (CHART / "templates").iterdir():
        used |= set(re.findall(r"\.Values\.(\w+)", path.read_text(encoding="utf-8")))
    assert used == set(VALUES)


@pytest.mark.parametrize(
    "changed",
    [
        {"imgae": {}},
        {"image": {"tag": "latest"}},
        {"image": {"digest": "sha256:abc"}},
        {"settings": {"databases": {"shop": {"password": "secret"}}}},
        {"settings": {"databases": {"shop": {"dsn": "postgresql://a:b@c/d"}}}},
        {"settings": {"model": {"key": "secret"}}},
        {"settings": {"resilience": {"redis_url": "redis://:secret@redis"}}},
        {"settings": {"observability": {"token": "secret"}}},
        {"settings": {"audit": {"key": "0123456789abcdef"}}},
        {"settings": {"http": {"allow_anonymous": True}}},
        {"settings": {"databases": []}},
        {"secretFiles": {"PG_GUARD_MODEL__KEY": "key"}},
        {"secretFiles": {"PG_GUARD_MODEL__KEY_FILE": "../key"}},
        {"files": {"a/b.yaml": ""}},
        {"files": {"pg-guard.yaml": ""}},
        {"service": {"port": "8080"}},
        {"replicas": 0},
        {"settings": {"http": {"allowed_hosts": ["a"]}}},
        {"allowedHosts": ['a","b']},
        {"podAnnotations": {"prometheus.io/port": 9187}},
    ],
)
def test_values_that_cannot_be_meant_are_refused(changed: dict[str, Any]) -> None:
    assert list(Draft7Validator(SCHEMA).iter_errors(merged(VALUES, changed)))


def test_every_secret_setting_is_kept_out_of_the_config_map() -> None:
    """The schema names secrets one by one; this finds one that is new."""
    from pydantic import BaseModel

    from pg_guard.settings import Settings

    def secrets(model: type[BaseModel], path: tuple[str, ...]) -> Any:
        for name, field in model.model_fields.items():
            annotation = field.annotation
            if "SecretStr" in repr(annotation):
                yield (*path, name)
            for inner in (annotation, *getattr(annotation, "__args__", ())):
                if isinstance(inner, type) and issubclass(inner, BaseModel):
                    keys = (*path, name, "shop") if name == "databases" else (*path, name)
                    yield from secrets(inner, keys)

    found = list(secrets(Settings, ()))
    assert len(found) >= 6
    for path in found:
        changed: Any = "planted"
        for key in reversed(path):
            changed = {key: changed}
        assert list(Draft7Validator(SCHEMA).iter_errors(merged(VALUES, {"settings": changed}))), path


# -- the renderer ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("a {{ .Values.x }} b", "a 1 b"),
        ("a\n{{- .Values.x -}}\n b", "a1b"),
        ("{{/* c */}}{{ .Values.s | quote }}", '"d \\"e\\""'),
        ("{{ if .Values.empty }}a{{ else }}b{{ end }}", "b"),
        ("{{ with .Values.m }}{{ .k }}{{ end }}{{ with .Values.none }}x{{ end }}", "v"),
        ("{{ range $k, $v := .Values.m }}{{ $k }}={{ $v }};{{ end }}", "k=v;l=w;"),
        ("m:{{ toYaml .Values.m | nindent 2 }}", "m:\n  k: v\n  l: w"),
        ('{{ define "t" }}[{{ .k }}]{{ end }}{{ include "t" .Values.m }}', "[v]"),
        ('{{ default "z" .Values.none }}{{ if not .Values.x }}q{{ end }}', "z"),
        ("{{ .Values.yes }}", "true"),
        ('{{ default .Values.s (trimSuffix "c" "abc") }}', "ab"),
    ],
)  # fmt: skip
def test_the_renderer_does_as_go_does(template: str, text: str) -> None:
    values = {"x": 1, "s": 'd "e"', "empty": [], "m": {"l": "w", "k": "v"}, "yes": True}
    assert render({"t.yaml": template}, {"Values": values})["t.yaml"] == text


@pytest.mark.parametrize(
    "template",
    [
        "{{ .Values.none }}", "{{ if .Values.x }}", "{{ end }}", "{{ else }}", "{{ lookup .Values.x }}", "{{ $x := 1 }}",
        "{{ .Values.x.y }}", "{{ range .Values.m }}{{ end }}", "{{ template \"t\" . }}", "{{ block \"t\" . }}{{ end }}",
        "{{ if .Values.x }}{{ else if .Values.x }}{{ end }}", "{{ 'a' }}",
    ],
)  # fmt: skip
def test_the_renderer_refuses_what_it_does_not_know(template: str) -> None:
    with pytest.raises(TemplateError):
        render({"t.yaml": template}, {"Values": {"x": 1, "m": {"k": "v"}}})


def test_the_values_of_the_page_are_values() -> None:
    page = (
        (ROOT / "docs" / "howto-deploy.md")
        .read_text(encoding="utf-8")
        .partition("\n## Helm\n")[2]
        .partition("\n## ")[0]
    )
    (text,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    values = yaml.safe_load(text.replace("sha256:…", "sha256:" + "0" * 64))
    kinds = rendered(**values)
    pod = kinds["Deployment"]["spec"]["template"]["spec"]
    assert "Ingress" in kinds
    assert pod["containers"][0]["env"][-1]["value"].startswith(pod["containers"][0]["volumeMounts"][-1]["mountPath"])
