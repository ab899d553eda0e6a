"""Metrics of one server. In: what happened, and a way to look at the state. Out: Prometheus' text, by a registry of its own.

Counts and times are kept as things happen; what has a state (pools, circuits, catalogs) is looked at when it is asked for. Labels
take few values: databases and circuits of the settings, statuses and operations of a fixed list, packs of the policy.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from pg_guard._version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pg_guard.decision import Decision
    from pg_guard.observe.audit import AuditState

__all__ = ["METRICS", "STATUSES", "DatabaseState", "Metrics", "PackState", "ServerState", "Spec", "Status", "reason_of"]

Status: TypeAlias = Literal[
    "ok", "denied", "failed", "unavailable", "busy", "timeout", "cancelled", "invalid", "continued", "internal"
]

STATUSES: Final[Mapping[Status, str]] = {
    "ok": "It was answered.",
    "denied": "The policy refused the statement.",
    "failed": "PostgreSQL refused the statement or its cost was too high, or the model wrote no SQL.",
    "unavailable": "The database, the model or the audit log could not be reached, or its circuit is open.",
    "busy": "Too much is asked, of the server or by this client.",
    "timeout": "It took longer than a question may.",
    "cancelled": "The client gave up.",
    "invalid": "The request makes no sense: an unknown database, a cursor that is used up.",
    "continued": "The client was asked for its model's answer, and sends the request again with it.",
    "internal": "A defect of pg-guard.",
}
"""How requests end."""


class Spec(NamedTuple):
    """One metric: its name as Prometheus shows it, its labels, and what it says."""

    name: str
    kind: Literal["counter", "histogram", "gauge"]
    help: str
    labels: tuple[str, ...] = ()


_SPECS: Final = (
    Spec("pg_guard_query_requests_total", "counter", "Requests to run SQL or to answer a question.", ("status", "database")),
    Spec("pg_guard_query_duration_seconds", "histogram", "Time from such a request to its answer."),
    Spec("pg_guard_llm_calls_total", "counter", "Calls of the language model, further tries included.", ("operation",)),
    Spec("pg_guard_llm_latency_seconds", "histogram", "Time of one call of the language model.", ("operation",)),
    Spec("pg_guard_llm_tokens_used_total", "counter", "Tokens of questions and answers, as the model counts them.", ("operation",)),
    Spec("pg_guard_sql_rejected_total", "counter", "Statements refused, by the class of the most severe reason.", ("reason",)),
    Spec("pg_guard_decision_duration_seconds", "histogram", "Time of one decision."),
    Spec("pg_guard_db_connections_active", "gauge", "Connections of the pool that are in use.", ("database",)),
    Spec("pg_guard_db_query_duration_seconds", "histogram", "Time of one statement, waiting for a connection included."),
    Spec("pg_guard_schema_cache_age_seconds", "gauge", "Time since the catalog was read.", ("database",)),
    Spec("pg_guard_circuit_breaker_state", "gauge", "Circuits: 0 closed, 1 half open, 2 open.", ("name",)),
    Spec("pg_guard_queue_depth", "gauge", "Statements and model calls that wait for a slot."),
    Spec("pg_guard_concurrent_sessions", "gauge", "Sessions of clients; where the protocol has none, requests under way."),
    Spec("pg_guard_build_info", "gauge", "This server.", ("service", "version")),
    Spec("pg_guard_policy_info", "gauge", "The policy in force.", ("database", "policy", "version", "digest")),
    Spec("pg_guard_pack_info", "gauge", "The rule packs in force.", ("database", "pack", "version", "digest")),
    Spec("pg_guard_last_reload_successful", "gauge", "1 when the newest policy is in force, 0 when an older one is.", ("database",)),
    Spec("pg_guard_last_reload_timestamp_seconds", "gauge", "When a policy was last tried to be put in force.", ("database",)),
    Spec("pg_guard_audit_records_total", "counter", "Lines of the audit log, `written` or `failed`.", ("status",)),
    Spec("pg_guard_audit_available", "gauge", "1 when the newest line of the audit log was written, 0 when it could not be."),
    Spec("pg_guard_audit_anchors_total", "counter", "Anchors of the audit log, `written` or `failed`.", ("status",)),
)  # fmt: skip

METRICS: Final[Mapping[str, Spec]] = {spec.name: spec for spec in _SPECS}
"""Every metric, by name."""

_BUCKETS: Final = {
    "pg_guard_query_duration_seconds": (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120),
    "pg_guard_llm_latency_seconds": (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60),
    "pg_guard_decision_duration_seconds": (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1),
    "pg_guard_db_query_duration_seconds": (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
}  # fmt: skip
_CIRCUITS: Final = {"closed": 0, "half-opened": 1, "opened": 2}
# Ids of rules begin with a class or with their pack; a policy with more packs than this has the rest counted as one.
_MOST_REASONS: Final = 64
_OTHER: Final = "other"


class PackState(NamedTuple):
    """A pack in force."""

    name: str
    version: str
    digest: str


@dataclass(frozen=True, slots=True)
class DatabaseState:
    """A database at this moment.

    Attributes:
        name: As in the settings.
        connections_active: Connections in use.
        catalog_age_seconds: Since its catalog was read.
        policy: Name of the policy in force, with `version` and `digest`.
        packs: Its packs.
    """

    name: str
    connections_active: int
    catalog_age_seconds: float
    policy: str
    version: str
    digest: str
    packs: tuple[PackState, ...] = ()


@dataclass(frozen=True, slots=True)
class ServerState:
    """A server at this moment: its databases, its circuits (``closed``, ``half-opened``, ``opened``), what waits, its audit log."""

    databases: tuple[DatabaseState, ...] = ()
    circuits: Mapping[str, str] = field(default_factory=dict)
    queue_depth: int = 0
    audit: AuditState | None = None


class Metrics:
    """Counts, times, and the look at the state. One for each server."""

    def __init__(self, service: str = "pg-guard") -> None:
        self._registry = CollectorRegistry()
        self._gauge("pg_guard_build_info").labels(service, __version__).set(1)
        self._requests = self._counter("pg_guard_query_requests_total")
        self._request_seconds = self._histogram("pg_guard_query_duration_seconds")
        self._calls = self._counter("pg_guard_llm_calls_total")
        self._call_seconds = self._histogram("pg_guard_llm_latency_seconds")
        self._tokens = self._counter("pg_guard_llm_tokens_used_total")
        self._rejected = self._counter("pg_guard_sql_rejected_total")
        self._decision_seconds = self._histogram("pg_guard_decision_duration_seconds")
        self._statement_seconds = self._histogram("pg_guard_db_query_duration_seconds")
        self._sessions = self._gauge("pg_guard_concurrent_sessions")
        self._reloaded = self._gauge("pg_guard_last_reload_successful")
        self._reloaded_at = self._gauge("pg_guard_last_reload_timestamp_seconds")
        self._reasons: set[str] = set()
        self._state = _State()
        self._registry.register(self._state)

    def _counter(self, name: str) -> Counter:
        spec = METRICS[name]
        return Counter(name.removesuffix("_total"), spec.help, spec.labels, registry=self._registry)

    def _gauge(self, name: str) -> Gauge:
        spec = METRICS[name]
        return Gauge(name, spec.help, spec.labels, registry=self._registry)

    def _histogram(self, name: str) -> Histogram:
        spec = METRICS[name]
        return Histogram(name, spec.help, spec.labels, registry=self._registry, buckets=_BUCKETS[name])

    # -- what happens --------------------------------------------------------------------------------------------------

    def request_ended(self, status: Status, database: str, seconds: float) -> None:
        """Count a request of a client; `database` is a name of the settings, or '' where none was found."""
        self._requests.labels(status, database).inc()
        self._request_seconds.observe(seconds)

    def decided(self, decision: Decision) -> None:
        """Count a decision."""
        self._decision_seconds.observe(decision.timings_us.get("total", 0) / 1e6)
        if not decision.allowed:
            reason = reason_of(decision)
            if reason not in self._reasons:
                if len(self._reasons) >= _MOST_REASONS:
                    reason = _OTHER
                self._reasons.add(reason)
            self._rejected.labels(reason).inc()

    def statement_ended(self, seconds: float) -> None:
        """Time a statement in the database."""
        self._statement_seconds.observe(seconds)

    def model_called(self, operation: str, seconds: float, tokens: int) -> None:
        """Count a call of a model."""
        self._calls.labels(operation).inc()
        self._call_seconds.labels(operation).observe(seconds)
        self._tokens.labels(operation).inc(tokens)

    def session_opened(self) -> None:
        """A client has connected."""
        self._sessions.inc()

    def session_closed(self) -> None:
        """It has gone."""
        self._sessions.dec()

    def reloaded(self, database: str, *, successful: bool) -> None:
        """A policy was put in force, or was not and the one before stays."""
        self._reloaded.labels(database).set(1 if successful else 0)
        self._reloaded_at.labels(database).set(time.time())

    def forget_database(self, database: str) -> None:
        """Show no more when a policy was put in force there."""
        for gauge in (self._reloaded, self._reloaded_at):
            with contextlib.suppress(KeyError):
                gauge.remove(database)

    def watch(self, look: Callable[[], ServerState]) -> None:
        """Look at the state with this function whenever metrics are asked for."""
        self._state.look = look

    # -- what is shown -------------------------------------------------------------------------------------------------

    def exposition(self, accept: str = "") -> tuple[bytes, str]:
        """All metrics, and the content type; in the form that the Accept header asks for."""
        try:
            encode, content_type = choose_encoder(accept)
        except (TypeError, ValueError):
            # The library cannot compare a version that is none.
            encode, content_type = choose_encoder("")
        # The times at which series began double them, and nobody asked for them.
        return encode(_WithoutBirth(self._registry)), content_type

    def value(self, name: str, /, **labels: str) -> float | None:
        """The value of one series, as `pg_guard_queue_depth` or `pg_guard_query_duration_seconds_count`; None without it."""
        return self._registry.get_sample_value(name, labels)

    def names(self) -> set[str]:
        """Names of all metrics of the registry, as in `METRICS`."""
        return {each.name + ("_total" if each.type == "counter" else "") for each in self._registry.collect()}


def reason_of(decision: Decision) -> str:
    """The class of the most severe reason of a refusal: ``tables``, ``columns``, …, or a pack's name."""
    for finding in decision.findings:
        if finding.effect == "deny":
            return finding.rule.partition("/")[0]
    return _OTHER


