"""Rule files: every fault has its place."""

from __future__ import annotations

import textwrap

import pytest

from pg_guard.errors import PolicyError
from pg_guard.policy.rules import RuleFile, parse_rule

HEAD = """\
schema: pg-guard/rule/v1
id: core/PG101
name: credential-catalog-read
title: Read of credential catalogs
severity: critical
description: It reads password hashes.
rationale: They can be cracked.
message: fired
remediation: Do not.
effect: deny
"""
LINES = HEAD.count("\n")


def rule(body: str, head: str = HEAD) -> RuleFile:
    return parse_rule(head + textwrap.dedent(body), "r.yaml")


def problems(body: str, head: str = HEAD) -> list[str]:
    with pytest.raises(PolicyError) as caught:
        rule(body, head)
    return [
        f"{each.line - LINES}:{each.column} {each.path}: {each.message}" + (f" ({each.hint})" if each.hint else "")
        for each in caught.value.problems
    ]


def test_a_rule_is_read() -> None:
    read = rule(
        """\
        parameters: {names: {default: [ssn]}}
        match: {column: {name: $names}}
        tests:
          - {name: a, sql: SELECT 1, expect: allow, catalog: none}
          - {name: b, sql: SELECT 2, expect: deny, works_on: 18}
        """
    )
    assert read.pack == "core"
    assert read.settings() == {"names": ("ssn",)}
    assert read.settings({"names": ("x",), "other": 1}) == {"names": ("x",)}
    assert [(test.catalog, test.works_on) for test in read.tests] == [("none", None), ("demo", 18)]


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        ("match: []", ["match: the value is not a mapping"]),
        ("match: {}", ["match: is not a condition"]),
        ("match: {relatoin: {name: a}}", ["1:9 match.relatoin: unknown fact 'relatoin' (did you mean 'relation'?)"]),
        (
            "match: {relation: {nam: a}}",
            ["1:20 match.relation.nam: relation has no attribute 'nam' (did you mean 'name'?)"],
        ),
        (
            "match: {relation: {name: a}, column: {name: b}}",
            ["1:30 match.column: a second condition beside 'relation'"],
        ),
        ("match: {any: {relation: {name: a}}}", ["1:14 match.any: is not a list of conditions"]),
        ("match: {all: []}", ["1:14 match.all: is not a list of conditions"]),
        ("match: {not: []}", ["1:14 match.not: is not a condition"]),
        ("match: {any: [{relation: {name: a}}, {function: 5}]}", ["1:49 match.any[1].function: is not a mapping"]),
        ("match: {relation: {name: 5}}", ["1:26 match.relation.name: is not text (put it in quotes)"]),
        ("match: {relation: {name: [a, true]}}", ["1:30 match.relation.name[1]: is not text"]),
        ("match: {relation: {name: []}}", ["1:26 match.relation.name: lists nothing, so it matches nothing"]),
        ("match: {relation: {name: a.b.c}}", ["1:26 match.relation.name: 'a.b.c' has more than two parts"]),
        ("match: {relation: {name: 'a.'}}", ["1:26 match.relation.name: 'a.' has an empty part"]),
        ("match: {relation: {name: '\"a'}}", ["1:26 match.relation.name: '\"a' has a double quote that is not closed"]),
        (
            "match: {relation: {how: vew}}",
            ["1:25 match.relation.how: 'vew' is not a word of how (did you mean 'view'?)"],
        ),
        ("match: {relation: {known: 'yes'}}", ["1:27 match.relation.known: is not true or false"]),
        ("match: {relation: {rows_over: many}}", ["1:31 match.relation.rows_over: is not a number"]),
        ("match: {relation: {rows_over: true}}", ["1:31 match.relation.rows_over: is not a number"]),
        ("match: {relation: {rows_over: [1, 2]}}", ["1:31 match.relation.rows_over: is not a number"]),
        ("match: {scan: {held: false}}", ["1:16 match.scan.held: needs 'has_column' beside it (add has_column: …)"]),
        ("match: {relation: {name: $nmae}}", ["1:26 match.relation.name: unknown parameter '$nmae'"]),
    ],
)
def test_each_fault_of_a_match_has_its_place(match: str, expected: list[str]) -> None:
    found = problems(match)
    assert len(found) == len(expected)
    for problem, start in zip(found, expected, strict=True):
        assert start in problem


def test_all_faults_are_told_at_once() -> None:
    found = problems(
        """\
        match:
          any:
            - relation: {nam: a, how: b}
            - nothing: {}
        status: great
        """
    )
    assert [problem.split(" ")[0] for problem in found] == ["3:18", "3:31", "4:7", "5:9"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("match: {relation: {name: a}}\nmatsch: 1", "2:1 matsch: unknown key 'matsch' (did you mean 'match'?)"),
        ("match: {relation: {name: a}}\ntags: cwe.522", "2:7 tags: 'cwe.522' is not a list"),
        (
            "match: {relation: {name: a}}\nreferences: [somewhere]",
            "2:14 references[0]: 'somewhere' does not have the form",
        ),
        (
            "match: {relation: {name: a}}\nparameters: {x: {default: 1}}",
            "2:14 parameters.x: the parameter 'x' is not used (remove it)",
        ),
        ("match: {relation: {name: a}}\nunresolved: skip", "2:13 unresolved: a rule that denies must fire"),
        (
            "match: {relation: {name: a}}\ntests: [{name: a, sql: b, expect: warn}]",
            "2:35 tests[0].expect: the rule can only deny or allow (write deny)",
        ),
    ],
)
def test_each_fault_around_a_match_has_its_place(body: str, expected: str) -> None:
    (found,) = problems(body)
    assert found.startswith(expected)


@pytest.mark.parametrize("key", ["message", "remediation"])
def test_a_message_can_only_use_what_a_fact_of_the_rule_has(key: str) -> None:
    head = HEAD.replace(f"{key}:", f"{key}: '{{function}} {{column}}' #")
    (found,) = problems("match: {function: {name: f}}", head)
    assert f"{key}: nothing is known of {{column}} here" in found


@pytest.mark.parametrize("text", ["PG101", "core/101", "Core/PG101", "core/PG1", "core/PG101x", "../x/PG101"])
def test_an_id_is_a_pack_and_a_number(text: str) -> None:
    (found,) = problems("match: {relation: {name: a}}", HEAD.replace("core/PG101", f"'{text}'"))
    assert f"id: '{text}' does not have the form" in found


def test_nothing_but_a_rule_is_a_rule() -> None:
    assert "unknown fact" not in "".join(problems("", "schema: pg-guard/policy/v1\n"))
    with pytest.raises(PolicyError, match="not UTF-8"):
        parse_rule(b"\xff", "r.yaml")
    with pytest.raises(PolicyError, match=r"r\.yaml:1:1: the file is empty"):
        parse_rule("", "r.yaml")


def test_a_rule_whose_parameter_is_set_to_something_else_says_so() -> None:
    read = rule("parameters: {most: {default: 5}}\nmatch: {relation: {rows_over: $most}}")
    with pytest.raises(PolicyError, match="is not a number"):
        read.compile({"most": "many"})
