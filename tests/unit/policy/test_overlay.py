from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pg_guard.errors import PolicyError
from pg_guard.policy.load import LoadedPolicy, load_policy
from pg_guard.policy.model import Policy
from pg_guard.policy.overlay import PREFIX, variable_names

if TYPE_CHECKING:
    from pathlib import Path

BODY = """schema: pg-guard/policy/v1
metadata: {name: base, version: 1.0.0}
tables: {deny: [a]}
joins: {max_tables: 6}
limits: {rows: 10}
"""


@pytest.fixture(autouse=True)
def policy_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.yaml").write_text(BODY)


def overlay(**variables: str) -> LoadedPolicy:
    return load_policy("p.yaml", environ={f"{PREFIX}{name}": value for name, value in variables.items()})


def refusal(**variables: str) -> list[str]:
    with pytest.raises(PolicyError) as caught:
        overlay(**variables)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("JOINS__MAX_TABLES", "10", lambda policy: policy.joins.max_tables == 10),
        ("JOINS__MAX_TABLES", "null", lambda policy: policy.joins.max_tables is None),
        ("MODE", "monitor", lambda policy: policy.mode == "monitor"),
        ("METADATA__VERSION", "2.0", lambda policy: policy.metadata.version == "2.0"),
        ("METADATA__OWNER", "null", lambda policy: policy.metadata.owner == "null"),
        ("LIMITS__STATEMENT_TIMEOUT", "1500ms", lambda policy: policy.limits.statement_timeout == 1.5),
        ("LIMITS__STATEMENT_TIMEOUT", "2", lambda policy: policy.limits.statement_timeout == 2.0),
        ("LIMITS__RESULT_BYTES", "1MiB", lambda policy: policy.limits.result_bytes == 2**20),
        ("TABLES__DENY", '["b", "hr.*"]', lambda policy: policy.tables.deny == ("b", "hr.*")),
        ("TABLES__DENY", "[]", lambda policy: policy.tables.deny == ()),
        ("TABLES__DEFAULT", "deny", lambda policy: policy.tables.default == "deny" and policy.tables.deny == ("a",)),
        ("TABLES", '{"default": "deny"}', lambda policy: policy.tables.default == "deny" and policy.tables.deny == ()),
        ("COLUMNS__DENY", '{"*": ["ssn"]}', lambda policy: policy.columns.deny == {"*": ("ssn",)}),
        ("SEARCH_PATH", '["app"]', lambda policy: policy.search_path == ("app",)),
        ("SEARCH_PATH", "null", lambda policy: policy.search_path is None),
        ("WHERE", '[{"table": "orders"}]', lambda policy: policy.where[0].table == ("orders",)),
        (
            "FUNCTIONS__ALLOW",
            '[{"capability": "pure"}]',
            lambda policy: policy.functions.allow[0].capability == ("pure",),
        ),
    ],
)
def test_a_variable_sets_a_key(name: str, value: str, read: Any) -> None:
    assert read(overlay(**{name: value}).policy)


def test_the_more_exact_variable_wins_in_any_order() -> None:
    both = {"JOINS__MAX_TABLES": "3", "JOINS": '{"max_tables": 9}'}
    assert overlay(**both).policy.joins.max_tables == 3
    assert overlay(**dict(reversed(both.items()))).policy.joins.max_tables == 3


def test_an_overlay_may_loosen_what_a_base_states(tmp_path: Path) -> None:
    (tmp_path / "top.yaml").write_text("schema: pg-guard/policy/v1\nextends: [p.yaml]\n")
    loaded = load_policy("top.yaml", environ={f"{PREFIX}LIMITS__ROWS": "5000"})
    assert loaded.policy.limits.rows == 5000
    assert loaded.sources == ("p.yaml", "top.yaml", f"{PREFIX}LIMITS__ROWS")


def test_other_variables_are_left_alone() -> None:
    environ = {"PG_GUARD_POLICY": "p.yaml", "PG_GUARD_DSN": "x", "HOME": "/", "pg_guard_policy__mode": "monitor"}
    assert load_policy("p.yaml", environ=environ).policy.mode == "enforce"


def test_the_process_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}MODE", "monitor")
    assert load_policy("p.yaml").policy.mode == "monitor"


