"""`pg-guard schema` as a process: what it prints is what the other commands write and read."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from pg_guard.report.schemas import DOCUMENTS
from tests.support import commands

ROOT = Path(__file__).resolve().parents[2]
POLICY = str(ROOT / "policies" / "demo.yaml")
CATALOG = str(ROOT / "rules" / "catalogs" / "demo.json")
RULES = sorted((ROOT / "rules").glob("*/PG*.yaml"))
run = partial(commands.run, cwd=ROOT)


def validator(name: str) -> Draft202012Validator:
    process = run("schema", name)
    assert (process.returncode, process.stderr) == (0, "")
    schema = json.loads(process.stdout)
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def test_without_a_name_the_formats_are_listed() -> None:
    process = run("schema")
    assert (process.returncode, process.stderr) == (0, "")
    names = [line.split()[0] for line in process.stdout.splitlines()]
    assert names[:4] == ["policy", "rule", "pack", "settings"]
    assert set(names[4:]) == set(DOCUMENTS)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("decision", ["check", "SELECT name FROM hr.employees", "-p", POLICY, "--format", "json"]),
        ("decision", ["check", "SELEC", "-p", POLICY, "--format", "json"]),
        ("lint", ["lint", "queries", "-p", POLICY, "--format", "json"]),
        ("policy-validation", ["policy", "validate", "mine.yaml", "bad.yaml", "missing.yaml", "--format", "json"]),
        ("grants", ["grants", "-p", POLICY, "-c", CATALOG, "--row-security", "--format", "json"]),
        ("config-show", ["config", "show", "-p", POLICY, "--dsn", "postgresql://x/y", "--format", "json"]),
        ("config-validation", ["config", "validate", "-p", POLICY, "--dsn", "postgresql://x/y", "--format", "json"]),
        ("test", ["test", "mine.yaml", "bad.yaml", "--format", "json"]),
        ("test", ["test", "mine.yaml", str(RULES[0]), "--format", "json", "--min-coverage", "100"]),
    ],
)
def test_a_document_fits_its_schema(tmp_path: Path, name: str, arguments: list[str]) -> None:
    (tmp_path / "queries").mkdir()
    (tmp_path / "queries" / "one.sql").write_text(
        "\\set x 1\nSELECT 1;\nSELECT * FROM hr.payroll;\n"
        "-- pg-guard: allow tables/denied month-end close\nSELECT 1 FROM hr.payroll;\n"
    )
    (tmp_path / "queries" / "two.sql").write_bytes(b"\xff")
    (tmp_path / "mine.yaml").write_text(
        "schema: pg-guard/policy/v1\ntables: {deny: [hr.payroll]}\ntests:\n"
        "  - {name: right, sql: SELECT * FROM hr.payroll, expect: deny, rules: [tables/denied]}\n"
        "  - {name: wrong, sql: SELECT 1, expect: deny}\n"
    )
    (tmp_path / "bad.yaml").write_text("schema: pg-guard/policy/v1\ntabels: {}\n")
    process = run(*arguments, cwd=tmp_path)
    assert process.returncode in (0, 1, 2, 3)
    document: dict[str, Any] = json.loads(process.stdout)
    errors = [f"{error.json_path}: {error.message}" for error in validator(name).iter_errors(document)]
    assert errors == []


def test_what_is_shipped_fits() -> None:
    def wrong(name: str, paths: list[Path]) -> list[str]:
        check = validator(name)
        assert paths
        documents = [(path, yaml.safe_load(path.read_text(encoding="utf-8"))) for path in paths]
        return [f"{path.name}: {error.message}" for path, data in documents for error in check.iter_errors(data)]

    assert wrong("rule", RULES) == []
    assert wrong("pack", sorted((ROOT / "rules").glob("*/pack.yaml"))) == []
    assert wrong("policy", sorted((ROOT / "policies").glob("*.yaml"))) == []


def test_a_schema_is_written_to_a_file(tmp_path: Path) -> None:
    process = run("schema", "rule", "--output", "rule.json", cwd=tmp_path)
    assert (process.returncode, process.stdout) == (0, "")
    assert process.stderr == "Wrote rule.json.\n"
    assert (tmp_path / "rule.json").read_text() == run("schema", "rule").stdout
    assert [path.name for path in tmp_path.iterdir()] == ["rule.json"]


def test_all_schemas_are_written_to_a_directory(tmp_path: Path) -> None:
    assert run("schema", "--dir", "editor/schemas", cwd=tmp_path).returncode == 0
    names = sorted(path.name for path in (tmp_path / "editor" / "schemas").iterdir())
    assert len(names) == 4 + len(DOCUMENTS)
    assert "policy-v1.schema.json" in names
    assert run("schema", "pack", "--dir", "one", cwd=tmp_path).returncode == 0
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["pack-v1.schema.json"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["--output", "x.json"],
        ["rule", "--output", "x.json", "--dir", "y"],
        ["rule", "--output", "missing/x.json"],
        ["rule", "--output", "."],
        ["--dir", "file"],
    ],
)
def test_wrong_usage_is_one_clear_line(tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "file").write_text("")
    process = run("schema", *arguments, cwd=tmp_path)
    assert (process.returncode, process.stdout) == (2, "")
    assert process.stderr.startswith("pg-guard: error: ")
    assert len(process.stderr.splitlines()) <= 2


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("databases: {shop: {dsn_file: /run/secrets/dsn, pool_max: 3}}\nmodel: {key_file: k, timeout: 7}", True),
        ("security: {blocked_tables: [a], require_where_clause: true, blocked_columns: {users: [password]}}", True),
        ("security: {require_where_clause: [orders]}\naudit: {sink: file, path: a.jsonl, key_file: k}", True),
        ("securty: {}", False),
        ("databases: {shop: {porrt: 1}}", False),
        ("model: {timeout_file: x}", False),
        ("model: {timeout: -1}", False),
    ],
)
def test_settings_files_fit_their_schema(text: str, valid: bool) -> None:
    assert validator("settings").is_valid(yaml.safe_load(text)) is valid