class _State(Collector):
    """Looks at the server when metrics are asked for."""

    def __init__(self) -> None:
        self.look: Callable[[], ServerState] = ServerState

    def describe(self) -> Iterator[Metric]:
        return self._families(ServerState())

    def collect(self) -> Iterator[Metric]:
        return self._families(self.look())

    def _families(self, state: ServerState) -> Iterator[Metric]:
        databases = state.databases
        yield _gauge("pg_guard_db_connections_active", {(each.name,): each.connections_active for each in databases})
        yield _gauge(
            "pg_guard_schema_cache_age_seconds", {(each.name,): each.catalog_age_seconds for each in databases}
        )
        circuits: dict[tuple[str, ...], float] = {
            (name,): _CIRCUITS.get(circuit, 0) for name, circuit in state.circuits.items()
        }
        yield _gauge("pg_guard_circuit_breaker_state", circuits)
        yield _gauge("pg_guard_queue_depth", {(): state.queue_depth})
        policies: dict[tuple[str, ...], float] = {
            (each.name, each.policy, each.version, each.digest): 1 for each in databases
        }
        yield _gauge("pg_guard_policy_info", policies)
        packs: dict[tuple[str, ...], float] = {(each.name, *pack): 1 for each in databases for pack in each.packs}
        yield _gauge("pg_guard_pack_info", packs)
        audit = state.audit
        records = {} if audit is None else {"written": audit.written, "failed": audit.failed}
        yield _counter("pg_guard_audit_records_total", records)
        yield _gauge("pg_guard_audit_available", {} if audit is None else {(): int(audit.available)})
        noted = audit.anchors if audit is not None else None
        anchors = {} if audit is None or noted is None else {"written": noted, "failed": audit.anchors_failed}
        yield _counter("pg_guard_audit_anchors_total", anchors)


def _gauge(name: str, values: Mapping[tuple[str, ...], float]) -> GaugeMetricFamily:
    spec = METRICS[name]
    family = GaugeMetricFamily(name, spec.help, labels=spec.labels)
    for labels, value in values.items():
        family.add_metric(labels, value)
    return family


def _counter(name: str, by_status: Mapping[str, int]) -> CounterMetricFamily:
    spec = METRICS[name]
    family = CounterMetricFamily(name, spec.help, labels=spec.labels)
    for status, value in by_status.items():
        family.add_metric((status,), value)
    return family


class _WithoutBirth(Collector):
    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        for family in self._registry.collect():
            family.samples = [each for each in family.samples if not each.name.endswith("_created")]
            yield family
