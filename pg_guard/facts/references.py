"""Column references. In: ColumnRef and A_Indirection nodes. Out: columns, whole rows and functions in attribute notation.

Follows transformColumnRef in src/backend/parser/parse_expr.c: a column of any level first, then a whole row, then, for
``x.f`` where x has no column f, the function f(x).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pg_guard.catalog import builtins
from pg_guard.decision import Named
from pg_guard.facts.model import ColumnUse
from pg_guard.facts.reader import TooDeep
from pg_guard.facts.resolution import PG
from pg_guard.facts.scopes import Expr, Scope, Source

if TYPE_CHECKING:
    from pg_guard.catalog.model import Name, Relation
    from pg_guard.facts.model import Use
    from pg_guard.facts.reader import Reader
    from pg_guard.sql.witness import Node

__all__ = ["composite", "field_names", "find_qualifier", "read_column", "read_indirection", "row_named"]

# Functions of PostgreSQL's that take any row: `c.to_jsonb` is one unless c has a column of that name.
_ROW_FUNCTIONS = frozenset(
    {
        "any_value", "array_agg", "concat", "count", "hash_record", "json_agg", "json_agg_strict", "json_build_array", "jsonb_agg",
        "jsonb_agg_strict", "jsonb_build_array", "max", "min", "num_nonnulls", "num_nulls", "pg_column_size", "pg_typeof",
        "quote_literal", "quote_nullable", "record_out", "record_send", "row_to_json", "to_json", "to_jsonb",
    }
)  # fmt: skip


def field_names(fields: list[Node]) -> tuple[str, ...]:
    """The parts of a dotted name; a star is ``*``."""
    return tuple(part["String"]["sval"] if "String" in part else "*" for part in fields)


def find_qualifier(reader: Reader, scope: Scope, parts: tuple[str, ...], location: int) -> Source | None:
    """The source that ``a``, ``s.a`` or ``d.s.a`` means, with a note when there is none."""
    schema = parts[-2] if len(parts) > 1 else None
    database = reader.names.catalog.database if reader.names.catalog else ""
    source = None
    if len(parts) <= 2 or not database or parts[0] == database:
        source = scope.source(parts[-1], schema)
    if source is None:
        reader.note(
            "sql/unknown-name",
            f'There is no table or alias "{".".join(parts)}" in scope.',
            "Use the alias that FROM gives the table, or add the table to FROM.",
            location,
        )
    return source


def read_column(reader: Reader, node: Node, scope: Scope, use: Use) -> Expr:
    """Read a ColumnRef: a column, a whole row, or a function in attribute notation."""
    body = node["ColumnRef"]
    location = body.get("location", -1)
    parts = field_names(body["fields"])
    if reader.fixed_location is None:
        reader.facts.raw_columns.append(parts)
    if len(parts) == 1:
        if parts[0] == "*":
            return Expr()
        return _read_bare(reader, scope, parts[0], use, location)
    if len(parts) > 4:
        reader.unsupported("A name of more than four parts", location)
        return Expr()
    source = find_qualifier(reader, scope, parts[:-1], location)
    if source is None:
        # `column.field` of a composite column is written `(column).field`, so nothing else can be meant.
        return Expr()
    if parts[-1] == "*":
        return Expr(source.row_type, reader.use_row(source, use, location, star=True), row=source)
    return read_field(reader, source, parts[-1], use, location)


def _read_bare(reader: Reader, scope: Scope, name: str, use: Use, location: int) -> Expr:
    found = reader.find_column(scope, name, use, location)
    if found is not None and found.direct is not None and found.direct.source.columns is not None:
        return found
    if source := scope.source(name):
        # Where the columns of a source are unknown, the name may be one of them or a whole row: both count.
        row = whole_row(reader, source, use, location)
        return row if found is None else Expr(None, (*found.items, *row.items), row=source)
    if found is not None:
        return found
    reader.note(
        "sql/unknown-name",
        f'There is no column "{name}" in scope.',
        "Use a column of the tables in FROM; describe_table lists them.",
        location,
        Named("column", name),
    )
    return Expr()


def whole_row(reader: Reader, source: Source, use: Use, location: int) -> Expr:
    # A function's scalar result is a row of one column of the same name; its row is that column.
    items = reader.use_row(source, use, location)
    if source.columns is not None and len(source.columns) == 1 and source.row_type == source.columns[0].type:
        return Expr(source.columns[0].type, items, source.columns[0], probe=source.columns[0], row=source)
    return Expr(source.row_type, items, row=source)


def read_field(reader: Reader, source: Source, name: str, use: Use, location: int) -> Expr:
    """``source.name``: a column, or the function `name` on the whole row."""
    if found := reader.qualified_column(source, name, use, location):
        if reader.names.catalog is None and (source.columns is None or source.opened):
            _suspect_attribute(reader, source, name, use, location)
        return found
    if reader.names.functions(None, name):
        return _call(reader, name, whole_row(reader, source, use, location), use, location)
    reader.note(
        "sql/unknown-name",
        f'"{source.alias}" has no column "{name}".',
        "Use one of its columns; describe_table lists them.",
        location,
        Named("column", name),
    )
    return Expr()


def _suspect_attribute(reader: Reader, source: Source, name: str, use: Use, location: int) -> None:
    """Without a catalog, ``x.f`` may be the function f on the row, or on the value of a function in FROM."""
    if name in _ROW_FUNCTIONS or (source.kind == "function" and builtins.classify(name) is not None):
        row = whole_row(reader, source, use, location)
        reader.use_function(None, name, "attribute", location, (row,), use=use)


def read_indirection(reader: Reader, node: Node, scope: Scope, use: Use) -> Expr:
    """``(expr).field``, ``(expr).*``, ``expr[i]`` and chains of them."""
    from pg_guard.facts import expressions

    body = node["A_Indirection"]
    steps = body.get("indirection", [])
    if len(steps) > reader.max_depth:
        # One level to PostgreSQL's grammar; sqlglot's parser takes time with the square of their number.
        raise TooDeep(reader.at(-1))
    reader.facts.raw_fields.extend(step["String"]["sval"] for step in steps if "String" in step)
    arg = body.get("arg") or {}
    while "A_Indirection" in arg:
        # `((a).b).c` is `(a).b.c`.
        inner = arg["A_Indirection"]
        reader.facts.raw_fields.extend(step["String"]["sval"] for step in inner["indirection"] if "String" in step)
        steps, arg = [*inner["indirection"], *steps], inner.get("arg") or {}
    # `(alias).field` names one column, not the whole row.
    if steps and "String" in steps[0] and (source := row_named(arg, scope)):
        reference = arg["ColumnRef"]
        reader.facts.raw_columns.append(field_names(reference["fields"]))
        value = read_field(reader, source, steps[0]["String"]["sval"], use, reference.get("location", -1))
        steps = steps[1:]
    else:
        reader.selecting = bool(steps) and "String" in steps[0] and "ColumnRef" in arg
        value = expressions.read(reader, arg, scope, use)
        reader.selecting = False
    for index, step in enumerate(steps):
        if "String" in step:
            last = index + 1 == len(steps) or "String" not in steps[index + 1]
            value = _select_field(reader, value, step["String"]["sval"], use, last=last)
        elif "A_Star" in step:
            value = Expr(value.type, value.items, row=value.row)
        else:
            at = expressions.read(reader, step, scope, use)
            value = Expr(_element(reader, value.type), (*value.items, *at.items), set_returning=value.set_returning)
    return value


def row_named(arg: Node, scope: Scope) -> Source | None:
    """The source whose whole row `arg` is, when it is a bare alias and no column."""
    if "ColumnRef" not in arg:
        return None
    parts = field_names(arg["ColumnRef"]["fields"])
    if len(parts) != 1 or parts[0] == "*":
        return None
    for each in scope.chain():
        if any(column.name == parts[0] for column in each.columns) or each.opened:
            return None
    return scope.source(parts[0])


def _select_field(reader: Reader, value: Expr, name: str, use: Use, *, last: bool) -> Expr:
    if value.row is not None and value.row.columns is not None and (column := value.row.column(name)):
        return reader.use_column(column, use, -1)
    relation = composite(reader, value.type)
    if relation is not None:
        for attribute in relation.columns:
            if attribute.name == name:
                place = reader.at(-1)
                if value.items:
                    via = (*reader.via, relation.key)
                    reader.use_row_type(relation.key, place)
                    reader.facts.columns.append(ColumnUse((relation.key,), name, use, place, via=via))
                    if last and attribute.type.schema != PG:
                        reader.use_nested(attribute.type, use, place, via)
                return Expr(attribute.type, value.items, set_returning=value.set_returning)
    # The field of a type that is not known, or a function in attribute notation: count both.
    if reader.names.functions(None, name) or reader.names.catalog is None:
        return _call(reader, name, value, use, -1)
    if relation is not None:
        reader.note(
            "sql/unknown-name",
            f'The composite value has no field "{name}".',
            "Use one of its fields.",
            -1,
            Named("column", name),
        )
    return Expr(None, value.items, set_returning=value.set_returning)


def _call(reader: Reader, name: str, value: Expr, use: Use, location: int) -> Expr:
    """``value.name`` where `name` is a function."""
    from pg_guard.facts import calls

    call = reader.use_function(None, name, "attribute", location, (value,), use=use)
    type_ = calls.result_type(reader, call, (value,), variadic=False)
    return Expr(type_, value.items, set_returning=value.set_returning)


def composite(reader: Reader, type_: Name | None) -> Relation | None:
    """The relation whose row type this is, through domains; None for any other type."""
    catalog = reader.names.catalog
    if type_ is None or catalog is None:
        return None
    found = catalog.type_index.get(type_)
    while found is not None and found.kind == "domain" and found.base is not None:
        found = catalog.type_index.get(found.base)
    if found is None or found.relation is None:
        return None
    return catalog.relation_index.get(found.relation)


def _element(reader: Reader, type_: Name | None) -> Name | None:
    catalog = reader.names.catalog
    if type_ is None or catalog is None:
        return None
    found = catalog.type_index.get(type_)
    return found.element if found is not None else None
