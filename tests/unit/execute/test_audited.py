"""A database with an audit log: recorded before it runs, what came of it after, and nothing without a record."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr

from pg_guard.errors import CostError, ExecutionError, InternalError
from pg_guard.execute.database import Database
from pg_guard.observe.audit import AuditUnavailable, Entry
from pg_guard.policy.load import load_policy
from pg_guard.settings import CacheSettings, DatabaseSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from pg_guard.decision import Decision
    from pg_guard.observe.audit import Outcome

POLICY = """
schema: pg-guard/policy/v1
statements: {allow: [select, show]}
search_path: [public]
tables: {deny: ["hr.*"]}
functions: {mode: denylist, deny: []}
limits: {cost: 100000, rows: 10}
"""


class Memory:
    """An auditor that keeps what it is told, and fails when a test says so."""

    def __init__(self) -> None:
        self.fails: set[str] = set()
        self.seen: list[tuple[str, Any]] = []

    async def decided(self, decision: Decision, **more: Any) -> Entry:
        if "decided" in self.fails:
            raise AuditUnavailable
        self.seen.append(("decided", (decision.statement, decision.allowed, more)))
        return Entry(str(len(self.seen)), recorded=True)

    async def completed(self, entry: Entry, outcome: Outcome) -> None:
        if "completed" in self.fails:
            raise AuditUnavailable
        self.seen.append(("completed", outcome))

    def abandoned(self, entry: Entry, outcome: Outcome) -> None:
        self.seen.append(("abandoned", outcome))


@pytest.fixture
def auditor() -> Memory:
    return Memory()


@pytest.fixture
async def database(demo_dsn: str, tmp_path: Path, auditor: Memory) -> AsyncIterator[Database]:
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY, encoding="utf-8")
    settings = DatabaseSettings(dsn=SecretStr(demo_dsn))
    cache = CacheSettings(auto_refresh=False)
    opened = await Database.open("shop", settings, policy=load_policy(policy), cache=cache, auditor=auditor)
    yield opened
    await opened.close()


async def test_a_statement_is_recorded_and_then_what_came_of_it(database: Database, auditor: Memory) -> None:
    principal = {"client": "bi-7"}
    checked = await database.check("SELECT id FROM orders", principal, operation="run", question_id="q")
    expected = {"database": "shop", "operation": "run", "principal": principal, "question_id": "q"}
    assert auditor.seen == [("decided", ("SELECT id FROM orders", True, expected))]
    assert (await database.run(checked)).row_count == 10
    (_, outcome) = auditor.seen[1]
    assert (outcome.status, outcome.rows, outcome.truncated) == ("ok", 10, True)
    assert outcome.duration_ms > 0


async def test_a_refused_statement_is_recorded(database: Database, auditor: Memory) -> None:
    await database.check("SELECT * FROM hr.payroll")
    assert [(kind, told[1]) for kind, told in auditor.seen] == [("decided", False)]


async def test_what_fails_is_recorded_with_its_code(database: Database, auditor: Memory) -> None:
    with pytest.raises(ExecutionError):
        await database.run(await database.check("SELECT 1 / (id - id) FROM orders"))
    with pytest.raises(CostError):
        await database.run(
            await database.check("SELECT 1 FROM order_items a JOIN order_items b ON a.quantity = b.quantity")
        )
    with pytest.raises(ExecutionError):
        await database.explain(await database.check("SHOW search_path", operation="explain"))
    outcomes = [told for kind, told in auditor.seen if kind == "completed"]
    assert [(each.status, each.error, each.sqlstate) for each in outcomes] == [
        ("error", "execution", "22012"),
        ("error", "cost", ""),
        ("error", "execution", ""),
    ]


async def test_a_plan_is_recorded(database: Database, auditor: Memory) -> None:
    plan = await database.explain(await database.check("SELECT id FROM orders", operation="explain"))
    assert plan.cost > 0
    assert [kind for kind, _ in auditor.seen] == ["decided", "completed"]
    assert auditor.seen[1][1].rows is None


async def test_without_a_record_nothing_is_checked_or_run(database: Database, auditor: Memory) -> None:
    checked = await database.check("SELECT 1")
    auditor.fails = {"decided"}
    with pytest.raises(AuditUnavailable):
        await database.check("SELECT 1")
    with pytest.raises(InternalError, match="without an audit record"):
        await database.run(checked._replace(entry=None))


async def test_rows_are_not_handed_out_without_their_outcome(database: Database, auditor: Memory) -> None:
    checked = await database.check("SELECT 1")
    auditor.fails = {"completed"}
    with pytest.raises(AuditUnavailable):
        await database.run(checked)
    with pytest.raises(AuditUnavailable):
        await database.explain(checked)


async def test_a_cancelled_statement_is_recorded_without_waiting(database: Database, auditor: Memory) -> None:
    checked = await database.check("SELECT pg_sleep(60)")
    running = asyncio.create_task(database.run(checked))
    await asyncio.sleep(0.2)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert [(kind, told.status) for kind, told in auditor.seen[1:]] == [("abandoned", "cancelled")]
