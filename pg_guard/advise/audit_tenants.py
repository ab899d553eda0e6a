"""Tenants' rows. In: an `AuditSubject`. Out: findings for tables where the policy's tenant columns do not hold what they should.

A tenant column is one that a requirement of `where` holds to an attribute of the principal; of those that it holds to any
constant or to a fixed value, one that is named like tenants, or that refers to a table which is. Row security would hold the
same rows below the guard.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pg_guard.advise.finding import AuditFinding, listed
from pg_guard.advise.quoting import pattern, printable, relation_sql, scalar, sql_name
from pg_guard.advise.sensitive import load_vocabulary
from pg_guard.advise.tenants import is_indexed, unheld
from pg_guard.checks.patterns import NameSet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pg_guard.advise.sensitive import Vocabulary
    from pg_guard.advise.subject import AuditSubject
    from pg_guard.catalog.model import Name, Relation
    from pg_guard.policy.model import WhereRequirement

__all__ = ["audit_tenants"]

_TABLES = ("table", "partitioned", "foreign")


def audit_tenants(subject: AuditSubject) -> Iterator[AuditFinding]:
    """Yield findings for each tenant column of the policy."""
    columns = dict.fromkeys(column for entry in subject.policy.where for column in _held_columns(entry))
    by_principal = {column for entry in subject.policy.where for column in _held_to_principal(entry)}
    tables = [each for each in subject.permitted if each.kind in _TABLES and not each.parents]
    words = load_vocabulary()
    for column in columns:
        covered = [each for each in tables if _covers(subject, each, column)]
        if covered and (column in by_principal or _speaks_of_tenants(words, column, covered)):
            yield from _column(subject, column, covered, tables)


def _held_to_principal(entry: WhereRequirement) -> tuple[str, ...]:
    return tuple(name for name, value in entry.equals.items() if isinstance(value, str) and value.startswith(":"))


def _speaks_of_tenants(words: Vocabulary, column: str, covered: list[Relation]) -> bool:
    """Is it named like tenants, or does it refer to a table that is?"""
    targets = {key.target.name for each in covered for key in each.foreign_keys if key.columns == (column,)}
    return any(map(words.tenant, (column, *targets)))


def _held_columns(entry: WhereRequirement) -> tuple[str, ...]:
    return (*entry.columns, *entry.equals)


def _covers(subject: AuditSubject, table: Relation, column: str) -> bool:
    return any(
        column in _held_columns(entry) and _concerns(subject, entry.table, table) for entry in subject.policy.where
    )


def _column(
    subject: AuditSubject, column: str, covered: list[Relation], tables: list[Relation]
) -> Iterator[AuditFinding]:
    shown = printable(column)
    holders = [each for each in covered if _has(each, column)]
    without = [each for each in covered if not _has(each, column)]
    if without:
        yield AuditFinding(
            "audit/tenant-missing",
            "medium",
            f"column {shown}",
            f"The policy demands it of {_named(without)}, which do not have it: every query of them is refused.",
            "Name the tables that have the column under where, or add the column.",
            objects=_all(without),
        )
    if all(each.primary_key == (column,) for each in holders):
        return  # what is held by its own key is an entity, as the tenants themselves are
    yield from _quality(column, holders)
    yield from _uncovered(subject, column, covered, holders, tables)


def _quality(column: str, holders: list[Relation]) -> Iterator[AuditFinding]:
    shown, name = printable(column), sql_name(column)
    tables = [each for each in holders if each.kind != "foreign"]
    nullable = [each for each in tables if not _not_null(each, column)]
    if nullable:
        yield AuditFinding(
            "audit/tenant-nullable",
            "medium",
            f"column {shown}",
            f"It may be null in {_named(nullable)}: rows without a tenant belong to nobody, and no requirement finds them.",
            "\n".join(
                f"ALTER TABLE {relation_sql(each.key)} ALTER COLUMN {name} SET NOT NULL;" for each in nullable[:5]
            ),
            "sql",
            _all(nullable),
        )
    unindexed = [each for each in tables if not is_indexed(each, column)]
    if unindexed:
        yield AuditFinding(
            "audit/tenant-index",
            "low",
            f"column {shown}",
            f"No index begins with it in {_named(unindexed)}, so that each query of one tenant reads the rows of all.",
            "\n".join(
                # A partitioned table's index cannot be built concurrently.
                f"CREATE INDEX {'' if each.kind == 'partitioned' else 'CONCURRENTLY '}ON {relation_sql(each.key)} ({name});"
                for each in unindexed[:5]
            ),
            "sql",
            _all(unindexed),
        )
    open_tables = [each for each in tables if not each.row_security]
    if open_tables:
        yield AuditFinding(
            "audit/tenant-row-security",
            "low",
            f"column {shown}",
            f"Row security is off in {_named(open_tables)}: only the guard keeps tenants apart.",
            "\n".join(f"ALTER TABLE {relation_sql(each.key)} ENABLE ROW LEVEL SECURITY;" for each in open_tables[:5])
            + f"\n-- and a policy for each, as in: CREATE POLICY tenants ON … USING ({name} = …)",
            "sql",
            _all(open_tables),
        )


def _uncovered(
    subject: AuditSubject, column: str, covered: list[Relation], holders: list[Relation], tables: list[Relation]
) -> Iterator[AuditFinding]:
    shown = printable(column)
    targets: set[Name] = {key.target for each in holders for key in each.foreign_keys if key.columns == (column,)}
    done = {each.key for each in covered}
    held_otherwise = {each.key for each in tables if _any_requirement(subject, each)}
    bare = [
        each
        for each in tables
        if each.key not in done
        and each.key not in held_otherwise
        and each.key not in targets
        and (_has(each, column) or any(key.target in targets for key in each.foreign_keys))
    ]
    if bare:
        patterns = ", ".join(scalar(pattern(each.key)) for each in bare[:5])
        yield AuditFinding(
            "audit/tenant-unguarded",
            "high",
            f"column {shown}",
            f"{_named(bare)} belong to tenants by this column or by a foreign key to their table, and no requirement of the "
            "policy holds them: each query reads the rows of all tenants.",
            f"where:\n  - {{table: [{patterns}], columns: [{scalar(column)}]}}",
            "yaml",
            _all(bare),
        )
    known = {*done, *held_otherwise, *targets, *(each.key for each in bare)}
    held = {each.key for each in holders} | targets
    indirect = [each for each in unheld(tables, held, [column]) if each[0] not in known]
    if indirect:
        names = [str(name) for name, _ in indirect]
        ways = "; ".join(f"{printable(str(name))} by {printable(', '.join(key.columns))}" for name, key in indirect[:3])
        yield AuditFinding(
            "audit/tenant-indirect",
            "medium",
            f"column {shown}",
            f"{listed(names)} have no {shown}, and their rows belong to tenants through other tables ({ways}): no requirement "
            "can hold them.",
            f"Deny them, show them through views that join the tenant's table, or give them {shown}.",
            objects=tuple(map(printable, names)),
        )


def _concerns(subject: AuditSubject, patterns: tuple[str, ...], table: Relation) -> bool:
    """Does a requirement for these patterns hold for the table, by its own name or by one of its family?"""
    names, denying = subject.reach.names, NameSet(patterns, fold=True)
    family = (table.key, *names.ancestors(table), *names.descendants(table.key))
    return any(name in denying for name in family)


def _any_requirement(subject: AuditSubject, table: Relation) -> bool:
    return any(_held_columns(entry) and _concerns(subject, entry.table, table) for entry in subject.policy.where)


def _has(relation: Relation, column: str) -> bool:
    return any(each.name == column for each in relation.columns)


def _not_null(relation: Relation, column: str) -> bool:
    """Is the column declared NOT NULL?"""
    return any(each.name == column and each.not_null for each in relation.columns)


def _named(relations: list[Relation]) -> str:
    return listed([str(each.key) for each in relations])


def _all(relations: list[Relation]) -> tuple[str, ...]:
    return tuple(printable(str(each.key)) for each in relations)
