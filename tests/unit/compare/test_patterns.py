"""When one pattern that denies covers another; checked against the matchers that enforce them."""

from __future__ import annotations

import itertools

import pytest

from pg_guard.catalog.model import Name
from pg_guard.checks.patterns import NamePattern
from pg_guard.compare.patterns import covers_pattern

PATTERNS = [
    "hr.*",
    "*",
    "*.*",
    "hr.pay*",
    "payroll",
    "HR.Payroll",
    "pay?oll",
    "*.pay*",
    '"HR".payroll',
    '"pay*"',
    "h?.*",
    "*roll",
    "?",
]
NAMES = [
    Name(schema, name)
    for schema in ("hr", "HR", "public", "h*", "hx")
    for name in ("payroll", "Payroll", "pay", "pay*", "payxoll", "roll", "x", "*", "pay?oll", "")
]


@pytest.mark.parametrize(
    ("general", "special"),
    [
        ("hr.*", "hr.payroll"),
        ("*", "hr.*"),
        ("pay*", "hr.pay_*"),
        ("HR.*", "hr.payroll"),
        ("h?.x", "hr.x"),
        ("*.a", "a"),
    ],
)
def test_what_is_covered(general: str, special: str) -> None:
    assert covers_pattern([general], special)


@pytest.mark.parametrize(
    ("general", "special"),
    [("hr.payroll", "hr.*"), ("hr.*", "payroll"), ("pay?", "pay*"), ('"HR".*', "hr.x"), ("audit_*", "audit.*")],
)
def test_what_is_not_covered(general: str, special: str) -> None:
    assert not covers_pattern([general], special)


def test_a_covered_pattern_matches_no_name_that_the_other_does_not() -> None:
    covered = 0
    for general, special in itertools.product(PATTERNS, PATTERNS):
        if covers_pattern([general], special):
            covered += 1
            wide, narrow = NamePattern(general, fold=True), NamePattern(special, fold=True)
            assert [name for name in NAMES if narrow.matches(name) and not wide.matches(name)] == []
    assert covered > len(PATTERNS)
