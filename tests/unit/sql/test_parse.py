"""The second reading: Unicode escapes as PostgreSQL reads them, folding, and the names that must be shared."""

from __future__ import annotations

import logging

import pytest
from sqlglot import TokenType, exp

from pg_guard.sql.parse import SqlglotReading, fold, read_sqlglot, tokenize
from pg_guard.sql.text import Refusal, admit


def reading(sql: str) -> SqlglotReading | None:
    text = admit(sql, max_bytes=100_000)
    return read_sqlglot(text, tokenize(text))


@pytest.mark.parametrize(
    ("written", "name"),
    [
        (r'U&"p\0061ssword"', "password"),
        (r'u&"p\+000061ssword"', "password"),
        (r'U&"p!0061ssword" UESCAPE \'!\''.replace("\\'", "'"), "password"),
        (r'U&"p!0061ssword" uescape \'!\''.replace("\\'", "'"), "password"),
        (r'U&"a\\b"', "a\\b"),
        (r'U&"plain"', "plain"),
        ('U&"a""b"', 'a"b'),
        (r'U&"\00E4"', "ä"),
    ],
)
def test_unicode_escaped_names_are_one_token(written: str, name: str) -> None:
    sql = f"SELECT {written} FROM users"
    tokens = tokenize(admit(sql, max_bytes=1000))
    assert [token.text for token in tokens] == ["SELECT", name, "FROM", "users"]
    assert tokens[1].token_type == TokenType.IDENTIFIER
    assert sql[tokens[1].start : tokens[1].end + 1] == written
    found = reading(sql)
    assert found is not None
    assert found.columns == {name}


def test_unicode_escaped_strings_keep_their_borders() -> None:
    sql = r"SELECT U&'d\0027ta' || u&'it''s'"
    tokens = tokenize(admit(sql, max_bytes=1000))
    assert [sql[token.start : token.end + 1] for token in tokens[1:]] == [r"U&'d\0027ta'", "||", "u&'it''s'"]


@pytest.mark.parametrize("sql", ['SELECT u & "a" FROM t', 'SELECT u& "a" FROM t', 'SELECT u &"a" FROM t'])
def test_an_operator_with_blanks_stays_an_operator(sql: str) -> None:
    found = reading(sql)
    assert found is not None
    assert found.columns == {"u", "a"}


@pytest.mark.parametrize(
    ("name", "quoted", "stored"),
    [
        ("UsErS", False, "users"),
        ("UsErS", True, "UsErS"),
        ("ÄÖ", False, "ÄÖ"),  # only ASCII is folded in a database of several-byte characters
        ("x" * 70, False, "x" * 63),
        ("x" * 70, True, "x" * 63),
        ("ä" * 40, True, "ä" * 31),  # 62 bytes: half a character is not kept
        ("", True, ""),
    ],
)
def test_folding(name: str, quoted: bool, stored: str) -> None:
    assert fold(name, quoted=quoted) == stored
    assert fold(exp.to_identifier(name or "a", quoted=quoted)) == (stored or "a")


@pytest.mark.parametrize(
    ("sql", "kinds", "relations", "columns"),
    [
        ("SELECT a, B.c FROM t, S.U b", {"select"}, {("t",), ("s", "u")}, {"a", "c"}),
        ('SELECT * FROM "S"."T"', {"select"}, {("S", "T")}, {"*"}),
        ("SELECT t.* FROM d.s.t", {"select"}, {("d", "s", "t")}, {"*"}),
        ("VALUES (1)", {"select"}, set(), set()),
        ("SELECT (t).f FROM t", {"select"}, {("t",)}, {"t", ".f"}),
        ("WITH d AS (DELETE FROM x RETURNING a) SELECT a FROM d", {"select", "delete"}, {("x",), ("d",)}, {"a"}),
        ("SELECT a FROM t FOR UPDATE", {"select", "locking"}, {("t",)}, {"a"}),
        ("SELECT a INTO y FROM t", {"select", "select-into"}, {("t",), ("y",)}, {"a"}),
        ("INSERT INTO t SELECT a FROM u", {"insert"}, {("t",), ("u",)}, {"a"}),
    ],
)
def test_names_and_kinds(sql: str, kinds: set[str], relations: set[tuple[str, ...]], columns: set[str]) -> None:
    found = reading(sql)
    assert found is not None
    assert found == SqlglotReading(frozenset(kinds), frozenset(relations), frozenset(columns))


@pytest.mark.parametrize("sql", ["SELECT 1; SELECT 2", "SELECT 1; DROP TABLE x"])
def test_two_statements_are_refused(sql: str) -> None:
    with pytest.raises(Refusal) as caught:
        reading(sql)
    assert caught.value.finding.rule == "sql/readings-differ"


@pytest.mark.parametrize("sql", ["SELECT 1;", "SELECT 1;;", "SELECT 1; -- done", "SELECT 1 /* a */ ; /* b */"])
def test_a_last_semicolon_is_no_statement(sql: str) -> None:
    assert reading(sql) is not None


@pytest.mark.parametrize("sql", ["SELECT 'open", 'SELECT "open', "SELECT $$open"])
def test_what_its_scanner_cannot_read_is_refused(sql: str) -> None:
    with pytest.raises(Refusal) as caught:
        tokenize(admit(sql, max_bytes=1000))
    assert caught.value.finding.rule == "sql/unsupported"


def test_grammar_that_it_does_not_know_is_no_reading() -> None:
    assert reading("SELECT a FROM t ORDER BY a USING >") is None


def test_nesting_past_its_stack_is_a_depth_limit() -> None:
    with pytest.raises(Refusal) as caught:
        reading("SELECT " + "(" * 5000 + "1" + ")" * 5000)
    assert caught.value.finding.rule == "limits/depth"


def test_the_second_reader_logs_nothing_of_a_statement(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    text = admit("EXECUTE hidden_name", max_bytes=1000)
    read_sqlglot(text, tokenize(text))
    assert caplog.records == []
    logging.getLogger("sqlglot").warning("said elsewhere")
    assert [record.message for record in caplog.records] == ["said elsewhere"]
