"""Pages: statements are marked where findings point, and nothing of a value is ever markup."""

from __future__ import annotations

from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError

from pg_guard.decision import Finding, Span
from pg_guard.guard import Guard
from pg_guard.policy.load import parse_policy
from pg_guard.report.explanation import explanation_document
from pg_guard.report.html import marked_segments, render_explanation_page, render_page

GUARD = Guard(parse_policy("schema: pg-guard/policy/v1\ntables: {deny: [secret]}\n").policy)


def finding(start: int, end: int, effect: str = "deny") -> Finding:
    return Finding("x/y", "low", "m", "r", Span(start, end, 1, start + 1), "warn" if effect == "warn" else "deny")


def test_places_that_overlap_are_cut_where_they_begin_and_end() -> None:
    segments = marked_segments("0123456789", [finding(2, 6), finding(4, 8, "warn"), finding(10, 12)])
    assert [(each.text, each.numbers, each.starts, each.effect) for each in segments] == [
        ("01", (), (), ""),
        ("23", (1,), (1,), "deny"),
        ("45", (1, 2), (2,), "deny"),
        ("67", (2,), (), "warn"),
        ("89", (), (), ""),
    ]


@given(st.text(max_size=30), st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=8))
def test_the_pieces_are_the_text(text: str, places: list[tuple[int, int]]) -> None:
    findings = [finding(min(place), max(place)) for place in places]
    assert "".join(segment.text for segment in marked_segments(text, findings)) == text


def test_a_name_that_the_template_asks_for_must_be_there() -> None:
    with pytest.raises(UndefinedError):
        render_page("explain.html.j2")


def test_the_templates_are_shipped_with_the_package() -> None:
    names = {path.name for path in files("pg_guard.report").joinpath("templates").iterdir()}
    assert names >= {"page.html.j2", "page.css", "explain.html.j2"}


@given(st.text(max_size=60))
def test_no_text_of_a_statement_becomes_markup(text: str) -> None:
    sql = f'SELECT \'{text.replace(chr(39), "")}\' AS "<b>" FROM secret, "</code><script>"'
    explanation = GUARD.explain(sql)
    page = render_explanation_page(explanation.decision, explanation_document(explanation), name="<i>.sql")
    assert "<script" not in page
    assert "<b>" not in page
    assert "<i>" not in page
    assert page.count("<html") == 1
    page.encode("utf-8")


def test_a_statement_of_any_length_makes_a_page_of_a_bounded_one() -> None:
    explanation = GUARD.explain("SELECT '" + "x" * 3_000_000 + "'")
    page = render_explanation_page(explanation.decision, explanation_document(explanation))
    assert len(page) < 500_000
    assert "more characters are not shown" in page
