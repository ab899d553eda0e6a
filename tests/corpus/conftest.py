"""Fixtures of the corpus: the database "bed", the guard of each policy, the decision of each case, the final counts.

Attacks are decided, and run when allowed, on the bed: the sample database with tests/corpus/testbed.sql on top. Honest
statements belong to the plain sample database: on the bed, an operator or a function that takes the place of a built-in
one makes an attack of ``status = 'paid'``. Counts travel from the tests to the summary as
user properties of the reports, so that they survive worker processes.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest

from pg_guard.demo.database import load_sample_database
from tests.corpus.loading import policy_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from pg_guard.catalog.model import Catalog
    from pg_guard.decision import Decision
    from tests.corpus.loading import Case


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
