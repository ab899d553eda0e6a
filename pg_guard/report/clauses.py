"""Which words of the policy decided. In: a finding, and what the decision was made of. Out: the clauses behind it.

A finding names a rule id; the clause is found again by asking which entry of the policy speaks of the same fact at the
same place. What no policy can change (the syntax, the agreement of both readings …) has no clause.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Final, NamedTuple

from pg_guard.checks.columns import ColumnAccess
from pg_guard.checks.patterns import NamePattern
from pg_guard.checks.where import WhereCheck
from pg_guard.report.called import Called, DeniedFunctions
from pg_guard.report.places import Clause, Locator
from pg_guard.report.rule_clauses import RuleClauses

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pg_guard.catalog.model import Name
    from pg_guard.decision import Finding, Span
    from pg_guard.explanation import Explanation
    from pg_guard.facts.model import ColumnUse
    from pg_guard.policy.document import Document, KeyPath
    from pg_guard.policy.model import Policy

__all__ = ["ClauseFinder", "without_clause"]

_LIMITS: Final[dict[str, KeyPath]] = {
    "limits/sql-bytes": ("limits", "sql_bytes"),
    "limits/tokens": ("limits", "tokens"),
    "limits/depth": ("limits", "depth"),
    "limits/in-list": ("limits", "in_list"),
    "load/product": ("limits", "product_rows"),
    "joins/too-many": ("joins", "max_tables"),
}
_MOST_CLAUSES: Final = 10
_OWN: Final = ("statement", "tables", "columns", "where", "joins", "functions", "limits", "load", "sql", "internal")


def without_clause(finding: Finding) -> str:
    """What to say of a finding that no clause of the policy is behind."""
    if finding.rule.partition("/")[0] in _OWN:
        return "Part of every policy; no clause changes it."
    return "A check of this deployment's own, outside of the policy."


class _Here(NamedTuple):
    """What stands at one place of the statement; `named` are relations and types, with whether something led there."""

    named: list[tuple[Name, bool]]
    columns: list[ColumnUse]
    called: Called


class ClauseFinder:
    """Finds the clauses behind the findings of one decision.

    Args:
        explanation: What `Guard.explain` gave.
        document: The effective policy with its places, of `pg_guard.policy.load.load_policy`.
    """

    def __init__(self, explanation: Explanation, document: Document | None) -> None:
        self._program = explanation.program
        self._policy: Policy = explanation.program.policy
        self._subject = explanation.trace.subject
        self._locator = Locator(document)
        self._rules = RuleClauses(explanation, self._locator)

    def find(self, finding: Finding) -> tuple[Clause, ...]:
        """The clauses behind a finding: at most ten, the nearest cause first; none where no policy can change the outcome."""
        found: dict[str, Clause] = {}
        for clause in self._clauses(finding):
            found.setdefault(clause.path, clause)
            if len(found) == _MOST_CLAUSES:
                break
        return tuple(found.values())

    def _clauses(self, finding: Finding) -> Iterable[Clause]:
        rule = finding.rule
        if "/PG" in rule:
            return self._rules.find(finding)
        if rule in _LIMITS:
            return [self._limit(_LIMITS[rule])]
        if rule == "load/too-large":
            return [self._limit(("limits", "generated_rows" if " rows; " in finding.message else "generated_bytes"))]
        clause = self._locator.clause
        if rule == "joins/cartesian":
            return [clause(("joins", "cartesian"), self._policy.joins.cartesian, "No condition links the relations.")]
        if rule == "statement/not-allowed":
            allowed = ", ".join(self._policy.statements.allow) or "nothing"
            return [clause(("statements", "allow"), allowed, "The kind of the statement is not listed.")]
        if rule == "tables/system":
            why = "A system schema opens only where a pattern of this list names it."
            return [clause(("tables", "allow"), ", ".join(self._policy.tables.allow) or "nothing", why)]
        if rule == "tables/denied":
            return self._tables(finding)
        if rule == "columns/denied":
            return self._columns(finding)
        if rule.startswith("where/"):
            return self._where(finding)
        if rule == "functions/denied":
            return self._functions(finding)
        return []

    def _limit(self, path: KeyPath) -> Clause:
        value = getattr(getattr(self._policy, str(path[0])), str(path[1]))
        return self._locator.clause(path, value, "The statement is over this limit.")

    # -- facts by their place -------------------------------------------------------------------------------------------

    @cached_property
    def _places(self) -> dict[Span | None, _Here]:
        """Facts by the span that a finding at their place has; a statement may have thousands of both."""
        subject = self._subject
        places: dict[Span | None, _Here] = {}
        if subject is None:
            return places
        spans: dict[int, Span | None] = {}

        def here(location: int) -> _Here:
            if location not in spans:
                spans[location] = subject.sql.span(location)
            return places.setdefault(spans[location], _Here([], [], Called([], [], [])))

        for use in subject.facts.relations:
            here(use.location).named.extend((name, bool(use.via)) for name in use.names)
        for type_use in subject.facts.types:
            here(type_use.location).named.append((type_use.name, True))
            here(type_use.location).called.types.append(type_use)
        for column in subject.facts.columns:
            here(column.location).columns.append(column)
        for function in subject.facts.functions:
            here(function.location).called.functions.append(function)
        for name, location in subject.facts.operators:
            here(location).called.operators.append(name)
        return places

    def _at(self, finding: Finding) -> _Here:
        return self._places.get(finding.span) or _Here([], [], Called([], [], []))

    # -- one method for each section ------------------------------------------------------------------------------------

    @cached_property
    def _denied_tables(self) -> list[NamePattern]:
        return [NamePattern(entry, fold=True) for entry in self._policy.tables.deny]

    def _tables(self, finding: Finding) -> Iterator[Clause]:
        unlisted: list[Name] = []
        for name, reached in self._at(finding).named:
            matching = [index for index, pattern in enumerate(self._denied_tables) if pattern.matches(name)]
            for index in matching:
                entry = self._policy.tables.deny[index]
                yield self._locator.clause(("tables", "deny", index), entry, f"{name} matches {entry}.")
            if not matching and not reached and not self._program.tables.permitted(name):
                unlisted.append(name)
        for name in unlisted[:1]:
            yield self._locator.clause(("tables", "default"), "deny", f"No pattern of tables.allow names {name}.")

    @cached_property
    def _denied_columns(self) -> list[tuple[KeyPath, str, ColumnAccess]]:
        return [
            (
                ("columns", "deny", table, index),
                f"{table}: {column}",
                ColumnAccess({table: (column,)}, self._program.names),
            )
            for table, columns in self._policy.columns.deny.items()
            for index, column in enumerate(columns)
        ]

    def _columns(self, finding: Finding) -> Iterator[Clause]:
        subject = self._subject
        for use in self._at(finding).columns if subject is not None else ():
            # Several relations may be concerned at one place, each with a finding of its own.
            if subject is not None and f'"{subject.show(use.via[:1] or use.relations)}"' not in finding.message:
                continue
            for path, entry, access in self._denied_columns:
                for name in use.relations:
                    if access.guarded(name) if use.name == "*" else access.hidden(name, use.name):
                        yield self._locator.clause(path, entry, f"{name}.{use.name} matches {entry}.")

    @cached_property
    def _required(self) -> list[frozenset[Finding]]:
        """The findings of each entry of `where`, asked alone."""
        checks = [check for check in self._program.checks if isinstance(check, WhereCheck)]
        clauses = [clause for check in checks for clause in check.clauses]
        if self._subject is None or len(clauses) != len(self._policy.where):
            return []
        return [frozenset(WhereCheck((clause,))(self._subject)) for clause in clauses]

    def _where(self, finding: Finding) -> Iterator[Clause]:
        for index, findings in enumerate(self._required):
            if finding in findings:
                entry = self._policy.where[index]
                columns = ", ".join((*entry.columns, *entry.equals))
                shown = ", ".join(entry.table) + (f": {columns}" if columns else "")
                yield self._locator.clause(("where", index), shown, "This condition is demanded of each use.")

    @cached_property
    def _denied_functions(self) -> DeniedFunctions:
        return DeniedFunctions(self._policy.functions)

    def _functions(self, finding: Finding) -> Iterator[Clause]:
        called = self._at(finding).called
        denied = list(self._denied_functions.find(called))
        for index, shown, why in denied:
            yield self._locator.clause(("functions", "deny", index), shown, why)
        if denied:
            return
        functions = self._policy.functions
        if called.is_own and functions.user_defined == "deny":
            why = "The function does not come with PostgreSQL."
            yield self._locator.clause(("functions", "user_defined"), functions.user_defined, why)
            return
        missing = ", ".join(sorted(called.capabilities - self._denied_functions.allowed))
        why = f"Nothing here names the function{f' or the capability {missing}' if missing else ''}."
        yield self._locator.clause(("functions", "allow"), None, why)
