"""Assertions about decisions. In: a guard and a statement. Out: the decision, or an AssertionError that tells why not."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pg_guard.decision import Decision, Finding
    from pg_guard.guard import Guard

__all__ = ["assert_allowed", "assert_denied", "describe"]


def assert_allowed(guard: Guard, sql: str, *, principal: Mapping[str, object] | None = None) -> Decision:
    """Fail unless the policy allows the statement, as it stands or after a rewrite.

    Under ``mode: monitor`` a statement that would be denied counts as denied.

    Args:
        guard: The guard with the policy.
        sql: The statement.
        principal: As for `Guard.check`.

    Returns:
        The decision.

    Raises:
        AssertionError: The statement is denied; the message holds every finding with its place.
    """
    __tracebackhide__ = True
    decision = guard.check(sql, principal=principal)
    if decision.would_deny or not decision.allowed:
        raise AssertionError(f"expected allow, got deny\n{_describe(decision)}")
    return decision


def assert_denied(
    guard: Guard, sql: str, rules: Iterable[str] = (), *, principal: Mapping[str, object] | None = None
) -> Decision:
    """Fail unless the policy denies the statement, with a finding of each rule that is named.

    Args:
        guard: The guard with the policy.
        sql: The statement.
        rules: Rule ids, as in ``["tables/denied"]``; other findings may be there too.
        principal: As for `Guard.check`.

    Returns:
        The decision.

    Raises:
        AssertionError: It is allowed, or a named rule has no finding that denies.
    """
    __tracebackhide__ = True
    if isinstance(rules, str):
        raise TypeError("rules is a list of rule ids, not a text")
    decision = guard.check(sql, principal=principal)
    if not decision.would_deny and decision.allowed:
        raise AssertionError(f"expected deny, got {decision.effect}\n{_describe(decision)}")
    found = {finding.rule for finding in decision.findings if finding.effect == "deny"}
    missing = [rule for rule in rules if rule not in found]
    if missing:
        raise AssertionError(f"denied, but without a finding of {', '.join(missing)}\n{_describe(decision)}")
    return decision


def describe(sql: str, findings: Iterable[Finding]) -> str:
    """A statement and findings, as indented lines."""
    lines = [f"  | {line}" for line in sql.splitlines() or [""]]
    for finding in findings:
        place = f" at {finding.span.line}:{finding.span.column}" if finding.span is not None else ""
        lines.append(f"  {finding.effect} {finding.rule}{place}: {finding.message}")
        if finding.remediation:
            lines.append(f"    fix: {finding.remediation}")
    return "\n".join(lines)


def _describe(decision: Decision) -> str:
    found = describe(decision.statement, decision.findings)
    return f"  policy {decision.policy}\n{found}" + ("" if decision.findings else "\n  no findings")
