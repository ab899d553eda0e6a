"""docs/testing.md and docs/custom-checks.md: their examples run, and they name what there is."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import pg_guard.testing
from pg_guard.testing import plugin

ROOT = Path(__file__).resolve().parents[2]
TESTING = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
CUSTOM = (ROOT / "docs" / "custom-checks.md").read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def run(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "PYTEST"))}
    environment = kept | {"NO_COLOR": "1", "PYTHONWARNINGS": "error"}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    policy, rule_tests, _ = blocks(TESTING, "yaml")
    (tmp_path / "policy.yaml").write_text(policy)
    rule = (ROOT / "rules" / "core" / "PG101_credential_catalog_read.yaml").read_text(encoding="utf-8")
    (tmp_path / "rule.yaml").write_text(rule[: rule.index("tests:")] + rule_tests)
    return tmp_path


def test_the_examples_of_policy_and_rule_pass(project: Path) -> None:
    process = run(sys.executable, "-m", "pg_guard", "test", ".", "--coverage", cwd=project)
    assert process.returncode == 0, process.stdout
    assert "2 files, 5 tests: 5 passed" in process.stdout
    assert "coverage: 100.0 %" in process.stdout


def test_the_example_of_pytest_passes(project: Path) -> None:
    code, _ = blocks(TESTING, "python")
    (project / "test_policy.py").write_text(code)
    (project / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    process = run(sys.executable, "-m", "pytest", "--pg-guard-policy", "policy.yaml", cwd=project)
    assert process.returncode == 0, process.stdout
    assert "1 passed" in process.stdout


def test_the_example_of_python_runs(project: Path) -> None:
    _, code = blocks(TESTING, "python")
    process = run(sys.executable, "-c", code, cwd=project)
    assert (process.returncode, process.stdout, process.stderr) == (0, "shop 1.0.0 3 []\n", "")


def test_the_example_of_a_check_runs(tmp_path: Path) -> None:
    (code,) = blocks(CUSTOM, "python")
    process = run(sys.executable, "-c", code, cwd=tmp_path)
    assert (process.returncode, process.stderr) == (0, "")


def test_the_page_names_all_of_the_plugin() -> None:
    class Options:
        """Stands where pytest has its parser: it only remembers names."""

        def __init__(self) -> None:
            self.names: list[str] = []

        def getgroup(self, *_: str) -> Options:
            return self

        def addoption(self, name: str, **_: object) -> None:
            self.names.append(name)

        def addini(self, name: str, *_: object) -> None:
            self.names.append(name)

    options = Options()
    plugin.pytest_addoption(options)  # type: ignore[arg-type] # as the class says
    assert len(options.names) == 5
    for name in [*options.names, "guard", "pg_guard_policy", "pg_guard_catalog"]:
        assert f"`{name}" in TESTING
    for name in set(pg_guard.testing.__all__) - {"Suite"}:
        assert re.search(rf"\b{name}\b", TESTING), name
