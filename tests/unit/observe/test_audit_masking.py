"""Masking: no literal stays, equal ones stay equal, and nothing that is left lets values be tried out."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING

import pytest

from pg_guard.decision import Decision, Finding, Span
from pg_guard.observe.audit_masking import Masker
from pg_guard.sql.text import admit
from pg_guard.sql.witness import read_postgres

if TYPE_CHECKING:
    from pg_guard.guard import Guard

KEY = b"0123456789abcdef0123456789abcdef"


def record(sql: str, *findings: Finding) -> dict[str, object]:
    digest = hashlib.sha256(sql.encode("utf-8", "surrogatepass")).hexdigest()
    return Decision("allow", sql, findings, statement=sql, digests={"statement": digest}).to_dict()


def masked(sql: str, kind: str = "literals", key: bytes = KEY) -> str:
    return str(Masker(kind, key).mask(record(sql))["statement"])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "literal",
    [
        "'4711secret'", "E'4711secret'", "E'4711\\'secret'", "$$4711secret$$", "$tag$4711secret$tag$", "U&'4711secret'",
        "B'1011011'", "X'4711aa'", "4711", "4711.5", "4711e5", "0x4711", "'4711'\n'secret'", "date '4711-01-01'", "N'4711secret'",
    ],
)  # fmt: skip
def test_no_literal_stays(literal: str) -> None:
    shown = masked(f"SELECT id, {literal} FROM t WHERE a = {literal} -- {literal}\n AND b = 1 /* {literal} */")
    for part in ("4711", "secret", "1011011"):
        assert part not in re.sub(r"'mac:[0-9a-f]{16}'", "", shown)
    assert "SELECT id," in shown
    assert "/* masked */" in shown


def test_equal_literals_stay_equal_and_others_do_not() -> None:
    shown = masked("SELECT 'Ann', $$Ann$$, E'Ann', 'Bob', 'O''Neil', $$O'Neil$$")
    macs = re.findall(r"'mac:([0-9a-f]{16})'", shown)
    assert macs[0] == macs[1] == macs[2]
    assert macs[4] == macs[5]
    assert len(set(macs)) == 3
    assert re.findall("mac:([0-9a-f]{16})", masked("SELECT name FROM t WHERE name = 'Ann'")) == macs[:1]


def test_another_key_gives_other_digests() -> None:
    assert masked("SELECT 'Ann'") != masked("SELECT 'Ann'", key=KEY[::-1])


def test_what_is_masked_can_still_be_parsed() -> None:
    sql = "SELECT é, 'née' AS \"ü\" FROM t WHERE a IN (1, 2.5) AND b = $$x$$ -- ç\nORDER BY a"
    shown = masked(sql)
    assert len(read_postgres(admit(shown, max_bytes=10_000)).statements) == 1
    assert '"ü"' in shown


@pytest.mark.parametrize(
    "sql", ["SELECT 'unterminated secret", "SELECT 1a secret", "SELECT 1\0 'secret'", "\ud800 secret", "/* secret"]
)
def test_a_text_that_cannot_be_read_is_masked_as_a_whole(sql: str) -> None:
    shown = masked(sql)
    assert re.fullmatch(r"\(masked [0-9a-f]{16}\)", shown)


def test_a_whole_statement_is_masked() -> None:
    mask = Masker("statement", KEY).mask(record("SELECT name FROM people"))
    assert re.fullmatch(r"\(masked [0-9a-f]{16}\)", str(mask["statement"]))
    assert mask["sql"] == mask["statement"]


@pytest.mark.parametrize("kind", ["literals", "statement"])
def test_the_digest_of_the_statement_cannot_be_tried_out(kind: str) -> None:
    given = record("SELECT * FROM people WHERE ssn = '123-45-6789'")
    plain = given["digests"]["statement"]  # type: ignore[index]
    mask = Masker(kind, KEY).mask(given)  # type: ignore[arg-type]
    assert mask["digests"]["statement"] != plain
    assert plain not in json.dumps(mask)
    assert "123-45" not in json.dumps(mask)
    # What was given stays as it was: others use it, too.
    assert given["digests"]["statement"] == plain  # type: ignore[index]


def test_messages_that_quote_a_literal_are_left_out_and_others_stay() -> None:
    span = Span(0, 1, 1, 1)
    quoting = Finding("a/b", "low", "The value '123-45-6789' is odd.", "Use another value than 123-45-…", span)
    other = Finding("c/d", "low", "The table hr.payroll is denied.", "Leave it out.", span)
    sql = "SELECT * FROM hr.payroll WHERE ssn = '123-45-6789'"
    findings = Masker("literals", KEY).mask(record(sql, quoting, other))["findings"]
    assert [finding["rule"] for finding in findings] == ["a/b", "c/d"]
    assert "123" not in json.dumps(findings[0])
    assert findings[1]["message"] == other.message
    assert findings[1]["span"] == span.to_dict()


def test_no_literal_of_a_refusal_of_the_guard_stays(demo_guard: Guard) -> None:
    for sql in (
        "SELECT 'Zyxwvut' FROM hr.payroll WHERE name = 'Zyxwvut'",
        "SELECT 'Zyxwvut",
        "SELEC 'Zyxwvut'",
        "SELECT 1 FROM orders WHERE total = 'Zyxwvut' ~~ 'Zyxwvut' ORDER",
        "DROP TABLE orders -- Zyxwvut",
    ):
        decision = demo_guard.check(sql)
        mask = Masker("literals", KEY).mask(decision.to_dict())
        assert "Zyxwvut" not in json.dumps(mask), sql
        assert [each["rule"] for each in mask["findings"]] == [each.rule for each in decision.findings]


def test_without_masking_a_record_stays_as_it_is() -> None:
    given = record("SELECT 'a'")
    assert Masker().mask(given) == given
    assert Masker().described is None


def test_a_record_says_which_key_it_was_and_not_the_key() -> None:
    described = Masker("literals", KEY).described
    assert described is not None
    assert described["kind"] == "literals"
    assert described["key"] != Masker("literals", KEY[::-1]).described["key"]  # type: ignore[index]
    assert KEY.decode() not in repr(Masker("literals", KEY)) + str(described)


@pytest.mark.parametrize("key", [b"", b"short"])
def test_a_key_that_is_too_short_is_refused(key: bytes) -> None:
    with pytest.raises(ValueError, match="at least 16 bytes"):
        Masker("literals", key)
