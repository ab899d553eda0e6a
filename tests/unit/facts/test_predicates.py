"""The prover of row scope against PostgreSQL: an allowed statement's output does not depend on other tenants' rows.

Tenant 1 asks. Every statement that the guard allows runs twice in one transaction that is rolled back; in between, the
rows of all other tenants are changed, deleted and added, also such that belong to tenant 1's orders and customers.
"""

from __future__ import annotations

import itertools
import random
import re
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest

from pg_guard.catalog.model import Catalog
from pg_guard.guard import Guard
from pg_guard.policy.load import parse_policy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

POLICY = """
schema: pg-guard/policy/v1
metadata: {name: tenant, version: 1.0.0, description: Each scan of a shared table names its tenants.}
statements: {allow: [select]}
search_path: [public]
where:
  - {table: [orders, payments, customers], columns: [tenant_id]}
"""

# Views over the guarded tables, and operators whose name is all that they share with equality.
SETUP = """
CREATE VIEW public.tenant_orders AS SELECT id, tenant_id, total FROM public.orders;
CREATE VIEW public.own_orders AS SELECT id, total FROM public.orders WHERE tenant_id = 1;
CREATE VIEW public.latest_orders AS SELECT id, tenant_id FROM public.orders ORDER BY ordered_at DESC LIMIT 5;
CREATE VIEW public.tenant_sums AS SELECT tenant_id, count(*) AS n, sum(total) AS s FROM public.orders GROUP BY tenant_id;
CREATE FUNCTION public.always(integer, text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
CREATE OPERATOR public.= (LEFTARG = integer, RIGHTARG = text, FUNCTION = public.always);
CREATE FUNCTION public.always(integer, oid) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
CREATE OPERATOR public.= (LEFTARG = integer, RIGHTARG = oid, FUNCTION = public.always);
"""
TEARDOWN = """
DROP VIEW public.tenant_orders, public.own_orders, public.latest_orders, public.tenant_sums;
DROP OPERATOR public.= (integer, text), public.= (integer, oid);
DROP FUNCTION public.always(integer, text), public.always(integer, oid);
"""

# Fewer rows make joins cheap; foreign keys are off so that rows of other tenants can be anything.
SHRINK = """
SET LOCAL session_replication_role = replica;
SET LOCAL statement_timeout = '3s';
DELETE FROM payments WHERE order_id > 45;
DELETE FROM orders WHERE id > 45;
DELETE FROM customers WHERE id > 40;
UPDATE customers SET tenant_id = 1 + id % 3, referred_by = id / 2;
UPDATE orders SET tenant_id = 1 + id % 3, customer_id = 1 + id % 40;
UPDATE payments SET tenant_id = 1 + id % 3;
"""
CHANGE = """
UPDATE orders SET total = total * 3 + 1, note = 'changed', ordered_at = ordered_at + interval '1 year', tenant_id = 5 - tenant_id,
  customer_id = 1 WHERE tenant_id <> 1 AND id % 2 = 0;
UPDATE payments SET amount = amount * 3 + 1, order_id = 1 + id % 9, tenant_id = 5 - tenant_id WHERE tenant_id <> 1 AND id % 2 = 0;
UPDATE customers SET name = 'changed', city = 'changed', referred_by = 3, tenant_id = 5 - tenant_id
  WHERE tenant_id <> 1 AND id % 2 = 0;
DELETE FROM orders WHERE tenant_id <> 1 AND id % 5 = 0;
DELETE FROM payments WHERE tenant_id <> 1 AND id % 5 = 0;
DELETE FROM customers WHERE tenant_id <> 1 AND id % 5 = 0;
INSERT INTO orders (id, tenant_id, customer_id, status, ordered_at, total)
  SELECT 90000 + n, 2 + n % 2, 1 + n % 40, 'paid', '2027-01-01', n FROM generate_series(1, 20) n;
INSERT INTO payments (id, tenant_id, order_id, method, amount, paid_at)
  SELECT 90000 + n, 2 + n % 2, n, 'card', n, '2027-01-01' FROM generate_series(1, 20) n;
INSERT INTO customers (id, tenant_id, name, email, city, country, segment, created_at, password_hash, referred_by)
  SELECT 90000 + n, 2 + n % 2, 'new', 'new' || n || '@mail.example', 'new', 'DE', 'consumer', '2027-01-01', '', 1 + n % 30
  FROM generate_series(1, 20) n;
"""


