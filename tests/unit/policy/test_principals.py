"""Attributes of callers: what the policy says wins, what is disputed is missing."""

from __future__ import annotations

from pg_guard.policy.model import Principal
from pg_guard.policy.principals import Principals

BI = Principal(match={"client": "bi-*"}, attributes={"tenant_id": 42})


def test_a_caller_without_entries_keeps_its_own_attributes() -> None:
    assert Principals({}).attributes({"tenant_id": 7}) == {"tenant_id": 7}
    assert Principals({}).attributes(None) == {}


def test_the_policy_replaces_what_the_caller_brings() -> None:
    assert Principals({"bi": BI}).attributes({"client": "bi-7", "tenant_id": 7})["tenant_id"] == 42


def test_a_caller_that_does_not_fit_gets_nothing() -> None:
    principals = Principals({"bi": BI})
    assert "tenant_id" not in principals.attributes({"client": "web-bi-7"})
    assert "tenant_id" not in principals.attributes({"name": "bi-7"})
    assert "tenant_id" not in principals.attributes(None)


def test_every_property_must_match() -> None:
    both = Principal(match={"client": "bi-*", "scope": "read"}, attributes={"tenant_id": 42})
    principals = Principals({"bi": both})
    assert "tenant_id" not in principals.attributes({"client": "bi-7"})
    assert principals.attributes({"client": "bi-7", "scope": "read"})["tenant_id"] == 42


def test_two_kinds_that_disagree_give_no_value() -> None:
    other = Principal(match={"client": "*-7"}, attributes={"tenant_id": 43})
    principals = Principals({"bi": BI, "seven": other})
    assert "tenant_id" not in principals.attributes({"client": "bi-7", "tenant_id": 1})
    assert principals.attributes({"client": "bi-8"})["tenant_id"] == 42


def test_true_and_one_are_different_values() -> None:
    principals = Principals(
        {
            "a": Principal(match={"client": "*"}, attributes={"x": True}),
            "b": Principal(match={"client": "*"}, attributes={"x": 1}),
        }
    )
    assert "x" not in principals.attributes({"client": "c"})


def test_a_value_that_is_not_plain_is_dropped() -> None:
    assert Principals({}).attributes({"tenant_id": [1, 2], "other": None}) == {}


def test_special_characters_of_patterns_are_plain_text() -> None:
    principals = Principals({"x": Principal(match={"client": "a.[b]*"}, attributes={"ok": True})})
    assert principals.attributes({"client": "a.[b]c"}).get("ok") is True
    assert "ok" not in principals.attributes({"client": "axbc"})
