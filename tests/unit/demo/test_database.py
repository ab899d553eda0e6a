"""The sample database: its size, its canaries, and that it is the same every time."""

from __future__ import annotations

import asyncpg
import pytest

from pg_guard.demo.data import CANARIES, sample_tables
from pg_guard.demo.database import load_sample_database
from pg_guard.errors import DatabaseError

SENSITIVE = {
    ("public", "customers"): {"password_hash", "card_token", "ssn"},
    ("public", "audit_trail"): {"entry"},
    ("public", "Secret Stuff"): {"Value"},
    ("hr", "departments"): {"budget"},
    ("hr", "employees"): {"name", "email", "salary", "national_id"},
    ("hr", "payroll"): {"gross", "bank_account"},
    ("audit", "log"): {"actor", "action", "detail"},
    ("audit", "api_keys"): {"owner", "secret"},
}


@pytest.fixture
async def connection(demo_dsn):
    connection = await asyncpg.connect(demo_dsn)
    yield connection
    await connection.close()


def test_data_is_the_same_every_time():
    assert sample_tables() == sample_tables()
    assert sample_tables() != sample_tables(seed=1)


def test_there_are_more_than_ten_thousand_rows():
    assert sum(len(table.rows) for table in sample_tables()) >= 10_000


async def test_every_sensitive_value_is_a_canary_and_no_other_value_is(connection):
    columns = await connection.fetch(
        "SELECT table_schema, table_name, column_name FROM information_schema.columns JOIN pg_class c"
        " ON c.oid = format('%I.%I', table_schema, table_name)::regclass"
        " WHERE table_schema IN ('public', 'hr', 'audit') AND c.relkind IN ('r', 'p')"
    )
    assert len(columns) > 100
    for schema, table, column in columns:
        values = await connection.fetch(
            f'SELECT "{column}"::text FROM "{schema}"."{table}" WHERE "{column}" IS NOT NULL'
        )
        if column in SENSITIVE.get((schema, table), set()):
            assert values
            assert all(CANARIES.search(value) for (value,) in values), f"{schema}.{table}.{column}"
        else:
            assert not [value for (value,) in values if CANARIES.search(value)], f"{schema}.{table}.{column}"


@pytest.mark.parametrize(
    "expression",
    ["min(salary)::text", "avg(salary)::text", "upper(min(name))", "lower(min(name))", "reverse(min(name))",
     "encode(convert_to(min(name), 'UTF8'), 'hex')", "jsonb_agg(e)::text", "min(substr(national_id, 1, 9))"],
)  # fmt: skip
async def test_canaries_are_found_after_a_disguise(connection, expression):
    assert CANARIES.search(await connection.fetchval(f"SELECT {expression} FROM hr.employees e"))


async def test_views_and_statistics_are_filled(connection):
    assert await connection.fetchval("SELECT count(*) FROM analytics.product_sales") > 100
    assert await connection.fetchval("SELECT reltuples FROM pg_class WHERE oid = 'orders'::regclass") == 2_500
    partitions = await connection.fetch("SELECT tableoid::regclass::text, count(*) FROM web_events GROUP BY 1")
    assert len(partitions) == 4


async def test_order_totals_agree_with_their_items(connection):
    wrong = await connection.fetchval("SELECT count(*) FROM orders WHERE abs(total - order_total(id)) > 0.01")
    assert wrong == 0


async def test_a_second_load_says_that_the_database_exists(demo_dsn):
    with pytest.raises(DatabaseError, match='database "shop" exists already'):
        await load_sample_database(demo_dsn)
