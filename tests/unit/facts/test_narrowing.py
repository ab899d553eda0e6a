"""`where` without columns: a condition that takes every row in is none. Each statement also runs on PostgreSQL."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest

from pg_guard.facts.tautologies import matches_all
from pg_guard.guard import Guard
from pg_guard.policy.load import parse_policy

if TYPE_CHECKING:
    from pg_guard.catalog.model import Catalog

POLICY = """
schema: pg-guard/policy/v1
metadata: {name: narrow, version: 1.0.0, description: A large table is read in part.}
statements: {allow: [select]}
search_path: [public]
where: [{table: web_events}]
"""


def _lines(name: str) -> list[str]:
    text = (Path(__file__).parent / "restricting" / name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if not line.startswith("--")]


WIDE = _lines("wide.sql")
NARROW = _lines("narrow.sql")


@pytest.fixture(scope="module")
def guard(demo_catalog: Catalog) -> Guard:
    return Guard(parse_policy(POLICY).policy, demo_catalog)


@pytest.mark.parametrize("sql", WIDE)
def test_wide(guard: Guard, sql: str) -> None:
    assert {finding.rule for finding in guard.check(sql).findings} == {"where/missing"}


@pytest.mark.parametrize("sql", NARROW)
def test_narrow(guard: Guard, sql: str) -> None:
    assert [finding.rule for finding in guard.check(sql).findings] == []


@pytest.mark.parametrize("sql", [*WIDE, *NARROW])
async def test_statement_is_valid(demo_dsn: str, sql: str) -> None:
    connection = await asyncpg.connect(demo_dsn)
    try:
        statement = await connection.prepare(sql)
        assert statement.get_attributes()
    finally:
        await connection.close()


# Expected values come from PostgreSQL: `SELECT bool_and(t ~ pattern) FROM (VALUES ('view'), ('Q1'), ('/a b')) AS x (t)`.
@pytest.mark.parametrize(
    "pattern",
    ["", ".", ".*", "^", "$", "^.*$", ".?", "(.*)", "x*", "a|", "[^q]?", "(?:.)", "(?i).", "()", "\\w", "a{0}"],
)
async def test_pattern_that_matches_every_text(demo_dsn: str, pattern: str) -> None:
    assert matches_all(pattern)
    connection = await asyncpg.connect(demo_dsn)
    try:
        texts = "(VALUES ('view'), ('Q1'), ('/a b')) AS x (t)"
        assert await connection.fetchval(f"SELECT bool_and(t ~ $1) FROM {texts}", pattern)
    finally:
        await connection.close()


@pytest.mark.parametrize(
    "pattern", ["a", "^/", "x+", "(a|b)", "[a-c]", "[[:digit:]]", "\\d", "a{1,2}", "\\.", "(?=a)", "^(a|b)c?$", "a.*"]
)
def test_pattern_that_asks_for_something(pattern: str) -> None:
    assert not matches_all(pattern)
