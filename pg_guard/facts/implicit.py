"""Calls that nobody wrote. In: types of values, and what is done with them. Out: `FunctionUse` and `TypeUse` facts.

A value of a user's type calls code when it is made from text (domain checks, input functions, reg* look-ups), when it is
sorted, grouped, hashed or compared as a part of something else (operator classes), and when PostgreSQL's own functions
cast it (to json, to text).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pg_guard.catalog.model import Name
from pg_guard.facts.model import FunctionUse, RelationUse, TypeUse
from pg_guard.facts.resolution import PG, POLYMORPHIC, RECORD, UNKNOWN
from pg_guard.facts.scopes import Expr

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pg_guard.catalog.model import Function, Type
    from pg_guard.facts.reader import Reader

__all__ = ["pass_arguments", "use_comparison", "use_json_casts", "use_type"]

_TEXT = Name(PG, "text")
_JSON = Name(PG, "json")
_WHOLE = POLYMORPHIC | {"any", "record"}
# Functions of any type that never compare two values.
_CARRIERS = frozenset(
    {
        "array_agg", "unnest", "array_append", "array_prepend", "array_cat", "array_length", "array_ndims",
        "array_lower", "array_upper", "array_dims", "cardinality", "array_fill", "array_to_string", "array_shuffle",
        "array_sample", "trim_array", "array_reverse", "lag", "lead", "first_value", "last_value", "nth_value",
        "any_value", "count", "pg_typeof", "num_nulls", "num_nonnulls", "format", "concat", "concat_ws",
        "quote_literal", "quote_nullable", "textanycat", "anytextcat", "pg_column_size", "pg_column_compression",
        "pg_column_toast_chunk_id", "pg_collation_for", "array_out", "array_send", "record_out", "record_send",
        "isempty", "lower_inc", "upper_inc", "lower_inf", "upper_inf",
    }
)  # fmt: skip
# PostgreSQL's own functions in SQL that cast an argument of any type to text, a user's cast included.
_TO_TEXT = frozenset({"quote_literal", "quote_nullable", "textanycat", "anytextcat"})


def use_type(reader: Reader, type_: Type | None, location: int, seen: frozenset[Any] = frozenset()) -> None:
    """Record what a value of this type calls when it is made from text."""
    if type_ is None or type_.key in seen:
        return
    inside = bool(seen)
    seen = seen | {type_.key}
    catalog = reader.names.catalog
    if catalog is None:
        return
    if type_.kind == "composite" and type_.relation is not None:
        relation = catalog.relation_index.get(type_.relation)
        if relation is not None and relation.kind != "composite":
            # A row type tells the columns of its relation; nothing of the data.
            reader.facts.relations.append(
                RelationUse((relation.key,), relation.kind, True, "", reader.at(location), reader.via, "type")
            )
        for column in relation.columns if relation is not None else ():
            use_type(reader, catalog.type_index.get(column.type), location, seen)
        return
    if type_.kind == "domain":
        for check in type_.checks:
            reader.shapes.use_expression(reader, check, type_.key, location)
        use_type(reader, catalog.type_index.get(type_.base) if type_.base else None, location, seen)
    elif type_.kind == "array":
        use_type(reader, catalog.type_index.get(type_.element) if type_.element else None, location, seen)
    elif type_.kind in ("range", "multirange"):
        _record(reader, type_.key, catalog.comparison_index.get(type_.key, ()), location)
        use_type(reader, catalog.type_index.get(type_.base) if type_.base else None, location, seen)
    elif type_.kind == "base" and type_.schema != PG:
        for function in (type_.input, type_.output):
            if function is not None and not reader.names.ships(function):
                reader.use_function(function.schema, function.name, "type", location, (Expr(UNKNOWN),))
    elif inside and type_.schema == PG and type_.name.startswith("reg"):
        reader.facts.types.append(TypeUse(type_.key, True, reader.at(location), None, UNKNOWN))


def _parts(reader: Reader, value: Expr) -> Iterable[Name]:
    """Every type that the value is of or holds; for a row without a named type, those of what it is made of."""
    types = reader.names.types
    if types is None:
        return
    if value.type is not None and value.type not in (RECORD, UNKNOWN, types.array_of(RECORD)):
        yield from types.parts(value.type)
        return
    for column in value.items:
        yield from types.parts(column.type) if column.type is not None else ()
        for name in column.fields:
            yield from types.parts(name) if name is not None else ()
    for name in value.held:
        yield from types.parts(name) if name is not None else ()


def use_comparison(reader: Reader, values: Iterable[Expr], location: int = -1) -> None:
    """Record what sorting, grouping or hashing these values calls."""
    catalog = reader.names.catalog
    if catalog is None or not catalog.comparisons:
        return
    index = catalog.comparison_index
    for value in values:
        for part in set(_parts(reader, value)):
            _record(reader, part, index.get(part, ()), location)


def _record(reader: Reader, type_: Name, functions: tuple[Name, ...], location: int) -> None:
    for function in functions:
        overloads = reader.names.functions(function.schema, function.name)
        own = tuple(each for each in overloads if type_ in each.args) or overloads
        reader.facts.functions.append(
            FunctionUse(function.schema, function.name, own, True, "sort", reader.at(location), (), reader.via)
        )


def use_json_casts(reader: Reader, values: Iterable[Expr], location: int = -1) -> None:
    """Record users' casts to json, which PostgreSQL applies to what is neither a row nor an array inside of a value."""
    types = reader.names.types
    if types is None or _JSON not in types.user_casts:
        return
    for value in values:
        for part in set(_parts(reader, value)):
            found = types.find(part)
            if found is not None and found.kind not in ("composite", "array"):
                reader.coerce(part, _JSON, location, explicit=True)


def pass_arguments(
    reader: Reader, function: Function, declared: Sequence[Name], values: Sequence[Expr], location: int
) -> None:
    """Record what a function of PostgreSQL's does to arguments of types that it does not know."""
    if function.schema != PG or function.planted:
        return
    whole = [
        value
        for value, wanted in zip(values, declared, strict=False)
        if wanted.schema == PG and wanted.name in _WHOLE and value.type != UNKNOWN
    ]
    if not whole:
        return
    name = function.name
    if "json" in name:
        use_json_casts(reader, whole, location)
        if "populate" in name and (types := reader.names.types) is not None:
            for value in whole:
                for part in set(_parts(reader, value)):
                    use_type(reader, types.find(part), location, frozenset({None}))
    elif name in _TO_TEXT:
        for value in whole:
            reader.coerce(value.type, _TEXT, location, explicit=True)
    elif name not in _CARRIERS:
        use_comparison(reader, whole, location)
