"""Put names to oids. In: the rows of `queries`, by query. Out: a `Catalog`, everything in it sorted by name.

INVARIANT: the result depends on what the database holds, never on oids or on the order of rows.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from pg_guard.catalog.dependencies import dependencies
from pg_guard.catalog.model import (
    Cast,
    Catalog,
    Column,
    ColumnDependency,
    Comparison,
    ForeignKey,
    Function,
    Name,
    Operator,
    Relation,
    RelationKind,
    Type,
)
from pg_guard.catalog.queries import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["assemble"]

# A record of the driver, or any mapping of column names.
Row: TypeAlias = Any
Tables: TypeAlias = "Mapping[str, Sequence[Row]]"

_RELATION_KINDS: dict[str, RelationKind] = {
    "r": "table",
    "p": "partitioned",
    "f": "foreign",
    "v": "view",
    "m": "matview",
    "S": "sequence",
    "c": "composite",
    "t": "toast",
    "i": "index",
    "I": "index",
}
_FUNCTION_KINDS: dict[str, Literal["function", "procedure", "aggregate", "window"]] = {
    "f": "function",
    "p": "procedure",
    "a": "aggregate",
    "w": "window",
}
_VOLATILITIES: dict[str, Literal["immutable", "stable", "volatile"]] = {
    "i": "immutable",
    "s": "stable",
    "v": "volatile",
}
_TYPE_KINDS: dict[str, Literal["base", "composite", "domain", "enum", "range", "multirange", "pseudo"]] = {
    "b": "base",
    "c": "composite",
    "d": "domain",
    "e": "enum",
    "r": "range",
    "m": "multirange",
    "p": "pseudo",
}
_CAST_CONTEXTS: dict[str, Literal["implicit", "assignment", "explicit"]] = {
    "i": "implicit",
    "a": "assignment",
    "e": "explicit",
}
# FirstNormalObjectId: what has a smaller oid was made by initdb.
_FIRST_USER_OID = 16384
_CAST_METHODS: dict[str, Literal["function", "inout", "binary"]] = {"f": "function", "i": "inout", "b": "binary"}


def assemble(tables: Tables) -> Catalog:
    """Build a catalog from rows that one snapshot of the database gave.

    Args:
        tables: Rows of each query of `queries`, under the query's name in lower case.
    """
    database = tables["database"][0]
    names = _Names(tables)
    settings = dict(zip(SETTINGS, database["settings"], strict=True))
    # Gone from the settings since PostgreSQL 16, but still the database's: they decide how names fold.
    settings.update(lc_collate=database["lc_collate"], lc_ctype=database["lc_ctype"])
    return Catalog(
        database=database["database"],
        server_version=database["server_version"],
        encoding=settings["server_encoding"] or "UTF8",
        search_path=tuple(database["search_path"]),
        schemas=tuple(sorted(names.schemas.values())),
        relations=_relations(tables, names),
        functions=_functions(tables, names),
        types=_types(tables, names),
        operators=_operators(tables, names),
        casts=_casts(tables, names),
        comparisons=_comparisons(tables, names),
        extensions=tuple(sorted((row["name"], row["version"]) for row in tables["extensions"])),
        settings=tuple(sorted((name, value) for name, value in settings.items() if value is not None)),
    )


class _Names:
    """Names by oid, of everything that can be referred to."""

    def __init__(self, tables: Tables) -> None:
        self.all_schemas: dict[int, str] = {row["oid"]: row["name"] for row in tables["schemas"]}
        self.schemas = {row["oid"]: row["name"] for row in tables["schemas"] if not row["foreign_temp"]}
        self.relations = self._of(tables["relations"])
        self.functions = self._of(tables["functions"])
        self.types = self._of(tables["types"])
        self.members: dict[tuple[str, int], str] = {
            (row["kind"], row["oid"]): row["extension"] for row in tables["members"]
        }
        self.columns: dict[int, dict[int, str]] = defaultdict(dict)
        for row in tables["columns"]:
            self.columns[row["relation"]][row["number"]] = row["name"]

    def _of(self, rows: Sequence[Row]) -> dict[int, Name]:
        return {row["oid"]: Name(self.all_schemas[row["schema"]], row["name"]) for row in rows}

    def type(self, oid: int) -> Name:
        # A dangling oid (a broken catalog) keeps a name that no type has, so that whatever needs it fails closed.
        return self.types.get(oid) or Name("", f"oid {oid}")

    def function(self, oid: int) -> Name:
        return self.functions.get(oid) or Name("", f"oid {oid}")

    def columns_of(self, relation: int, numbers: Sequence[int]) -> tuple[str, ...]:
        return tuple(self.columns[relation].get(number, f"column {number}") for number in numbers)


def _relations(tables: Tables, names: _Names) -> tuple[Relation, ...]:
    grouped = {
        query: _by_relation(tables[query])
        for query in ("columns", "view_dependencies", "indexes", "foreign_keys", "views")
    }
    parents: dict[int, list[int]] = defaultdict(list)
    for row in tables["inheritance"]:
        parents[row["child"]].append(row["parent"])

    def build(row: Row) -> Relation:
        oid: int = row["oid"]
        kind = _RELATION_KINDS[row["kind"]]
        above = tuple(names.relations[parent] for parent in parents[oid] if parent in names.relations)
        primary, indexes = _indexes(grouped["indexes"][oid], names, oid)
        view = grouped["views"][oid][0] if grouped["views"][oid] else None
        return Relation(
            *names.relations[oid],
            kind=kind,
            # An index cannot be queried: its columns would only make snapshots larger.
            columns=() if kind == "index" else tuple(_column(column, names) for column in grouped["columns"][oid]),
            owner=row["owner"],
            comment=row["comment"],
            definition=(view["definition"] or "") if view else "",
            depends_on=_depends_on(oid, view, grouped["view_dependencies"][oid], names),
            parents=above,
            partition_of=above[0] if row["partition"] and above else None,
            primary_key=primary,
            foreign_keys=tuple(_foreign_key(key, names) for key in grouped["foreign_keys"][oid]),
            indexes=indexes,
            rows=row["rows"],
            row_security=row["row_security"],
            rules=row["rules"],
        )

    return tuple(sorted((build(row) for row in tables["relations"]), key=lambda relation: relation.key))


def _by_relation(rows: Sequence[Row]) -> dict[int, list[Row]]:
    grouped: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        grouped[row["relation"]].append(row)
    return grouped


def _column(row: Row, names: _Names) -> Column:
    expression = row["expression"] or ""
    return Column(
        name=row["name"],
        type=names.type(row["type"]),
        not_null=row["not_null"],
        generated=expression if row["generated"] else "",
        default="" if row["generated"] else expression,
        comment=row["comment"],
    )


def _depends_on(oid: int, view: Row | None, recorded: Sequence[Row], names: _Names) -> tuple[ColumnDependency, ...]:
    if view is None:
        return ()
    pairs = [(row["target"], row["number"]) for row in recorded]
    return dependencies(oid, pairs, view["tree"], names.relations, names.columns)


def _indexes(rows: Sequence[Row], names: _Names, oid: int) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """The primary key, and the key columns of every valid index; an expression stands as its text."""
    primary: tuple[str, ...] = ()
    indexes = []
    for row in rows:
        numbers = row["numbers"][: row["keys"]]
        key = tuple(
            names.columns[oid].get(number, expression)
            for number, expression in zip(numbers, row["expressions"], strict=True)
        )
        indexes.append(key)
        if row["is_primary"]:
            primary = key
    return primary, tuple(indexes)


def _foreign_key(row: Row, names: _Names) -> ForeignKey:
    return ForeignKey(
        columns=names.columns_of(row["relation"], row["numbers"]),
        target=names.relations[row["target"]],
        target_columns=names.columns_of(row["target"], row["target_numbers"]),
    )


def _functions(tables: Tables, names: _Names) -> tuple[Function, ...]:
    support = {row["oid"]: row["support"] for row in tables["aggregates"]}

    def build(row: Row) -> Function:
        modes = row["modes"] or ["i"] * len(row["args"])
        arg_names = row["names"] or [""] * len(modes)
        all_args = row["all_args"] or row["args"]
        inputs = tuple(name for name, mode in zip(arg_names, modes, strict=True) if mode in "ibv")
        return Function(
            *names.functions[row["oid"]],
            args=tuple(names.type(oid) for oid in row["args"]),
            result=names.type(row["result"]),
            kind=_FUNCTION_KINDS[row["kind"]],
            volatility=_VOLATILITIES[row["volatility"]],
            language=row["language"],
            owner=row["owner"],
            security_definer=row["security_definer"],
            returns_set=row["returns_set"],
            strict=row["strict"],
            variadic=row["variadic"],
            defaults=row["defaults"],
            arg_names=inputs if any(inputs) else (),
            outputs=tuple(
                (name, names.type(oid))
                for name, mode, oid in zip(arg_names, modes, all_args, strict=True)
                if mode in "obt"
            ),
            body=row["body"],
            definition=row["definition"] or "",
            support=tuple(dict.fromkeys(names.function(oid) for oid in support.get(row["oid"], ()) if oid)),
            extension=names.members.get(("pg_proc", row["oid"]), ""),
            planted=(
                row["oid"] >= _FIRST_USER_OID
                and ("pg_proc", row["oid"]) not in names.members
                and names.functions[row["oid"]].schema in ("pg_catalog", "information_schema")
            ),
        )

    return tuple(
        sorted((build(row) for row in tables["functions"]), key=lambda function: (*function.key, function.args))
    )


def _types(tables: Tables, names: _Names) -> tuple[Type, ...]:
    rows = {row["oid"]: row for row in tables["types"]}

    def extension(row: Row) -> str:
        own = names.members.get(("pg_type", row["oid"])) or names.members.get(("pg_class", row["relation"]))
        # An array or multirange belongs to the extension of the type it is made for; older servers do not record that.
        made_for = rows.get(row["range"] or (row["element"] if _is_array(row) else 0))
        return own or (extension(made_for) if made_for else "")

    def build(row: Row) -> Type:
        array = _is_array(row)
        base = row["base"] or row["subtype"] or row["range"]
        return Type(
            *names.types[row["oid"]],
            kind="array" if array else _TYPE_KINDS[row["kind"]],
            category=row["category"],
            preferred=row["preferred"],
            relation=names.relations.get(row["relation"]),
            element=names.type(row["element"]) if array else None,
            base=names.type(base) if base else None,
            input=names.functions.get(row["input"]),
            output=names.functions.get(row["output"]),
            labels=tuple(row["labels"]),
            checks=tuple(check for check in row["checks"] if check is not None),
            extension=extension(row),
        )

    kept = (build(row) for row in rows.values() if row["schema"] in names.schemas)
    return tuple(sorted(kept, key=lambda type_: type_.key))


def _is_array(row: Row) -> bool:
    # Other types with an element (name, point) can be subscripted too, but are no arrays.
    return bool(row["category"] == "A" and row["element"] and row["kind"] == "b")


def _operators(tables: Tables, names: _Names) -> tuple[Operator, ...]:
    found = (
        Operator(
            schema=names.schemas[row["schema"]],
            name=row["name"],
            left=names.type(row["left"]) if row["left"] else None,
            right=names.type(row["right"]),
            result=names.type(row["result"]),
            function=names.function(row["function"]),
            extension=names.members.get(("pg_operator", row["oid"]), ""),
        )
        for row in tables["operators"]
        if row["schema"] in names.schemas
    )
    return tuple(sorted(found, key=lambda op: (op.schema, op.name, op.left or Name("", ""), op.right)))


def _casts(tables: Tables, names: _Names) -> tuple[Cast, ...]:
    found = (
        Cast(
            source=names.type(row["source"]),
            target=names.type(row["target"]),
            function=names.function(row["function"]) if row["function"] else None,
            context=_CAST_CONTEXTS[row["context"]],
            method=_CAST_METHODS[row["method"]],
        )
        for row in tables["casts"]
    )
    return tuple(sorted(found, key=lambda cast: (cast.source, cast.target)))


def _comparisons(tables: Tables, names: _Names) -> tuple[Comparison, ...]:
    called: dict[Name, set[Name]] = defaultdict(set)
    for row in tables["comparisons"]:
        called[names.type(row["type"])].add(names.function(row["function"]))
    return tuple(Comparison(type_, tuple(sorted(functions))) for type_, functions in sorted(called.items()))
