"""What the tools stand on. In: settings. Out: databases, the pipeline and their helpers, opened and closed together."""

from __future__ import annotations

import asyncio
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
    from pg_guard.entry.mcp.reload import Reloader
    from pg_guard.observe.audit import AuditLog
    from pg_guard.observe.metrics import ServerState
    from pg_guard.settings import ModelSettings, Settings

__all__ = ["Service", "open_model", "open_service", "state_of"]


@dataclass(eq=False)
class Service:
    """A server's parts. `adopt` replaces some of them while it runs: a request takes each once, at its start.

    Attributes:
        settings: Those in force.
        databases: Open, each behind its policy.
        pipeline: Answers questions.
        resilience: Slots, circuits, idempotency.
        model: The model that is configured; without one the client's own is asked.
        cursors: Results that are not read to their end.
        outcomes: What statements gave, while a client is asked for its model's answer.
        audit: The audit log, where there is one.
        observer: Logs, metrics and traces.
        reloader: Reads policies, packs and settings again; None where nobody can ask for it.
    """

    settings: Settings
    databases: Databases
    pipeline: AskPipeline
    resilience: Resilience
    model: OpenAIModel | None = None
    cursors: Cursors = field(default_factory=Cursors)
    outcomes: Kept[Outcomes] = field(default_factory=Kept)
    audit: AuditLog | None = None
    observer: Observer = field(default_factory=Observer)
    reloader: Reloader | None = None
    _closing: dict[asyncio.Task[None], OpenAIModel] = field(default_factory=dict)

    @property
    def has_model(self) -> bool:
        """A model is configured, so that the client's own is not needed."""
        return self.model is not None

    def adopt(self, settings: Settings, model: OpenAIModel | None) -> None:
        """Go on with other settings.

        Args:
            settings: The new ones; what cannot change while the server runs is as before.
            model: The model to use from now on. If it is another one, questions under way still have the old one.
        """
        before, old = self.settings, self.model
        self.settings, self.model = settings, model
        self.pipeline = AskPipeline(self.databases, settings, self.resilience, model, self.observer)
        self.resilience.adopt(settings.resilience)
        for name, database in self.databases.items():
            database.description = settings.databases[name].description
        if old is not None and old is not model:
            task = asyncio.create_task(_close_later(old, before.validation.total_timeout))
            self._closing[task] = old
            task.add_done_callback(lambda done: self._closing.pop(done, None))

    async def close_models(self) -> None:
        """Close the model, and those before it."""
        closing = dict(self._closing)
        for task in closing:
            task.cancel()
        await asyncio.gather(*closing, return_exceptions=True)
        for model in (*closing.values(), self.model):
            if model is not None:
                await model.close()


def open_model(settings: ModelSettings) -> OpenAIModel | None:
    """The model of the settings; None when none is configured."""
    # A server of one's own may need no key; OpenAI's always does.
    configured = settings.key is not None or settings.base_url is not None
    return OpenAIModel(settings) if configured else None


async def _close_later(model: OpenAIModel, seconds: float) -> None:
    # No question takes longer.
    await asyncio.sleep(seconds)
    await model.close()


def state_of(databases: Databases, resilience: Resilience, audit: AuditLog | None = None) -> ServerState:
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
        audit=audit.state if audit is not None else None,
    )


@contextlib.asynccontextmanager
async def open_service(settings: Settings) -> AsyncIterator[Service]:
    """Open everything that a server needs.

    Raises:
        PgGuardError: Settings, a policy or a database cannot be used; what was opened is closed again.
    """
    resilience = Resilience(settings.resilience)
    model = open_model(settings.model)
    service: Service | None = None
    audit: AuditLog | None = None
    observer = open_observer(settings)
    try:
        audit = await open_audit_log(settings.audit)
        databases = await Databases.open(settings, resilience, audit, observer)
        observer.watch(lambda: state_of(databases, resilience, audit))
        try:
            pipeline = AskPipeline(databases, settings, resilience, model, observer)
            service = Service(settings, databases, pipeline, resilience, model, audit=audit, observer=observer)
            yield service
        finally:
            await databases.close()
    finally:
        if audit is not None:
            # After the databases: statements that were under way have ended, and what came of them is written.
            await audit.close()
        if service is not None:
            await service.close_models()
        elif model is not None:
            await model.close()
        await resilience.close()
        observer.close()
