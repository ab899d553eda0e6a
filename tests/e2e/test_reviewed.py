"""Declared exceptions: a view that a policy names exactly is readable, and every report on the policy says so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from pg_guard.guard import Guard
from pg_guard.policy.load import parse_policy

if TYPE_CHECKING:
    from pathlib import Path

    from pg_guard.catalog.model import Catalog

POLICY = """\
schema: pg-guard/policy/v1
search_path: [public]
tables:
  default: allow
  allow: [analytics.team, analytics.customer_export, analytics.daily_sales]
  deny: ["hr.*"]
columns: {deny: {customers: [card_token]}}
"""


def test_a_reviewed_view_is_readable_and_its_tables_stay_hidden(demo_catalog: Catalog) -> None:
    guard = Guard(parse_policy(POLICY).policy, demo_catalog)
    assert guard.check("SELECT name, salary FROM analytics.team").allowed
    assert guard.check("SELECT token FROM analytics.customer_export").allowed
    assert not guard.check("SELECT name, salary FROM hr.employees").allowed
    assert not guard.check("SELECT card_token FROM customers").allowed
    # A view over the reviewed one is another view: it was reached through what was reviewed.
    assert guard.check("SELECT yearly FROM analytics.team_report").allowed
    assert [str(relation.key) for relation in guard.reviewed_relations()] == [
        "analytics.customer_export",
        "analytics.team",
    ]


def test_a_wildcard_reviews_nothing(demo_catalog: Catalog) -> None:
    policy = POLICY.replace("[analytics.team, analytics.customer_export, analytics.daily_sales]", '["analytics.*"]')
    guard = Guard(parse_policy(policy).policy, demo_catalog)
    assert not guard.check("SELECT name FROM analytics.team").allowed
    assert not guard.check("SELECT token FROM analytics.customer_export").allowed
    assert guard.check("SELECT revenue FROM analytics.daily_sales").allowed
    assert guard.reviewed_relations() == ()


def test_validate_lists_reviewed_views(demo_dsn: str, tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY, encoding="utf-8")
    command = [sys.executable, "-m", "pg_guard", "policy", "validate", str(path)]
    environment = {**os.environ, "PG_GUARD_DSN": demo_dsn}
    text = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60).stdout
    assert "note: tables.allow names the view analytics.team" in text
    assert "daily_sales" not in text
    data = subprocess.run(
        [*command, "--format", "json"], env=environment, capture_output=True, text=True, check=True, timeout=60
    ).stdout
    assert json.loads(data)["policies"][0]["reviewed"] == ["analytics.customer_export", "analytics.team"]
