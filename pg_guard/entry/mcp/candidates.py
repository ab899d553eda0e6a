"""What a reload would put in force. In: sources, and a service that runs. Out: all of it built and tested, or all that is wrong.

Nothing of the service is changed here.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel

from pg_guard.entry.mcp.service import open_model
from pg_guard.errors import PgGuardError, PolicyError, Problem, UsageError
from pg_guard.execute.databases import effective, open_databases
from pg_guard.execute.deployed import deployed_policy
from pg_guard.execute.inforce import policy_version
from pg_guard.guard import Guard
from pg_guard.observe.logging import change_logging

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pg_guard.ask.openai_model import OpenAIModel
    from pg_guard.catalog.model import Catalog
    from pg_guard.entry.mcp.service import Service
    from pg_guard.execute.database import Database
    from pg_guard.policy.load import LoadedPolicy
    from pg_guard.settings import ReloadSettings, Settings

__all__ = ["Candidate", "Refused", "Tried", "build", "held", "tested"]

RESTART: Final[Mapping[str, tuple[str, ...]]] = {
    "service_name": (),
    "http": (),
    "audit": (),
    "observability": ("listen", "metrics", "tracing"),
    "logging": ("file", "file_bytes", "file_backups"),
    "resilience": ("redis_url",),
}
"""By section, the settings that a running server keeps as they are; () for all of a section."""

_SECONDS_TO_SAY: Final = 2.0

_log = logging.getLogger(__name__)


class Refused(Exception):  # noqa: N818 - the end of a reload, not a defect
    """It is not put in force.

    Attributes:
        errors: By database what is wrong; under '' what concerns all.
    """

    def __init__(self, errors: Mapping[str, PgGuardError]) -> None:
        super().__init__("; ".join(f"{name}: {error}" if name else str(error) for name, error in errors.items()))
        self.errors = dict(errors)


@dataclass
class Tried:
    """What was read, also when it could not be used: where a repair would happen."""

    files: set[Path] = field(default_factory=set)
    policies: set[Path] = field(default_factory=set)


@dataclass
class Candidate:
    """All that is good, and not in force yet.

    Attributes:
        settings: With what cannot change as it was.
        restart: Names of settings whose new values need a restart.
        policies: By database.
        guards: Of databases whose policy changes and whose connections stay.
        opened: Databases with connections of their own: new ones, and those that are reached in another way now.
        model: The model to use.
    """

    settings: Settings
    restart: tuple[str, ...]
    policies: Mapping[str, LoadedPolicy]
    guards: dict[str, Guard] = field(default_factory=dict)
    opened: dict[str, Database] = field(default_factory=dict)
    model: OpenAIModel | None = None

    async def discard(self, service: Service) -> None:
        """Close what was opened for it."""
        await asyncio.gather(*(database.close() for database in self.opened.values()), return_exceptions=True)
        if self.model is not None and self.model is not service.model:
            await self.model.close()


async def build(service: Service, read: Callable[[], Settings], tried: Tried) -> Candidate:
    """Read settings and policies, make guards of them, run their tests, and open what must be opened.

    Args:
        service: What runs.
        read: Reads the settings.
        tried: What was read is noted there, also when it fails.

    Raises:
        Refused: Something is wrong; all that was found is in it.
    """
    now, policies = await asyncio.to_thread(_read, read, tried)
    # What goes wrong from here on is told without the new secrets, too.
    change_logging(service.settings, now)
    settings, restart = held(service.settings, now)
    candidate = Candidate(settings, restart, policies, model=service.model)
    errors: dict[str, PgGuardError] = {}
    try:
        if settings.model != service.settings.model:
            candidate.model = open_model(settings.model)
        fresh = [name for name in settings.databases if not _stays(service, settings, name)]
        known = {pack.digest for each in service.databases.values() for pack in each.guard.packs}
        for name in settings.databases:
            if name in fresh or policy_version(policies[name]) == policy_version(service.databases[name].guard):
                continue
            try:
                catalog = service.databases[name].guard.catalog
                candidate.guards[name] = await tested(name, policies[name], catalog, settings.reload, known)
            except PgGuardError as error:
                errors[name] = error
        if not errors:
            errors = await _open(service, candidate, fresh, known)
        if errors:
            raise Refused(errors)
    except BaseException:
        await candidate.discard(service)
        raise
    return candidate


def _read(read: Callable[[], Settings], tried: Tried) -> tuple[Settings, dict[str, LoadedPolicy]]:
    try:
        settings = read()
        if not settings.databases:
            raise UsageError("no database is configured", hint="name one, or stop the server")
    except PgGuardError as error:
        raise Refused({"": error}) from None
    tried.files.update(settings.files)
    policies: dict[str, LoadedPolicy] = {}
    errors: dict[str, PgGuardError] = {}
    for name in settings.databases:
        if (file := settings.policy_of(name)) is not None:
            tried.policies.add(file)
        try:
            policies[name] = deployed_policy(settings, name)
        except PgGuardError as error:
            errors[name] = error
            if isinstance(error, PolicyError):
                tried.policies.update(Path(problem.file) for problem in error.problems if problem.file)
    if errors:
        raise Refused(errors)
    return settings, policies


async def _open(
    service: Service, candidate: Candidate, names: Iterable[str], known: set[str]
) -> dict[str, PgGuardError]:
    """Open databases at the same time and run the tests of their policies; what is wrong with each."""

    async def open_one(name: str) -> None:
        parts = (service.resilience, service.audit, service.observer)
        candidate.opened |= await open_databases(candidate.settings, candidate.policies, [name], *parts)
        guard = candidate.opened[name].guard
        await _run_tests(name, candidate.policies[name], guard, candidate.settings.reload, known)

    opening = {name: asyncio.create_task(open_one(name)) for name in names}
    errors: dict[str, PgGuardError] = {}
    try:
        for name, task in opening.items():
            try:
                await task
            except PgGuardError as error:
                errors[name] = error
    finally:
        for task in opening.values():
            task.cancel()
        await asyncio.gather(*opening.values(), return_exceptions=True)
    return errors


def _stays(service: Service, settings: Settings, name: str) -> bool:
    """Whether a database is reached as before, so that its connections stay."""
    if name not in service.databases or name not in service.settings.databases:
        return False
    elsewhere: dict[str, Any] = {"policy": None, "description": ""}
    before, now = effective(service.settings, name), effective(settings, name)
    return before.model_copy(update=elsewhere) == now.model_copy(update=elsewhere)


async def tested(
    name: str, loaded: LoadedPolicy, catalog: Catalog | None, how: ReloadSettings, known: set[str]
) -> Guard:
    """A guard whose tests pass.

    Args:
        name: The database, for the log.
        loaded: Its policy.
        catalog: Its catalog.
        how: Whether tests run, and how long they may take.
        known: Digests of packs whose tests need not run.

    Raises:
        PolicyError: The policy does not fit, or tests fail; each is a problem with its place.
    """
    guard = await asyncio.to_thread(Guard, loaded.policy, catalog, loaded.packs)
    await _run_tests(name, loaded, guard, how, known)
    return guard


async def _run_tests(name: str, loaded: LoadedPolicy, guard: Guard, how: ReloadSettings, known: set[str]) -> None:
    if not how.tests:
        return
    from pg_guard.testing.embedded import TestsTooSlow, failing_tests

    said = time.monotonic()
    given_up = threading.Event()

    def progress(done: int) -> None:
        nonlocal said
        if given_up.is_set():
            raise asyncio.CancelledError
        if time.monotonic() - said > _SECONDS_TO_SAY:
            said = time.monotonic()
            _log.info("reload: tests of the policy run", extra={"database": name, "tests": done})

    try:
        problems = await asyncio.to_thread(
            failing_tests, loaded, guard, seconds=how.tests_timeout, known_packs=known, progress=progress
        )
    except TestsTooSlow as slow:
        message = f"its tests take longer than {how.tests_timeout:g} s ({slow.done} have run)"
        file = loaded.files[-1] if loaded.files else ""
        hint = "write fewer, or raise reload.tests_timeout"
        raise PolicyError((Problem(message, file, path="tests", hint=hint),)) from None
    finally:
        # A thread cannot be cancelled, and the process would wait for it.
        given_up.set()
    if problems:
        raise PolicyError(tuple(problems))


def held(before: Settings, now: Settings) -> tuple[Settings, tuple[str, ...]]:
    """New settings for a server that runs.

    Returns:
        The new settings with the old values of what cannot change while a server runs; and the names of such settings whose
        values differ.
    """
    update: dict[str, Any] = {}
    names: list[str] = []
    for section, fields in RESTART.items():
        old, new = getattr(before, section), getattr(now, section)
        if not isinstance(old, BaseModel):
            if old != new:
                update[section] = old
                names.append(section)
            continue
        differing = [each for each in fields or type(old).model_fields if getattr(old, each) != getattr(new, each)]
        if differing:
            update[section] = new.model_copy(update={each: getattr(old, each) for each in differing})
            names += [f"{section}.{each}" for each in differing]
    return now.model_copy(update=update), tuple(names)
