"""Functions behind views. In: a policy, a catalog, a view. Out: the functions that whoever reads the view must be allowed to call.

PostgreSQL reads a view's tables with the rights of its owner, and calls its functions with those of whoever reads it
(documentation of CREATE VIEW): the reader needs EXECUTE as if the call stood in the query. A role that has it can call the
function itself, so it gets it only where that gives it nothing that it does not have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pg_guard.advise.quoting import printable
from pg_guard.advise.reach import is_user_schema

if TYPE_CHECKING:
    from collections.abc import Collection

    from pg_guard.advise.reach import Reach
    from pg_guard.catalog.model import Catalog, Function, Relation

__all__ = ["called_in", "objection_to_calls", "own_functions"]

# Languages in which a function can do no more than whoever calls it.
_BOUND: Final = frozenset({"sql", "plpgsql"})
# PostgreSQL asks for no privilege on what compares values, and on what reads and writes them as text.
_UNASKED: Final = frozenset({"sort", "type"})


def own_functions(catalog: Catalog) -> list[Function]:
    """Functions that somebody made here; those of extensions and what only triggers call are left out."""
    return [
        each
        for each in catalog.functions
        if (each.planted or (is_user_schema(each.schema) and not each.extension))
        and each.result.name not in ("trigger", "event_trigger")
    ]


def called_in(reach: Reach, relation: Relation) -> tuple[Function, ...]:
    """Functions of users that reading a view calls, views below it included; none for a relation that stores its rows."""
    if relation.kind != "view":
        return ()
    own = set(own_functions(reach.catalog))
    index = reach.catalog.relation_index
    return tuple(
        dict.fromkeys(
            function
            for use in reach.shape(relation).functions
            if use.position not in _UNASKED
            and not any(step in index and index[step].kind == "matview" for step in use.via)
            for function in use.candidates
            if function in own
        )
    )


def objection_to_calls(reach: Reach, relation: Relation, allowed: Collection[Function]) -> str:
    """Why the role cannot be given what reading a view calls, or ''.

    Args:
        reach: The policy and the catalog.
        relation: The view.
        allowed: Functions that the policy lets be called anyway.
    """
    for function in called_in(reach, relation):
        name = printable(str(function.key))
        if hidden := () if function.security_definer else reach.protected_reads(reach.function(function)):
            return f"it calls {name}, which reads {hidden[0]} with the rights of whoever reads the view"
        if function not in allowed and not _is_bound(reach.catalog, function):
            return (
                f"it calls {name}, for which whoever reads the view needs EXECUTE, and which does more than its caller may: "
                "let functions.allow name it if the role may call it"
            )
    return ""


def _is_bound(catalog: Catalog, function: Function) -> bool:
    """Can the function do no more than whoever calls it? Of an aggregate: the functions that it is made of."""
    if function.kind == "aggregate":
        own = set(own_functions(catalog))
        parts = [
            each for name in function.support for each in catalog.function_index.get(name.name, ()) if each.key == name
        ]
        return all(part not in own or _is_bound(catalog, part) for part in parts)
    return function.language in _BOUND and not function.security_definer
