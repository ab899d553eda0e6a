"""A role that can do no more than a policy permits. In: a guard with a catalog, and options. Out: a `GrantPlan`, printed as SQL.

The plan depends on nothing but the policy, the catalog and the options, so the same three give the same bytes. The script
is one transaction and can be run again: it takes away first what the role has, then gives what the policy of today says.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from pg_guard.advise.grants_access import read_access
from pg_guard.advise.grants_limits import not_enforced
from pg_guard.advise.grants_model import Access, GrantOptions, Section, Statement, routine_sql
from pg_guard.advise.grants_role import (
    check_section,
    public_section,
    revoke_section,
    role_section,
    settings_section,
)
from pg_guard.advise.grants_rows import RowScopes, row_scopes, row_sections
from pg_guard.advise.quoting import printable, relation_sql, sql_name
from pg_guard.advise.reach import Reach
from pg_guard.errors import UsageError

if TYPE_CHECKING:
    from pg_guard.guard import Guard

__all__ = ["GRANTS_SCHEMA", "GrantPlan", "plan_grants", "render_sql"]

GRANTS_SCHEMA: Final = "pg-guard/grants/v1"
_WIDTH: Final = 110
_NAME_BYTES: Final = 63
_SESSION: Final = Section(
    "The session",
    (Statement("SET LOCAL search_path = pg_catalog, pg_temp"), Statement("SET LOCAL standard_conforming_strings = on")),
    ("Names without a schema, those of operators among them, mean PostgreSQL's own.",),
)
# Names that PostgreSQL keeps for itself, also in quotes.
_RESERVED_ROLES: Final = frozenset({"public", "none"})


@dataclass(frozen=True, slots=True)
class GrantPlan:
    """The script and what it rests on.

    Attributes:
        sections: Statements in the order in which they run.
        access: What the role gets.
        not_enforced: A sentence for each thing that only the guard enforces.
    """

    options: GrantOptions
    policy: str
    policy_digest: str
    catalog_digest: str
    database: str
    sections: tuple[Section, ...]
    access: Access
    not_enforced: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The plan as plain JSON values."""
        return {
            "schema": GRANTS_SCHEMA,
            "policy": self.policy,
            "policy_digest": self.policy_digest,
            "catalog_digest": self.catalog_digest,
            "database": self.database,
            "role": self.options.role,
            "login": self.options.login,
            "row_security": self.options.row_security,
            "revoke_public": self.options.revoke_public,
            "statements": [
                {"section": section.title, "sql": statement.sql, "active": statement.active}
                for section in self.sections
                for statement in section.statements
            ],
            "readable": [
                {
                    "schema": entry.relation.schema,
                    "name": entry.relation.name,
                    "kind": entry.relation.kind,
                    "columns": list(entry.columns)
                    if entry.columns is not None
                    else [column.name for column in entry.relation.columns],
                    "whole": entry.columns is None,
                }
                for entry in self.access.readable
            ],
            "withheld": [
                {"schema": each.name.schema, "name": each.name.name, "reason": each.reason}
                for each in self.access.withheld
            ],
            "functions": [routine_sql(each) for each in (*self.access.functions, *self.access.for_views)],
            "not_enforced": list(self.not_enforced),
        }


def plan_grants(guard: Guard, options: GrantOptions) -> GrantPlan:
    """Plan the role.

    Args:
        guard: The guard whose policy the role shall enforce.
        options: The role's name, and what else the user chose.

    Raises:
        UsageError: The guard has no catalog, or no role can have the name.
    """
    _check_role(options.role)
    catalog = guard.catalog
    if catalog is None:
        raise UsageError("privileges need the names of a database", hint="give --dsn or --catalog")
    if not catalog.database:
        raise UsageError(
            "the catalog does not name its database", hint="make the snapshot anew: pg-guard catalog snapshot"
        )
    reach = Reach(guard.policy, catalog)
    access = read_access(guard, reach)
    scopes = row_scopes(guard.policy, reach, access) if options.row_security else RowScopes()
    sections = [
        _SESSION,
        role_section(catalog, options),
        revoke_section(catalog, options),
        settings_section(catalog, guard.policy.limits, guard.search_path, options),
        *_grants(access, scopes, options),
    ]
    if options.row_security:
        sections += row_sections(scopes, options)
    sections += [public_section(catalog, access, options), check_section(options)]
    limits = not_enforced(guard, reach, access, scopes, options)
    apart = {each.name for each in scopes.withheld}
    granted = tuple(entry for entry in access.readable if entry.relation.key not in apart)
    metadata = guard.policy.metadata
    return GrantPlan(
        options,
        f"{metadata.name} {metadata.version}",
        guard.policy.digest,
        catalog.digest,
        catalog.database,
        tuple(section for section in sections if section.statements),
        replace(access, readable=granted, withheld=(*access.withheld, *scopes.withheld)),
        limits,
    )