SECRET = "hunter2-do-not-print"


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("JOINS__MAX_TABLES", SECRET, "joins.max_tables: the value is not a whole number"),
        ("JOINS__MAX_TABLES", "0", "joins.max_tables: the value is not more than 0"),
        ("JOINS__MAX_TABLES", "", "joins.max_tables: the value is not a whole number"),
        ("MODE", SECRET, "mode: the value is not 'enforce' or 'monitor'"),
        ("TABLES__DENY", SECRET, "tables.deny: the value is not JSON (character 1)"),
        ("TABLES__DENY", f'["{SECRET}"', "tables.deny: the value is not JSON (character 24)"),
        ("TABLES__DENY", f'"{SECRET}"', "tables.deny: the value is not a list"),
        ("TABLES__DENY", f'["{SECRET}."]', "tables.deny: the value has an empty name, so it matches nothing"),
        ("TABLES", f'{{"{SECRET}": 1}}', "tables: unknown key"),
        ("COLUMNS__DENY", f'{{"{SECRET}": "x"}}', "columns.deny: the value is not a list"),
        ("COLUMNS__DENY", f'{{"{SECRET}.": ["x"]}}', "columns.deny: the value has an empty name"),
        ("COLUMNS__DENY", '{"a": ["x"], "a": ["y"]}', "columns.deny: the value has a duplicate key"),
        ("COLUMNS__DENY", "NaN", "columns.deny: the value has NaN or Infinity, which JSON does not know"),
        ("COLUMNS__DENY", "[" * 100_000, "columns.deny: the value is not JSON that can be read"),
        ("LIMITS__STATEMENT_TIMEOUT", SECRET, "limits.statement_timeout: the value is not a number with a unit"),
        ("COLUMNS__ON_STAR", "omit", "columns.on_star: 'omit' is not supported yet (columns.on_star)"),
        ("ROW_FILTERS", f'[{{"table": "a", "using": "{SECRET}"}}]', "row_filters: is not supported yet (row_filters)"),
    ],
)
def test_a_wrong_value_names_its_variable_and_is_never_shown(name: str, value: str, expected: str) -> None:
    (problem,) = refusal(**{name: value})
    assert problem.startswith(f"{PREFIX}{name}: {expected}")
    assert "hunter2" not in problem


def test_warnings_do_not_show_a_value_from_the_environment() -> None:
    (warning,) = overlay(TABLES__DENY='["*.*"]').problems
    assert str(warning).startswith(f"{PREFIX}TABLES__DENY: tables.deny: the value denies every relation")


@pytest.mark.parametrize(
    "name", ["JOIN__MAX_TABLES", "JOINS__MAX", "JOINS__MAX_TABLES__X", "", "TABLES__DENY__0", "mode"]
)
def test_a_variable_that_sets_nothing_is_refused(name: str) -> None:
    (problem,) = refusal(**{name: "1"})
    assert problem.startswith(f"{PREFIX}{name}: sets nothing that the policy knows")


def test_the_nearest_variable_is_suggested() -> None:
    (problem,) = refusal(JOINS__MAX_TABLE="1")
    assert problem.endswith(f"(did you mean {PREFIX}JOINS__MAX_TABLES?)")


@pytest.mark.parametrize("name", ["SCHEMA", "EXTENDS"])
def test_what_files_are_made_of_cannot_be_overlaid(name: str) -> None:
    assert refusal(**{name: '["x"]'})


def test_all_wrong_variables_and_faults_of_files_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("schema: pg-guard/policy/v1\nmode: x\n")
    problems = refusal(NOTHING="1", TABLES__DENY="x")
    assert [problem.split(": ")[0] for problem in problems] == [
        "p.yaml:2:7",
        f"{PREFIX}NOTHING",
        f"{PREFIX}TABLES__DENY",
    ]


def test_every_key_but_the_files_own_has_a_variable() -> None:
    names = variable_names()
    assert len(set(names)) == len(names)
    tops = {field.alias or name for name, field in Policy.model_fields.items()} - {"schema", "extends"}
    assert {f"{PREFIX}{top.upper()}" for top in tops} <= set(names)
    assert f"{PREFIX}LIMITS__SQL_BYTES" in names
