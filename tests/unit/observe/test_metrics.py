"""Metrics: what is counted, which labels they take, and that files and pages name those that there are."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from pg_guard.decision import Decision, Finding
from pg_guard.observe.audit import AuditState
from pg_guard.observe.metrics import METRICS, STATUSES, DatabaseState, Metrics, PackState, ServerState, reason_of
from pg_guard.observe.observer import Observer, open_observer
from pg_guard.settings import ObservabilitySettings, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[3]
DASHBOARD = ROOT / "deploy" / "grafana" / "pg-guard.json"
ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yaml"
REFERENCE = ROOT / "docs" / "reference.md"

STATE = ServerState(
    databases=(DatabaseState("shop", 3, 12.5, "demo", "1.0.0", "ab" * 32, (PackState("core", "1.2.0", "cd" * 32),)),),
    circuits={"database:shop": "opened", "model:m": "half-opened", "database:hr": "closed"},
    queue_depth=4,
    audit=AuditState(written=12, failed=2, available=False, anchors=3, anchors_failed=1),
)

# What deployments were promised.
PROMISED = """
pg_guard_query_requests_total{status,database} pg_guard_query_duration_seconds pg_guard_llm_calls_total{operation}
pg_guard_llm_latency_seconds{operation} pg_guard_llm_tokens_used_total{operation} pg_guard_sql_rejected_total{reason}
pg_guard_decision_duration_seconds pg_guard_db_connections_active{database} pg_guard_db_query_duration_seconds
pg_guard_schema_cache_age_seconds{database} pg_guard_circuit_breaker_state{name} pg_guard_queue_depth
pg_guard_concurrent_sessions
"""


def denied(*rules: str) -> Decision:
    findings = tuple(Finding(rule, "high", "m", "r") for rule in rules)
    return Decision("deny", None, findings, "SELECT 1", timings_us={"total": 2_000})


def shown(metrics: Metrics) -> dict[str, list[Any]]:
    body, content_type = metrics.exposition()
    assert content_type.startswith("text/plain")
    return {family.name: family.samples for family in text_string_to_metric_families(body.decode())}


def test_the_registry_holds_exactly_the_metrics_that_are_described() -> None:
    assert Metrics().names() == set(METRICS)


@pytest.mark.parametrize("promised", PROMISED.split())
def test_what_was_promised_is_there_with_exactly_those_labels(promised: str) -> None:
    name, _, labels = promised.rstrip("}").partition("{")
    assert ",".join(METRICS[name].labels) == labels
    expected = "counter" if name.endswith("_total") else "histogram" if name.endswith("duration_seconds") else None
    assert expected in (None, METRICS[name].kind)


def test_what_happens_is_counted_with_its_labels() -> None:
    metrics = Metrics()
    metrics.request_ended("ok", "shop", 0.2)
    metrics.request_ended("denied", "", 0.1)
    metrics.model_called("generate", 1.5, 120)
    metrics.model_called("generate", 0.5, 30)
    metrics.statement_ended(0.25)
    metrics.decided(denied("tables/denied", "core/PG101"))
    metrics.decided(Decision("allow", "SELECT 1", (), timings_us={"total": 500}))
    metrics.session_opened()
    metrics.session_opened()
    metrics.session_closed()
    metrics.reloaded("shop", successful=False)
    value = metrics.value
    assert value("pg_guard_query_requests_total", status="ok", database="shop") == 1
    assert value("pg_guard_query_requests_total", status="denied", database="") == 1
    assert value("pg_guard_query_duration_seconds_count") == 2
    assert value("pg_guard_llm_calls_total", operation="generate") == 2
    assert value("pg_guard_llm_tokens_used_total", operation="generate") == 150
    assert value("pg_guard_llm_latency_seconds_sum", operation="generate") == 2
    assert value("pg_guard_db_query_duration_seconds_sum") == 0.25
    assert value("pg_guard_sql_rejected_total", reason="tables") == 1
    assert value("pg_guard_sql_rejected_total", reason="core") is None
    assert value("pg_guard_decision_duration_seconds_sum") == 0.0025
    assert value("pg_guard_concurrent_sessions") == 1
    assert value("pg_guard_last_reload_successful", database="shop") == 0


def test_the_state_is_looked_at_when_it_is_asked_for() -> None:
    metrics = Metrics()
    states = [ServerState(), STATE]
    metrics.watch(lambda: states[-1])
    value = metrics.value
    assert value("pg_guard_db_connections_active", database="shop") == 3
    assert value("pg_guard_schema_cache_age_seconds", database="shop") == 12.5
    assert value("pg_guard_queue_depth") == 4
    circuits = {name: value("pg_guard_circuit_breaker_state", name=name) for name in STATE.circuits}
    assert circuits == {"database:shop": 2, "model:m": 1, "database:hr": 0}
    assert value("pg_guard_policy_info", database="shop", policy="demo", version="1.0.0", digest="ab" * 32) == 1
    assert value("pg_guard_pack_info", database="shop", pack="core", version="1.2.0", digest="cd" * 32) == 1
    assert value("pg_guard_audit_records_total", status="written") == 12
    assert value("pg_guard_audit_records_total", status="failed") == 2
    assert value("pg_guard_audit_available") == 0
    assert value("pg_guard_audit_anchors_total", status="written") == 3
    assert value("pg_guard_audit_anchors_total", status="failed") == 1
    states.pop()
    assert value("pg_guard_queue_depth") == 0
    # Without an audit log nothing is told of it, so that no alert fires.
    assert value("pg_guard_audit_available") is None
    assert value("pg_guard_audit_records_total", status="failed") is None


def test_two_servers_of_one_process_share_nothing() -> None:
    one, other = Metrics(), Metrics()
    one.session_opened()
    assert other.value("pg_guard_concurrent_sessions") == 0


def test_reasons_are_few_whatever_rules_are_called() -> None:
    metrics = Metrics()
    for number in range(200):
        metrics.decided(denied(f"pack{number}/X1"))
    series = [each for each in shown(metrics)["pg_guard_sql_rejected"] if each.name.endswith("_total")]
    assert len(series) <= 65
    assert sum(each.value for each in series) == 200
    assert metrics.value("pg_guard_sql_rejected_total", reason="other") == 136


def test_a_reason_is_the_class_of_the_first_finding_that_denies() -> None:
    warning = Finding("limits/rows", "critical", "m", "r", effect="warn")
    assert reason_of(Decision("deny", None, (warning, Finding("core/PG101", "high", "m", "r")))) == "core"
    assert reason_of(Decision("deny", None, ())) == "other"


def test_both_forms_of_text_are_served_without_times_of_birth() -> None:
    metrics = Metrics()
    metrics.request_ended("ok", "shop", 0.2)
    for accept in ("", "application/openmetrics-text; version=1.0.0"):
        body, content_type = metrics.exposition(accept)
        assert ("openmetrics" in content_type) == bool(accept)
        assert b'pg_guard_query_requests_total{database="shop",status="ok"} 1.0' in body
        assert b"_created" not in body


@pytest.mark.parametrize("version", ["zzz", "1.x", "", "²", "9" * 50, "-1", "1" * 5_000])
def test_a_version_that_nobody_knows_is_answered(version: str) -> None:
    body, _ = Metrics().exposition(f"application/openmetrics-text; version={version}; escaping={version}, text/plain")
    assert b"pg_guard_queue_depth" in body


def test_labels_are_those_of_the_description() -> None:
    metrics = Metrics()
    metrics.watch(lambda: STATE)
    test_samples = {"le"}
    metrics.request_ended("ok", "shop", 0.2)
    metrics.model_called("review", 1, 1)
    metrics.decided(denied("tables/denied"))
    metrics.statement_ended(1)
    metrics.reloaded("shop", successful=True)
    families = shown(metrics)
    for spec in METRICS.values():
        for sample in families[spec.name.removesuffix("_total")]:
            assert set(sample.labels) - test_samples == set(spec.labels), spec.name


# -- off ---------------------------------------------------------------------------------------------------------------


def settings(**chosen: Any) -> Settings:
    return Settings(_env_file=None, policy="policy.yaml", observability=ObservabilitySettings(**chosen))


def test_metrics_that_are_off_are_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_TRACES_EXPORTER"):
        monkeypatch.delenv(name, raising=False)
    assert open_observer(settings(metrics=False)).metrics is None
    assert open_observer(settings()).metrics is not None


async def test_an_observer_of_nothing_takes_everything() -> None:
    class Completion:
        input_tokens, output_tokens = 3, 4

    async def call() -> Completion:
        return Completion()

    observer = Observer()
    with observer.request(), observer.deciding("shop") as span:
        assert len(observer.decided("shop", denied("tables/denied"), span)) == 32
        async with observer.executing("shop") as execution:
            execution.rows = 1
        assert (await observer.model_call("generate", "m", call)).output_tokens == 4
    observer.session_opened()
    observer.session_closed()
    observer.reloaded("shop", successful=True)
    observer.watch(lambda: STATE)
    observer.close()
    assert observer.last_model_call is not None
    assert observer.last_model_call[0::2] == ("m", "")


# -- files and pages ---------------------------------------------------------------------------------------------------

_NAME = re.compile(r"\bpg_guard_[a-z_]+\b")
_BRACES = re.compile(r"(pg_guard_[a-z_]+)\{([^}]*)\}")


def series() -> set[str]:
    """Names that a query may use."""
    found = set()
    for spec in METRICS.values():
        suffixes = ("_bucket", "_sum", "_count") if spec.kind == "histogram" else ("",)
        found |= {spec.name + suffix for suffix in suffixes}
    return found


def expressions(document: Any) -> Iterator[str]:
    if isinstance(document, dict):
        for key, value in document.items():
            if key in ("expr", "query") and isinstance(value, str):
                yield value
            else:
                yield from expressions(value)
    elif isinstance(document, list):
        for each in document:
            yield from expressions(each)


def queries(path: Path) -> list[str]:
    text = path.read_text(encoding="utf-8")
    return [*expressions(json.loads(text) if path.suffix == ".json" else yaml.safe_load(text))]


@pytest.mark.parametrize("path", [DASHBOARD, ALERTS], ids=["dashboard", "alerts"])
def test_each_metric_that_a_file_names_is_there_with_its_labels(path: Path) -> None:
    found = queries(path)
    assert len(found) >= 12
    for query in found:
        assert set(_NAME.findall(query)) <= series(), query
        for name, selector in _BRACES.findall(query):
            base = re.sub(r"_(bucket|sum|count)$", "", name) if name not in METRICS else name
            used = set(re.findall(r"(\w+)\s*[=!]", selector))
            assert used <= {*METRICS[base].labels, "instance", "job"}, query
            for status in re.findall(r'status=~?"([^"]*)"', selector):
                known = set(STATUSES) if base == "pg_guard_query_requests_total" else {"written", "failed"}
                assert set(status.split("|")) <= known
        for labels in re.findall(r"\bby \(([^)]*)\)", query):
            known = {label for spec in METRICS.values() if spec.name in query for label in spec.labels}
            assert {each.strip() for each in labels.split(",")} <= known | {"instance", "le"}, query


def test_the_dashboard_shows_every_metric() -> None:
    text = "\n".join(queries(DASHBOARD))
    assert [name for name in METRICS if name not in text] == []


def test_the_dashboard_has_the_shape_that_grafana_wants() -> None:
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    panels = dashboard["panels"]
    ids = [panel["id"] for panel in panels]
    assert len(ids) == len(set(ids))
    assert dashboard["uid"] == "pg-guard"
    variables = {each["name"] for each in dashboard["templating"]["list"]}
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        for target in panel.get("targets", []):
            used = set(re.findall(r"\$(\w+)", target["expr"])) - {"__rate_interval"}
            assert used <= variables


def test_every_alert_says_what_it_is_and_how_bad() -> None:
    [group] = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    names = [rule["alert"] for rule in group["rules"]]
    assert len(names) == len(set(names))
    for rule in group["rules"]:
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in ("info", "warning", "critical")
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["description"]
        assert rule["expr"].count("(") == rule["expr"].count(")")
        # Labels of the text are labels of the series.
        text = " ".join(rule["annotations"].values())
        for label in re.findall(r"\$labels\.(\w+)", text):
            assert label == "instance" or label in rule["expr"] or "by (" not in rule["expr"]


def test_the_reference_tells_every_metric_status_field_and_endpoint() -> None:
    from pg_guard.entry.http.routes import ENDPOINTS
    from pg_guard.observe.logging import FIELDS

    page = REFERENCE.read_text(encoding="utf-8")
    for name, spec in METRICS.items():
        labels = "{" + ",".join(spec.labels) + "}" if spec.labels else ""
        assert f"| `{name}{labels}` | {spec.kind} | {spec.help} |" in page
    for names in (STATUSES, FIELDS, ENDPOINTS):
        for name, meaning in names.items():
            assert f"| `{name}` | {meaning} |" in page
