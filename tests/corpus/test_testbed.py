"""PostgreSQL's last word: what the guard allows is run on a real server as a superuser, and the bed must not object.

That the honest statements get through unchanged is asserted in test_corpus, so running their text runs what is allowed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest

from tests.corpus.bed import Bed
from tests.corpus.loading import load_cases

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from _pytest.mark import ParameterSet

    from pg_guard.decision import Decision
    from tests.corpus.loading import Case, Kind


@pytest.fixture
async def bed(bed_dsn: str) -> AsyncIterator[Bed]:
    async with Bed(bed_dsn) as opened:
        yield opened


@pytest.fixture
async def sample(demo_dsn: str) -> AsyncIterator[Bed]:
    async with Bed(demo_dsn) as opened:
        yield opened


def _files(kind: Kind) -> list[ParameterSet]:
    files: dict[str, list[Case]] = {}
    for case in load_cases(kind):
        files.setdefault(case.file, []).append(case)
    return [pytest.param(tuple(cases), id=file) for file, cases in files.items()]


@pytest.mark.parametrize("cases", _files("benign"))
async def test_honest_statements_run_and_are_honest(cases: tuple[Case, ...], sample: Bed) -> None:
    problems = []
    for case in cases:
        outcome = await sample.run(case.sql)
        problems += [f"{case.place}: {objection}" for objection in outcome.objections]
        # A part that this build of PostgreSQL lacks is named by the case, and nothing else excuses an error.
        lacking = bool(case.needs) and isinstance(outcome.error, asyncpg.FeatureNotSupportedError)
        if outcome.error is not None and not lacking:
            problems.append(f"{case.place}: {outcome.error}")
    assert problems == []


@pytest.mark.parametrize("cases", _files("attacks"))
async def test_allowed_attacks_do_nothing(
    cases: tuple[Case, ...], bed: Bed, decide_attack: Callable[[Case], Decision]
) -> None:
    problems = []
    for case in cases:
        decision = decide_attack(case)
        # A known gap is counted, and expected to fail, in test_corpus; test_load_is_ended runs what execution ends.
        if decision.sql is None or case.todo or case.ended_by:
            continue
        outcome = await bed.run(decision.sql)
        problems += [f"{case.place}: {objection}" for objection in outcome.objections]
    assert problems == []


@pytest.mark.parametrize("cases", _files("benign"))
async def test_honest_statements_that_the_bed_turns_into_attacks_are_refused(
    cases: tuple[Case, ...], bed: Bed, decide_attack: Callable[[Case], Decision]
) -> None:
    problems = []
    for case in cases:
        # On the bed, functions, operators and casts of hidden tables' readers stand in the place of built-in ones.
        decision = decide_attack(case)
        if decision.sql is None:
            continue
        outcome = await bed.run(decision.sql)
        problems += [f"{case.place}: {objection}" for objection in outcome.objections]
    assert problems == []


@pytest.mark.parametrize(
    ("sql", "objection"),
    [
        ("SELECT ssn FROM customers", "a canary came out"),
        ("SELECT * FROM customers", "a canary came out"),
        ("SELECT reverse(secret) FROM audit.api_keys", "a canary came out"),
        ("SELECT encode(convert_to(password_hash, 'UTF8'), 'hex') FROM customers", "a canary came out"),
        ("SELECT convert_to(password_hash, 'UTF8') FROM customers", "a canary came out"),
        ("SELECT array_agg(c) FROM customers c", "a canary came out"),
        ("SELECT secret::integer FROM audit.api_keys", "a canary came out"),
        ("SELECT raise_secret()", "a canary came out"),
        ("SELECT fail_secret()", "a canary came out"),
        ('SELECT 1 AS "CANARY-name"', "a canary came out"),
        ("EXPLAIN SELECT 1 FROM orders WHERE note = 'CANARY-x'", "a canary came out"),
        ("DELETE FROM reviews", "something was written"),
        ("WITH gone AS (DELETE FROM reviews RETURNING id) SELECT count(*) FROM gone", "something was written"),
        ("SELECT id FROM orders LIMIT 1 FOR UPDATE", "something was written"),
        ("SELECT record_visit()", "something was written"),
        ("SELECT lo_create(0)", "something was written"),
        ("CREATE TEMP TABLE t (a integer)", "something was written"),
        ("EXPLAIN ANALYZE DELETE FROM reviews", "something was written"),
        ("SELECT nextval('ticket_numbers')", "sequences changed"),
        ("SELECT set_config('work_mem', '8MB', false)", "settings changed"),
        ("SELECT set_config('statement_timeout', '0', true)", "settings changed"),
        ("SET search_path = hr", "settings changed"),
        ("SET ROLE pg_monitor", "current_user changed"),
        ("SELECT pg_advisory_lock(42)", "advisory locks changed"),
        ("SELECT pg_advisory_xact_lock(42)", "advisory locks changed"),
        ("PREPARE p AS SELECT 1", "prepared statements changed"),
        ("DECLARE c CURSOR FOR SELECT 1", "cursors changed"),
        ("COMMIT", "the transaction ended"),
        ("ROLLBACK AND CHAIN", "the transaction ended"),
        ("SELECT pg_sleep(60)", "ran past the limit of 5 s"),
        ("SELECT pg_terminate_backend(pg_backend_pid())", "the session cannot be used any more"),
    ],
)
async def test_the_bed_objects(bed: Bed, sql: str, objection: str) -> None:
    outcome = await bed.run(sql)
    assert any(text.startswith(objection) for text in outcome.objections), outcome


async def test_the_bed_is_as_new_after_an_objection(bed: Bed) -> None:
    for harm in ("SET search_path = hr", "COMMIT", "SELECT pg_advisory_lock(42)", "DELETE FROM payments"):
        assert (await bed.run(harm)).objections
        outcome = await bed.run("SELECT count(*) FROM payments")
        assert (outcome.objections, outcome.error, outcome.rows) == ((), None, 1)
    connection = await asyncpg.connect(bed.dsn)
    try:
        assert await connection.fetchval("SELECT count(*) FROM payments") > 0
    finally:
        await connection.close()


async def test_the_bed_reports_an_error_without_an_objection(bed: Bed) -> None:
    outcome = await bed.run("SELECT no_such_column FROM orders")
    assert isinstance(outcome.error, asyncpg.UndefinedColumnError)
    assert outcome.objections == ()
