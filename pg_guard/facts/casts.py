"""Casts and the names of types. In: a TypeCast or TypeName and a scope. Out: facts recorded, and what the value then is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pg_guard.catalog.model import Name
from pg_guard.decision import Named
from pg_guard.facts import expressions, implicit
from pg_guard.facts.model import TypeUse, Use
from pg_guard.facts.names import PG
from pg_guard.facts.scopes import Expr, Scope

if TYPE_CHECKING:
    from pg_guard.facts.reader import Reader
    from pg_guard.sql.witness import Node

__all__ = ["read_cast", "read_type"]

# Types to which a cast of a literal changes nothing that its text says.
_SAME_TEXT = frozenset({"int2", "int4", "int8", "numeric", "text", "varchar", "uuid"})
_WIDTHS = {"int2": 1, "int4": 2, "int8": 3, "numeric": 4}
_STRINGS = frozenset({"text", "varchar"})
# Types of which different values are written differently.
_WRITTEN = frozenset({"int2", "int4", "int8", "uuid", "bool", "oid"})


def read_cast(reader: Reader, node: Node, scope: Scope, use: Use) -> Expr:
    """``CAST(value AS type)``, ``value::type`` and ``type 'literal'``."""
    body = node["TypeCast"]
    arg = expressions.read(reader, body.get("arg"), scope, use)
    system = arg.direct is not None and arg.direct.name == "tableoid"
    type_ = read_type(reader, body["typeName"], arg, system_column=system)
    # `same` keeps `CAST(tenant_id AS integer) = 42` a condition on the column where the cast changes no value.
    # A length or a scale may merge values: varchar(1) makes one of 'ab' and 'ac'.
    same = (
        arg.direct is not None
        and not body["typeName"].get("typmods")
        and (arg.direct.type == type_ or _widens(arg.direct.type, type_))
    )
    return Expr(
        type_,
        arg.items,
        arg.direct if same else None,
        arg.constant,
        # Nearly all numbers are true.
        arg.probe if (type_ is None or type_.name != "bool" or not _is_whole(arg.type)) and not arg.lax else None,
        None,
        arg.value,
        arg.set_returning,
        arg.aggregate,
        exact=arg.exact and _says_the_same(body, type_),
        span=arg.span,
    )


def _says_the_same(cast: Node, type_: Name | None) -> bool:
    """Is the cast of a literal (of nothing else) a plain one, so that its text still tells its value?"""
    literal = "A_Const" in cast.get("arg", {}) and not cast["typeName"].get("typmods")
    return literal and type_ is not None and type_.schema == PG and type_.name in _SAME_TEXT


def _is_whole(type_: Name | None) -> bool:
    return type_ is not None and type_.name in ("int2", "int4", "int8")


def _widens(source: Name | None, target: Name | None) -> bool:
    """A cast that keeps distinct values distinct, so that equality after it is equality before it."""
    if source is None or target is None or source.schema != PG or target.schema != PG:
        return False
    if source.name in _STRINGS | _WRITTEN and target.name in _STRINGS:
        return True
    return 0 < _WIDTHS.get(source.name, 0) <= _WIDTHS.get(target.name, 0)


def read_type(reader: Reader, body: Node, arg: Expr | None = None, *, system_column: bool = False) -> Name | None:
    """Record the type that a TypeName names, and the functions that a cast to it may call."""
    names = [part["String"]["sval"] for part in body.get("names", ()) if "String" in part]
    location = body.get("location", -1)
    # sqlglot takes some type names (RETURNING jsonb) for columns.
    reader.facts.raw_fields.extend(names[-1:])
    expressions.read_all(reader, body.get("typmods"), Scope(None), "argument")
    if body.get("pct_type"):
        reader.unsupported("%TYPE", location)
        return None
    if not names or len(names) > 3:
        return None
    schema, name = (names[-2] if len(names) > 1 else None), names[-1]
    found = reader.names.type(schema, name)
    key = found.key if found else Name(schema or PG, name)
    known = found is not None or reader.names.catalog is None
    constant = arg.value if arg is not None and arg.constant else None
    reader.facts.types.append(
        TypeUse(key, known, reader.at(location), constant, arg.type if arg else None, system_column)
    )
    if not known:
        reader.note(
            "sql/unknown-name",
            f'The type "{".".join(names)}" does not exist.',
            "Use an existing type.",
            location,
            Named("type", ".".join(names)),
        )
    implicit.use_type(reader, found, location)
    if body.get("arrayBounds"):
        types = reader.names.types
        key = (types.array_of(key) if types is not None else None) or Name(key.schema, f"_{key.name}")
    if arg is not None:
        reader.coerce(arg.type, key, location, explicit=True, fields=arg.fields)
    return key
