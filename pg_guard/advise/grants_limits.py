"""What privileges cannot say. In: a policy, an `Access`, row scopes. Out: a sentence for each clause that only the guard enforces."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from pg_guard.advise.grants_rows import scoped_clauses
from pg_guard.advise.quoting import printable, some
from pg_guard.advise.reach import is_user_schema

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pg_guard.advise.grants_model import Access, GrantOptions
    from pg_guard.advise.grants_rows import RowScopes
    from pg_guard.advise.reach import Reach
    from pg_guard.guard import Guard
    from pg_guard.policy.model import Policy

__all__ = ["not_enforced"]

_NAMES: Final = 8
# What PUBLIC may call in a fresh database and what matters most, as examples.
_OPEN_TO_ALL: Final = ("set_config", "pg_sleep", "pg_notify", "pg_advisory_lock", "lo_create", "query_to_xml")


def not_enforced(
    guard: Guard, reach: Reach, access: Access, scopes: RowScopes, options: GrantOptions
) -> tuple[str, ...]:
    """A sentence for each thing that the policy says and the role's privileges do not."""
    policy = guard.policy
    return (
        *_statements(policy),
        *_rows(policy, options),
        *_limits(policy),
        *_functions(reach),
        *_rules(policy),
        *_relations(policy, reach, access, scopes, options),
    )


def _statements(policy: Policy) -> Iterator[str]:
    kinds = ", ".join(policy.statements.allow)
    yield (
        f"statements.allow ({kinds}): the role can send any statement. No table is open to writing, but SET, LISTEN, NOTIFY and "
        "PREPARE need no privilege, and every role may create large objects and write to the WAL (lo_create, "
        "pg_logical_emit_message) once its session is not read-only."
    )
    if policy.mode == "monitor":
        yield "mode is monitor: the guard lets pass what privileges refuse all the same."
    if policy.principals:
        yield "principals: one role stands for all kinds of clients; make one for each that must differ."


def _rows(policy: Policy, options: GrantOptions) -> Iterator[str]:
    for entry in policy.where:
        tables = some(entry.table, _NAMES)
        if entry.columns:
            yield (
                f"where ({tables}): that {', '.join(map(printable, entry.columns))} must be held to constants is about the "
                "text of a query; no privilege demands it."
            )
        elif not entry.equals:
            yield f"where ({tables}): that a query must restrict its rows is about its text; no privilege demands it."
        if entry.equals and not options.row_security:
            held = ", ".join(f"{printable(name)} = {printable(str(value))}" for name, value in entry.equals.items())
            yield f"where ({tables}): {held}; --row-security writes it as row security."
    for each in policy.row_filters:
        yield f"row_filters ({some(each.table, _NAMES)}): {printable(each.using)}"
    for table, masks in policy.columns.mask.items():
        yield f"columns.mask ({printable(table)}): {', '.join(map(printable, masks))} are read unmasked."


def _limits(policy: Policy) -> Iterator[str]:
    limits, joins = policy.limits, policy.joins
    values = {
        "sql_bytes": limits.sql_bytes,
        "tokens": limits.tokens,
        "depth": limits.depth,
        "in_list": limits.in_list,
        "generated_rows": limits.generated_rows,
        "generated_bytes": limits.generated_bytes,
        "product_rows": limits.product_rows,
        "rows": limits.rows,
        "result_bytes": limits.result_bytes,
        "cost": limits.cost,
    }
    shown = ", ".join(f"{name} {value:g}" for name, value in values.items() if value is not None and name == "cost")
    counted = ", ".join(f"{name} {value}" for name, value in values.items() if value is not None and name != "cost")
    yield f"limits: {counted}{', ' if shown else ''}{shown}; statement_timeout is a default that a session may change."
    if joins.max_tables is not None:
        yield f"joins.max_tables: {joins.max_tables}"
    if joins.cartesian is not None:
        yield f"joins.cartesian: {joins.cartesian}"


