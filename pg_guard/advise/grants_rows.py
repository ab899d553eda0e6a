"""Row security for the values that `where` demands. In: a policy and an `Access`. Out: policies per table, grants held back.

Two policies for each table: a permissive one that shows the role its rows, and a restrictive one, so that no policy that
somebody else wrote shows it more. A view reads with its owner's rights, which row security does not bind, so a view over
such a table is granted only where all views on the way are `security_invoker`; the catalog does not tell, so the script asks.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from pg_guard.advise.grants_model import Section, Statement, Withheld, block, literal
from pg_guard.advise.quoting import printable, relation_sql, sql_name
from pg_guard.checks.patterns import NameSet
from pg_guard.checks.where import WhereClause

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pg_guard.advise.grants_model import Access, GrantOptions, Readable
    from pg_guard.advise.reach import Reach
    from pg_guard.catalog.model import Column, Name, Relation
    from pg_guard.policy.model import Policy

__all__ = ["SETTING_PREFIX", "RowScopes", "row_scopes", "row_sections", "scoped_clauses"]

SETTING_PREFIX: Final = "pg_guard."
_TABLES: Final = ("table", "partitioned")
_SETTING: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_INTEGERS: Final = {"int2": 15, "int4": 31, "int8": 63}

Scalar: TypeAlias = "str | int | float | bool"

_OPEN: Final = """
BEGIN
  IF NOT (SELECT c.relrowsecurity FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
          WHERE n.nspname = {schema} AND c.relname = {name}) THEN
    DROP POLICY IF EXISTS pg_guard_others ON {table};
    CREATE POLICY pg_guard_others ON {table} TO PUBLIC USING (true) WITH CHECK (true);
    ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
  END IF;
END
"""

_DROP: Final = """
DECLARE
  known record;
BEGIN
  FOR known IN
    SELECT p.polname, n.nspname, c.relname FROM pg_catalog.pg_policy AS p
    JOIN pg_catalog.pg_class AS c ON c.oid = p.polrelid JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE p.polname IN ({permits}, {restricts})
  LOOP
    EXECUTE format('DROP POLICY %I ON %I.%I', known.polname, known.nspname, known.relname);
  END LOOP;
END
"""

_GRANT_VIEW: Final = """
BEGIN
  IF (SELECT count(*) FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
      WHERE (n.nspname, c.relname) IN ({views})
        AND lower(c.reloptions::text) ~ 'security_invoker=(true|on|yes|1)[,}}]') = {count} THEN
    {grant};
  ELSE
    RAISE WARNING 'not granted, because it reads rows with the rights of its owner: %', {view}
      USING HINT = 'ALTER VIEW … SET (security_invoker = true), also for the views that it reads; then run this again.';
  END IF;
