"""What the role may do past the guard. In: an `AuditSubject`. Out: findings for its attributes, memberships and privileges.

The guard is one layer; the role is the next. A superuser passes every check of privileges, so for one of them nothing
else is asked.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from pg_guard.advise.finding import AuditFinding, listed
from pg_guard.advise.quoting import printable, relation_sql, sql_name
from pg_guard.advise.subject import load_dangers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pg_guard.advise.subject import AuditSubject
    from pg_guard.catalog.model import Relation
    from pg_guard.decision import Severity

__all__ = ["audit_role"]


def audit_role(subject: AuditSubject) -> Iterator[AuditFinding]:
    """Yield findings for the role that the connection runs as."""
    yield from _attributes(subject)
    if not subject.around.role.superuser:
        yield from _memberships(subject)
        yield from _writes(subject)
        yield from _creates(subject)
        yield from _reads(subject)
        yield from _elsewhere(subject)


def _attributes(subject: AuditSubject) -> Iterator[AuditFinding]:
    role = subject.around.role
    name, shown = sql_name(role.name), f"role {printable(role.name)}"
    if role.superuser:
        yield AuditFinding(
            "audit/role-superuser",
            "critical",
            shown,
            "The role is a superuser: no privilege stops it, it may read and write files and run programs on the server. "
            "What else it may do was not looked at.",
            f"CREATE ROLE guarded_reader LOGIN;\nGRANT USAGE ON SCHEMA {_some_schema(subject)} TO guarded_reader;\n"
            "-- then grant SELECT on what the policy permits, and connect as guarded_reader",
            "sql",
        )
        return
    entries: tuple[tuple[bool, str, Severity, str, str], ...] = (
        (
            role.bypass_rls,
            "audit/role-bypasses-row-security",
            "high",
            "Row security does not hold for the role (BYPASSRLS).",
            "NOBYPASSRLS",
        ),
        (
            role.create_role,
            "audit/role-creates-roles",
            "high",
            "The role may create roles and grant itself memberships (CREATEROLE).",
            "NOCREATEROLE",
        ),
        (
            role.replication,
            "audit/role-replicates",
            "high",
            "The role may read the whole cluster as a replica does (REPLICATION).",
            "NOREPLICATION",
        ),
        (
            role.create_database,
            "audit/role-creates-databases",
            "low",
            "The role may create databases (CREATEDB).",
            "NOCREATEDB",
        ),
    )
    for present, id_, severity, message, word in entries:
        if present:
            yield AuditFinding(id_, severity, shown, message, f"ALTER ROLE {name} {word};", "sql")


def _some_schema(subject: AuditSubject) -> str:
    return next((sql_name(each.schema) for each in subject.permitted), "public")


def _memberships(subject: AuditSubject) -> Iterator[AuditFinding]:
    role = subject.around.role
    dangers = load_dangers()["memberships"]
    held = role.memberships & dangers.keys()
    if "pg_monitor" in held:
        held -= {"pg_read_all_settings", "pg_read_all_stats", "pg_stat_scan_tables"}  # which it consists of
    for name in sorted(held):
        danger = dangers[name]
        yield AuditFinding(
            "audit/role-membership",
            danger.severity,
            f"role {printable(role.name)}",
            f"The role is a member of {name}: {danger.why}.",
            f"REVOKE {name} FROM {sql_name(role.name)};",
            "sql",
        )


def _by_schema(relations: list[Relation]) -> Iterator[tuple[str, list[Relation]]]:
    grouped: dict[str, list[Relation]] = defaultdict(list)
    for relation in relations:
        grouped[relation.schema].append(relation)
    yield from grouped.items()


def _names(relations: list[Relation]) -> tuple[str, ...]:
    return tuple(printable(str(each.key)) for each in relations)


def _writes(subject: AuditSubject) -> Iterator[AuditFinding]:
    role, grants = subject.around.role, subject.around.relations
    owned = [each for each in subject.relations if each.key in grants and grants[each.key].owned]
    for schema, relations in _by_schema(owned):
        yield AuditFinding(
            "audit/role-owns",
            "high",
            f"schema {printable(schema)}",
            f"The role owns {listed([each.name for each in relations])}: it may write, change and drop them, and row security "
            "does not hold for it unless it is forced.",
            "\n".join(
                f"ALTER {'MATERIALIZED VIEW' if each.kind == 'matview' else 'VIEW' if each.kind == 'view' else 'TABLE'} "
                f"{relation_sql(each.key)} OWNER TO postgres;"
                for each in relations[:5]
            ),
            "sql",
            _names(relations),
        )
    writable = [
        each
        for each in subject.relations
        if each.key in grants and grants[each.key].writes and not grants[each.key].owned
    ]
    for schema, relations in _by_schema(writable):
        words = sorted({word for each in relations for word in grants[each.key].writes})
        yield AuditFinding(
            "audit/role-writes",
            "high",
            f"schema {printable(schema)}",
            f"The role has {', '.join(words)} on {listed([each.name for each in relations])}, of its own, by membership or "
            "through PUBLIC.",
            f"REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA {sql_name(schema)} "
            f"FROM {sql_name(role.name)}, PUBLIC;",
            "sql",
            _names(relations),
        )


def _creates(subject: AuditSubject) -> Iterator[AuditFinding]:
    role = subject.around.role
    path = {*subject.catalog.search_path, *subject.reach.names.search_path}
    for schema, grant in subject.around.schemas.items():
        if not grant.create:
            continue
        searched = schema in path
        yield AuditFinding(
            "audit/role-creates-in-schema",
            "high" if searched else "medium",
            f"schema {printable(schema)}",
            "The role may create objects in it"
            + (
                ", and names are looked up there: a function of its making can take the place of another."
                if searched
                else "."
            ),
            f"REVOKE CREATE ON SCHEMA {sql_name(schema)} FROM {sql_name(role.name)}, PUBLIC;",
            "sql",
        )
    database = sql_name(subject.catalog.database)
    if role.create_in_database:
        yield AuditFinding(
            "audit/role-creates-in-database",
            "medium",
            f"database {printable(subject.catalog.database)}",
            "The role may create schemas, and trusted extensions, in the database.",
            f"REVOKE CREATE ON DATABASE {database} FROM {sql_name(role.name)}, PUBLIC;",
            "sql",
        )
    if role.temporary:
        yield AuditFinding(
            "audit/role-temporary",
            "low",
            f"database {printable(subject.catalog.database)}",
            "The role may create temporary tables, whose names hide those of others in its session.",
            f"REVOKE TEMPORARY ON DATABASE {database} FROM {sql_name(role.name)}, PUBLIC;",
            "sql",
        )


def _reads(subject: AuditSubject) -> Iterator[AuditFinding]:
    role, grants = subject.around.role, subject.around.relations
    readable = [
        each
        for each in subject.denied
        if each.key in grants
        and (grants[each.key].select or grants[each.key].columns)
        and subject.estate.usable(each.schema)
    ]
    for schema, relations in _by_schema(readable):
        yield AuditFinding(
            "audit/role-reads-protected",
            "medium",
            f"schema {printable(schema)}",
            f"The policy denies {listed([each.name for each in relations])}, and the role may read them, and samples of their "
            "values in pg_stats: the guard is the only layer.",
            "\n".join(_revoke(each, role.name) for each in relations[:5]),
            "sql",
            _names(relations),
        )
    for relation in subject.permitted:
        grant = grants.get(relation.key)
        if grant is None or relation.parents or not subject.estate.usable(relation.schema):
            continue
        hidden = [
            column.name
            for column in relation.columns
            if subject.reach.columns.hidden(relation.key, column.name)
            and (grant.select or column.name in grant.columns)
        ]
        if hidden:
            shown = ", ".join(sql_name(column.name) for column in relation.columns if column.name not in hidden)
            grant_again = (
                f"\nGRANT SELECT ({shown}) ON {relation_sql(relation.key)} TO {sql_name(role.name)};" if shown else ""
            )
            yield AuditFinding(
                "audit/role-reads-protected-columns",
                "medium",
                f"table {printable(str(relation.key))}",
                f"The policy denies {listed(hidden)}, and the role may read them: the guard is the only layer.",
                _revoke(relation, role.name) + grant_again,
                "sql",
                tuple(map(printable, hidden)),
            )


def _revoke(relation: Relation, role: str) -> str:
    return " ".join(("REVOKE SELECT ON", relation_sql(relation.key), "FROM", f"{sql_name(role)}, PUBLIC;"))


def _elsewhere(subject: AuditSubject) -> Iterator[AuditFinding]:
    role, databases = subject.around.role, list(subject.around.databases)
    if databases:
        yield AuditFinding(
            "audit/role-connects",
            "low",
            f"role {printable(role.name)}",
            f"The role may connect to other databases, for which this policy says nothing: {listed(databases)}.",
            "\n".join(
                f"REVOKE CONNECT ON DATABASE {sql_name(each)} FROM {sql_name(role.name)}, PUBLIC;"
                for each in databases[:5]
            ),
            "sql",
            tuple(map(printable, databases)),
        )