def _lines(name: str) -> list[str]:
    text = (Path(__file__).parent / "row_scope" / name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if not line.startswith("--")]


HONEST = _lines("honest.sql")
ESCAPES = _lines("escapes.sql")


@pytest.fixture(scope="module")
async def dsn(demo_dsn: str) -> AsyncIterator[str]:
    """The sample database with the objects of `SETUP`."""
    connection = await asyncpg.connect(demo_dsn)
    await connection.execute(SETUP)
    try:
        yield demo_dsn
    finally:
        await connection.execute(TEARDOWN)
        await connection.close()


@pytest.fixture(scope="module")
async def guard(dsn: str) -> Guard:
    return Guard(parse_policy(POLICY).policy, await Catalog.from_database(dsn))


async def _outputs(connection: asyncpg.Connection, statements: Sequence[str]) -> list[str]:
    found = []
    for sql in statements:
        try:
            async with connection.transaction():
                rows = await connection.fetch(sql, *([1] * len(set(re.findall(r"\$\d", sql)))))
                found.append(repr(sorted(repr(tuple(row)) for row in rows)))
        except asyncpg.PostgresError as error:
            found.append(f"error {error.sqlstate}")
    return found


async def run_twice(dsn: str, statements: Sequence[str]) -> list[tuple[str, str]]:
    """Each statement's output, before and after the rows of other tenants have changed."""
    connection = await asyncpg.connect(dsn)
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(SHRINK)
        before = await _outputs(connection, statements)
        await connection.execute(CHANGE)
        return list(zip(before, await _outputs(connection, statements), strict=True))
    finally:
        await transaction.rollback()
        await connection.close()


def _rules(guard: Guard, sql: str) -> set[str]:
    return {finding.rule for finding in guard.check(sql).findings if finding.effect == "deny"}


@pytest.mark.parametrize("sql", HONEST)
async def test_honest_shape(guard: Guard, sql: str) -> None:
    assert _rules(guard, sql) == set()


async def test_honest_shapes_do_not_see_other_tenants(dsn: str) -> None:
    statements = HONEST
    for sql, (before, after) in zip(statements, await run_twice(dsn, statements), strict=True):
        assert not before.startswith("error"), (sql, before)
        assert before == after, sql


@pytest.mark.parametrize("sql", ESCAPES)
async def test_escape(guard: Guard, sql: str) -> None:
    assert "where/missing" in _rules(guard, sql)


async def test_escapes_are_valid_and_most_of_them_work(dsn: str) -> None:
    statements = ESCAPES
    outputs = await run_twice(dsn, statements)
    wrong = [(sql, before) for sql, (before, _) in zip(statements, outputs, strict=True) if before.startswith("error")]
    assert [each for each in wrong if "current_setting" not in each[0]] == []
    assert sum(before != after for before, after in outputs) > len(statements) * 0.6


# -- random statements -----------------------------------------------------------------------------------------------------

TABLES = ("orders", "payments", "customers")
JOINS = ("JOIN", "JOIN", "LEFT JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN")