END
"""


@dataclass(frozen=True, slots=True)
class RowScopes:
    """What row security has to do.

    Attributes:
        tables: Tables with the conditions of their policies, as SQL.
        views: Views over such tables, each with all views on the way, itself included.
        withheld: Relations whose rows cannot be held, so that they are not granted.
        notes: What to know of single tables.
    """

    tables: tuple[tuple[Relation, str], ...] = ()
    views: tuple[tuple[Readable, tuple[Name, ...]], ...] = ()
    withheld: tuple[Withheld, ...] = ()
    notes: tuple[str, ...] = field(default=())


def scoped_clauses(policy: Policy) -> tuple[WhereClause, ...]:
    """The requirements that demand values."""
    return tuple(
        WhereClause(NameSet(entry.table, fold=True), entry.columns, tuple(entry.equals.items()))
        for entry in policy.where
        if entry.equals
    )


def row_scopes(policy: Policy, reach: Reach, access: Access) -> RowScopes:
    """Which tables need policies, and what has to be held back for them."""
    clauses = scoped_clauses(policy)
    if not clauses:
        return RowScopes()
    index = reach.catalog.relation_index
    tables: list[tuple[Relation, str]] = []
    views: list[tuple[Readable, tuple[Name, ...]]] = []
    withheld: list[Withheld] = []
    notes: list[str] = []

    def scoped(name: Name) -> bool:
        return any(clause.concerns((name,), reach.names) for clause in clauses)

    for entry in access.readable:
        relation = entry.relation
        if relation.kind in _TABLES:
            if scoped(relation.key):
                condition, problems = _condition(reach, relation, clauses)
                tables.append((relation, condition))
                notes += problems
            continue
        way = _way(index, relation)
        below = [name for name in way if scoped(name)]
        if not below:
            continue
        kinds = {index[name].kind for name in way if name in index}
        if relation.kind == "foreign" or "foreign" in {index[name].kind for name in below if name in index}:
            reason = "row security does not hold for foreign tables"
        elif "matview" in kinds:
            reason = "a materialized view holds the rows of all, and row security does not hold for it"
        elif not any(index[name].kind in _TABLES for name in below if name in index):
            reason = "the policy demands values of the view itself, and row security holds for tables alone"
        else:
            views.append((entry, tuple(name for name in way if name in index and index[name].kind == "view")))
            continue
        withheld.append(Withheld(relation.key, reason))
    return RowScopes(tuple(tables), tuple(views), tuple(withheld), tuple(notes))


def _way(index: dict[Name, Relation], relation: Relation) -> tuple[Name, ...]:
    """A relation and all that it reads at any depth, children of tables included, sorted after itself."""
    found: dict[Name, None] = {relation.key: None}
    queue = [relation]
    while queue:
        for dependency in queue.pop().depends_on:
            if dependency.relation not in found:
                found[dependency.relation] = None
                if dependency.relation in index:
                    queue.append(index[dependency.relation])
    return (relation.key, *sorted(name for name in found if name != relation.key))


def _condition(reach: Reach, relation: Relation, clauses: Iterable[WhereClause]) -> tuple[str, list[str]]:
    columns = {column.name: column for column in relation.columns}
    parts: list[str] = []
    problems: list[str] = []
    for clause in clauses:
        if not clause.concerns((relation.key,), reach.names):
            continue
        for name, value in clause.equals:
            what = f"{printable(str(relation.key))}: "
            column = columns.get(name)
            if column is None:
                problems.append(
                    f"{what}it has no column {printable(name)}, which the policy demands, so no row is shown."
                )
                parts.append("false")
                continue
            given = _value(column, value)
            if given is None:
                problems.append(f"{what}no {column.type} can be {printable(str(value))}, so no row is shown.")
                parts.append("false")
                continue
            parts.append(f"{sql_name(name)} {_equals(reach, column)} {given}")
    return " AND ".join(dict.fromkeys(parts)), problems


def _value(column: Column, value: Scalar) -> str | None:
    """A demanded value as SQL of the column's type, or None when there is none."""
    type_ = f"{sql_name(column.type.schema)}.{sql_name(column.type.name)}"
    if isinstance(value, str) and value.startswith(":"):
        if not _SETTING.fullmatch(value[1:]) or len(SETTING_PREFIX + value[1:]) > 63:
            return None
        # A setting that was once set in the session and reset is '' and not missing.
        return f"nullif(current_setting({literal(SETTING_PREFIX + value[1:])}, true), '')::{type_}"
    text = _text(value)
    bits = _INTEGERS.get(column.type.name) if column.type.schema == "pg_catalog" else None
    if bits is not None and not (re.fullmatch(r"-?[0-9]{1,19}", text) and -(2**bits) <= int(text) < 2**bits):
        return None
    return f"{literal(text)}::{type_}"


def _text(value: Scalar) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _equals(reach: Reach, column: Column) -> str:
    """The equality of the column's type, by its schema: a planted operator must not take its place."""
    for operator in reach.catalog.operator_index.get("=", ()):
        if operator.left == operator.right == column.type:
            return f"OPERATOR({sql_name(operator.schema)}.=)"
    return "OPERATOR(pg_catalog.=)"


def row_sections(scopes: RowScopes, options: GrantOptions) -> tuple[Section, ...]:
    """The policies of tables, and grants of views that depend on how the views are made."""
    role = sql_name(options.role)
    mark = hashlib.sha256(options.role.encode()).hexdigest()[:8]
    permits, restricts = f"pg_guard_{mark}_permits", f"pg_guard_{mark}_restricts"
    statements = [Statement(block(_DROP.format(permits=literal(permits), restricts=literal(restricts))))]
    for relation, condition in scopes.tables:
        table = relation_sql(relation.key)
        opened = _OPEN.format(schema=literal(relation.schema), name=literal(relation.name), table=table)
        statements += [
            Statement(block(opened)),
            Statement(f"CREATE POLICY {permits} ON {table} FOR SELECT TO {role} USING ({condition})"),
            Statement(f"CREATE POLICY {restricts} ON {table} AS RESTRICTIVE FOR SELECT TO {role} USING ({condition})"),
        ]
    notes = (
        (
            "An attribute of the principal, such as :tenant_id, is the setting pg_guard.tenant_id of the session: who opens the "
            "session sets it, and without it the role sees no row. Who may run SET may set it to anything; the guard refuses "
            "SET and set_config in statements."
        ),
        (
            "Where row security was off, the policy pg_guard_others leaves other roles as they were; pg_dump by a role that is "
            "neither owner nor BYPASSRLS then needs --enable-row-security."
        ),
        *scopes.notes,
    )
    views = []
    for entry, way in scopes.views:
        chosen = "" if entry.columns is None else f" ({', '.join(map(sql_name, entry.columns))})"
        views.append(
            Statement(
                block(
                    _GRANT_VIEW.format(
                        views=", ".join(f"({literal(name.schema)}, {literal(name.name)})" for name in way),
                        count=len(way),
                        grant=f"GRANT SELECT{chosen} ON {relation_sql(entry.relation.key)} TO {role}",
                        view=literal(str(entry.relation.key)),
                    )
                )
            )
        )
    about_views = ("A view reads with its owner's rights unless it is security_invoker, and an owner sees all rows.",)
    return (
        Section("Rows", tuple(statements), notes),
        Section("Views over these tables", tuple(views), about_views if views else ()),
    )
