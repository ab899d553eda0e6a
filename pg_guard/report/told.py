"""What a client is told of a refusal. In: a decision and its guard. Out: the decision, with findings that tell no hidden name.

Whoever may send statements must not learn from refusals which tables, columns and functions there are. So a name that the
policy hides and one that does not exist get the same finding, and what could only be found out by knowing them is not told:
names are repaired first, tables before columns, and then the rest is told. Authors see everything: `check`, `lint`,
`explain` and the decision record work on the decision as it is.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from pg_guard.catalog.spelling import quote_name
from pg_guard.decision import Finding, Span

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pg_guard.decision import Decision
    from pg_guard.guard import Guard

__all__ = ["told"]

_Kind: TypeAlias = Literal["relation", "type", "function", "column"]

# What the text alone decides, whatever the database holds.
_BY_TEXT: Final = frozenset({"sql/empty", "sql/encoding", "sql/syntax", "limits/sql-bytes", "limits/tokens"})
_WORDING: Final[dict[_Kind, tuple[str, str, str]]] = {
    "relation": ("tables/denied", "read", "Leave it out; list_tables shows what may be read."),
    "type": ("tables/denied", "used", "Use a type of PostgreSQL, or leave the cast out."),
    "function": (
        "functions/denied",
        "called",
        "Write the query without it; describe_policy lists what functions may do.",
    ),
    "column": ("columns/denied", "read", "Leave it out, also from conditions and sorting; {columns}."),
}
# A type's name is a table's as well; the narrower word is told.
_NARROWEST: Final[tuple[_Kind, ...]] = ("type", "function", "relation", "column")
_LONGEST_NAME = 100
_MOST_TABLES = 5


def told(decision: Decision, guard: Guard) -> Decision:
    """The decision as a client may see it; one that lets the statement run is told as it is.

    Args:
        decision: As the guard made it.
        guard: The guard that made it.
    """
    if decision.effect != "deny":
        return decision
    by_text = [each for each in decision.findings if _by_text(each)]
    for step in _steps(decision.findings):
        if step:
            return replace(decision, findings=(*by_text, *_merged(step, decision, guard)))
    return decision


def _by_text(finding: Finding) -> bool:
    return finding.rule.startswith("statement/") or finding.rule in _BY_TEXT


def _steps(findings: Iterable[Finding]) -> tuple[list[Finding], ...]:
    """What is told in one go: missing objects, then stars over hidden columns, then single columns."""
    named = [(each, each.about) for each in findings if each.about is not None]
    types = {about.name for _, about in named if about.kind == "type"}
    objects = [
        each
        for each, about in named
        # What the type of a hidden table brings along is found at other places, too.
        if about.kind != "column" and not (about.kind == "relation" and about.name in types)
    ]
    columns = [each for each, about in named if about.kind == "column"]
    places = {each.span for each in columns}
    # A name that is called like a field of a row makes a row of the table.
    stars = [
        each for each in findings if each.rule == "columns/denied" and each.about is None and each.span not in places
    ]
    return objects, stars, columns


def _merged(findings: Iterable[Finding], decision: Decision, guard: Guard) -> list[Finding]:
    """One finding for each place with a name; those that are about none stay as they are."""
    found: dict[tuple[Span | None, str], list[Finding]] = {}
    for finding in findings:
        name = finding.about.name if finding.about is not None and finding.span is None else ""
        found.setdefault((finding.span, name), []).append(finding)
    merged = [each for group in found.values() for each in _one_place(group, decision, guard)]
    return sorted(dict.fromkeys(merged), key=lambda each: each.span.start if each.span is not None else -1)


def _one_place(findings: list[Finding], decision: Decision, guard: Guard) -> list[Finding]:
    named = [each for each in findings if each.about is not None]
    if not named:
        return findings
    kinds = {each.about.kind for each in named if each.about is not None}
    kind = next(each for each in _NARROWEST if each in kinds)
    rule, verb, remediation = _WORDING[kind]
    if kind == "column":
        remediation = remediation.format(columns=_columns(decision, guard))
    name = _name(named[0], decision.statement)
    what = f'no {kind} "{name}"' if name else f"no {kind} of this name"
    return [Finding(rule, "high", f"There is {what} that may be {verb}.", remediation, named[0].span)]


def _name(finding: Finding, statement: str) -> str:
    """The name as it was written: what it is called in the database may be hidden."""
    about, span = finding.about, finding.span
    assert about is not None  # only those with a name come here
    if about.kind != "column" or span is None:
        return about.name
    written = statement[span.start : span.end]
    return written.strip('"') if len(written) <= _LONGEST_NAME and written.isprintable() else ""


def _columns(decision: Decision, guard: Guard) -> str:
    """What may be read instead, where the statement reads tables alone: of a view's the bases are no help."""
    visible = {str(relation.key): relation for relation in guard.visible_relations()}
    read = [visible[name] for name in decision.relations if name in visible]
    if not 0 < len(read) <= _MOST_TABLES or any(relation.kind in ("view", "matview") for relation in read):
        return "describe_table lists what may be read"
    lists = {
        quote_name(relation.name): ", ".join(quote_name(column.name) for column in guard.visible_columns(relation))
        for relation in read
    }
    if len(lists) == 1:
        return f"permitted are {next(iter(lists.values()))}"
    return "permitted are " + "; ".join(f"of {name}: {columns}" for name, columns in lists.items())
