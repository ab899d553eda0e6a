"""What `import pg_guard.testing` offers is a promise: this test changes only together with the changelog."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import pg_guard.testing
from pg_guard.guard import Guard
from pg_guard.policy.model import Policy
from pg_guard.testing import Settings, assert_allowed, assert_denied, find_targets, run_targets

if TYPE_CHECKING:
    from pathlib import Path

FACE = {
    "Case",
    "Clause",
    "Report",
    "Result",
    "Settings",
    "Suite",
    "assert_allowed",
    "assert_denied",
    "find_targets",
    "run_targets",
}


def test_the_names_are_these() -> None:
    assert set(pg_guard.testing.__all__) == FACE
    for name in FACE:
        assert getattr(pg_guard.testing, name) is not None
    assert set(dir(pg_guard.testing)) >= FACE
    with pytest.raises(AttributeError, match="assert_alowed"):
        _ = pg_guard.testing.assert_alowed  # type: ignore[attr-defined]


def test_importing_it_is_light() -> None:
    code = (
        "import sys, pg_guard.testing.plugin\n"
        "print([m for m in ('sqlglot', 'asyncpg', 'pydantic', 'pg_guard.policy') if m in sys.modules])"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert output.stdout.strip() == "[]"


def test_tests_can_be_run_from_python(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(
        "schema: pg-guard/policy/v1\ntables: {deny: [a]}\ntests: [{name: t, sql: SELECT 1 FROM a, expect: deny}]\n"
    )
    report = run_targets(find_targets([str(path)]), Settings(coverage=True, required=100))
    assert (report.exit_code, report.percent, report.counts["tests"]) == (0, 100.0, 1)
    (result,) = report.results
    assert (result.case.line, result.case.id, result.passed) == (3, "unnamed::t", True)


def test_assertions_return_the_decision_and_tell_what_was_found() -> None:
    guard = Guard(Policy.model_validate({"tables": {"deny": ["a"]}}))
    assert assert_allowed(guard, "SELECT 1").sql == "SELECT 1"
    assert assert_denied(guard, "SELECT 1 FROM a", ["tables/denied"]).sql is None
    with pytest.raises(
        AssertionError, match=r"expected allow, got deny\n.*\n  \| SELECT 1 FROM a\n  deny tables/denied at 1:15"
    ):
        assert_allowed(guard, "SELECT 1 FROM a")
    with pytest.raises(AssertionError, match="expected deny, got allow"):
        assert_denied(guard, "SELECT 1")
    with pytest.raises(AssertionError, match="without a finding of columns/denied"):
        assert_denied(guard, "SELECT 1 FROM a", ["tables/denied", "columns/denied"])
    with pytest.raises(TypeError, match="a list of rule ids"):
        assert_denied(guard, "SELECT 1 FROM a", "tables/denied")


def test_monitor_mode_counts_as_one_that_enforces() -> None:
    guard = Guard(Policy.model_validate({"mode": "monitor", "tables": {"deny": ["a"]}}))
    assert_denied(guard, "SELECT 1 FROM a")
    with pytest.raises(AssertionError):
        assert_allowed(guard, "SELECT 1 FROM a")
