"""One run of the differential test. In: a DSN, a catalog, a guard, a seed and a count. Out: a `Report`.

Every statement that PostgreSQL accepts is compared with the facts; every one that the guard allows runs, and its rows,
notices and errors are searched for canaries.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import asyncpg

from pg_guard.demo.data import CANARIES
from tests.differential.compare import Comparer
from tests.differential.generator import Generator
from tests.differential.oracle import Oracle

if TYPE_CHECKING:
    from pg_guard.catalog.model import Catalog
    from pg_guard.guard import Guard
    from tests.differential.oracle import Resolved

__all__ = ["Report", "fuzz"]

_BATCH = 100
_ROWS = 40
_MILLISECONDS = 150
_RUN = f"""
CREATE FUNCTION pg_temp.run(statement text) RETURNS text LANGUAGE plpgsql AS $function$
DECLARE c refcursor; r record; found text := ''; detail text;
BEGIN
  OPEN c FOR EXECUTE statement;
  FOR n IN 1..{_ROWS} LOOP
    FETCH c INTO r;
    EXIT WHEN NOT FOUND;
    found := found || r::text || E'\\n';
  END LOOP;
  RETURN found;
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
  RETURN found || SQLERRM || detail;
END $function$
"""


@dataclass
class Report:
    """Counts of one run, and the shortest example of each kind of difference."""

    seed: int
    generated: int = 0
    accepted: int = 0
    allowed: int = 0
    timeouts: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    misses: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    surplus: Counter[str] = field(default_factory=Counter)
    leaks: list[str] = field(default_factory=list)
    examples: dict[str, str] = field(default_factory=dict)

    def count(self, kind: Counter[str], names: tuple[str, ...], sql: str) -> None:
        for name in set(names):
            kind[name] += 1
            if len(sql) < len(self.examples.get(name, sql + " ")):
                self.examples[name] = sql

    def show(self, kind: Counter[str], limit: int = 10) -> str:
        lines = [f"{count} x {name}\n    {self.examples[name]}" for name, count in kind.most_common(limit)]
        return f"seed {self.seed}\n" + "\n".join(lines)

    def summary(self) -> str:
        skipped = ", ".join(f"{code} {count}" for code, count in self.skipped.most_common(6))
        return (
            f"seed {self.seed}: {self.accepted} statements compared (of {self.generated} made; refused by PostgreSQL: {skipped}); "
            f"{sum(self.misses.values())} misses, {sum(self.notes.values())} refused as not understood, "
            f"{sum(self.surplus.values())} surplus facts; {self.allowed} allowed and run ({self.timeouts} cut off), "
            f"{len(self.leaks)} leaks"
        )


async def fuzz(dsn: str, catalog: Catalog, guard: Guard, *, seed: int, count: int) -> Report:
    """Compare `count` statements that PostgreSQL accepts.

    Args:
        dsn: The bed, for a superuser; nothing is changed.
        guard: What is allowed runs.
    """
    report = Report(seed)
    generator, comparer = Generator(catalog, seed), Comparer(catalog)
    resolving = await asyncpg.connect(dsn, server_settings={"search_path": "public"})
    running = await asyncpg.connect(dsn, server_settings={"search_path": "public"})
    notices: list[str] = []
    running.add_log_listener(lambda _connection, message: notices.append(str(message.as_dict())))
    try:
        oracle = Oracle(resolving)
        await oracle.start()
        await running.execute(_RUN)
        await running.execute(
            f"SET default_transaction_read_only = on; SET statement_timeout = {_MILLISECONDS}; SET jit = off"
        )
        while report.accepted < count:
            statements = [generator.statement() for _ in range(_BATCH)]
            report.generated += len(statements)
            for sql, resolved in zip(statements, await oracle.resolve(statements), strict=True):
                if resolved.problem:
                    report.skipped[resolved.problem[:5]] += 1
                    continue
                _compare(report, comparer, sql, resolved)
                if guard.check(sql).allowed:
                    report.allowed += 1
                    notices.clear()
                    out = await _run(report, running, sql)
                    if any(CANARIES.search(text) for text in (out, *notices)):
                        report.leaks.append(sql)
    finally:
        await resolving.close()
        await running.close()
    return report


def _compare(report: Report, comparer: Comparer, sql: str, resolved: Resolved) -> None:
    report.accepted += 1
    difference = comparer.compare(sql, resolved)
    report.count(report.notes, difference.notes, sql)
    if not difference.notes:
        report.count(report.misses, difference.misses, sql)
        report.count(report.surplus, difference.surplus, sql)


async def _run(report: Report, connection: asyncpg.Connection[asyncpg.Record], sql: str) -> str:
    try:
        return str(await connection.fetchval("SELECT pg_temp.run($1)", sql))
    except asyncpg.QueryCanceledError:
        report.timeouts += 1
        return ""
    except asyncpg.PostgresError as error:
        return f"{error} {error.detail or ''}"
