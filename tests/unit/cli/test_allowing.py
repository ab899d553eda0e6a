"""Allow comments: how they are read, what they stand at, what they name."""

from __future__ import annotations

import pytest

from pg_guard.decision import Finding
from pg_guard.entry.cli.allowing import Allowance, AllowComment, Target, allow_findings, attach, read_comments
from pg_guard.entry.cli.psql import tokens
from pg_guard.report.rulebook import RuleInfo, rulebook

RULES = rulebook() | {
    "performance/PG401": RuleInfo("performance/PG401", "unbounded-scan", "t", "d", "medium", "warn"),
    "core/PG101": RuleInfo("core/PG101", "credential-read", "t", "d", "critical"),
}


def comments(text: str) -> list[AllowComment]:
    return read_comments(text, tokens(text))


@pytest.mark.parametrize(
    ("comment", "rules", "reason"),
    [
        ("-- pg-guard: allow tables/denied because", ("tables/denied",), "because"),
        ("--pg-guard:allow core/PG101,core/PG102 the  audit\trole", ("core/PG101", "core/PG102"), "the audit role"),
        ("-- pg-guard : allow a/b , c/d: reason", ("a/b", "c/d"), "reason"),
        ("/* pg-guard: allow a/b\n * reason\n */", ("a/b",), "reason"),
        ("-- pg-guard: allow a/b -- reason, with: marks.", ("a/b",), "reason, with: marks"),
        ("-- pg-guard: allow a/b — 日本", ("a/b",), "日本"),
        ("-- pg-guard: allow credential-read it is ours", ("credential-read",), "it is ours"),
        ("-- pg-guard: allow performance/* nightly", ("performance/*",), "nightly"),
        ("-- pg-guard: allow a/b, a/b twice", ("a/b",), "twice"),
        ("-- pg-guard: allow a/b", ("a/b",), ""),
        ("-- pg-guard: allow a/b 123 ---", ("a/b",), ""),
    ],
)
def test_what_a_comment_says(comment: str, rules: tuple[str, ...], reason: str) -> None:
    text = f"SELECT 1 {comment}\n"
    (found,) = comments(text)
    assert (found.rules, found.reason.strip(), found.problem) == (rules, reason, "")
    assert text[found.start : found.end] == comment


@pytest.mark.parametrize(
    "text",
    [
        "SELECT '-- pg-guard: allow a/b r'",
        "SELECT $$ -- pg-guard: allow a/b r $$",
        'SELECT "/* pg-guard: allow a/b r */"',
        "SELECT 1 -- a pg-guard: allow a/b r",
        "SELECT 1 -- pgguard: allow a/b r",
        "SELECT 1 -- /* pg-guard: allow a/b r */",
    ],
)
def test_what_is_no_comment_to_pg_guard(text: str) -> None:
    assert comments(text) == []


@pytest.mark.parametrize(
    "comment", ["-- pg-guard: deny a/b r", "-- pg-guard: allow", "-- pg-guard:", "-- pg-guard: allow ?"]
)
def test_what_is_not_understood_has_a_problem(comment: str) -> None:
    (found,) = comments(comment)
    assert found.problem
    (finding,) = allow_findings(Allowance(found, None, set()), RULES, {})
    assert (finding.rule, finding.effect) == ("lint/unused-allow", "warn")


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("-- pg-guard: allow a/b r\nSELECT 1; SELECT 2", "SELECT 1"),
        ("SELECT 1; -- pg-guard: allow a/b r\nSELECT 2", "SELECT 1"),
        ("SELECT 1; SELECT 2; -- pg-guard: allow a/b r\nSELECT 3", "SELECT 2"),
        ("SELECT 1; /* pg-guard: allow a/b r */ SELECT 2", "SELECT 1"),
        ("SELECT 1;\n/* pg-guard: allow a/b r */ SELECT 2", "SELECT 2"),
        ("SELECT 1;\n-- pg-guard: allow a/b r\n-- more\nSELECT 2", "SELECT 2"),
        ("SELECT 1;\n-- pg-guard: allow a/b r\n  \nSELECT 2", None),
        ("SELECT 1;\n-- pg-guard: allow a/b r", None),
        ("SELECT /* pg-guard: allow a/b r */ 1; SELECT 2", "SELECT /* pg-guard: allow a/b r */ 1"),
    ],
)
def test_where_a_comment_stands(text: str, at: str | None) -> None:
    targets = []
    for statement in ("SELECT /* pg-guard: allow a/b r */ 1", "SELECT 1", "SELECT 2", "SELECT 3"):
        start = text.find(statement)
        if start >= 0:
            targets.append(Target(start, start + len(statement)))
    (allowance,) = attach(text, comments(text), sorted(targets))
    target = allowance.target
    assert (None if target is None else text[target.start : target.end]) == at


def finding(rule: str, effect: str) -> Finding:
    return Finding(rule, "high", "m", "r", None, "deny" if effect == "deny" else "warn")


@pytest.mark.parametrize(
    ("pattern", "rule", "effect", "lifts"),
    [
        ("core/PG101", "core/PG101", "deny", True),
        ("credential-read", "core/PG101", "deny", True),
        ("core/*", "core/PG101", "deny", False),
        ("performance/*", "performance/PG401", "warn", True),
        ("performance/*", "performance/PG401", "deny", False),  # a policy made it one that denies
        ("unbounded-scan", "performance/PG401", "warn", True),
        ("perf/*", "performance/PG401", "warn", False),
        ("*/*", "performance/PG401", "warn", False),
        ("*", "performance/PG401", "warn", False),
        ("/*", "/PG401", "warn", False),
        ("performance/PG4*", "performance/PG401", "warn", False),
        ("CORE/PG101", "core/PG101", "deny", False),
    ],
)
def test_what_a_pattern_lifts(pattern: str, rule: str, effect: str, lifts: bool) -> None:
    allowance = Allowance(AllowComment(0, 1, (pattern,), "reason"), Target(0, 1), set())
    assert allowance.lifts(finding(rule, effect), RULES) is lifts
    assert allowance.used == ({pattern} if lifts else set())


def test_without_a_reason_nothing_is_lifted() -> None:
    allowance = Allowance(AllowComment(0, 1, ("core/PG101",), ""), Target(0, 1), set())
    assert not allowance.lifts(finding("core/PG101", "deny"), RULES)
    (found,) = allow_findings(allowance, RULES, {})
    assert (found.rule, found.effect) == ("lint/allow-without-reason", "deny")


@pytest.mark.parametrize(
    ("pattern", "may_fire", "reported"),
    [
        ("core/PG101", {}, True),
        ("core/PG101", {"core/PG101": False}, False),
        ("performance/*", {"performance/PG401": False}, False),
        ("pii/PG301", {}, False),  # a pack that this run does not load
        ("pii/*", {}, False),
        ("pii/nonsense", {}, True),
        ("core/PG999", {}, True),
        ("tables/denid", {}, True),
        ("reason", {}, True),
    ],
)
def test_an_unused_comment_is_reported_where_its_rule_could_have_fired(
    pattern: str, may_fire: dict[str, bool], reported: bool
) -> None:
    allowance = Allowance(AllowComment(0, 1, (pattern,), "reason"), Target(0, 1), set())
    assert bool(allow_findings(allowance, RULES, may_fire)) is reported
