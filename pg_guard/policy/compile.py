"""From clauses to checks. In: a `Policy` and a catalog. Out: a `Program`, the whole of what will be enforced."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pg_guard.checks.columns import ColumnAccess, ColumnCheck
from pg_guard.checks.functions import FunctionCheck, FunctionRules, Signature
from pg_guard.checks.joins import CartesianCheck, JoinCheck
from pg_guard.checks.load import LoadCheck
from pg_guard.checks.notes import check_notes
from pg_guard.checks.patterns import NameSet
from pg_guard.checks.statement import StatementCheck
from pg_guard.checks.tables import SYSTEM_SCHEMAS, TableAccess, TableCheck
from pg_guard.checks.where import WhereCheck, WhereClause
from pg_guard.checks.work import WorkCheck
from pg_guard.facts.names import Names
from pg_guard.policy.model import CapabilityPattern, FunctionPattern, Functions, Policy
from pg_guard.policy.principals import Principals
from pg_guard.policy.using import pack_check

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pg_guard.catalog.model import Catalog, Name, Relation
    from pg_guard.checks.base import Check
    from pg_guard.checks.matching import Condition
    from pg_guard.checks.pack import PackCheck
    from pg_guard.policy.packs import Pack

__all__ = ["Program", "compile_policy"]

_NO_CATALOG_PATH = ("public",)


@dataclass(frozen=True)
class Program:
    """A compiled policy.

    Attributes:
        checks: All checks; their order never matters.
        names: Look-ups on the catalog under the policy's search_path.
        tables: Which relations may be read.
        columns: Which columns may be read.
        expand: Views whose definition is read in place, because a condition is demanded of a scan inside.
        principals: What ``:name`` stands for, by caller.
        detailed: Some rule or clause asks how a statement is built.
    """

    policy: Policy
    checks: tuple[Check, ...]
    names: Names
    tables: TableAccess
    columns: ColumnAccess
    expand: frozenset[Name]
    principals: Principals
    detailed: bool = False


def compile_policy(policy: Policy, catalog: Catalog | None, packs: Iterable[Pack] = ()) -> Program:
    """Compile a policy against a catalog; every clause becomes a check, and so do the rules of its packs together."""
    path = policy.search_path or (catalog.search_path if catalog is not None else _NO_CATALOG_PATH)
    names = Names(catalog, tuple(path))
    tables = TableAccess(
        policy.tables.default == "allow",
        NameSet(policy.tables.allow, fold=False),
        NameSet(policy.tables.deny, fold=True),
    )
    columns = ColumnAccess(policy.columns.deny, names)
    checks: list[Check] = [
        check_notes,
        StatementCheck(frozenset(policy.statements.allow)),
        TableCheck(tables),
        FunctionCheck(_function_rules(policy.functions), tables),
    ]
    if columns:
        checks.append(ColumnCheck(columns, tables))
    clauses = tuple(
        WhereClause(NameSet(entry.table, fold=True), entry.columns, tuple(entry.equals.items()))
        for entry in policy.where
    )
    if clauses:
        checks.append(WhereCheck(clauses))
    limits = policy.limits
    checks.append(LoadCheck(limits.generated_rows, limits.generated_bytes, limits.in_list))
    checks.append(WorkCheck(limits.product_rows, 2 * limits.generated_bytes))
    if policy.joins.max_tables is not None:
        checks.append(JoinCheck(policy.joins.max_tables))
    if policy.joins.cartesian in ("deny", "warn"):
        checks.append(CartesianCheck(policy.joins.cartesian))
    rules = pack_check(policy, packs)
    if rules is not None:
        checks.append(rules)
    wanted = _scanned_by_rules(rules, names) if rules is not None else frozenset()
    expand = _views_to_expand(clauses, wanted, names)
    detailed = (rules is not None and rules.detailed) or policy.joins.cartesian in ("deny", "warn")
    principals = Principals(policy.principals)
    return Program(policy, tuple(checks), names, tables, columns, expand, principals, detailed)


def _function_rules(functions: Functions) -> FunctionRules:
    allow_names, allow_signatures, allow_capabilities = _sort(functions.allow, fold=False)
    deny_names, deny_signatures, deny_capabilities = _sort(functions.deny, fold=True)
    return FunctionRules(
        functions.mode == "allowlist",
        allow_names,
        allow_signatures,
        allow_capabilities,
        deny_names,
        deny_signatures,
        deny_capabilities,
        functions.user_defined == "allow_listed",
    )


def _sort(patterns: Iterable[FunctionPattern], *, fold: bool) -> tuple[NameSet, tuple[Signature, ...], frozenset[str]]:
    names: list[str] = []
    signatures: list[Signature] = []
    capabilities: set[str] = set()
    for pattern in patterns:
        if isinstance(pattern, CapabilityPattern):
            capabilities.update(pattern.capability)
        elif "(" in pattern:
            signatures.append(Signature.parse(pattern, fold=fold))
        else:
            names.append(pattern)
    return NameSet(names, fold=fold), tuple(signatures), frozenset(capabilities)


def _scanned_by_rules(rules: PackCheck, names: Names) -> frozenset[Name]:
    """Relations whose scans a rule may be about, so that it must see them inside of views, too."""
    conditions = rules.conditions("scan")
    if not conditions or names.catalog is None:
        return frozenset()

    def may_concern(condition: Condition, relation: Relation) -> bool:
        about, has_column = condition.tests.get("relation"), condition.tests.get("has_column")
        if about is None and relation.schema in SYSTEM_SCHEMAS:
            return False  # PostgreSQL's own views are not what a rule on any relation is about
        family = (relation.key, *names.ancestors(relation), *names.descendants(relation.key))
        return (about is None or any(about(name) for name in family)) and (
            has_column is None or any(has_column(column.name) for column in relation.columns)
        )

    return frozenset(
        relation.key
        for relation in names.catalog.relations
        if any(may_concern(condition, relation) for condition in conditions)
    )


def _views_to_expand(clauses: tuple[WhereClause, ...], wanted: frozenset[Name], names: Names) -> frozenset[Name]:
    """Views that read, at any depth, a relation of which a condition is demanded, or a rule's scan."""
    if not (clauses or wanted) or names.catalog is None:
        return frozenset()
    index = names.catalog.relation_index
    found: set[Name] = set()

    def reads_guarded(name: Name, seen: frozenset[Name]) -> bool:
        relation = index.get(name)
        if relation is None or name in seen:
            return False
        if name in wanted or any(clause.concerns((name,), names) for clause in clauses):
            return True
        below = {dependency.relation for dependency in relation.depends_on} - {name}
        return any(reads_guarded(each, seen | {name}) for each in below)

    for relation in names.catalog.relations:
        if relation.kind in ("view", "matview") and reads_guarded(relation.key, frozenset()):
            found.add(relation.key)
    return frozenset(found)
