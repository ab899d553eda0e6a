"""Why nothing fired, clause by clause. In: an `Explanation`. Out: for each part of the policy, what it was asked about.

Each row has the rules that the part can raise, whether one of them fired, and a sentence with the numbers that a reader
would look up otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pg_guard.checks.where import WhereCheck
from pg_guard.report.places import Locator
from pg_guard.report.text import plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pg_guard.explanation import Explanation
    from pg_guard.facts.model import Facts
    from pg_guard.policy.document import Document, KeyPath

__all__ = ["checked_clauses"]


_ALWAYS: Final = (
    "statement/multiple", "sql/empty", "sql/encoding", "sql/readings-differ", "sql/unsupported", "sql/unknown-name",
    "sql/syntax", "internal/error",
)  # fmt: skip
_SIZES: Final = ("limits/sql-bytes", "limits/tokens", "limits/depth", "limits/in-list", "limits/columns")
_LOAD: Final = (
    "load/unbounded-recursion", "load/too-large", "load/json-path", "load/product", "load/regular-expression",
)  # fmt: skip


def checked_clauses(explanation: Explanation, document: Document | None) -> list[dict[str, Any]]:
    """One row per part of the policy: ``clause``, ``file``, ``line``, ``column``, ``rules``, ``fired`` and ``said``."""
    facts = explanation.trace.facts
    if facts is None:
        return []
    found = {finding.rule for finding in explanation.decision.findings}
    rows = []
    locator = Locator(document)
    for path, rules, said in _parts(explanation, facts):
        fired = sorted(found & set(rules))
        place = locator.clause(path, None, "") if path else None
        rows.append(
            {
                "clause": place.path if place else "every policy",
                "file": place.file if place else "",
                "line": place.line if place else 0,
                "column": place.column if place else 0,
                "rules": list(rules),
                "fired": fired,
                "said": said,
            }
        )
    return rows


def _parts(explanation: Explanation, facts: Facts) -> Iterator[tuple[KeyPath, tuple[str, ...], str]]:
    policy = explanation.program.policy
    kinds = ", ".join(dict.fromkeys(use.kind for use in facts.statements))
    allowed = ", ".join(policy.statements.allow) or "nothing"
    yield ("statements", "allow"), ("statement/not-allowed",), f"Kinds in the statement: {kinds}; allowed: {allowed}."
    read = {use.names for use in facts.relations}
    said = f"{plural(len(read), 'relation')} against {plural(len(policy.tables.deny), 'pattern')} of deny"
    if policy.tables.default == "deny":
        said += f" and {plural(len(policy.tables.allow), 'pattern')} of allow, all else is denied"
    yield ("tables",), ("tables/denied", "tables/system"), f"{said}."
    patterns = sum(len(columns) for columns in policy.columns.deny.values())
    used = {(use.relations, use.name) for use in facts.columns}
    if patterns:
        said = f"{plural(len(used), 'column')} against {plural(patterns, 'pattern')} of deny."
        yield ("columns", "deny"), ("columns/denied",), said
    yield from _where(explanation, facts)
    called = {(use.schema, use.name) for use in facts.functions}
    said = f"{plural(len(called), 'function')} against {policy.functions.mode} with "
    said += f"{plural(len(policy.functions.allow), 'entry')} of allow and {len(policy.functions.deny):,} of deny."
    yield ("functions",), ("functions/denied", "functions/unknown"), said
    if policy.joins.max_tables is not None:
        most = max((level.tables for level in facts.joins), default=0)
        said = f"At most {plural(most, 'relation')} in one SELECT; the limit is {policy.joins.max_tables}."
        yield ("joins", "max_tables"), ("joins/too-many",), said
    for index, use in enumerate(policy.packs):
        pack = next((each for each in explanation.packs if each.name == use.use), None)
        if pack is not None:
            ids = tuple(rule.id for rule in pack.rules)
            off = sum(policy.rules[rule].effect == "off" for rule in ids if rule in policy.rules)
            said = f"{pack.name} {pack.version}: {plural(len(ids) - off, 'rule')} in force"
            yield ("packs", index), ids, f"{said}, {off:,} switched off." if off else f"{said}."
    if policy.joins.cartesian is not None:
        said = f"Relations that no condition links: {policy.joins.cartesian}."
        yield ("joins", "cartesian"), ("joins/cartesian",), said
    yield ("limits",), _SIZES + _LOAD, _said_of_limits(explanation, facts)
    compared = {
        "names": "Relations, columns and statement kinds of both readings were compared.",
        "tokens": "sqlglot does not know this grammar; the tokens of both scanners were compared.",
        "nothing": "The second reading was not needed for this kind of statement.",
    }[explanation.trace.compared]
    yield (), _ALWAYS, compared


def _said_of_limits(explanation: Explanation, facts: Facts) -> str:
    limits, text = explanation.program.policy.limits, explanation.trace.text
    size = len(text.data) if text is not None else 0
    longest = max((each for each, _ in facts.lists), default=0)
    return (
        f"{size:,} of {limits.sql_bytes:,} bytes; longest IN list {longest:,} of {limits.in_list:,} items; "
        f"{plural(len(facts.recursions), 'recursive query')}, {plural(len(facts.patterns), 'constant pattern')}; what "
        "constants ask for and products of unlinked relations were estimated."
    )


def _where(explanation: Explanation, facts: Facts) -> Iterator[tuple[KeyPath, tuple[str, ...], str]]:
    program = explanation.program
    clauses = [clause for check in program.checks if isinstance(check, WhereCheck) for clause in check.clauses]
    if not clauses:
        return
    concerned = sum(
        any(clause.concerns(scan.relation.names, program.names) for clause in clauses) for scan in facts.scans
    )
    said = f"{concerned:,} of {plural(len(facts.scans), 'scan')} must carry a condition."
    yield ("where",), ("where/missing", "where/no-principal", "where/other-value"), said
