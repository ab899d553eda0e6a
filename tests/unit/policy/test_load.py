from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pg_guard.catalog.model import Catalog, Relation
from pg_guard.errors import PolicyError, UsageError
from pg_guard.policy.load import load_policy, parse_policy

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "schema: pg-guard/policy/v1\n"


def warnings_of(body: str) -> list[str]:
    return [str(problem) for problem in parse_policy(HEAD + body, "p.yaml").problems]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("tables: {deny: [a, '*']}", "p.yaml:2:20: tables.deny[1]: '*' denies every relation"),
        ("tables: {default: deny}", "p.yaml:2:9: tables: default: deny without an allow list refuses every relation"),
        ("tables: {default: deny, allow: ['*.*']}", "p.yaml:2:33: tables.allow[0]: '*.*' allows every relation"),
        (
            "tables: {allow: [v, 'a*']}",
            "p.yaml:2:21: tables.allow[1]: 'a*' permits nothing more while default is allow",
        ),
        (
            "tables: {default: deny, allow: [a, b], deny: [b]}",
            "p.yaml:2:36: tables.allow[1]: 'b' is denied too, and deny wins",
        ),
        ("columns: {deny: {users: ['*']}}", "p.yaml:2:26: columns.deny.users[0]: '*' denies every column"),
        ("statements: {allow: []}", "p.yaml:2:21: statements.allow: is empty, so every statement is refused"),
        ("functions: {mode: denylist}", "p.yaml:2:12: functions: a denylist without entries permits every built-in"),
        ("functions: {deny: ['*']}", "p.yaml:2:20: functions.deny[0]: '*' denies every function"),
        ("functions: {allow: ['*']}", "p.yaml:2:21: functions.allow[0]: '*' allows every function"),
        ("functions: {allow: [bmi]}", "p.yaml:2:20: functions.allow: allows no capability"),
        ("limits: {statement_timeout: 30000}", "p.yaml:2:29: limits.statement_timeout: is 30,000 seconds, more than"),
    ],
)
def test_what_is_probably_not_meant_is_warned_of(body: str, expected: str) -> None:
    (warning,) = warnings_of(body)
    assert warning.startswith(expected)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "tables: {deny: []}",
        "tables: {allow: [v, 'pg_catalog.pg_t*']}",
        "functions: {mode: denylist, deny: ['lo_*']}",
        "where: []",
    ],
)
def test_a_plain_policy_has_no_warnings(body: str) -> None:
    assert warnings_of(body) == []


def test_warnings_are_marked_as_such() -> None:
    assert [problem.level for problem in parse_policy(HEAD + "tables: {deny: ['*']}").problems] == ["warning"]


def test_patterns_that_match_nothing_in_the_catalog_are_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    body = (
        "tables: {deny: ['hr.*', ORDERS, 'aud?t', ghost, 'app.pay_*']}\n"
        "columns: {deny: {'*': [ssn], userz: [x]}}\n"
        'where: [{table: [orders, \'"Secret Stuff"\', "hr.orders"]}]\n'
    )
    (tmp_path / "p.yaml").write_text(HEAD + body)
    names = [("app", "orders"), ("hr", "payroll"), ("app", "audit"), ("app", "Secret Stuff"), ("x", "pay_a")]
    loaded = load_policy(
        "p.yaml",
        environ={},
        catalog=Catalog(relations=tuple(Relation(schema, name, "table") for schema, name in names)),
    )
    assert [str(problem).split(" matches no relation")[0] for problem in loaded.problems] == [
        "p.yaml:2:42: tables.deny[3]: 'ghost'",
        "p.yaml:2:49: tables.deny[4]: 'app.pay_*'",
        "p.yaml:3:37: columns.deny.userz: 'userz'",
        "p.yaml:4:44: where[0].table[2]: 'hr.orders'",
    ]


@pytest.mark.parametrize(("path", "reason"), [("gone.yaml", "no such file or directory"), (".", "is a directory")])
def test_a_file_that_cannot_be_read_is_a_wrong_argument(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=f"cannot read the policy {path}: {reason}"):
        load_policy(path)


def test_a_path_with_a_nul_character_is_a_wrong_argument() -> None:
    with pytest.raises(UsageError, match="NUL"):
        load_policy("a\0b")


def test_a_file_of_50_megabytes_gives_one_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with (tmp_path / "big.yaml").open("wb") as stream:
        stream.truncate(50_000_000)
    with pytest.raises(PolicyError) as caught:
        load_policy("big.yaml")
    assert [str(problem) for problem in caught.value.problems] == [
        "big.yaml: the file is larger than 1,000,000 bytes, which no policy needs"
    ]


def test_the_digest_is_that_of_what_holds_not_of_how_it_is_written() -> None:
    short = parse_policy(HEAD + "where: [{table: a}]\nlimits: {statement_timeout: 30s}").policy
    long = parse_policy(HEAD + "# a comment\nwhere:\n  - table: [a]\n    columns: []").policy
    other = parse_policy(HEAD + "where: [{table: b}]").policy
    assert short.digest == long.digest
    assert short.digest != other.digest
    assert len(short.digest) == 64


def test_the_effective_policy_can_be_written_and_read_back() -> None:
    policy = parse_policy(
        HEAD + "functions: {allow: [bmi, {capability: pure}]}\nlimits: {result_bytes: 1MiB}\nsearch_path: [a]"
    ).policy
    assert type(policy).model_validate(policy.to_dict()) == policy


def test_a_policy_cannot_be_changed() -> None:
    policy = parse_policy(HEAD).policy
    with pytest.raises(ValueError, match="frozen"):
        policy.mode = "monitor"  # type: ignore[misc]  # that is what is tested


def test_the_defaults_are_safe() -> None:
    policy = parse_policy(HEAD).policy
    assert policy.mode == "enforce"
    assert policy.statements.allow == ("select",)
    assert policy.functions.mode == "allowlist"
    assert policy.functions.user_defined == "deny"
    assert (policy.limits.sql_bytes, policy.limits.tokens, policy.limits.depth) == (20_000, 10_000, 64)
    assert (policy.limits.rows, policy.limits.result_bytes, policy.limits.statement_timeout) == (
        1_000,
        10_000_000,
        30.0,
    )
