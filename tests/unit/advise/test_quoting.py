"""Any name survives: as a pattern of a policy, as YAML, as SQL, as a comment."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from pg_guard.advise.quoting import column_pattern, comment, pattern, printable, scalar, sql_name
from pg_guard.catalog.model import Name
from pg_guard.checks.columns import ColumnAccess
from pg_guard.checks.patterns import NamePattern
from pg_guard.facts.names import Names
from pg_guard.policy.load import parse_policy
from pg_guard.sql.text import admit
from pg_guard.sql.witness import read_postgres

# PostgreSQL's names hold anything but NUL, and at most 63 bytes of it.
NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1, max_size=15).filter(
    lambda name: len(name.encode()) <= 63
)


@given(NAMES, NAMES)
@example("a.b", 'c"d')
@example('"', '""')
@example("*", "?")
@example(" ", " x ")
@example("x\ny", "\x07 ")
@example("*\n", ".\t")
def test_a_pattern_matches_the_name_that_it_was_made_of(schema: str, name: str) -> None:
    key = Name(schema, name)
    assert NamePattern(pattern(key), fold=True).matches(key)
    assert NamePattern(pattern(key), fold=False).matches(key)
    access = ColumnAccess({pattern(key): (column_pattern(name),)}, Names(None, ()))
    assert access.hidden(key, name)


@given(NAMES, NAMES)
@example("a.b", 'c"d')
@example("true", "null")
@example("x: y # z", "- {a}")
@example("x\u2028y", "\ufeffz")
def test_a_policy_takes_the_pattern_and_reads_the_same(schema: str, name: str) -> None:
    text = pattern(Name(schema, name))
    policy = f"schema: pg-guard/policy/v1\ntables:\n  deny:\n    - {scalar(text)}  # {comment(name)}\n"
    assert parse_policy(policy).policy.tables.deny == (text,)


@given(NAMES)
@example("yes")
@example("1e5")
@example('O\'Neil "x" \\ y')
def test_a_scalar_reads_back_in_every_reader(name: str) -> None:
    assert yaml.safe_load(f"- {scalar(name)}") == [name]


@given(NAMES)
@example('a"b')
@example("back\\slash\n")
@example("select")
@example("\U0001f600\u200b")
def test_sql_names_the_same_relation(name: str) -> None:
    statement = read_postgres(admit(f"SELECT 1 FROM {sql_name(name)}", max_bytes=10_000)).statements[0]
    assert statement["SelectStmt"]["fromClause"][0]["RangeVar"]["relname"] == name


@pytest.mark.parametrize(
    ("name", "text"),
    [("orders", "orders"), ("Orders", '"Orders"'), ("user", '"user"'), ("a b", '"a b"'), ("x\ny", 'U&"x\\+00000ay"')],
)
def test_quotes_stand_only_where_they_are_needed(name: str, text: str) -> None:
    assert sql_name(name) == text


def test_a_comment_is_one_printable_line() -> None:
    assert comment("a\nb\u202ec # d") == "a b\\u202ec # d"
    assert comment("x" * 100, 10) == "xxxxxxx..."
    assert printable("\x1b[31mred") == "\\x1b[31mred"