def _functions(reach: Reach) -> Iterator[str]:
    """PostgreSQL's own functions and those of extensions, which everybody may call by default."""
    names: dict[str, None] = {}
    why: Counter[str] = Counter()
    for function in reach.catalog.functions:
        if function.planted or (is_user_schema(function.schema) and not function.extension):
            continue
        reason = reach.functions.judge(function, {})
        if reason:
            names[function.name] = None
            why.update(reason.rpartition(": ")[2].split(", ") if ": " in reason else ["denied by name"])
    if names:
        open_to_all = [name for name in _OPEN_TO_ALL if name in names]
        kinds = ", ".join(
            f"{word} {count}" for word, count in sorted(why.items(), key=lambda each: (-each[1], each[0]))
        )
        yield (
            f"functions: {len(names)} names that come with PostgreSQL or an extension are refused by the guard ({kinds}). "
            "PUBLIC may call many of them, and taking them from PUBLIC would break tools and other roles, so they stay"
            + (f": among them {', '.join(open_to_all)}." if open_to_all else ".")
        )


def _rules(policy: Policy) -> Iterator[str]:
    if policy.packs:
        yield f"packs ({some((each.use for each in policy.packs), _NAMES)}): their rules are about statements."


def _relations(policy: Policy, reach: Reach, access: Access, scopes: RowScopes, options: GrantOptions) -> Iterator[str]:
    yield (
        "PostgreSQL's own catalogs: every role may read the names, types, comments and definitions of all objects there, and "
        "samples (pg_stats) of what it may read, and about how many rows each table has; EXPLAIN tells how many it left out."
    )
    yield (
        "The role itself: it may set its own password and, for its later sessions, its own settings, once its session is not "
        "read-only (ALTER ROLE). Running the script again puts back those of this database, and warns of others."
    )
    yield (
        "What is made later: PUBLIC may call new functions, those that run with their owner's rights too, and rows of new "
        "children of a table are read through it. Run pg-guard grants again after each migration."
    )
    definers = [str(each.key) for each in access.functions if each.security_definer]
    if definers:
        yield f"Functions that run with their owner's rights, and that the policy lists: {some(definers, _NAMES)}."
    if access.for_views:
        called = some((str(each.key) for each in access.for_views), _NAMES)
        yield (
            f"Functions that views call ({called}): the role has EXECUTE on them, as whoever reads the views needs it, and can call "
            "them itself; they can do no more than the role."
        )
    if access.system:
        yield f"Of PostgreSQL's own schemas the policy opens {some(map(str, access.system), _NAMES)}; PUBLIC's privileges hold there."
    if any(entry.columns is None for entry in access.readable):
        yield (
            "Tables that are granted whole: a column that is added later is readable at once, also one that columns.deny "
            "matches. Tables that are made later are not readable."
        )
    if any(entry.columns is not None for entry in access.readable):
        yield (
            "Tables that are granted by column: PostgreSQL refuses the whole row, also where only a permitted field is taken "
            "from it, as in (t).name; t.name is read."
        )
    yield "Other databases: by default PUBLIC may connect to them; what the role reads there is decided there."
    for name, reason in (*access.withheld, *(scopes.withheld if options.row_security else ())):
        yield f"{printable(str(name))} is not granted: {reason}."
    denied = [
        str(entry.relation.key)
        for entry in access.readable
        if entry.relation.kind in ("view", "matview") and reach.tables.reviewed(entry.relation.key)
    ]
    if denied:
        yield f"Views that tables.allow names count as reviewed and are granted whatever they read: {some(denied, _NAMES)}."
    views = [str(entry.relation.key) for entry in access.readable if entry.relation.kind == "view"]
    if views:
        yield (
            f"Views ({some(views, _NAMES)}): they read with their owner's rights, unless they are security_invoker: then they "
            "need what this role was granted, and fail where they read more. A view that chooses rows for security should be "
            "security_barrier."
        )
    guarded = [str(each.relation.key) for each in access.readable if each.relation.row_security]
    if guarded and not (options.row_security and scoped_clauses(policy)):
        yield f"Row security is on for {some(guarded, _NAMES)}: which rows the role sees is decided by the policies there."
