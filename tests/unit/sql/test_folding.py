"""Names beyond ASCII: folded by PostgreSQL in single-byte encodings, kept in UTF-8."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pg_guard.guard import Guard
from pg_guard.policy.load import parse_policy

if TYPE_CHECKING:
    from pg_guard.catalog.model import Catalog

POLICY = parse_policy("schema: pg-guard/policy/v1\nsearch_path: [public]\n").policy


@pytest.mark.parametrize(
    "sql", ["SELECT id AS x FROM orders AS BÄUME WHERE BÄUME.id = 1", "WITH ÄÖ AS (SELECT 1 AS n) SELECT n FROM ÄÖ"]
)
def test_strange_letters_in_names_are_refused_outside_of_utf8(demo_catalog: Catalog, sql: str) -> None:
    assert Guard(POLICY, demo_catalog).check(sql).allowed
    decision = Guard(POLICY, replace(demo_catalog, encoding="LATIN1")).check(sql)
    assert [finding.rule for finding in decision.findings] == ["sql/unsupported"]


def test_strange_letters_in_strings_pass_everywhere(demo_catalog: Catalog) -> None:
    sql = "SELECT name FROM products WHERE name = 'Zelt für Bäume'"
    assert Guard(POLICY, replace(demo_catalog, encoding="LATIN1")).check(sql).allowed


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT id FROM orders ORDER BY id NULLS /* x */ LAST",
        "SELECT id FROM orders WHERE id NOT -- x\n IN (1, 2)",
        "SELECT * FROM unnest(ARRAY[1]) WITH /* ' */ ORDINALITY",
        "SELECT id FROM orders WHERE note = 'a' -- x\n 'b' ORDER BY id NULLS /**/ FIRST",
    ],
)
def test_comments_between_words_of_one_clause_are_white_space(demo_catalog: Catalog, sql: str) -> None:
    decision = Guard(POLICY, demo_catalog).check(sql)
    assert decision.findings == ()
    assert decision.sql == sql


def test_a_string_is_not_continued_behind_a_block_comment(demo_catalog: Catalog) -> None:
    sql = "SELECT 'a' /*\n*/ 'b' FROM orders ORDER BY 1 NULLS /**/ LAST"
    assert [finding.rule for finding in Guard(POLICY, demo_catalog).check(sql).findings] == ["sql/syntax"]
