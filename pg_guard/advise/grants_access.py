"""What a policy gives, as privileges can say it. In: a guard with a catalog. Out: an `Access`: relations, columns, functions, schemas.

The guard is asked itself: a relation that it lists, but of which it would refuse every query, is not granted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pg_guard.advise.grants_calls import called_in, objection_to_calls, own_functions
from pg_guard.advise.grants_model import Access, Readable, Withheld
from pg_guard.advise.quoting import relation_sql, sql_name
from pg_guard.advise.reach import is_user_schema

if TYPE_CHECKING:
    from pg_guard.advise.reach import Reach
    from pg_guard.catalog.model import Function, Relation
    from pg_guard.guard import Guard

__all__ = ["read_access"]

# What a finding of another kind says is about one statement: a missing condition, too many tables, too long a text.
_ABOUT_THE_RELATION: Final = ("tables/", "columns/", "functions/", "sql/", "internal/")


def read_access(guard: Guard, reach: Reach) -> Access:
    """What a role that reads no more than the guard lets through needs.

    Args:
        guard: The guard, with a catalog.
        reach: Its policy and catalog, to follow views and judge functions.
    """
    readable: list[Readable] = []
    withheld: list[Withheld] = []
    queries = bool({"select", "explain"} & set(guard.policy.statements.allow))
    functions = own_functions(reach.catalog)
    allowed = [
        each for each in functions if queries and each.kind != "procedure" and not reach.functions.judge(each, {})
    ]
    visible = guard.visible_relations() if queries else ()
    for relation in visible:
        if not is_user_schema(relation.schema):
            continue
        columns = tuple(column.name for column in guard.visible_columns(relation))
        reason = _objection(guard, reach, relation, columns) or objection_to_calls(reach, relation, allowed)
        if reason:
            withheld.append(Withheld(relation.key, reason))
        else:
            whole = len(columns) == len(relation.columns)
            readable.append(Readable(relation, None if whole else columns))
    for_views = dict.fromkeys(each for entry in readable for each in called_in(reach, entry.relation))
    return Access(
        tuple(readable),
        tuple(withheld),
        tuple(each.key for each in visible if not is_user_schema(each.schema)),
        tuple(allowed),
        tuple(each for each in functions if each not in set(allowed)),
        tuple(each for each in for_views if each not in set(allowed)),
        _schemas(guard, reach, readable, allowed),
    )


def _objection(guard: Guard, reach: Reach, relation: Relation, columns: tuple[str, ...]) -> str:
    """Why a relation that the guard lists cannot be granted, or ''."""
    if relation.columns and not columns:
        return "the policy denies all of its columns"
    hidden = [name for name in reach.names.descendants(relation.key) if reach.tables.denied(name)]
    if hidden and not reach.tables.reviewed(relation.key):
        # PostgreSQL asks for no privilege on children that are read through their parent.
        return "its rows include those of children that the policy denies, and no privilege tells them apart"
    if (
        relation.kind in ("view", "matview")
        and reach.shape(relation).problem
        and not reach.tables.reviewed(relation.key)
    ):
        return "the guard cannot follow its definition, and refuses what reads it"
    for names in (", ".join(map(sql_name, columns)) or "1", "1"):
        # Never run: the guard is asked about it.
        findings = guard.check(f"SELECT {names} FROM {relation_sql(relation.key)}").findings  # noqa: S608
        if any(finding.rule.startswith("limits/") for finding in findings):
            continue  # so many columns that their names alone are too long a statement
        refusals = [each.rule for each in findings if each.effect == "deny"]
        return next(
            (f"the guard refuses what reads it ({rule})" for rule in refusals if rule.startswith(_ABOUT_THE_RELATION)),
            "",
        )
    return ""


def _schemas(guard: Guard, reach: Reach, readable: list[Readable], allowed: list[Function]) -> tuple[str, ...]:
    found = {each.relation.schema for each in readable} | {each.schema for each in allowed}
    # Functions, operators and types of an extension are called by their name: the role has to find them.
    found |= {
        each.schema
        for each in reach.catalog.functions
        if each.extension and each.schema in guard.search_path and not reach.functions.judge(each, {})
    }
    return tuple(sorted(each for each in found if is_user_schema(each)))