def _check_role(role: str) -> None:
    hint = "choose a name such as guarded_reader"
    if not role or "\0" in role:
        raise UsageError("the role has no name", hint=hint)
    if len(role.encode("utf-8", "surrogatepass")) > _NAME_BYTES:
        raise UsageError(f"the role's name is longer than {_NAME_BYTES} bytes, where PostgreSQL cuts it", hint=hint)
    if role.startswith("pg_") or role in _RESERVED_ROLES:
        raise UsageError(f"PostgreSQL keeps the role name {printable(role)!r} for itself", hint=hint)


def _grants(access: Access, scopes: RowScopes, options: GrantOptions) -> tuple[Section, ...]:
    """USAGE on schemas, SELECT on relations or columns, EXECUTE on functions."""
    role = sql_name(options.role)
    apart = {each.name for each in scopes.withheld} | {entry.relation.key for entry, _ in scopes.views}
    relations = []
    for relation, columns in access.readable:
        if relation.key in apart:
            continue
        chosen = "" if columns is None else f" ({', '.join(map(sql_name, columns))})"
        relations.append(Statement(f"GRANT SELECT{chosen} ON {relation_sql(relation.key)} TO {role}"))
    return (
        Section(
            "Schemas", tuple(Statement(f"GRANT USAGE ON SCHEMA {sql_name(each)} TO {role}") for each in access.schemas)
        ),
        Section("Tables and views", tuple(relations)),
        Section(
            "Functions",
            tuple(Statement(f"GRANT EXECUTE ON ROUTINE {routine_sql(each)} TO {role}") for each in access.functions),
        ),
        Section(
            "Functions that views call",
            tuple(Statement(f"GRANT EXECUTE ON ROUTINE {routine_sql(each)} TO {role}") for each in access.for_views),
            ("PostgreSQL asks whoever reads a view for EXECUTE on what it calls.",),
        ),
    )


def render_sql(plan: GrantPlan) -> str:
    """The plan as a script for psql, or for any client that sends it whole."""
    options = plan.options
    head = (
        f"A role that enforces the policy {printable(plan.policy)} inside of PostgreSQL, made by pg-guard grants.",
        (
            f"Database {printable(plan.database)}, role {printable(options.role)}; policy {plan.policy_digest[:16]}, catalog "
            f"{plan.catalog_digest[:16]}."
        ),
        (
            "Run it as a superuser, or as the owner of the objects with CREATEROLE. It is one transaction and may be run again: "
            "what an earlier run gave is taken away first."
        ),
    )
    lines = [*(line for text in head for line in _comment(text)), ""]
    lines += [
        "BEGIN READ WRITE;",
    ]
    for section in plan.sections:
        lines += ["", f"-- {section.title}"]
        lines += [line for note in section.notes for line in _comment(note)]
        for sql, active in section.statements:
            lines += [f"{sql};"] if active else [f"-- {line}" for line in f"{sql};".split("\n")]
    lines += ["", "COMMIT;", "", "-- What only the guard enforces:"]
    for sentence in plan.not_enforced:
        lines += _comment(sentence, "- ")
    return "\n".join(lines) + "\n"


def _comment(text: str, bullet: str = "") -> list[str]:
    """A sentence as lines of comments; `printable` leaves no line break in it that could end one."""
    wrapped = textwrap.wrap(
        printable(text), _WIDTH, initial_indent=bullet, subsequent_indent=" " * len(bullet), break_on_hyphens=False
    )
    return [f"-- {line}" for line in wrapped]
