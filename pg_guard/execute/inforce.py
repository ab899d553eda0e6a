"""The guard in force on one database. In: readings of its catalog, new policies. Out: one guard at a time, replaced as a whole.

A new guard is made of the newest policy and the newest catalog: whoever replaces one holds `swapping` from the moment in which
it looks at the other, so that neither a new catalog nor a new policy is lost.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, NamedTuple

from pg_guard.catalog.model import Catalog
from pg_guard.errors import CatalogError, DatabaseError
from pg_guard.guard import Guard
from pg_guard.policy.using import pack_digests

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pg_guard.policy.load import LoadedPolicy

__all__ = ["InForce", "RefreshOutcome", "policy_version", "version_in"]

_log = logging.getLogger(__name__)


class RefreshOutcome(NamedTuple):
    """How a reading of the catalog went: whether anything changed, or why the last good one stays."""

    changed: bool
    age_seconds: float
    error: str = ""


class InForce:
    """The guard that decides, and how old its catalog is.

    Args:
        name: The database, for the log.
        dsn: Where its catalog is read.
        guard: The first one, on a catalog that was read just now.
        files: What its policy was made of.

    Attributes:
        guard: The one that decides.
        files: The files that its policy was made of.
        swapping: Held by whoever replaces it.
        last_error: Why the last reading of the catalog failed, or ''.
    """

    def __init__(self, name: str, dsn: str, guard: Guard, files: tuple[str, ...] = ()) -> None:
        self.guard = guard
        self.files = files
        self.swapping = asyncio.Lock()
        self.last_error = ""
        self._name = name
        self._dsn = dsn
        self._read_at = time.monotonic()
        self._reading = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._soon: asyncio.Task[None] | None = None

    @property
    def age_seconds(self) -> float:
        """Seconds since the catalog was read."""
        return time.monotonic() - self._read_at

    async def refresh(self) -> RefreshOutcome:
        """Read the catalog again and put it in the place of the old one; a failure keeps the old one, and says so."""
        async with self._reading:
            try:
                # Without `swapping`: a database that hangs must not keep a new policy from coming into force.
                catalog = await Catalog.from_database(self._dsn)
                async with self.swapping:
                    guard = self.guard
                    changed = guard.catalog is None or catalog.digest != guard.catalog.digest
                    if changed:
                        # Compiling a large policy against a large catalog takes a moment.
                        self.guard = await asyncio.to_thread(Guard, guard.policy, catalog, guard.packs)
            except (DatabaseError, CatalogError) as error:
                self.last_error = error.message
                _log.warning("catalog of %s: not refreshed: %s", self._name, error.message)
                return RefreshOutcome(False, self.age_seconds, error.message)
            except Exception as error:  # noqa: BLE001 - the last good catalog stays, whatever fails
                self.last_error = f"unexpected {type(error).__name__}"
                _log.exception("catalog of %s: not refreshed", self._name)
                return RefreshOutcome(False, self.age_seconds, self.last_error)
            self._read_at = time.monotonic()
            self.last_error = ""
            return RefreshOutcome(changed, 0.0)

    def refresh_every(self, seconds: float | None) -> None:
        """Refresh from time to time, from now on; None for never."""
        if self._task is not None:
            self._task.cancel()
        self._task = None if seconds is None else asyncio.create_task(self._refresh_forever(seconds))

    def refresh_soon(self) -> None:
        """Refresh now, beside what runs; once for all who ask while it waits to begin."""
        if self._soon is None or self._soon.done():
            self._soon = asyncio.create_task(self._refresh_now())

    async def _refresh_now(self) -> None:
        # A reload that reads already may have begun before the other server was there.
        outcome = await self.refresh()
        _log.info(
            "catalog read again: another server answers",
            extra={"database": self._name, "status": "failed" if outcome.error else "ok"},
        )

    async def _refresh_forever(self, interval: float) -> None:
        while True:
            await asyncio.sleep(interval)
            await self.refresh()

    async def close(self) -> None:
        """Refresh no longer."""
        tasks = [task for task in (self._task, self._soon) if task is not None]
        self._task = self._soon = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def policy_version(policy: Guard | LoadedPolicy) -> str:
    """What tells policies apart: the digests of the policy and of its packs, whatever the catalog."""
    digests = pack_digests(policy.packs) if policy.packs else {}
    return version_in({**digests, "policy": policy.policy.digest})


def version_in(digests: Mapping[str, str]) -> str:
    """The same from the digests of a decision."""
    return f"{digests['policy']}:{digests.get('packs', '')}"
