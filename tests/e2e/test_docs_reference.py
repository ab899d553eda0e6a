"""docs/reference/: written from the code, current, and complete."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pg_guard.ask.answer import AnswerCode, WarningCode
from pg_guard.entry.reference.errors import ANSWER_CODES, literal_words
from pg_guard.entry.reference.pages import reference_pages
from pg_guard.entry.reference.tools import REQUEST_CODES
from pg_guard.policy.model import Policy
from pg_guard.policy.packs import shipped_packs
from pg_guard.resilience.errors import ResilienceError
from pg_guard.settings import Settings

DIRECTORY = Path(__file__).resolve().parents[2] / "docs" / "reference"
PAGES = reference_pages()


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_current(name: str) -> None:
    # After a change of a command, a key, a setting, an error or a rule: make reference
    assert (DIRECTORY / name).read_text(encoding="utf-8") == PAGES[name]


def test_the_directory_holds_nothing_else() -> None:
    assert {path.name for path in DIRECTORY.iterdir()} == set(PAGES)


def test_every_key_of_a_policy_has_a_row_with_a_meaning() -> None:
    rows = [line for line in PAGES["policy.md"].splitlines() if line.startswith("| `")]
    for name, field in Policy.model_fields.items():
        assert any(row.startswith(f"| `{field.alias or name}` |") for row in rows), name
    assert [row for row in rows if row.endswith("|  |")] == []


def test_every_setting_has_a_row_with_a_meaning() -> None:
    page = PAGES["settings.md"]
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert [row for row in rows if row.endswith("|  |")] == []
    for name in Settings.model_fields:
        assert f"| `{name}` |" in page
    for section in ("databases.<name>", "model", "resilience", "http", "http.oauth"):
        assert f"## `{section}`" in page


def test_every_rule_of_the_shipped_packs_has_a_row() -> None:
    ids = [rule.id for pack in shipped_packs() for rule in pack.rules]
    assert len(ids) >= 80
    for identifier in ids:
        assert f"| `{identifier}` |" in PAGES["rules.md"]


def test_every_code_of_an_answer_has_a_meaning() -> None:
    assert set(ANSWER_CODES) == {*literal_words(AnswerCode), *literal_words(WarningCode)}


def test_every_tool_resource_prompt_and_code_of_the_server_is_told() -> None:
    page = PAGES["mcp.md"]
    for name in (
        "ask",
        "query",
        "run_sql",
        "check_sql",
        "explain_sql",
        "explain_denial",
        "list_databases",
        "refresh_schema",
    ):
        assert f"### `{name}`" in page
    raised = {
        word
        for path in (DIRECTORY.parents[1] / "pg_guard" / "entry" / "mcp").glob("*.py")
        for word in re.findall(r"RequestError\(\s*\"([A-Z_]+)\"", path.read_text(encoding="utf-8"))
    }
    assert {"CURSOR_UNKNOWN", "INTERNAL"} <= raised <= set(REQUEST_CODES)
    assert {kind.code for kind in ResilienceError.__subclasses__()} <= set(REQUEST_CODES)
    assert [line for line in page.splitlines() if line.startswith("| `") and line.endswith("|  |")] == []
