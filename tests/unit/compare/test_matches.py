"""When a rule fires wherever another does: by form, and on statements."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from pg_guard.checks.pack import ActiveRule, PackCheck, Template
from pg_guard.checks.written import read_match
from pg_guard.compare.matches import fill_in, implies
from pg_guard.guard import Guard
from pg_guard.policy.using import open_policy

ORDERS = {"relation": {"name": "public.orders"}}
CUSTOMERS = {"relation": {"name": "public.customers"}}
BOTH = {"relation": {"name": ["public.orders", "public.customers"]}}
STAR = {"column": {"star": True}}


@pytest.mark.parametrize(
    ("special", "general"),
    [
        (ORDERS, ORDERS),
        (ORDERS, BOTH),
        (ORDERS, {"any": [CUSTOMERS, ORDERS]}),
        ({"any": [CUSTOMERS, ORDERS]}, BOTH),
        ({"all": [ORDERS, STAR]}, ORDERS),
        ({"all": [ORDERS, STAR]}, {"all": [STAR, BOTH]}),
        ({"not": BOTH}, {"not": ORDERS}),
        ({"relation": {"name": "public.orders", "kind": "table"}}, ORDERS),
        ({"query": {"tables_over": 5}}, {"query": {"tables_over": 3}}),
        (ORDERS, {"relation": {}}),
    ],
)
def test_what_is_implied(special: Any, general: Any) -> None:
    assert implies(special, general)
    assert special == general or not implies(general, special)


@pytest.mark.parametrize(
    ("special", "general"),
    [
        (ORDERS, CUSTOMERS),
        ({"not": ORDERS}, {"not": BOTH}),
        ({"query": {"star": True}}, {"query": {"star": False}}),
        ({"scan": {"has_column": ["a"], "held": False}}, {"scan": {"has_column": ["a", "b"], "held": False}}),
        ({"relation": {"name": 3}}, {"relation": {"name": "3"}}),
    ],
)
def test_what_cannot_be_shown(special: Any, general: Any) -> None:
    assert not implies(special, general)


def test_parameters_are_filled_in() -> None:
    written = {"scan": {"has_column": "$tenants", "kinds": ["a", "$more"]}, "x": ["$unknown", True, 3]}
    assert fill_in(written, {"tenants": ("t", "u"), "more": ("b", "c")}) == {
        "scan": {"has_column": ["t", "u"], "kinds": ["a", "b", "c"]},
        "x": ["$unknown", True, 3],
    }


MATCHES: list[Any] = [
    ORDERS,
    CUSTOMERS,
    BOTH,
    STAR,
    {"relation": {}},
    {"any": [ORDERS, STAR]},
    {"all": [ORDERS, STAR]},
    {"all": [BOTH, STAR]},
    {"not": ORDERS},
    {"not": BOTH},
    {"not": {"all": [ORDERS, STAR]}},
    {"any": [{"not": BOTH}, STAR]},
]
STATEMENTS = [
    "SELECT 1",
    "SELECT id FROM orders",
    "SELECT * FROM orders",
    "SELECT id FROM customers",
    "SELECT c.* FROM customers c, orders",
    "SELECT * FROM products",
    "SELECT id FROM nosuch",
]


def test_an_implied_rule_fires_on_every_statement_that_the_other_fires_on() -> None:
    guard = Guard(open_policy())
    subjects = [trace.subject for sql in STATEMENTS if (trace := guard.explain(sql).trace)]
    fires: dict[int, set[int]] = {}
    for number, match in enumerate(MATCHES):
        compiled, faults = read_match(match, {})
        assert compiled is not None, faults
        text = Template("x")
        check = PackCheck((ActiveRule("t/PG1", "low", "deny", compiled, text, text),))
        fires[number] = {index for index, subject in enumerate(subjects) if subject is not None and [*check(subject)]}
    implied = [
        (left, right)
        for left, right in itertools.product(range(len(MATCHES)), repeat=2)
        if left != right and implies(MATCHES[left], MATCHES[right])
    ]
    assert len(implied) >= 12
    for left, right in implied:
        assert fires[left] <= fires[right], (MATCHES[left], MATCHES[right])
