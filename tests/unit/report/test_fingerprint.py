"""Fingerprints: what changes them, and what does not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pg_guard.report.fingerprint import Fingerprints, normalise


@pytest.mark.parametrize(
    "other",
    [
        "select A,'B',\"C\"  from t",
        "SELECT a\n, 'B' -- x\n, \"C\" /* y */ FROM t",
        "SELECT a, 'B', \"C\"\r\nFROM t",
    ],
)
def test_what_a_writer_may_change(other: str) -> None:
    assert normalise(other) == normalise("SELECT a, 'B', \"C\" FROM t")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SELECT 'a'", "SELECT 'A'"),
        ('SELECT "a"', 'SELECT "A"'),
        ("SELECT $$a$$", "SELECT $$A$$"),
        ("SELECT $q$a$q$", "SELECT $Q$a$Q$"),
        ("SELECT pg_read_file('a')", "SELECT pg_read_file('b')"),
        ("SELECT a b", "SELECT ab"),
        ("SELECT 1", "SELECT 2"),
        ("SELECT '😀'", "SELECT '😃'"),
        ("SELECT a -- b", "SELECT a - - b"),
    ],
)
def test_what_makes_another_statement(one: str, other: str) -> None:
    assert normalise(one) != normalise(other)


@given(st.text(max_size=60))
def test_every_text_has_a_normal_form(text: str) -> None:
    normal = normalise(text)
    assert "\n" not in normal or "'" in text or '"' in text or "$" in text
    mark = Fingerprints().next("a/b", normal)
    assert len(mark) == 32
    assert mark == Fingerprints().next("a/b", normal)


def test_equal_findings_are_told_apart_by_their_order() -> None:
    one, two = Fingerprints(), Fingerprints()
    assert [one.next("r", "s") for _ in range(3)] == [two.next("r", "s") for _ in range(3)]
    marks = Fingerprints()
    assert len({marks.next("r", "s"), marks.next("r", "s"), marks.next("r", "t"), marks.next("q", "s")}) == 4
