"""Tests that come with a policy and its packs: which run, what a failure says, and that their time is bounded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pg_guard.guard import Guard
from pg_guard.policy.load import load_policy
from pg_guard.policy.packs import write_manifest
from pg_guard.testing.embedded import TestsTooSlow, failing_tests

if TYPE_CHECKING:
    from pathlib import Path

    from pg_guard.catalog.model import Catalog

POLICY = """\
schema: pg-guard/policy/v1
metadata: {name: p}
tables: {deny: [orders]}
packs: [{use: core}, {use: acme}]
tests:
  - {name: closed, sql: SELECT count(*) FROM orders, expect: deny, rules: [tables/denied]}
  - {name: wrong, sql: SELECT count(*) FROM customers, expect: deny}
  - {name: wrong rule, sql: SELECT count(*) FROM orders, expect: deny, rules: [columns/denied]}
"""
RULE = """\
schema: pg-guard/rule/v1
id: acme/PG100
name: orders
title: Orders
status: stable
severity: high
description: Orders are nobody's business.
rationale: A test.
match: {relation: {name: [public.orders]}}
effect: deny
message: "{relation} is closed"
remediation: Read something else.
tests:
  - {name: fires, sql: "SELECT count(*) FROM orders", expect: deny}
  - {name: does not, sql: "SELECT count(*) FROM customers", expect: allow}
  - {name: should not, sql: "SELECT count(*) FROM orders AS o", expect: allow}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    pack = tmp_path / "packs" / "acme"
    pack.mkdir(parents=True)
    (pack / "pack.yaml").write_text(
        "schema: pg-guard/pack/v1\nname: acme\nversion: 1.0.0\ntitle: Acme\nfiles: {}\n", encoding="utf-8"
    )
    (pack / "PG100_orders.yaml").write_text(RULE, encoding="utf-8")
    write_manifest(pack)
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY, encoding="utf-8")
    return path


def test_failures_have_their_places(path: Path, demo_catalog: Catalog) -> None:
    loaded = load_policy(path)
    guard = Guard(loaded.policy, demo_catalog, loaded.packs)
    counts: list[int] = []
    found = failing_tests(loaded, guard, seconds=60, progress=counts.append)
    assert [(each.file, each.line, each.path) for each in found] == [
        (str(path), 7, "tests[1]"),
        (str(path), 8, "tests[2]"),
        (str(path.parent / "packs" / "acme"), 0, "acme/PG100"),
    ]
    assert "the test 'wrong' fails: expected deny, got allow" in found[0].message
    assert "columns/denied" in found[1].message
    assert "the test 'should not' fails" in found[2].message
    # Not those of packs that come with pg-guard.
    assert counts == [1, 2, 3, 4, 5, 6]
    known = {pack.digest for pack in loaded.packs}
    assert failing_tests(loaded, guard, seconds=60, known_packs=known) == found[:2]


def test_their_time_is_bounded(path: Path, demo_catalog: Catalog) -> None:
    loaded = load_policy(path)
    guard = Guard(loaded.policy, demo_catalog, loaded.packs)
    with pytest.raises(TestsTooSlow) as caught:
        failing_tests(loaded, guard, seconds=0)
    assert caught.value.done == 0


def test_who_is_told_can_end_them(path: Path, demo_catalog: Catalog) -> None:
    loaded = load_policy(path)
    guard = Guard(loaded.policy, demo_catalog, loaded.packs)

    def enough(done: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        failing_tests(loaded, guard, seconds=60, progress=enough)
