"""Fixtures of the corpus: the database "bed", the guard of each policy, the decision of each case, the final counts.

Attacks are decided, and run when allowed, on the bed: the sample database with tests/corpus/testbed.sql on top. Honest
statements belong to the plain sample database: on the bed, an operator or a function that takes the place of a built-in
one makes an attack of ``status = 'paid'``. Counts travel from the tests to the summary as
user properties of the reports, so that they survive worker processes.
"""

from __future__ import annotations

import functools
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from pg_guard.demo.database import load_sample_database
from tests.corpus.loading import policy_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from _pytest.terminal import TerminalReporter

    from pg_guard.catalog.model import Catalog
    from pg_guard.decision import Decision
    from tests.corpus.loading import Case

PROPERTY = "corpus"


@pytest.fixture(scope="session")
async def bed_dsn(server_dsn: str) -> str:
    """URI of the bed, for a superuser; what a test does there must be rolled back."""
    dsn = await load_sample_database(server_dsn, name="bed")
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(Path(__file__).with_name("testbed.sql").read_text(encoding="utf-8"))
        await connection.execute("ANALYZE")
    finally:
        await connection.close()
    return dsn


@pytest.fixture(scope="session")
async def bed_catalog(bed_dsn: str) -> Catalog:
    """The catalog of the bed."""
    from pg_guard.catalog.model import Catalog

    return await Catalog.from_database(bed_dsn)


@pytest.fixture(scope="session")
def decide_attack(bed_catalog: Catalog) -> Callable[[Case], Decision]:
    """A function from an attack to the guard's decision on the bed."""
    return _decider(bed_catalog)


@pytest.fixture(scope="session")
def decide_honest(demo_catalog: Catalog) -> Callable[[Case], Decision]:
    """A function from an honest statement to the guard's decision on the sample database."""
    return _decider(demo_catalog)


def _decider(catalog: Catalog) -> Callable[[Case], Decision]:
    from pg_guard.guard import Guard

    @functools.cache
    def guard(policy: str) -> Guard:
        return Guard.load(policy_path(policy), catalog=catalog)

    @functools.cache
    def decide(case: Case) -> Decision:
        return guard(case.policy).check(case.sql, principal=case.principal)

    return decide


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Print how many attacks were refused, how many honest statements were allowed, and what is known to be wrong."""
    entries = _entries(terminalreporter)
    if not entries:
        return
    terminalreporter.section("corpus")
    for kind, wanted in (("attacks", "refused"), ("benign", "allowed")):
        chosen = [entry for entry in entries if entry["kind"] == kind]
        if not chosen:
            continue
        ended = [entry for entry in chosen if entry["ended_by"]]
        chosen = [entry for entry in chosen if not entry["ended_by"]]
        right = sum(entry["allowed"] is (wanted == "allowed") for entry in chosen)
        groups = len({entry["group"] for entry in chosen})
        terminalreporter.line(f"{kind}: {wanted} {right} of {len(chosen)} statements in {groups} groups")
        if ended:
            terminalreporter.line(f"  load that no text shows, ended by the time-out or the caps: {len(ended)}")
        rules = Counter(rule for entry in chosen for rule in set(entry["rules"]))
        for rule in ("sql/unsupported", "sql/readings-differ"):
            share = 100 * rules[rule] / len(chosen)
            terminalreporter.line(f"  {rule}: {rules[rule]} ({share:.1f} %)")
        if kind == "benign" and right < len(chosen):
            wrong = Counter(rule for entry in chosen if not entry["allowed"] for rule in set(entry["rules"]))
            for rule, count in wrong.most_common():
                terminalreporter.line(f"  refused by {rule}: {count}")
    todo = [entry for entry in entries if entry["todo"]]
    terminalreporter.line(f"known to be wrong (todo): {len(todo)}")
    for entry in todo:
        terminalreporter.line(f"  {entry['place']}: {entry['todo']}")


def _entries(terminalreporter: TerminalReporter) -> list[dict[str, Any]]:
    return [
        value
        for outcome in ("passed", "failed", "xfailed", "xpassed")
        for report in terminalreporter.stats.get(outcome, [])
        if getattr(report, "when", "") == "call"
        for name, value in report.user_properties
        if name == PROPERTY
    ]
