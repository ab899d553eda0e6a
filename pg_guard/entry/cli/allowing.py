"""Allow comments. In: a text, its statements and their findings. Out: which findings a comment lifts, and why.

A comment ``-- pg-guard: allow RULE[, RULE] reason`` (or the same in ``/* */``) stands on the line before a statement,
inside of it, or behind it on its last line. It lifts the findings of those rules in that statement. It is a note for
reviewers, read by ``pg-guard lint`` alone: `Guard.check` and the MCP server decide as if it were not there.

RULE is an id, as in ``core/PG101``; a rule's name, as in ``credential-catalog-read``; or a group, as in
``performance/*``. A group lifts warnings only: what refuses a statement is lifted by its own name.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from pg_guard.decision import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pg_guard.entry.cli.psql import Token
    from pg_guard.report.rulebook import RuleInfo

__all__ = ["AllowComment", "Allowance", "Target", "allow_findings", "attach", "read_comments"]

_DIRECTIVE = re.compile(r"\s*pg-guard\s*:\s*(?P<word>[\w-]*)\s*(?P<rest>.*)", re.DOTALL)
_RULES = re.compile(r"(?P<rules>[\w./*-]+(?:\s*,\s*[\w./*-]+)*)(?P<reason>.*)", re.DOTALL)
_SEPARATORS: Final = " \t\r\n*:;,.-–—"
_PACK = re.compile(r"[a-z][a-z0-9_-]*")
_BLANK_LINE = re.compile(r"\n[ \t\r]*\n")
_WHITE_SPACE = re.compile(r"\s+")


class AllowComment(NamedTuple):
    """One comment: where it is, the rules that it names, its reason, or what is wrong with it."""

    start: int
    end: int
    rules: tuple[str, ...]
    reason: str
    problem: str = ""


class Target(NamedTuple):
    """What a comment may stand at: a statement (from its first token to its end), or a psql command."""

    start: int
    end: int


@dataclass(slots=True)
class Allowance:
    """A comment, the target that it stands at, and which of its rules have lifted something."""

    comment: AllowComment
    target: Target | None
    used: set[str]

    def lifts(self, finding: Finding, rules: Mapping[str, RuleInfo]) -> bool:
        """True when the comment lifts `finding`; remembers that it did."""
        if not self.comment.reason:
            return False
        named = [pattern for pattern in self.comment.rules if _matches(pattern, finding, rules)]
        self.used.update(named)
        return bool(named)


def read_comments(text: str, tokens: Iterable[Token]) -> list[AllowComment]:
    """Find the comments that speak to pg-guard; `tokens` are those of PostgreSQL's scanner, so no literal is read."""
    found = []
    for token in tokens:
        if not token.comment:
            continue
        body = text[token.start + 2 : token.end]
        if text.startswith("/*", token.start):
            body = body.removesuffix("*/")
        match = _DIRECTIVE.match(body)
        if match is None:
            continue
        found.append(AllowComment(token.start, token.end, *_parse(match["word"], match["rest"])))
    return found


def _parse(word: str, rest: str) -> tuple[tuple[str, ...], str, str]:
    if word != "allow":
        return (), "", "only `pg-guard: allow RULE reason` is understood"
    match = _RULES.match(rest)
    if match is None:
        return (), "", "it names no rule"
    rules = tuple(dict.fromkeys(rule.strip() for rule in match["rules"].split(",")))
    reason = _WHITE_SPACE.sub(" ", match["reason"]).strip(_SEPARATORS)
    # A reason says something: a dash, a number or a row of dots is none.
    return rules, reason if any(character.isalpha() for character in reason) else "", ""


def attach(text: str, comments: Sequence[AllowComment], targets: Sequence[Target]) -> list[Allowance]:
    """Find what each comment stands at; `targets` in the order of the text."""
    return [Allowance(comment, _target(text, comment, targets), set()) for comment in comments]


def _target(text: str, comment: AllowComment, targets: Sequence[Target]) -> Target | None:
    index = bisect_right(targets, comment.start, key=lambda target: target.start)
    if index:
        before = targets[index - 1]
        if comment.start < before.end or "\n" not in text[before.end : comment.start]:
            return before
    if index == len(targets):
        return None
    following = targets[index]
    return None if _BLANK_LINE.search(text[comment.end : following.start]) else following


def allow_findings(allowance: Allowance, rules: Mapping[str, RuleInfo], may_fire: Mapping[str, bool]) -> list[Finding]:
    """What is wrong with a comment itself: no reason, or nothing to lift. Spans are left out.

    Args:
        allowance: The comment, after all findings were offered to it.
        rules: All rules that this run knows.
        may_fire: Rule ids of this run; False for those that its filters hide, so that their comments are let be.
    """
    comment = allowance.comment
    if comment.problem:
        return [_unused(f"The comment lifts nothing: {comment.problem}.")]
    if not comment.reason:
        return [_without_reason(comment)]
    return [
        _unused(_why_unused(allowance, pattern, rules))
        for pattern in comment.rules
        if pattern not in allowance.used and _expected(pattern, rules, may_fire)
    ]


def _matches(pattern: str, finding: Finding, rules: Mapping[str, RuleInfo]) -> bool:
    if pattern == finding.rule:
        return True
    if pattern.endswith("/*"):
        return finding.effect == "warn" and finding.rule.startswith(pattern[:-1]) and len(pattern) > len("/*")
    rule = rules.get(finding.rule)
    return rule is not None and pattern == rule.name


def _expected(pattern: str, rules: Mapping[str, RuleInfo], may_fire: Mapping[str, bool]) -> bool:
    """False for a rule that this run does not look at: of another pack, or hidden by a filter."""
    named = [
        rule.id
        for rule in rules.values()
        if pattern in (rule.id, rule.name) or (pattern.endswith("/*") and rule.id.startswith(pattern[:-1]))
    ]
    if named:
        return any(may_fire.get(rule, True) for rule in named)
    group, slash, rest = pattern.partition("/")
    known = {rule.group for rule in rules.values()}
    # `PG401` of a pack that this run does not load may well be used by another run; a word without a group is a slip.
    other = _PACK.fullmatch(group) is not None and group not in known and (rest == "*" or rest.startswith("PG"))
    return not slash or not other


def _why_unused(allowance: Allowance, pattern: str, rules: Mapping[str, RuleInfo]) -> str:
    if allowance.target is None:
        return f"The comment allows {pattern} where no statement follows on the next line."
    if pattern.endswith("*"):
        return f"The comment allows {pattern}, and the statement has no warning of it (only warnings are lifted so)."
    if not any(pattern in (rule.id, rule.name) for rule in rules.values()):
        return f"The comment allows {pattern}, and no rule has this id or name."
    return f"The comment allows {pattern}, and the statement has no finding of it."


def _unused(message: str) -> Finding:
    return Finding("lint/unused-allow", "low", message, "Remove the comment, or correct the rule id.", None, "warn")


def _without_reason(comment: AllowComment) -> Finding:
    rules = ", ".join(comment.rules)
    return Finding(
        "lint/allow-without-reason",
        "medium",
        f"The comment allows {rules} without saying why, so it lifts nothing.",
        f"Write the reason behind the rule: pg-guard: allow {rules} because …",
    )
