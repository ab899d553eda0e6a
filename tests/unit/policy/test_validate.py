from __future__ import annotations

import pytest

from pg_guard.errors import PolicyError
from pg_guard.policy.load import parse_policy
from pg_guard.policy.supported import NOT_YET

HEAD = "schema: pg-guard/policy/v1\n"


def refusal(body: str, *, head: str = HEAD) -> list[str]:
    """The problems of a policy whose body begins on line 2."""
    with pytest.raises(PolicyError) as caught:
        parse_policy(head + body, "p.yaml")
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("wher: []", "p.yaml:2:1: wher: unknown key 'wher' (did you mean 'where'?)"),
        ("tables: {deny: [a], alow: [b]}", "p.yaml:2:21: tables.alow: unknown key 'alow' (did you mean 'allow'?)"),
        ("schema_: x", "p.yaml:2:1: schema_: unknown key 'schema_' (did you mean 'schema'?)"),
        (
            "functions:\n  allow:\n    - {capabilty: pure, capability: pure}",
            "p.yaml:4:8: functions.allow[0].capabilty: unknown key 'capabilty' (did you mean 'capability'?)",
        ),
        (
            "where: [{table: a, zzz: 1}]",
            "p.yaml:2:20: where[0].zzz: unknown key 'zzz' (known here: table, columns, equals)",
        ),
        ("where: [{columns: [a]}]", "p.yaml:2:9: where[0]: the key 'table' is missing (add it)"),
        ("mode: Enforce", "p.yaml:2:7: mode: 'Enforce' is not 'enforce' or 'monitor' (did you mean 'enforce'?)"),
        ("mode: on", "p.yaml:2:7: mode: 'on' is not 'enforce' or 'monitor'"),
        (
            "statements: {allow: [select, insert]}",
            "p.yaml:2:30: statements.allow[1]: 'insert' is not 'select', 'explain' or 'show'",
        ),
        (
            "functions: {deny: [{capability: [pure, filesytem]}]}",
            (
                "p.yaml:2:40: functions.deny[0].capability[1]: 'filesytem' is not a known word here"
                " (did you mean 'filesystem'?)"
            ),
        ),
        (
            "functions: {deny: [{capability: netwrk}]}",
            "p.yaml:2:33: functions.deny[0].capability: 'netwrk' is not a known word here (did you mean 'network'?)",
        ),
        ("tables: {deny: [12]}", "p.yaml:2:17: tables.deny[0]: 12 is not text (put it in quotes)"),
        ("tables: {deny: [true]}", "p.yaml:2:17: tables.deny[0]: true is not text (put it in quotes)"),
        ("metadata: {version: 1.0}", "p.yaml:2:21: metadata.version: 1.0 is not text (put it in quotes)"),
        ("tables: {deny: hr}", "p.yaml:2:16: tables.deny: 'hr' is not a list (put it in brackets, as in [name])"),
        (
            "tables:\nmode: enforce",
            "p.yaml:2:1: tables: the value is empty, where a mapping is wanted (give a value or remove the key)",
        ),
        ("tables: [a]", "p.yaml:2:9: tables: the value is not a mapping"),
        ("columns: {deny: [ssn]}", "p.yaml:2:17: columns.deny: the value is not a mapping"),
        (
            "columns: {deny: {users: ssn}}",
            "p.yaml:2:25: columns.deny.users: 'ssn' is not a list (put it in brackets, as in [name])",
        ),
        ("columns: {deny: {users: []}}", "p.yaml:2:25: columns.deny.users: the value lists nothing"),
        ("where: [{table: []}]", "p.yaml:2:17: where[0].table: the value lists nothing"),
        ("search_path: []", "p.yaml:2:14: search_path: the value lists nothing"),
        (
            'columns: {deny: {"a.b.c": [ssn]}}',
            (
                "p.yaml:2:18: columns.deny[\"a.b.c\"]: 'a.b.c' has 3 parts"
                " (write name or schema.name; put a name that holds a dot in double quotes)"
            ),
        ),
        (
            'tables: {deny: [""]}',
            "p.yaml:2:17: tables.deny[0]: '' is empty, so it matches nothing (write name or schema.name)",
        ),
        (
            'where: [{table: "."}]',
            (
                "p.yaml:2:17: where[0].table: '.' has an empty name, so it matches nothing"
                " (write a name or a wildcard such as *)"
            ),
        ),
        ("limits: {rows: 0}", "p.yaml:2:16: limits.rows: 0 is not more than 0"),
        ("limits: {rows: 9999999999}", "p.yaml:2:16: limits.rows: 9999999999 is more than 2,147,483,647"),
        (
            "limits: {rows: 010}",
            (
                "p.yaml:2:16: limits.rows: '010' is not a whole number"
                " (write the number without quotes and without leading zeros, units or separators)"
            ),
        ),
        ("limits: {rows: true}", "p.yaml:2:16: limits.rows: true is not a whole number"),
        ("limits: {rows: 1.5}", "p.yaml:2:16: limits.rows: 1.5 is not a whole number"),
        (
            "limits: {statement_timeout: 30 sec}",
            "p.yaml:2:29: limits.statement_timeout: '30 sec' has an unknown unit (one of ms, s, min, h, as in 30s)",
        ),
        ("limits: {statement_timeout: 0s}", "p.yaml:2:29: limits.statement_timeout: '0s' is not more than 0"),
        ("metadata: {name: ''}", "p.yaml:2:18: metadata.name: '' is empty"),
        ("joins: {max_tables: 3, reason: ' '}", "p.yaml:2:32: joins.reason: ' ' gives no reason"),
        (
            "tests: [{name: x, sql: SELECT 1, expect: denied}]",
            "p.yaml:2:42: tests[0].expect: 'denied' is not 'allow', 'rewrite' or 'deny' (did you mean 'deny'?)",
        ),
    ],
)
def test_each_mistake_is_told_with_its_place(body: str, expected: str) -> None:
    assert refusal(body) == [expected]


