"""Every attack of the corpus has its effect when nothing guards the database; a harmless text proves nothing."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest

from pg_guard.demo.data import CANARIES
from pg_guard.demo.database import load_sample_database
from tests.corpus.effects import TEMPLATE, Ground
from tests.corpus.loading import Case, load_cases

if TYPE_CHECKING:
    from collections.abc import Iterator

    from _pytest.mark import ParameterSet

# What the attacks are at least; a file that is lost must not go unseen.
STATEMENTS, FAMILIES = 1700, 70


@pytest.fixture(scope="module")
async def template(server_dsn: str) -> str:
    """URI of the server, after the template of the ground has been made."""
    dsn = await load_sample_database(server_dsn, name=TEMPLATE)
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(Path(__file__).with_name("testbed.sql").read_text(encoding="utf-8"))
    finally:
        await connection.close()
    return server_dsn


@pytest.fixture(scope="module")
def ground(template: str) -> Iterator[Ground]:
    with Ground(template) as opened:
        yield opened


def _files() -> list[ParameterSet]:
    files: dict[str, list[Case]] = {}
    for case in load_cases("attacks"):
        files.setdefault(case.file, []).append(case)
    return [pytest.param(cases, id=Path(name).stem) for name, cases in files.items()]


@pytest.mark.parametrize("cases", _files())
def test_attacks_work(ground: Ground, cases: list[Case]) -> None:
    idle = []
    for case in cases:
        effects = ground.observe(case)
        if case.needs and "unsupported" in effects.reply.error:
            # This build of PostgreSQL lacks the part; another build would be attacked.
            continue
        if case.works not in effects.seen:
            idle.append(f"{case.place} is no {case.works}; seen: {effects.remarks or effects.reply.text[:200]}")
    assert not idle, "\n".join(idle)


@pytest.mark.parametrize(
    ("sql", "policy"),
    [
        ("SELECT id, name, city FROM customers ORDER BY id LIMIT 20", "demo"),
        ("SELECT count(*) FROM web_events WHERE occurred_at < '2026-02-01'", "demo"),
        ("SELECT sum(total) FROM orders WHERE tenant_id = 1", "tenant"),
        (
            "SELECT c.name, o.total FROM customers c JOIN orders o ON o.customer_id = c.id AND o.tenant_id = 1 WHERE c.tenant_id = 1",
            "tenant",
        ),
    ],
)
@pytest.mark.parametrize("works", ["leak", "oracle", "write", "session", "file", "load", "error"])
def test_an_honest_statement_shows_no_effect(ground: Ground, sql: str, policy: str, works: str) -> None:
    case = Case(id="honest", group="honest", sql=sql, policy=policy, works=works)
    assert ground.observe(case).seen == set()


def test_no_attack_brings_its_own_canary() -> None:
    # A canary in the text would come back in a row or an error, and look like a leak.
    assert [case.place for case in load_cases("attacks") if case.works == "leak" and CANARIES.search(case.sql)] == []


def test_the_attacks_are_whole() -> None:
    cases = load_cases("attacks")
    assert len(cases) >= STATEMENTS
    assert len({case.group for case in cases}) >= FAMILIES
    texts = Counter((case.sql, case.policy) for case in cases)
    assert [case.place for case in cases if texts[case.sql, case.policy] > 1] == [], "the same text counts twice"
