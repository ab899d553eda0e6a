"""What is found below a path, and in which order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pg_guard.errors import UsageError
from pg_guard.testing.discover import find_targets, kind_of

if TYPE_CHECKING:
    from pathlib import Path

POLICY = "schema: pg-guard/policy/v1\n"
RULE = "schema: pg-guard/rule/v1\n"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (POLICY, "policy"),
        (RULE, "rule"),
        ("schema: pg-guard/pack/v1\n", "pack"),
        ("# a comment\nmetadata: {}\nschema: 'pg-guard/policy/v1'\n", "policy"),
        ('{"schema": "pg-guard/rule/v1"}', "rule"),
        ("\ufeffschema: pg-guard/policy/v1\n", "policy"),
        ("schema: pg-guard/policy/v9\n", "policy"),
        ("schema: pg-guard/decision/v1\n", ""),
        ('{\n  "schema": "pg-guard/policy/v1"\n}', "policy"),
        ("# schema: pg-guard/policy/v1\n", ""),
        ("documentation: |\n  schema: pg-guard/rule/v1\n", ""),
        ("services: {}\n", ""),
        ("", ""),
    ],
)
def test_the_kind_is_what_the_key_says(tmp_path: Path, text: str, kind: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text, encoding="utf-8")
    assert kind_of(path) == kind


def test_directories_are_walked_in_order(tmp_path: Path) -> None:
    for name, text in {
        "b.yaml": POLICY,
        "a.yml": RULE,
        "other.yaml": "x: 1\n",
        "notes.txt": POLICY,
        "deep/er/c.yaml": RULE,
        ".hidden/d.yaml": POLICY,
        "pack.yaml": "schema: pg-guard/pack/v1\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    found = [(target.path.removeprefix(f"{tmp_path}/"), target.kind) for target in find_targets([str(tmp_path)])]
    assert found == [("a.yml", "rule"), ("b.yaml", "policy"), ("deep/er/c.yaml", "rule")]


def test_a_link_to_a_file_is_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(POLICY)
    (tmp_path / "b.yaml").symlink_to(tmp_path / "a.yaml")
    assert [target.path for target in find_targets([str(tmp_path)])] == [str(tmp_path / "a.yaml")]


def test_a_file_that_names_no_format_is_taken_for_a_policy(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("tables: {}\n")
    assert [target.kind for target in find_targets([str(tmp_path / "x.yaml")])] == ["policy"]


@pytest.mark.parametrize("path", ["missing", "a\0b", "empty"])
def test_nothing_to_test_is_an_error(tmp_path: Path, path: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError):
        find_targets([str(tmp_path / path)])