class Generator:
    """Random statements over the guarded tables; about a third of them are held to tenant 1."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.aliases = 0

    def alias(self) -> str:
        self.aliases += 1
        return f"s{self.aliases}"

    def atom(self, names: list[str]) -> str:
        a, b = self.rng.choice(names), self.rng.choice(names)
        table, x = self.rng.choice(TABLES), self.alias()
        held = [
            f"{a}.tenant_id = 1",
            f"1 = {a}.tenant_id",
            f"{a}.tenant_id IN (1, 9)",
            f"{a}.tenant_id = ANY (ARRAY[1, 9])",
            f"{a}.tenant_id IS NOT DISTINCT FROM 1",
            f"({a}.tenant_id, {a}.id) = (1, {b}.id)",
            f"{a}.tenant_id = {b}.tenant_id",
            f"{a}.tenant_id = {b}.tenant_id",
            f"{a}.tenant_id IN (SELECT {x}.tenant_id FROM {table} {x} WHERE {x}.tenant_id = 1)",
            f"EXISTS (SELECT 1 FROM {table} {x} WHERE {x}.tenant_id = {a}.tenant_id AND {x}.id = {b}.id)",
            f"EXISTS (SELECT 1 FROM {table} {x} WHERE {x}.tenant_id = {a}.tenant_id AND {x}.tenant_id = 1)",
            f"{a}.tenant_id BETWEEN 1 AND 1",
            f"{a}.tenant_id::text = '1'",
            f"{a}.tenant_id = (SELECT min({x}.tenant_id) FROM {table} {x} WHERE {x}.tenant_id = 1 GROUP BY {x}.tenant_id)",
            f"{a}.tenant_id = (SELECT {x}.tenant_id FROM {table} {x} WHERE {x}.tenant_id = 1 LIMIT 1)",
        ]
        # Aggregates answer without input: then no condition of theirs holds.
        answer = self.rng.choice(("1", "count(*)", "(array_agg(1))[1]", "(SELECT count({x}.id))")).format(x=x)
        tail = (
            self.rng.choice(("", " ORDER BY count(*)", " HAVING true", " GROUP BY ()", " LIMIT 1"))
            if answer == "1"
            else ""
        )
        inner = f"SELECT {{}} FROM regions {x} WHERE {x}.id = {a}.tenant_id AND {x}.id = 1"
        odd = [
            f"EXISTS ({inner.format(answer)}{tail})",
            f"{a}.tenant_id IN ({inner.format(f'{a}.tenant_id')}{tail})",
            f"({a}.tenant_id, {a}.id) IN (SELECT {b}.tenant_id, {b}.id FROM regions WHERE {b}.tenant_id = 1{tail})",
            f"{a}.tenant_id = ({inner.format(f'{a}.tenant_id')}{tail})",
        ]
        loose = [
            f"{a}.id = {b}.id",
            f"{a}.id > 20",
            f"{a}.id IS NULL",
            f"{a}.tenant_id IS NULL",
            f"{a}.tenant_id IS NOT NULL",
            f"{a}.tenant_id <= {b}.tenant_id",
            f"{a}.tenant_id BETWEEN 0 AND 5",
            f"{a}.tenant_id = (SELECT max({x}.id) FROM regions {x})",
            f"coalesce({a}.tenant_id, 1) = 1",
            "true",
        ]
        roll = self.rng.random()
        return self.rng.choice(held if roll < 0.72 else odd if roll < 0.84 else loose)

    def condition(self, names: list[str], depth: int = 0) -> str:
        roll = self.rng.random()
        if depth > 2 or roll < 0.55:
            return self.atom(names)
        parts = [self.condition(names, depth + 1) for _ in range(2)]
        if roll < 0.9:
            return f"({' AND '.join(parts)})"
        return f"({' OR '.join(parts)})" if roll < 0.97 else f"NOT {parts[0]}"

    def item(self, depth: int) -> tuple[str, str]:
        """An item of FROM with the columns id and tenant_id, and its alias."""
        name = self.alias()
        if depth > 1 or self.rng.random() < 0.6:
            return f"{self.rng.choice(TABLES)} {name}", name
        return f"({self.select(depth + 1)}) {name}", name

    def joined(self, depth: int) -> tuple[str, list[str]]:
        text, name = self.item(depth)
        names = [name]
        for _ in range(self.rng.choice((0, 1, 1, 2))):
            right, other = self.item(depth)
            kind = self.rng.choice(JOINS)
            if self.rng.random() < 0.15 and len(names) == 1:
                text = f"{text} {kind} {right} USING ({self.rng.choice(('tenant_id', 'tenant_id, id'))})"
            elif self.rng.random() < 0.2 and len(names) == 2:
                text = f"{right} {kind} ({text}) ON {self.condition([*names, other])}"
            else:
                text = f"{text} {kind} {right} ON {self.condition([*names, other])}"
            names.append(other)
        return text, names

    def select(self, depth: int) -> str:
        """A query with the outputs id and tenant_id."""
        text, names = self.joined(depth)
        key, other = self.rng.choice(names), self.rng.choice(names)
        where = f" WHERE {self.condition(names)}" if self.rng.random() < 0.7 else ""
        tenant = f"{key}.tenant_id"
        roll = self.rng.random()
        if roll < 0.6:
            return f"SELECT {other}.id, {tenant} FROM {text}{where}"
        if roll < 0.68:
            having = self.rng.choice(("", f" HAVING {tenant} = 1", f" HAVING {tenant} = 1 OR count(*) > 3"))
            return f"SELECT count(*) AS id, {tenant} FROM {text}{where} GROUP BY {key}.tenant_id{having}"
        if roll < 0.74:
            return f"SELECT max({other}.id) AS id, {tenant} FROM {text}{where} GROUP BY {tenant}, {other}.id"
        if roll < 0.8:
            window = self.rng.choice((key, other))
            return f"SELECT count(*) OVER (PARTITION BY {window}.tenant_id) AS id, {tenant} FROM {text}{where}"
        if roll < 0.85:
            return (
                f"SELECT DISTINCT ON ({tenant}) {other}.id, {tenant} FROM {text}{where} ORDER BY {tenant}, {other}.id"
            )
        if roll < 0.88:
            return f"SELECT {other}.id, {tenant} FROM {text}{where} ORDER BY 2, 1 LIMIT 3"
        kind = self.rng.choice(("UNION", "UNION ALL", "INTERSECT", "EXCEPT"))
        return (
            f"SELECT {other}.id, {tenant} FROM {text}{where} {kind} SELECT id, tenant_id FROM {self.rng.choice(TABLES)}"
        )

    def statement(self) -> str:
        text, names = self.joined(0)
        body = self.select(1)
        shown = ", ".join(f"count({name}.id), sum({name}.id), sum(length({name}::text))" for name in names)
        where = " AND ".join(self.condition(names) for _ in range(self.rng.choice((1, 2, 2, 3))))
        if self.rng.random() < 0.3:
            shown += f", (SELECT count(*) FROM ({body}) z WHERE {self.condition(['z', *names])})"
            return (
                f"SELECT {shown} FROM {text} WHERE {where} GROUP BY {', '.join(f'{name}.tenant_id' for name in names)}"
            )
        if self.rng.random() < 0.3:
            first, rest = names[0], text
            uses = f"w {first}_w" if self.rng.random() < 0.7 else f"w {first}_w JOIN w {first}_v USING (id)"
            held = f"{first}_w.tenant_id = 1" if self.rng.random() < 0.8 else f"{first}_w.tenant_id = {first}.tenant_id"
            return (
                f"WITH w AS ({body}) SELECT {shown}, count({first}_w.id) FROM {uses}, {rest} WHERE {where} AND {held}"
            )
        return f"SELECT {shown} FROM {text} WHERE {where}"


async def test_random_statements_do_not_see_other_tenants(guard: Guard, dsn: str) -> None:
    generator = Generator(20)
    statements = [generator.statement() for _ in range(1_500)]
    allowed = [sql for sql in statements if guard.check(sql).allowed]
    outputs = await run_twice(dsn, allowed)
    # A statement that took too long in either run says nothing.
    done = [(sql, pair) for sql, pair in zip(allowed, outputs, strict=True) if "error 57014" not in pair]
    assert [sql for sql, (before, after) in done if before != after] == []
    # The test says something only if many of them are allowed, and valid, and see rows.
    seen = [before for before, _ in outputs if not before.startswith("error") and "(0, None" not in before]
    assert len(seen) > 100


def test_sub_selects_that_ask_each_other_are_answered(guard: Guard) -> None:
    """Each EXISTS could be held by any other; to try them in every order would never end."""
    names = [f"o{number}" for number in range(12)]
    exists = [
        f"EXISTS (SELECT 1 FROM payments p{a} WHERE p{a}.tenant_id = {a}.tenant_id AND p{a}.order_id = {b}.id)"
        for a, b in itertools.pairwise(names)
    ]
    sql = f"SELECT 1 FROM {', '.join(f'orders {name}' for name in names)} WHERE {' AND '.join(exists)}"
    assert "where/missing" in _rules(guard, sql)
    held = " AND ".join(f"{name}.tenant_id = 1" for name in names)
    assert "where/missing" not in _rules(guard, f"{sql} AND {held}")
