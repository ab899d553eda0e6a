"""Which words of the policy decided. In: a finding, and what the decision was made of. Out: the clauses behind it.

A finding names a rule id; the clause is found again by asking which entry of the policy speaks of the same fact at the
same place. What no policy can change (the syntax, the agreement of both readings …) has no clause.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pg_guard.catalog import builtins
from pg_guard.catalog.model import Name
from pg_guard.checks.columns import ColumnAccess
from pg_guard.checks.functions import Signature
from pg_guard.checks.patterns import NamePattern
from pg_guard.checks.where import WhereCheck
from pg_guard.policy.model import CapabilityPattern
from pg_guard.report.places import Clause, locate
from pg_guard.report.rule_clauses import RuleClauses

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pg_guard.checks.base import Subject
    from pg_guard.decision import Finding
    from pg_guard.explanation import Explanation
    from pg_guard.facts.model import FunctionUse, TypeUse
    from pg_guard.policy.document import Document, KeyPath
    from pg_guard.policy.model import FunctionPattern, Policy

__all__ = ["capabilities_of", "find_clauses", "without_clause"]

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


def find_clauses(finding: Finding, explanation: Explanation, document: Document | None) -> tuple[Clause, ...]:
    """The clauses of the policy that a finding comes from.

    Args:
        finding: One finding of the explained decision.
        explanation: What `Guard.explain` gave.
        document: The effective policy with its places, of `pg_guard.policy.load.load_policy`.

    Returns:
        At most ten, the nearest cause first; empty where no policy can change the outcome.
    """
    found: dict[str, Clause] = {}
    for clause in _Finder(finding, explanation, document).clauses():
        found.setdefault(clause.path, clause)
    return tuple(found.values())[:_MOST_CLAUSES]


def without_clause(finding: Finding) -> str:
    """What to say of a finding that no clause of the policy is behind."""
    if finding.rule.partition("/")[0] in _OWN:
        return "Part of every policy; no clause changes it."
    return "A check of this deployment's own, outside of the policy."


class _Finder:
    def __init__(self, finding: Finding, explanation: Explanation, document: Document | None) -> None:
        self.finding = finding
        self.explanation = explanation
        self.program = explanation.program
        self.policy: Policy = explanation.program.policy
        self.names = explanation.program.names
        self.subject = explanation.trace.subject
        self.document = document

    def clause(self, path: KeyPath, value: object, why: str) -> Clause:
        return locate(self.document, path, value, why)

    def clauses(self) -> Iterator[Clause]:
        rule = self.finding.rule
        if "/PG" in rule:
            yield from RuleClauses(self.finding, self.explanation, self.document).clauses()
            return
        if rule in _LIMITS:
            path = _LIMITS[rule]
            value = getattr(getattr(self.policy, str(path[0])), str(path[1]))
            yield self.clause(path, value, "The statement is over this limit.")
        elif rule == "load/too-large":
            key = "generated_rows" if " rows; " in self.finding.message else "generated_bytes"
            yield self.clause(("limits", key), getattr(self.policy.limits, key), "The statement is over this limit.")
        elif rule == "joins/cartesian":
            why = "No condition links the relations."
            yield self.clause(("joins", "cartesian"), self.policy.joins.cartesian, why)
        elif rule == "statement/not-allowed":
            allowed = ", ".join(self.policy.statements.allow) or "nothing"
            yield self.clause(("statements", "allow"), allowed, "The kind of the statement is not listed.")
        elif rule == "tables/system":
            why = "A system schema opens only where a pattern of this list names it."
            yield self.clause(("tables", "allow"), ", ".join(self.policy.tables.allow) or "nothing", why)
        elif self.subject is not None:
            finder = {
                "tables/denied": self.tables,
                "columns/denied": self.columns,
                "where/missing": self.where,
                "where/no-principal": self.where,
                "where/other-value": self.where,
                "functions/denied": self.functions,
            }.get(rule)
            if finder is not None:
                yield from finder(self.subject)

    def here(self, subject: Subject, location: int) -> bool:
        return subject.sql.span(location) == self.finding.span

    def tables(self, subject: Subject) -> Iterator[Clause]:
        patterns = [NamePattern(entry, fold=True) for entry in self.policy.tables.deny]
        named: list[tuple[Name, bool]] = [
            (name, bool(use.via))
            for use in subject.facts.relations
            if self.here(subject, use.location)
            for name in use.names
        ]
        named += [(use.name, True) for use in subject.facts.types if self.here(subject, use.location)]
        unlisted: list[Name] = []
        for name, reached in named:
            matching = [index for index, pattern in enumerate(patterns) if pattern.matches(name)]
            for index in matching:
                entry = self.policy.tables.deny[index]
                yield self.clause(("tables", "deny", index), entry, f"{name} matches {entry}.")
            if not matching and not reached and not self.program.tables.permitted(name):
                unlisted.append(name)
        for name in unlisted[:1]:
            yield self.clause(("tables", "default"), "deny", f"No pattern of tables.allow names {name}.")

    def columns(self, subject: Subject) -> Iterator[Clause]:
        entries = [
            (("columns", "deny", table, index), table, column, ColumnAccess({table: (column,)}, self.names))
            for table, columns in self.policy.columns.deny.items()
            for index, column in enumerate(columns)
        ]
        for use in subject.facts.columns:
            # Several relations may be concerned at one place, each with a finding of its own.
            table = subject.show(use.via[:1] or use.relations)
            if not self.here(subject, use.location) or f'"{table}"' not in self.finding.message:
                continue
            for path, table, column, access in entries:
                for name in use.relations:
                    if access.guarded(name) if use.name == "*" else access.hidden(name, use.name):
                        what = f"{name}.{use.name}"
                        yield self.clause(path, f"{table}: {column}", f"{what} matches {table}: {column}.")

    def where(self, subject: Subject) -> Iterator[Clause]:
        for check in self.program.checks:
            if isinstance(check, WhereCheck):
                for index, clause in enumerate(check.clauses):
                    if self.finding in WhereCheck((clause,))(subject) and index < len(self.policy.where):
                        entry = self.policy.where[index]
                        columns = ", ".join((*entry.columns, *entry.equals))
                        shown = ", ".join(entry.table) + (f": {columns}" if columns else "")
                        yield self.clause(("where", index), shown, "This condition is demanded of each use.")

    def functions(self, subject: Subject) -> Iterator[Clause]:
        functions = self.policy.functions
        any_denied = False
        uses = [use for use in subject.facts.functions if self.here(subject, use.location)]
        keys = {key for use in uses for key in _keys(use)}
        keys |= {name for name, location in subject.facts.operators if self.here(subject, location)}
        capabilities = {each for use in uses for each in (capabilities_of(use) or ())}
        capabilities |= _cast_capabilities(use for use in subject.facts.types if self.here(subject, use.location))
        for index, entry in enumerate(functions.deny):
            if why := _match(entry, keys, uses, capabilities):
                any_denied = True
                shown = ", ".join(entry.capability) if isinstance(entry, CapabilityPattern) else entry
                yield self.clause(("functions", "deny", index), shown, why)
        if any_denied:
            return
        if any(_own(use) for use in uses) and functions.user_defined == "deny":
            why = "The function does not come with PostgreSQL."
            yield self.clause(("functions", "user_defined"), functions.user_defined, why)
            return
        allowed = {
            word for entry in functions.allow if isinstance(entry, CapabilityPattern) for word in entry.capability
        }
        missing = ", ".join(sorted(capabilities - allowed))
        why = f"Nothing here names the function{f' or the capability {missing}' if missing else ''}."
        yield self.clause(("functions", "allow"), None, why)


def _keys(use: FunctionUse) -> set[Name]:
    return {Name(use.schema or "pg_catalog", use.name), *(each.key for each in use.candidates)}


def _own(use: FunctionUse) -> bool:
    if use.candidates:
        return any(each.schema not in ("pg_catalog", "information_schema") for each in use.candidates)
    return builtins.classify(use.name) is None


def capabilities_of(use: FunctionUse) -> frozenset[str] | None:
    """What a function can do, over all overloads that the call may reach; None where nobody has judged one of them."""
    literals = dict(use.literals)
    if not use.candidates:
        return builtins.classify(use.name, literals=literals) if use.schema in (None, "pg_catalog") else None
    found: frozenset[str] = frozenset()
    for each in use.candidates:
        args = tuple(arg.name for arg in each.args)
        own = builtins.classify(each.name, schema=each.schema, extension=each.extension, args=args, literals=literals)
        if own is None or each.planted:
            return None
        found |= own
    return found


def _cast_capabilities(uses: Iterable[TypeUse]) -> set[str]:
    return {each for use in uses for each in builtins.casts_to(use.name.name, use.constant)}


def _match(entry: FunctionPattern, keys: set[Name], uses: list[FunctionUse], capabilities: set[str]) -> str:
    """Why an entry of ``functions.deny`` meets one of the functions; '' when it does not."""
    if isinstance(entry, CapabilityPattern):
        hit = ", ".join(sorted(capabilities & set(entry.capability)))
        return f"The function has the capability {hit}." if hit else ""
    if "(" in entry:
        signature = Signature.parse(entry, fold=True)
        matched = any(signature.matches(each) for use in uses for each in use.candidates)
        matched = matched or any(not use.candidates and key in signature.names for use in uses for key in _keys(use))
        return f"The call may reach {entry}." if matched else ""
    pattern = NamePattern(entry, fold=True)
    met = sorted(str(key) for key in keys if pattern.matches(key))
    return f"{met[0]} matches {entry}." if met else ""