def test_the_schema_must_be_named() -> None:
    assert refusal("mode: enforce\n", head="") == [
        "p.yaml:1:1: the key 'schema' is missing (begin with: schema: pg-guard/policy/v1)"
    ]
    (problem,) = refusal("", head="schema: pg-guard/policy/v2\n")
    assert problem.startswith("p.yaml:1:9: schema: 'pg-guard/policy/v2' is not 'pg-guard/policy/v1'")


def test_all_mistakes_of_all_kinds_are_told_at_once_in_file_order() -> None:
    body = (
        "mode: enforced\n"  # 2
        "mode: enforce\n"  # 3: duplicate
        "tables: {deny: ['', ok, 3]}\n"  # 4: two
        "row_filters: [{table: a, using: b}]\n"  # 5: not supported
        "1: x\n"  # 6: key
        "limits: {rows: -1, sql_bytes: !x 1}\n"  # 7: value, tag
        "zzz: 1\n"  # 8
    )
    places = [problem.split(": ")[0] for problem in refusal(body)]
    assert places == [
        "p.yaml:2:7",
        "p.yaml:3:1",
        "p.yaml:4:17",
        "p.yaml:4:25",
        "p.yaml:5:1",
        "p.yaml:6:1",
        "p.yaml:7:16",
        "p.yaml:7:31",
        "p.yaml:8:1",
    ]


def test_nothing_more_is_said_of_a_value_that_could_not_be_read() -> None:
    assert len(refusal("mode: !x enforce")) == 1


def test_a_union_is_told_once() -> None:
    problems = [problem for problem in refusal("where: [{table: a, equals: {x: [1]}}]") if "not text" in problem]
    assert problems == ["p.yaml:2:32: where[0].equals.x: the value is not text"]


def test_a_long_value_is_cut() -> None:
    (problem,) = refusal(f"mode: {'x' * 500}")
    assert len(problem) < 200


UNSUPPORTED = {
    "columns.on_star=omit": ("columns: {on_star: omit}", "2:20"),
    "columns.mask": ("columns: {mask: {users: {email: partial_email}}}", "2:11"),
    "row_filters": ("row_filters: [{table: a, using: 'true'}]", "2:1"),
}


@pytest.mark.parametrize("path", [path for path, _ in NOT_YET])
def test_what_is_not_enforced_is_refused_where_it_stands(path: str) -> None:
    body, place = UNSUPPORTED[path]
    (problem,) = refusal(body)
    assert problem.startswith(f"p.yaml:{place}: ")
    assert "not supported yet" in problem


@pytest.mark.parametrize(
    "body",
    [
        "packs: []",
        "rules: {}",
        "columns: {on_star: deny, mask: {}}",
        "joins: {cartesian: null}",
        "where: [{table: a, equals: {}}]",
    ],
)
def test_an_unsupported_key_that_asks_for_nothing_is_accepted(body: str) -> None:
    assert parse_policy(HEAD + body).problems == ()


def test_an_expired_exception_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    import datetime

    from pg_guard.policy.document import read_document
    from pg_guard.policy.validate import find_expired, validate_document

    body = "exceptions:\n- {id: a, rules: [b], reason: c, approved_by: d, expires: 2026-03-31}"
    document, _ = read_document(HEAD + body, "p.yaml")
    assert document is not None
    policy, problems = validate_document(document)
    assert policy is not None
    assert problems == []
    assert find_expired(document, policy, datetime.date(2026, 3, 31)) == []
    (expired,) = find_expired(document, policy, datetime.date(2026, 4, 1))
    assert str(expired).startswith("p.yaml:3:59: exceptions[0].expires: the exception expired on 2026-03-31")
