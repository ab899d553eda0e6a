"""How a server does. In: its parts. Out: a report, made when somebody asks, once for all who ask at the same time."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast

from pg_guard._version import __version__
from pg_guard.execute.database import Health
from pg_guard.observe.redaction import Redactor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pg_guard.entry.mcp.service import Service
    from pg_guard.execute.database import Database
    from pg_guard.observe.audit import AuditLog
    from pg_guard.settings import Settings

__all__ = ["HealthStatus", "Report", "ServerView"]

HealthStatus: TypeAlias = Literal["ok", "degraded", "unavailable", "starting", "stopping"]

# Whoever asks more often gets the same report: asking must not cost the database anything to speak of.
_SECONDS_FRESH: Final = 1.0


@dataclass(frozen=True, slots=True)
class Report:
    """How a server does.

    Attributes:
        status: ``ok``; ``degraded`` when something has failed and requests can still be answered; ``unavailable`` when no database
            answers; ``starting`` and ``stopping`` for a server that is not there yet or any more.
        ready: All databases answer, their catalogs are loaded and their policies compiled.
        reasons: What keeps it from being ready, or from being ok.
        components: By name, each with ``status``, ``latency_ms`` and ``last_error``, and what else is known of it.
    """

    status: HealthStatus
    ready: bool
    reasons: tuple[str, ...] = ()
    components: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


class ServerView:
    """A server from outside.

    Args:
        settings: Its settings, until it is open.

    Attributes:
        service: What runs; None before it is opened.
        stopping: It takes no more requests.
    """

    def __init__(self, settings: Settings) -> None:
        self.service: Service | None = None
        self.stopping = False
        self._settings = settings
        self._redactor = Redactor.of(settings)
        self._started = time.monotonic()
        self._asking = asyncio.Lock()
        self._report: tuple[float, Report] | None = None
        self._answers: dict[str, Health] = {}

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self._settings if self.service is None else self.service.settings

    @property
    def redactor(self) -> Redactor:
        """Takes out of texts what nobody may read: secrets in force, and those before."""
        if self.settings is not self._settings:
            self._redactor = Redactor.of(self.settings, self._settings)
            self._settings = self.settings
        return self._redactor

    @property
    def uptime_seconds(self) -> float:
        """Since the process began to serve."""
        return time.monotonic() - self._started

    async def report(self) -> Report:
        """How it does, no older than a second."""
        if self.stopping:
            return Report("stopping", False, ("the server is ending",))
        if self.service is None:
            return Report("starting", False, ("databases are being opened",))
        async with self._asking:
            if self._report is None or time.monotonic() - self._report[0] > _SECONDS_FRESH:
                self._report = (time.monotonic(), await self._look(self.service))
            return self._report[1]

    async def _look(self, service: Service) -> Report:
        databases = sorted(service.databases.items())
        answers = await asyncio.gather(*(self._ask(name, database) for name, database in databases))
        components: dict[str, dict[str, Any]] = {}
        reasons: list[str] = []
        for (name, database), health in zip(databases, answers, strict=True):
            components[f"database:{name}"] = self._database(database, health)
            if not health.ok:
                reasons.append(f"database {name} does not answer")
            elif health.last_error:
                reasons.append(f"the catalog of {name} is not the newest")
        circuits = service.resilience.snapshot()["circuits"]
        reasons += [f"circuit {name} is {state}" for name, state in sorted(circuits.items()) if state != "closed"]
        components |= self._model(service, circuits)
        if service.audit is not None:
            components["audit"] = self._audit(service.audit)
            reasons += ["the audit log cannot be written"] if service.audit.last_error else []
        last = service.reloader.last if service.reloader is not None else None
        reasons += ["what was to be reloaded is not in force"] if last is not None and not last.successful else []
        ready = all(health.ok for health in answers)
        reachable = any(health.ok for health in answers)
        status: HealthStatus = "unavailable" if not reachable else "degraded" if reasons else "ok"
        return Report(status, ready, tuple(reasons), components)

    async def _ask(self, name: str, database: Database) -> Health:
        known = self._answers.get(name)
        if known is not None and database.active_connections >= database.pool_max:
            # All connections are busy: a probe would only wait for one of them, and say nothing of the database.
            return known
        seconds = self.settings.observability.probe_timeout
        try:
            async with asyncio.timeout(seconds):
                found = await database.health()
        except TimeoutError:
            found = Health(False, None, database.age_seconds, f"no answer within {seconds:g} s")
        self._answers[name] = found
        return found

    def _database(self, database: Database, health: Health) -> dict[str, Any]:
        metadata = database.guard.policy.metadata
        return {
            "status": "ok" if health.ok else "failed",
            "latency_ms": round(health.latency_ms, 3) if health.latency_ms is not None else None,
            "last_error": self.redactor.text(health.last_error),
            "catalog_age_seconds": round(database.age_seconds, 1),
            "connections_active": database.active_connections,
            "policy": f"{metadata.name} {metadata.version}",
            "policy_digest": database.guard.policy.digest,
        }

    def _audit(self, audit: AuditLog) -> dict[str, Any]:
        state, chosen = audit.state, self.settings.audit
        return {
            "status": "ok" if state.available else "failed",
            "latency_ms": round(audit.seconds * 1000, 3) if audit.seconds is not None else None,
            "last_error": self.redactor.text(audit.last_error),
            "sink": chosen.sink,
            "fail": chosen.fail,
            "lines_written": state.written,
            "lines_failed": state.failed,
            "anchors_written": state.anchors,
            "anchors_failed": state.anchors_failed,
        }

    def _model(self, service: Service, circuits: Mapping[str, str]) -> dict[str, dict[str, Any]]:
        last = service.observer.last_model_call
        if not service.has_model and last is None:
            return {}
        name = last.model if last is not None else self.settings.model.name
        failed = last is not None and bool(last.code)
        return {
            f"model:{name}": {
                # Nobody asks a model how it does: that costs tokens. This is what became of the last call.
                "status": "failed" if failed else "ok",
                "latency_ms": round(last.seconds * 1000, 3) if last is not None else None,
                "last_error": last.code if last is not None else "",
                "circuit": circuits.get(f"model:{name}", "closed"),
            }
        }

    def detailed(self, report: Report) -> dict[str, Any]:
        """A report with all that is known, for those who may read it."""
        return {
            "status": report.status,
            "ready": report.ready,
            "version": __version__,
            "uptime_seconds": round(self.uptime_seconds, 1),
            "reasons": list(report.reasons),
            "components": {name: dict(component) for name, component in report.components.items()},
            "reload": self._reload(),
        }

    def _reload(self) -> dict[str, Any] | None:
        """How the last reload went; None before the first."""
        reloader = self.service.reloader if self.service is not None else None
        if reloader is None or reloader.last is None:
            return None
        return cast("dict[str, Any]", self.redactor.value(reloader.last.to_dict()))

    def queue(self) -> dict[str, Any]:
        """How full the server is."""
        if self.service is None:
            return {"statements": None, "model_calls": None, "queue_size": self.settings.resilience.queue_size}
        snapshot, limits = self.service.resilience.snapshot(), self.settings.resilience
        return {
            "statements": {**snapshot["queries"], "limit": limits.database.concurrency},
            "model_calls": {**snapshot["models"], "limit": limits.model.concurrency},
            "queue_size": snapshot["queue_size"],
        }
