"""A run of embedded tests. In: policies and rules. Out: a `Report`; PostgreSQL is asked where a database is given."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Final

from pg_guard.errors import UsageError
from pg_guard.policy.shipped import shipped_dir
from pg_guard.testing.model import Report
from pg_guard.testing.policies import run_policy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pg_guard.catalog.model import Catalog
    from pg_guard.testing.discover import Target
    from pg_guard.testing.model import Case, Suite

__all__ = ["DEMO_CATALOG", "Settings", "catalog_for_tests", "demo_catalog", "run_targets", "with_database"]

DEMO_CATALOG: Final = ("catalogs", "demo.json")
"""Below the shipped rules: the names of the sample database, for tests that say ``catalog: demo``."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How a run is made.

    Attributes:
        catalog: Where the names in tests of policies are resolved; None takes them as written.
        keyword: Only tests whose id holds this text, in any case, are run; all when empty.
        coverage: Find out which clauses and rules the tests exercise.
        required: The percentage of clauses that must be covered; None demands nothing.
    """

    catalog: Catalog | None = None
    keyword: str = ""
    coverage: bool = False
    required: float | None = None

    def selects(self, case: Case) -> bool:
        """Is the test one of those that are run?"""
        return self.keyword.casefold() in case.id.casefold()


@cache
def demo_catalog() -> Catalog:
    """The names of the sample database, from the snapshot that is shipped with the rules.

    Raises:
        CatalogError: The snapshot cannot be read.
    """
    from pg_guard.catalog.model import Catalog

    return Catalog.from_json(shipped_dir("rules").joinpath(*DEMO_CATALOG))


def run_targets(targets: Iterable[Target], settings: Settings = Settings()) -> Report:
    """Run the tests of policies and rules; what is wrong with a file is in the report and does not stop the others.

    Raises:
        CatalogError: A rule's test needs the sample database's names, and their snapshot cannot be read.
    """
    return Report(tuple(_run(target, settings) for target in targets), settings.coverage, settings.required)


def _run(target: Target, settings: Settings) -> Suite:
    if target.kind == "policy":
        return run_policy(target.path, settings.catalog, selected=settings.selects, coverage=settings.coverage)
    from pg_guard.testing.rules import run_rule

    return run_rule(target.path, catalog_for_tests, selected=settings.selects, coverage=settings.coverage)


@cache
def large_catalog() -> Catalog:
    """The sample database as if each table had a thousand times its rows, for rules about large tables."""
    catalog = demo_catalog()
    grown = (replace(each, rows=each.rows * 1000) if each.rows > 0 else each for each in catalog.relations)
    return replace(catalog, relations=tuple(grown))


def catalog_for_tests(word: str) -> Catalog | None:
    """The catalog that a rule's test names: ``demo``, ``large`` or ``none``; raises as `demo_catalog`."""
    if word == "large":
        return large_catalog()
    if word not in ("demo", "none"):
        raise UsageError(f"there is no catalog {word!r} for tests", hint="write demo, large or none")
    return demo_catalog() if word == "demo" else None


async def with_database(report: Report, dsn: str, *, read_only: bool) -> Report:
    """The report, with what PostgreSQL did with each statement that is said to work on it.

    Args:
        report: What `run_targets` returned.
        dsn: A database that may be thrown away, of the version that the tests name.
        read_only: Run the statements in read-only transactions.

    Raises:
        DatabaseError: The database cannot be reached.
    """
    from pg_guard.testing.database import run_statements

    cases = [result.case for result in report.results if result.case.works_on is not None]
    outcomes = iter(await run_statements(dsn, [case.sql for case in cases], read_only=read_only))
    suites = []
    for suite in report.suites:
        results = tuple(
            replace(result, ran=next(outcomes)) if result.case.works_on is not None else result
            for result in suite.results
        )
        suites.append(replace(suite, results=results))
    return replace(report, suites=tuple(suites))
