"""Where the two readings differ the text is refused; where only sqlglot's grammar differs, the scanners decide."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlglot import Token, TokenType

from pg_guard.sql.agree import differences, lexical_differences
from pg_guard.sql.parse import SqlglotReading, tokenize
from pg_guard.sql.text import admit

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from pg_guard.decision import Finding
    from pg_guard.guard import Guard


def compare(
    sql: str = "SELECT a FROM t",
    *,
    tokens: list[Token] | None = None,
    relations: AbstractSet[tuple[str, ...]] = frozenset({("t",)}),
    columns: AbstractSet[str] = frozenset({"a"}),
    kinds: AbstractSet[str] = frozenset({"select"}),
    fields: AbstractSet[str] = frozenset(),
    theirs: SqlglotReading | None = None,
) -> list[Finding]:
    text = admit(sql, max_bytes=1000)
    witness = theirs or SqlglotReading(frozenset({"select"}), frozenset({("t",)}), frozenset({"a"}))
    return differences(
        text,
        tokenize(text) if tokens is None else tokens,
        relations=relations,
        columns=columns,
        kinds=kinds,
        fields=fields,
        witness=witness,
    )


def test_the_same_is_no_difference() -> None:
    assert compare() == []
    assert compare(kinds={"select", "explain"}) == []


@pytest.mark.parametrize("relations", [set(), {("t",), ("hidden",)}, {("s", "t")}])
def test_other_relations_are_refused(relations: set[tuple[str, ...]]) -> None:
    [finding] = compare(relations=relations)
    assert (finding.rule, finding.effect) == ("sql/readings-differ", "deny")
    assert "relations" in finding.message


@pytest.mark.parametrize("kinds", [{"select", "delete"}, {"insert"}, {"select", "locking"}])
def test_other_kinds_are_refused(kinds: set[str]) -> None:
    [finding] = compare(kinds=kinds)
    assert "kinds" in finding.message


def test_a_keyword_in_from_is_no_table() -> None:
    theirs = SqlglotReading(frozenset({"select"}), frozenset({("t",), ("current_date",)}), frozenset({"a"}))
    assert compare(fields={"current_date"}, theirs=theirs) == []
    # A field of that name does not excuse a table that PostgreSQL reads and sqlglot does not.
    assert compare(fields={"hidden"}, relations={("t",), ("hidden",)}) != []


def test_other_columns_are_accepted_where_the_scanners_agree() -> None:
    assert compare(columns={"b"}) == []


def test_other_columns_are_refused_where_the_scanners_differ() -> None:
    tokens = [Token(TokenType.SELECT, "SELECT", start=0, end=5), Token(TokenType.VAR, "x", start=7, end=7)]
    found = compare(columns={"b"}, tokens=tokens)
    assert {finding.rule for finding in found} == {"sql/readings-differ"}
    assert any("columns" in finding.message for finding in found)
    assert any("tokens" in finding.message for finding in found)


def test_many_and_long_names_are_cut_in_the_message() -> None:
    [finding] = compare(relations={("x" * 500 + str(index),) for index in range(50)})
    assert len(finding.message) < 600


@pytest.mark.parametrize("sql", [
    "SELECT 'a' || \"b\" -- 'c\n FROM t /* \" */", "SELECT E'\\'' , 'x'", "SELECT 'a'\n'b'", "SELECT $$'$$ , $q$\"$q$",
    'SELECT U&"p\\0061" FROM t', "SELECT U&'a' UESCAPE '!'", "SELECT a @> b, c <-> d", "SELECT $1, 1.5e3, 0x1F, 1_000",
    "SELECT N'a', B'01', X'ff'", "SELECT /* /* nested */ ' */ 1", "SELECT 'größe', \"🚢\", a FROM ü",
])  # fmt: skip
def test_the_scanners_agree_on_honest_texts(sql: str) -> None:
    text = admit(sql, max_bytes=1000)
    assert lexical_differences(text, tokenize(text)) == []


@pytest.mark.parametrize(
    ("sql", "their_spans"),
    [
        # The string ends elsewhere.
        ("SELECT 'a' , b , 'c'", [(0, 6), (7, 20)]),
        # A comment is read as text.
        ("SELECT a -- b\n, c", [(0, 6), (7, 8), (12, 13), (14, 15), (16, 17)]),
        # A token is not seen.
        ("SELECT a, b", [(0, 6), (7, 8), (8, 9)]),
        # A quoted name is read as several words.
        ('SELECT "a b"', [(0, 6), (8, 9), (10, 11)]),
    ],
)
def test_misled_scanners_are_noticed(sql: str, their_spans: list[tuple[int, int]]) -> None:
    text = admit(sql, max_bytes=1000)
    tokens = [Token(TokenType.VAR, sql[start:end], start=start, end=end - 1) for start, end in their_spans]
    [finding] = lexical_differences(text, tokens)
    assert finding.rule == "sql/readings-differ"


@pytest.mark.parametrize(
    ("sql", "allowed"),
    [
        (r"SELECT 'a\' || 'b' FROM orders", True),
        (r"SELECT E'a\'' || note FROM orders", True),
        (r"SELECT E'a\', password_hash, \'' || note FROM orders", True),
        (r"SELECT '\', password_hash, '\' FROM customers", False),
        (r"SELECT U&'\0027' || password_hash || '' FROM customers", False),
        ("SELECT $a$'$a$, password_hash, '' FROM customers", False),
        ("SELECT $a$', password_hash, '$a$ FROM customers", True),
        ("SELECT 'x' -- '\n, password_hash FROM customers", False),
        ("SELECT 1 /* /* */ , password_hash FROM customers -- */\n FROM customers", True),
        ('SELECT "o\'clock", password_hash AS "\'" FROM (SELECT *, 1 AS "o\'clock" FROM customers) x', False),
    ],
)
def test_quotes_hide_no_column_and_show_none(demo_guard: Guard, sql: str, allowed: bool) -> None:
    decision = demo_guard.check(sql)
    assert decision.allowed is allowed, decision.findings
