"""The plugin as authors meet it: pytest in a project of theirs, as a process."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from pg_guard.catalog.model import Catalog

POLICY = """\
schema: pg-guard/policy/v1
metadata: {name: shop, version: 1.0.0}
tables: {deny: ["hr.*"]}
tests:
  - {name: staff, sql: SELECT name FROM hr.payroll, expect: deny, rules: [tables/denied]}
  - {name: report, sql: SELECT count(*) FROM orders, expect: allow}
"""


def run_pytest(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "PYTEST"))}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        cwd=project,
        env=kept | {"PYTHONWARNINGS": "error", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\nasyncio_default_fixture_loop_scope = function\nfilterwarnings = error\n"
    )
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "shop.yaml").write_text(POLICY)
    (tmp_path / "compose.yaml").write_text("services: {}\n")
    return tmp_path


def write_test(project: Path, body: str) -> None:
    (project / "test_policy.py").write_text(f"from pg_guard.testing import assert_allowed, assert_denied\n\n\n{body}")


def test_the_fixture_and_the_assertions(project: Path) -> None:
    write_test(
        project,
        "def test_it(guard, pg_guard_policy):\n"
        "    assert pg_guard_policy.name == 'shop.yaml'\n"
        "    assert assert_allowed(guard, 'SELECT 1').allowed\n"
        "    decision = assert_denied(guard, 'SELECT * FROM hr.payroll', rules=['tables/denied'])\n"
        "    assert decision.sql is None\n",
    )
    process = run_pytest(project, "--pg-guard-policy", "policies/shop.yaml")
    assert process.returncode == 0, process.stdout
    assert "1 passed" in process.stdout


def test_the_setting_is_relative_to_its_file(project: Path) -> None:
    write_test(project, "def test_it(guard):\n    assert_denied(guard, 'SELECT name FROM hr.payroll')\n")
    with (project / "pytest.ini").open("a") as stream:
        stream.write("pg_guard_policy = policies/shop.yaml\n")
    assert run_pytest(project / "policies", "..").returncode == 0


def test_without_a_policy_the_fixture_says_what_to_give(project: Path) -> None:
    write_test(project, "def test_it(guard):\n    pass\n")
    process = run_pytest(project)
    assert process.returncode == 1
    assert "no policy: give --pg-guard-policy FILE, or set pg_guard_policy in pytest's settings" in process.stdout


def test_a_failed_assertion_tells_what_was_found(project: Path) -> None:
    write_test(
        project,
        "def test_allowed(guard):\n"
        "    assert_allowed(guard, 'SELECT name\\nFROM hr.payroll')\n\n\n"
        "def test_denied(guard):\n"
        "    assert_denied(guard, 'SELECT 1')\n\n\n"
        "def test_rules(guard):\n"
        "    assert_denied(guard, 'SELECT name FROM hr.payroll', rules=['where/missing'])\n",
    )
    process = run_pytest(project, "--pg-guard-policy", "policies/shop.yaml")
    assert process.returncode == 1
    assert "AssertionError: expected allow, got deny\n" in process.stdout
    assert "  | FROM hr.payroll\n" in process.stdout
    assert 'deny tables/denied at 2:6: The policy does not permit reading "hr.payroll".' in process.stdout
    assert "fix: " in process.stdout
    assert "AssertionError: expected deny, got allow\n" in process.stdout
    assert "AssertionError: denied, but without a finding of where/missing\n" in process.stdout
    assert "assertions.py" not in process.stdout, "the traceback ends in the author's own line"


def test_policies_are_collected_only_when_asked_for(project: Path) -> None:
    assert run_pytest(project).returncode == 5
    process = run_pytest(project, "--pg-guard-collect", "-v")
    assert process.returncode == 0, process.stdout
    assert "policies/shop.yaml::staff PASSED" in process.stdout
    assert "policies/shop.yaml::report PASSED" in process.stdout
    assert "2 passed" in process.stdout
    assert run_pytest(project, "--pg-guard-collect", "policies/shop.yaml::report").returncode == 0


def test_names_are_resolved_on_the_catalog(project: Path, demo_catalog: Catalog) -> None:
    demo_catalog.to_json(project / "shop.json")
    (project / "policies" / "shop.yaml").write_text(
        "schema: pg-guard/policy/v1\n"
        "tables: {deny: [hr.employees]}\n"
        "tests: [{name: view, sql: SELECT * FROM analytics.team, expect: deny}]\n"
    )
    write_test(
        project,
        "def test_it(guard, pg_guard_catalog):\n"
        "    assert guard.catalog is pg_guard_catalog\n"
        "    assert_denied(guard, 'SELECT * FROM analytics.team')\n",
    )
    arguments = ("--pg-guard-collect", "--pg-guard-policy", "policies/shop.yaml")
    assert run_pytest(project, *arguments).returncode == 1
    process = run_pytest(project, *arguments, "--pg-guard-catalog", "shop.json")
    assert process.returncode == 0, process.stdout
    assert "2 passed" in process.stdout


def test_a_projects_own_fixture_wins(project: Path) -> None:
    (project / "conftest.py").write_text("import pytest\n\n\n@pytest.fixture\ndef guard():\n    return 'mine'\n")
    (project / "test_own.py").write_text("def test_it(guard):\n    assert guard == 'mine'\n")
    assert run_pytest(project).returncode == 0


def test_rules_are_collected(project: Path) -> None:
    (project / "rule.yaml").write_text(
        "schema: pg-guard/rule/v1\n"
        "id: house/PG900\nname: payroll-read\ntitle: Read of the payroll\nseverity: high\n"
        "description: Finds reads of the payroll.\nrationale: Salaries are secret.\n"
        "match: {relation: {name: hr.payroll}}\n"
        "effect: deny\nmessage: no\nremediation: no\n"
        "tests:\n"
        "  - {name: direct, sql: SELECT name FROM hr.payroll, expect: deny, catalog: none}\n"
        "  - {name: wrong, sql: SELECT name FROM hr.payroll, expect: allow, catalog: none}\n"
    )
    process = run_pytest(project, "--pg-guard-collect", "rule.yaml")
    assert process.returncode == 1
    assert "1 failed, 1 passed" in process.stdout
    assert "rule.yaml:14: house/PG900::wrong: expected the rule not to fire, but it does" in process.stdout


def test_a_failed_yaml_test_is_shown_without_a_traceback(project: Path) -> None:
    (project / "policies" / "shop.yaml").write_text(POLICY.replace("expect: allow", "expect: deny"))
    process = run_pytest(project, "--pg-guard-collect")
    assert process.returncode == 1
    assert "shop.yaml:6: shop::report: expected deny, got allow\n  | SELECT count(*) FROM orders\n" in process.stdout
    assert "plugin.py" not in process.stdout


def test_an_invalid_policy_is_a_collection_error_with_its_place(project: Path) -> None:
    (project / "policies" / "shop.yaml").write_text("schema: pg-guard/policy/v1\ntabels: {}\n")
    process = run_pytest(project, "--pg-guard-collect")
    assert process.returncode == 2
    assert "shop.yaml:2:1: tabels: unknown key 'tabels'" in process.stdout
    assert "Traceback" not in process.stdout


def test_the_plugin_is_silent_and_light_unless_used(project: Path) -> None:
    (project / "test_policy.py").write_text(
        "import sys\n\n\n"
        "def test_it():\n"
        "    assert 'pg_guard.testing.plugin' in sys.modules\n"
        "    heavy = {'pydantic', 'sqlglot', 'asyncpg', 'mcp', 'pg_guard.guard', 'pg_guard.policy'}\n"
        "    assert not heavy & set(sys.modules)\n",
    )
    process = run_pytest(project, "-q", "-p", "no:hypothesispytest", "-p", "no:syrupy")
    assert process.returncode == 0, process.stdout
    assert "pg-guard" not in process.stdout
