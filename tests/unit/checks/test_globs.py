from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pg_guard.catalog.model import Name
from pg_guard.checks.globs import Glob, NameGlob


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("email", "email", True),
        ("email", "EMAIL", True),
        ("EMail", "email", True),
        ("email", "emails", False),
        ("*", "", True),
        ("*", "anything", True),
        ("pg_read_*", "pg_read_file", True),
        ("pg_read_*", "pg_read_", True),
        ("pg_read_*", "pg_rea", False),
        ("*_token", "card_token", True),
        ("*_token", "token", False),
        ("*a*a*", "banana", True),
        ("*a*a*a*a*", "banana", False),
        ("ab*ba", "aba", False),  # the two ends may not share a letter
        ("ab*ba", "abba", True),
        ("a?c", "abc", True),
        ("a?c", "ac", False),
        ("a?c", "abbc", False),
        ("*?@?*", "x@y", True),
        ("*?@?*", "@y", False),
        ("a??*z", "abcz", True),
        ("a??*z", "abz", False),
        ('"a*"', "a*", True),
        ('"a*"', "ab", False),
        ('"A?b"', "a?B", True),
        ('"say ""hi"""', 'say "hi"', True),
        ("a.c", "abc", False),
        ("a[bc]", "ab", False),
        ("line*end", "line\nend", True),
        ("straße", "STRASSE", True),
        ("", "", True),
        ("", "a", False),
    ],
)
def test_a_pattern_matches_the_whole_text(pattern: str, text: str, matches: bool) -> None:
    assert Glob(pattern).matches(text) is matches


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("pg_authid", Name("pg_catalog", "pg_authid"), True),
        ("pg_catalog.pg_authid", Name("pg_catalog", "pg_authid"), True),
        ("pg_catalog.pg_authid", Name("public", "pg_authid"), False),
        ("hr.*", Name("HR", "payroll"), True),
        ("hr.*", Name("hrx", "payroll"), False),
        ('"odd.name".t', Name("odd.name", "t"), True),
        ('"odd.name"', Name("odd", "name"), False),
        ('"odd.name"', Name("public", "odd.name"), True),
    ],
)
def test_a_pattern_without_a_schema_matches_in_any(pattern: str, name: Name, matches: bool) -> None:
    assert NameGlob(pattern).matches(name) is matches


def naive(pattern: str, text: str) -> bool:
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(naive(pattern[1:], text[skip:]) for skip in range(len(text) + 1))
    return bool(text) and pattern[0] in ("?", text[0]) and naive(pattern[1:], text[1:])


@given(st.text("ab*?", max_size=7), st.text("ab", max_size=9))
def test_wildcards_mean_what_the_plain_definition_says(pattern: str, text: str) -> None:
    assert Glob(pattern).matches(text) is naive(pattern, text)


def test_many_stars_on_a_long_text_need_no_going_back() -> None:
    # With backtracking this takes longer than anybody would wait: choose(200,000, 60) ways.
    assert not Glob("*a" * 60 + "*b").matches("a" * 200_000)
    assert not Glob("*a?" * 60 + "*b").matches("a" * 200_000)
