"""Which texts are taken in, and how places in them are counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pg_guard.sql.text import HARD_BYTES, Refusal, SqlText, admit, excerpt_end

if TYPE_CHECKING:
    from pg_guard.decision import Finding


def refused(sql: object, max_bytes: int = 1000) -> Finding:
    with pytest.raises(Refusal) as caught:
        admit(sql, max_bytes=max_bytes)
    return caught.value.finding


@pytest.mark.parametrize("sql", ["SELECT 1", b"SELECT 1", bytearray(b"SELECT 1"), memoryview(b"SELECT 1")])
def test_text_and_bytes_are_taken_alike(sql: object) -> None:
    assert admit(sql, max_bytes=8) == SqlText("SELECT 1", b"SELECT 1")


def test_a_nul_is_refused_at_its_place() -> None:
    finding = refused("SELECT 'ä'\n\0; DROP TABLE x")
    assert finding.rule == "sql/encoding"
    assert finding.span is not None
    assert (finding.span.start, finding.span.end, finding.span.line, finding.span.column) == (11, 12, 2, 1)
    assert refused(b"SELECT 1\0").rule == "sql/encoding"


def test_half_of_a_surrogate_pair_is_refused_at_its_place() -> None:
    finding = refused("SELECT '\ud83d'")
    assert refused("SELECT '\udc00'") == finding
    assert finding.rule == "sql/encoding"
    assert finding.span is not None
    assert finding.span.start == 8


@pytest.mark.parametrize("raw", [b"SELECT '\xff'", b"\xed\xa0\x80", b"\xc0\x80", b"SELECT \xe2\x82"])
def test_bytes_that_are_no_utf8_are_refused(raw: bytes) -> None:
    assert refused(raw).rule == "sql/encoding"


@pytest.mark.parametrize("sql", [None, 1, ["SELECT 1"], object(), 1.5])
def test_what_is_no_text_is_refused_by_its_type(sql: object) -> None:
    finding = refused(sql)
    assert finding.rule == "sql/encoding"
    assert type(sql).__name__ in finding.message


def test_the_budget_counts_bytes_of_utf8() -> None:
    assert admit("ä" * 5, max_bytes=10).text == "äääää"
    assert refused("ä" * 5, max_bytes=9).rule == "limits/sql-bytes"
    assert refused("ä".encode() * 5, max_bytes=9).rule == "limits/sql-bytes"


def test_no_policy_lifts_the_hard_budget() -> None:
    finding = refused("x" * (HARD_BYTES + 1), max_bytes=10**9)
    assert finding.rule == "limits/sql-bytes"
    assert str(HARD_BYTES) in finding.message
    assert refused(b"\xff" * (HARD_BYTES + 1), max_bytes=10**9).rule == "limits/sql-bytes"


def test_spans_are_counted_in_characters() -> None:
    sql = admit("SELECT 'größe 🚢', ünder FROM t", max_bytes=1000)
    place = sql.data.index("ünder".encode())
    span = sql.span(place)
    assert span is not None
    assert sql.text[span.start : span.end] == "ünder"
    assert (span.line, span.column) == (1, sql.text.index("ünder") + 1)


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("SELECT\nabc", 2, 1),
        ("SELECT\r\n  abc", 2, 3),
        ("SELECT\t\tabc", 1, 9),
        ("\n\n\nabc", 4, 1),
        ("é\né abc", 2, 3),
    ],
)
def test_lines_end_at_newlines_and_a_tab_is_one_column(text: str, line: int, column: int) -> None:
    sql = admit(text, max_bytes=1000)
    span = sql.span(sql.data.index(b"abc"))
    assert span is not None
    assert (span.line, span.column, text[span.start : span.end]) == (line, column, "abc")


def test_no_place_is_no_span() -> None:
    sql = admit("SELECT 1", max_bytes=100)
    assert sql.span(None) is None
    assert sql.span(-1) is None
    assert sql.char(-1) == 0


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("hr . payroll, x", "hr . payroll"),
        ('"a b"."c""d" x', '"a b"."c""d"'),
        ('U&"p\\0061" x', 'U&"p\\0061"'),
        ("t.* FROM", "t.*"),
        ("'it''s' || 1", "'it''s'"),
        ("<> 1", "<>"),
        ("12.5e3+1", "12.5e3"),
        ("$12 x", "$12"),
        ("größe x", "größe"),
        ("(a)", "("),
        ("", ""),
    ],
)
def test_what_is_underlined(text: str, shown: str) -> None:
    assert text[: excerpt_end(text, 0)] == shown


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0")), st.data())
def test_every_byte_offset_of_a_character_leads_back_to_it(text: str, data: st.DataObject) -> None:
    sql = admit(text, max_bytes=100_000)
    index = data.draw(st.integers(0, len(text)))
    assert sql.char(len(text[:index].encode())) == index
    span = sql.span(len(text[:index].encode()))
    assert span is not None
    assert span.start == index
    assert index <= span.end <= len(text)
