"""PostgreSQL's reading: the tree at any depth, statements apart, what an EXPLAIN explains, faults with their place."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pg_guard.sql.text import Refusal, admit
from pg_guard.sql.witness import PgReading, _decode_deep, explained, read_postgres, split_statements


def read(sql: str) -> PgReading:
    return read_postgres(admit(sql, max_bytes=2_000_000))


TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(st.text(), inside, max_size=4),
    max_leaves=30,
)


@settings(max_examples=300, deadline=None)
@given(TREES, st.booleans(), st.sampled_from([None, 1]))
def test_decoding_without_recursion_is_decoding(tree: Any, ascii_only: bool, indent: int | None) -> None:
    text = json.dumps(tree, ensure_ascii=ascii_only, indent=indent)
    assert _decode_deep(text) == json.loads(text)


@pytest.mark.parametrize(
    "text", ["{}", "[]", '{"a": {}}', "[[], {}, [{}]]", '{"": ""}', r'{"a\"b": "\\\""}', '"{[,:]}"', "-1.5e3"]
)
def test_decoding_odd_documents(text: str) -> None:
    assert _decode_deep(text) == json.loads(text)


def test_decoding_goes_deeper_than_the_stack() -> None:
    deep: Any = _decode_deep('{"a":[' * 50_000 + "1" + "]}" * 50_000)
    levels = 0
    while isinstance(deep, dict):
        deep = deep["a"][0]
        levels += 1
    assert (levels, deep) == (50_000, 1)


@pytest.mark.parametrize("count", [10, 500, 2000])
def test_long_chains_are_read(count: int) -> None:
    reading = read("SELECT " + " || ".join(["a"] * count))
    expression = reading.statements[0]["SelectStmt"]["targetList"][0]["ResTarget"]["val"]
    depth = 0
    while "A_Expr" in expression:
        expression = expression["A_Expr"]["lexpr"]
        depth += 1
    assert depth == count - 1


def test_statements_are_counted_with_their_places() -> None:
    reading = read("SELECT 1; /* ; */ SELECT ';' ;;")
    assert len(reading.statements) == 2
    assert reading.places[0] == (0, 8)
    assert read("").statements == ()
    assert read("-- nothing\n ; ").statements == ()


def test_a_syntax_error_has_its_place_in_characters() -> None:
    text = "SELECT 'größe 🚢'\n FROM FROM x"
    with pytest.raises(Refusal) as caught:
        read(text)
    finding = caught.value.finding
    assert finding.rule == "sql/syntax"
    assert finding.span is not None
    assert text[finding.span.start : finding.span.end] == "FROM"
    assert (finding.span.line, finding.span.column) == (2, 7)


@pytest.mark.parametrize(
    "text", ["SELECT (", "SELECT 'open", 'SELECT "open', "SELECT $$open", "SELECT /* open", "SELEC 1"]
)
def test_what_is_no_sql_is_refused(text: str) -> None:
    with pytest.raises(Refusal) as caught:
        read(text)
    assert caught.value.finding.rule == "sql/syntax"


def test_nesting_past_the_parsers_stack_is_a_depth_limit() -> None:
    with pytest.raises(Refusal) as caught:
        read("SELECT " + "(" * 100_000 + "1" + ")" * 100_000)
    assert caught.value.finding.rule == "limits/depth"


def test_the_tree_has_a_largest_size() -> None:
    with pytest.raises(Refusal) as caught:
        read_postgres(admit("SELECT " + ", ".join("a" * 500), max_bytes=10_000), max_json=1000)
    assert caught.value.finding.rule == "limits/tokens"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("SELECT 1; SELECT 2", ["SELECT 1", "SELECT 2"]),
        ("SELECT 1;\n\n  SELECT 2  ;  ", ["SELECT 1", "SELECT 2"]),
        ("SELECT ';' ; SELECT 2", ["SELECT ';'", "SELECT 2"]),
        ("SELECT $$;$$; SELECT $a$;$$;$a$", ["SELECT $$;$$", "SELECT $a$;$$;$a$"]),
        ('SELECT ";"; SELECT 2', ['SELECT ";"', "SELECT 2"]),
        ("SELECT E'\\';'; SELECT 2", ["SELECT E'\\';'", "SELECT 2"]),
        ("SELECT 'ä;🚢'; SELECT 'ö'", ["SELECT 'ä;🚢'", "SELECT 'ö'"]),
        ("SELECT /* ; /* ; */ ; */ 1; SELECT 2", ["SELECT /* ; /* ; */ ; */ 1", "SELECT 2"]),
        ("SELECT 1 -- ;\n; SELECT 2", ["SELECT 1 -- ;", "SELECT 2"]),
        ("SELECT 'open; SELECT 2", ["SELECT 'open; SELECT 2"]),
        ("SELECT $$open; SELECT 2", ["SELECT $$open; SELECT 2"]),
        ("SELECT 1;\0 SELECT 2", ["SELECT 1;\0 SELECT 2"]),
        ("SELECT '\ud800'; SELECT 2", ["SELECT '\ud800'; SELECT 2"]),
        ("", []),
        (" \n ", []),
    ],
)
def test_splitting(text: str, parts: list[str]) -> None:
    assert [text[start:end].rstrip() for start, end in split_statements(text)] == parts


def test_a_part_without_any_keyword_is_not_a_statement_to_the_scanner() -> None:
    text = "gone gone; SELECT 2"
    # The caller sees a gap that is neither white space nor comment, and reports it.
    assert split_statements(text) == [(11, 19)]


@pytest.mark.parametrize("options", [
    "", "ANALYZE", "analyse", "VERBOSE", "ANALYZE VERBOSE", "(ANALYZE)", "(COSTS off, FORMAT json)", "( BUFFERS , TIMING 'off' )",
    "/* x */ ANALYZE -- y\n VERBOSE", "(FORMAT /* ) */ json)", "(SERIALIZE text, WAL 1)",
])  # fmt: skip
@pytest.mark.parametrize(
    "inner",
    [
        "SELECT 'ä', 1",
        "WITH a AS (SELECT 1) TABLE a",
        "VALUES (1)",
        "TABLE t",
        "(SELECT 1) UNION (SELECT 2)",
        "((TABLE t))",
    ],
)
def test_an_explain_is_taken_off(options: str, inner: str) -> None:
    text = admit(f"EXPLAIN {options} {inner}", max_bytes=1000)
    assert "ExplainStmt" in read_postgres(text).statements[0]
    assert explained(text).text == inner


@pytest.mark.parametrize(
    "sql", ["explain(costs)select 1", "/* a */ EXPLAIN--x\nselect 1", "eXpLaIn/**/(verbose)/**/select 1"]
)
def test_an_explain_without_blanks_is_taken_off(sql: str) -> None:
    text = admit(sql, max_bytes=1000)
    assert explained(text).text == "select 1"
    assert explained(text).data == b"select 1"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 2 END; END; SELECT 3",
            [
                "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 2 END; END",
                "SELECT 3",
            ],
        ),
        (
            "SELECT 1; create or replace procedure p() begin -- ;\natomic DELETE FROM t; end; BEGIN; SELECT 2; END",
            [
                "SELECT 1",
                "create or replace procedure p() begin -- ;\natomic DELETE FROM t; end",
                "BEGIN",
                "SELECT 2",
                "END",
            ],
        ),
        # not a body: quoted, a literal, another statement
        (
            "CREATE FUNCTION f() RETURNS int AS $$ BEGIN ATOMIC; END $$; SELECT 'begin atomic'; SELECT 1",
            ["CREATE FUNCTION f() RETURNS int AS $$ BEGIN ATOMIC; END $$", "SELECT 'begin atomic'", "SELECT 1"],
        ),
        ('CREATE TABLE "function" (begin int, atomic int); SELECT 1', None),
        ('CREATE FUNCTION "begin"(atomic int) RETURN 1; SELECT begin atomic; SELECT 1', None),
        # never closed: what follows belongs to it, and PostgreSQL refuses it as a whole
        (
            "CREATE FUNCTION f() BEGIN ATOMIC SELECT 1; SELECT 2",
            ["CREATE FUNCTION f() BEGIN ATOMIC SELECT 1; SELECT 2"],
        ),
        (
            "CREATE FUNCTION f() RETURNS text BEGIN ATOMIC SELECT '日;本'; END; SELECT '😀'",
            ["CREATE FUNCTION f() RETURNS text BEGIN ATOMIC SELECT '日;本'; END", "SELECT '😀'"],
        ),
    ],
)
def test_the_body_of_a_routine_is_not_cut(text: str, expected: list[str] | None) -> None:
    found = [text[start:end] for start, end in split_statements(text)]
    assert found == (expected or [part.strip() for part in text.split(";")])
