"""Ways to protected data. In: an `AuditSubject`. Out: findings for views, copies, parents, keys, statistics and publications.

Views that the policy permits and that show what it denies are refused by the guard as long as it sees the catalog; they
are reported because nothing else refuses them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pg_guard.advise.finding import AuditFinding, listed
from pg_guard.advise.quoting import column_pattern, pattern, printable, relation_sql, scalar, sql_name
from pg_guard.advise.subject import load_dangers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pg_guard.advise.reach import ViewLeak
    from pg_guard.advise.subject import AuditSubject
    from pg_guard.catalog.model import Name, Relation

__all__ = ["audit_families", "audit_keys", "audit_publications", "audit_system", "audit_views"]

_KINDS = {"view": "view", "matview": "materialized view", "foreign": "foreign table", "partitioned": "table"}


def _object(relation: Relation) -> str:
    return f"{_KINDS.get(relation.kind, 'table')} {printable(str(relation.key))}"


def _deny(relation: Relation) -> str:
    return f"tables:\n  deny: [{scalar(pattern(relation.key))}]"


def _deny_columns(relation: Relation, columns: list[str]) -> str:
    names = ", ".join(scalar(column_pattern(each)) for each in columns)
    return f"columns:\n  deny:\n    {scalar(pattern(relation.key))}: [{names}]"


def audit_views(subject: AuditSubject) -> Iterator[AuditFinding]:
    """Yield a finding for each permitted view that shows protected data."""
    for view in subject.permitted:
        if view.kind not in ("view", "matview"):
            continue
        leak = subject.reach.view(view)
        if leak:
            yield _leak(subject, view, leak)
        elif leak.problem:
            yield AuditFinding(
                "audit/view-unclear",
                "low",
                _object(view),
                f"The guard cannot follow the view: {printable(leak.problem)} It refuses what reads it.",
                _deny(view),
                "yaml",
            )


def _leak(subject: AuditSubject, view: Relation, leak: ViewLeak) -> AuditFinding:
    bases = {f"{base.relation}.{base.column}" for _, found in leak.columns for base in found}
    bases |= {f"{base.relation}.{base.column}" for base in leak.conditions}
    protected = [*map(str, leak.relations), *sorted(bases)]
    what = listed(protected)
    grants = subject.around.relations.get(view.key)
    owner = (
        ""
        if grants is not None and grants.security_invoker
        else f" It reads with the rights of {printable(view.owner)}."
    )
    if subject.reach.tables.reviewed(view.key):
        return AuditFinding(
            "audit/view-reviewed",
            "medium",
            _object(view),
            f"tables.allow names it exactly, so it counts as reviewed although it shows {what}.{owner}",
            "Review its definition again; to refuse it, remove the line or deny the view.",
            objects=tuple(map(printable, protected)),
        )
    whole = bool(leak.relations or leak.conditions)
    remedy = _deny(view) if whole else _deny_columns(view, [name for name, _ in leak.columns])
    if view.kind == "matview":
        return AuditFinding(
            "audit/matview-holds-protected",
            "medium",
            _object(view),
            f"It holds a copy of {what}, which outlives changes there. The guard refuses it while it sees the catalog; "
            "no privilege on the source protects it.",
            remedy,
            "yaml",
            tuple(map(printable, protected)),
        )
    return AuditFinding(
        "audit/view-shows-protected",
        "medium",
        _object(view),
        f"It shows {what}.{owner} The guard refuses it while it sees the catalog; a check without one does not.",
        remedy,
        "yaml",
        tuple(map(printable, protected)),
    )


def audit_families(subject: AuditSubject) -> Iterator[AuditFinding]:
    """Yield a finding for parents and children of which the policy denies only one side."""
    reach = subject.reach
    for relation in subject.permitted:
        reviewed = reach.tables.reviewed(relation.key)
        outcome = (
            "tables.allow names it exactly, so it counts as reviewed and may be read."
            if reviewed
            else "The guard refuses every query of it while it sees the catalog; a check without one does not."
        )
        sides: tuple[tuple[str, str, list[Name]], ...] = (
            (
                "audit/parent-shows-protected",
                "Its rows include those of",
                [name for name in reach.names.descendants(relation.key) if reach.tables.denied(name)],
            ),
            (
                "audit/child-of-protected",
                "It holds rows of",
                [name for name in reach.names.ancestors(relation) if reach.tables.denied(name)],
            ),
        )
        for id_, how, family in sides:
            if family:
                yield AuditFinding(
                    id_,
                    "high" if reviewed else "medium",
                    _object(relation),
                    f"{how} {listed(list(map(str, family)))}, which the policy denies. {outcome}",
                    _deny(relation),
                    "yaml",
                    tuple(printable(str(name)) for name in family),
                )
        if relation.kind == "foreign":
            server = subject.around.relations[relation.key].server if relation.key in subject.around.relations else ""
            yield AuditFinding(
                "audit/foreign-table",
                "low",
                _object(relation),
                f"It reads the server {printable(server)}, where neither this policy's names nor this role's privileges hold.",
                _deny(relation),
                "yaml",
            )


def audit_keys(subject: AuditSubject) -> Iterator[AuditFinding]:
    """Yield a finding for visible columns and indexes that repeat the values of protected ones."""
    reach = subject.reach
    for relation in subject.permitted:
        for key in relation.foreign_keys:
            for own, target in zip(key.columns, key.target_columns, strict=True):
                if reach.columns.hidden(relation.key, own):
                    continue
                if reach.columns.hidden(key.target, target):
                    yield AuditFinding(
                        "audit/key-copies-protected",
                        "high",
                        f"column {printable(f'{relation.key}.{own}')}",
                        f"It is a foreign key to {printable(f'{key.target}.{target}')}, which the policy denies: it holds the "
                        "same values.",
                        _deny_columns(relation, [own]),
                        "yaml",
                    )
                elif reach.tables.denied(key.target):
                    yield AuditFinding(
                        "audit/key-refers-to-protected",
                        "info",
                        f"column {printable(f'{relation.key}.{own}')}",
                        f"It is a foreign key to {printable(str(key.target))}, which the policy denies: it shows which keys "
                        "are there.",
                        _deny_columns(relation, [own]),
                        "yaml",
                    )
        plain = {column.name for column in relation.columns}
        hidden = [name for name in plain if reach.columns.hidden(relation.key, name)]
        for index in relation.indexes:
            for part in index:
                if part in plain:
                    continue
                covered = sorted(
                    name for name in hidden if re.search(rf"(?<!\w){re.escape(sql_name(name))}(?!\w)", part)
                )
                if covered:
                    yield AuditFinding(
                        "audit/index-holds-protected",
                        "low",
                        f"index on {printable(str(relation.key))}",
                        f"It is built on an expression over {listed(covered)}, which the policy denies: pg_stats shows samples "
                        "of it under the name of the index.",
                        "Keep pg_catalog.pg_stats closed, for this role also by privileges.",
                        objects=tuple(map(printable, covered)),
                    )


def audit_system(subject: AuditSubject) -> Iterator[AuditFinding]:
    """Yield a finding for each telling system relation that the policy opens."""
    dangers = load_dangers()["system"]
    for relation in subject.catalog.relations:
        danger = dangers.get(relation.name)
        row_type = subject.catalog.type_index.get(relation.key)
        system = relation.schema in ("pg_catalog", "information_schema") or (
            row_type is not None and row_type.extension == "pg_stat_statements"
        )
        if danger is not None and system and subject.reach.tables.permitted(relation.key):
            yield AuditFinding(
                "audit/system-permitted",
                danger.severity,
                f"relation {printable(str(relation.key))}",
                f"The policy permits it, and {danger.why}.",
                _deny(relation),
                "yaml",
            )


def audit_publications(subject: AuditSubject) -> Iterator[AuditFinding]:
    """Yield a finding for each publication that sends protected relations away."""
    sent: dict[str, list[Name]] = {}
    for publication, name in subject.around.publications:
        guarded = any(
            subject.reach.columns.hidden(name, column.name)
            for column in getattr(subject.catalog.relation_index.get(name), "columns", ())
        )
        if subject.reach.tables.denied(name) or guarded:
            sent.setdefault(publication, []).append(name)
    for publication, names in sent.items():
        dropped = ", ".join(relation_sql(each) for each in names)
        yield AuditFinding(
            "audit/published",
            "medium",
            f"publication {printable(publication)}",
            f"It sends protected data of {listed(list(map(str, names)))} to every subscriber, where no policy holds.",
            f"ALTER PUBLICATION {sql_name(publication)} DROP TABLE {dropped};",
            "sql",
            tuple(printable(str(each)) for each in names),
        )
