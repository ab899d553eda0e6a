"""What the tools stand on. In: settings. Out: databases, the pipeline and their helpers, opened and closed together."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pg_guard.ask.openai_model import OpenAIModel
from pg_guard.ask.pipeline import AskPipeline
from pg_guard.entry.mcp.cursors import Cursors
from pg_guard.entry.mcp.kept import Kept
from pg_guard.execute.databases import Databases
from pg_guard.observe.audit import open_audit_log
from pg_guard.observe.observer import Observer, open_observer
from pg_guard.resilience.guarded import Resilience

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pg_guard.ask.pipeline import Outcomes
    from pg_guard.observe.audit import AuditLog
    from pg_guard.observe.metrics import ServerState
    from pg_guard.settings import Settings

__all__ = ["Service", "open_service", "state_of"]


@dataclass(frozen=True)
class Service:
    """A server's parts.

    Attributes:
        settings: As they were read.
        databases: Open, each behind its policy.
        pipeline: Answers questions.
        resilience: Slots, circuits, idempotency.
        cursors: Results that are not read to their end.
        outcomes: What statements gave, while a client is asked for its model's answer.
        has_model: A model is configured, so that the client's own is not needed.
        audit: The audit log, where there is one.
        observer: Logs, metrics and traces.
    """

    settings: Settings
    databases: Databases
    pipeline: AskPipeline
    resilience: Resilience
    has_model: bool
    cursors: Cursors = field(default_factory=Cursors)
    outcomes: Kept[Outcomes] = field(default_factory=Kept)
    audit: AuditLog | None = None
    observer: Observer = field(default_factory=Observer)


def state_of(databases: Databases, resilience: Resilience) -> ServerState:
    """What metrics show of a server at this moment."""
    from pg_guard.observe.metrics import DatabaseState, PackState, ServerState

    snapshot = resilience.snapshot()
    return ServerState(
        databases=tuple(
            DatabaseState(
                name,
                each.active_connections,
                each.age_seconds,
                each.guard.policy.metadata.name,
                str(each.guard.policy.metadata.version),
                each.guard.policy.digest,
                tuple(PackState(pack.name, pack.version, pack.digest) for pack in each.guard.packs),
            )
            for name, each in sorted(databases.items())
        ),
        circuits=snapshot["circuits"],
        queue_depth=snapshot["queries"]["waiting"] + snapshot["models"]["waiting"],
    )


@contextlib.asynccontextmanager
async def open_service(settings: Settings) -> AsyncIterator[Service]:
    """Open everything that a server needs.

    Raises:
        PgGuardError: Settings, a policy or a database cannot be used; what was opened is closed again.
    """
    resilience = Resilience(settings.resilience)
    # A server of one's own may need no key; OpenAI's always does.
    configured = settings.model.key is not None or settings.model.base_url is not None
    model = OpenAIModel(settings.model) if configured else None
    audit: AuditLog | None = None
    observer = open_observer(settings)
    try:
        audit = await open_audit_log(settings.audit)
        databases = await Databases.open(settings, resilience, audit, observer)
        observer.watch(lambda: state_of(databases, resilience))
        try:
            pipeline = AskPipeline(databases, settings, resilience, model, observer)
            yield Service(settings, databases, pipeline, resilience, model is not None, audit=audit, observer=observer)
        finally:
            await databases.close()
    finally:
        if audit is not None:
            # After the databases: statements that were under way have ended, and what came of them is written.
            await audit.close()
        if model is not None:
            await model.close()
        await resilience.close()
        observer.close()
