"""`pg-guard token` as an administrator uses it."""

from __future__ import annotations

import hashlib
import json
import stat
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.support import commands

if TYPE_CHECKING:
    from pathlib import Path


token = partial(commands.run, "token")


def test_a_token_is_shown_once_and_only_its_hash_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "tokens.yaml"
    made = token("new", "bi-7", "--file", str(path), "--attribute", "tenant_id=42", "--attribute", "team=a b",
                 "--scope", "sql:read", "--scope", "x", "--expires", "2999-12-31")  # fmt: skip
    assert made.returncode == 0
    secret = made.stdout.strip()
    assert secret not in made.stderr
    assert secret not in path.read_text(encoding="utf-8")
    assert hashlib.sha256(secret.encode()).hexdigest() in path.read_text(encoding="utf-8")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    listed = token("list", "--file", str(path))
    assert listed.stdout.startswith("bi-7: expires 2999-12-31, created ")
    assert "tenant_id=42, team=a b, scope sql:read, scope x" in listed.stdout
    document = json.loads(token("list", "--file", str(path), "--format", "json").stdout)
    assert document["schema"] == "pg-guard/token-list/v1"
    (entry,) = document["tokens"]
    assert entry["attributes"] == {"tenant_id": 42, "team": "a b"}
    assert "sha256" not in entry
    assert hashlib.sha256(secret.encode()).hexdigest() not in listed.stdout


def test_a_name_is_given_once_and_can_be_given_again_after_it_was_revoked(tmp_path: Path) -> None:
    path = str(tmp_path / "tokens.yaml")
    first = token("new", "bi-7", "--file", path).stdout
    taken = token("new", "bi-7", "--file", path)
    assert (taken.returncode, taken.stdout) == (2, "")
    assert token("revoke", "bi-7", "--file", path).returncode == 0
    assert token("revoke", "bi-7", "--file", path).returncode == 2
    assert token("list", "--file", path).stdout == ""
    assert token("new", "bi-7", "--file", path).stdout not in (first, "")


@pytest.mark.parametrize(
    "arguments",
    [
        ["a b"],
        ["-x"],
        ["a/b"],
        ["a", "--attribute", "x"],
        ["a", "--attribute", "=1"],
        ["a", "--attribute", "x=1", "--attribute", "x=2"],
        ["a", "--attribute", "client=b"],
        ["a", "--attribute", "subject=b"],
        ["a", "--attribute", "a-b=1"],
        ["a", "--scope", "two words"],
        ["a", "--expires", "tomorrow"],
        ["a", "--expires", "2001-01-01"],
        ["a", "--expires", "2027-02-30"],
    ],
)
def test_what_is_wrong_writes_nothing(tmp_path: Path, arguments: list[str]) -> None:
    path = tmp_path / "tokens.yaml"
    result = token("new", "--file", str(path), *arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("pg-guard: error: ")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_something_else_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text("schema: pg-guard/policy/v1\n", encoding="utf-8")
    for arguments in (["new", "a"], ["revoke", "a"], ["list"]):
        result = token(*arguments, "--file", str(path))
        assert (result.returncode, result.stdout) == (2, "")
    assert path.read_text(encoding="utf-8") == "schema: pg-guard/policy/v1\n"
    missing = token("new", "a", "--file", str(tmp_path / "none" / "tokens.yaml"))
    assert missing.returncode == 2
    assert missing.stderr.startswith("pg-guard: error: ")
