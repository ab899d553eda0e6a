"""Facts on what a statement names. In: its statements, relations, columns, types, texts. Out: their attributes for rules."""

from __future__ import annotations

import re
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, get_args

from pg_guard.catalog import builtins
from pg_guard.catalog.model import RelationKind
from pg_guard.checks.tables import SYSTEM_SCHEMAS
from pg_guard.checks.terms import UNKNOWN, Attribute, Fact, Value, View, amounts, one_of, spellings
from pg_guard.facts.model import ColumnUse, RelationUse, StatementUse, TypeUse
from pg_guard.facts.model import Use as ClauseUse
from pg_guard.facts.names import SYSTEM_COLUMNS
from pg_guard.sql.parse import tokenize
from pg_guard.sql.text import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pg_guard.catalog.model import Column, Name

__all__ = ["CLAUSES", "FACTS"]

CLAUSES: Final[tuple[str, ...]] = get_args(ClauseUse)
_KINDS: Final[tuple[str, ...]] = get_args(RelationKind)


# -- statement and relation ------------------------------------------------------------------------------------------


def _statement_kind(_view: View, use: StatementUse) -> Value:
    return use.kind


def _relation_name(_view: View, use: RelationUse) -> Value:
    return one_of(use.names)


def _relation_kind(view: View, use: RelationUse) -> Value:
    relation = view.relation(use.names[0])
    return relation.kind if relation is not None else UNKNOWN


def _is_system(name: Name) -> bool:
    return name.schema in SYSTEM_SCHEMAS or name.schema.startswith("pg_toast")


def _relation_comment(view: View, use: RelationUse) -> Value:
    relation = view.relation(use.names[0])
    return UNKNOWN if relation is None else relation.comment or None


_STATEMENT = Fact(
    "statement",
    "The statement, and each part that behaves like one.",
    lambda view: view.facts.statements,
    (
        Attribute(
            "kind",
            "text",
            "select, explain, show, insert, update, delete, merge, locking (FOR UPDATE …), select-into, copy, set, call …: "
            "PostgreSQL's name of the statement in small letters, words joined by hyphens.",
            _statement_kind,
        ),
        Attribute("setting", "text", "The setting that SHOW names; all for SHOW ALL.", lambda _view, use: use.setting),
        Attribute("nested", "flag", "It stands inside of another statement.", lambda _view, use: use.depth > 0),
    ),
    shown="kind",
)

_RELATION = Fact(
    "relation",
    "A stored relation that the statement reads, named in it or reached through a view, a partition, a parent or a type.",
    lambda view: view.facts.relations,
    (
        Attribute("name", "name", "Its name.", _relation_name),
        Attribute(
            "how",
            "text",
            "How it is reached: scan (named in the statement), view, partition, inheritance, type.",
            lambda _view, use: use.how,
            words=("scan", "view", "partition", "inheritance", "type"),
        ),
        Attribute("kind", "text", "What it is; unknown without a catalog.", _relation_kind, words=_KINDS),
        Attribute(
            "system",
            "flag",
            "It belongs to PostgreSQL: pg_catalog, information_schema, pg_toast.",
            lambda _view, use: one_of(map(_is_system, use.names)),
        ),
        Attribute(
            "known",
            "flag",
            "The catalog has it; unknown without a catalog.",
            lambda view, use: use.known if view.catalog is not None else UNKNOWN,
        ),
        Attribute("alias", "text", "The name that the statement gives it.", lambda _view, use: use.alias or None),
        Attribute("via", "name", "A view or parent on the way to it.", lambda _view, use: frozenset(use.via)),
        *amounts("rows", "The planner's estimate of its rows", lambda view, use: view.rows(use.names[0])),
        Attribute("comment", "text", "Its comment; unknown without a catalog.", _relation_comment),
    ),
    relations=lambda _view, use: use.names,
)


# -- column ----------------------------------------------------------------------------------------------------------


def _stored(view: View, use: ColumnUse) -> Column | None:
    return view.column(use.relations[0], use.name)


def _columns(view: View) -> Iterable[ColumnUse]:
    """Without a catalog the field in ``(t.login).password`` is a column of a type that nobody knows."""
    if view.catalog is not None or not view.relations:
        return view.facts.columns
    fields = [
        ColumnUse(view.relations, use.name, use.use, use.location, via=use.via, certain=False)
        for use in view.facts.functions
        if use.position == "attribute"
    ]
    return [*view.facts.columns, *fields] if fields else view.facts.columns


def _column_name(_view: View, use: ColumnUse) -> Value:
    return UNKNOWN if use.name == "*" else use.name


def _column_spellings(_view: View, use: ColumnUse) -> Value:
    return UNKNOWN if use.name == "*" else spellings(use.name)


def _of_column(read: Any) -> Any:
    """An attribute that the catalog knows: nothing for a system column, unknown where there is no catalog."""

    def get(view: View, use: ColumnUse) -> Value:
        column = _stored(view, use)
        if column is None:
            return None if use.name in SYSTEM_COLUMNS else UNKNOWN
        return read(view, use, column)

    return get


def _nullable(view: View, use: ColumnUse, column: Column) -> Value:
    relation = view.relation(use.relations[0])
    # PostgreSQL does not say of a view's column whether it can be null.
    return UNKNOWN if relation is None or relation.kind in ("view", "matview") else not column.not_null


def _indexed(view: View, use: ColumnUse, column: Column) -> Value:
    relation = view.relation(use.relations[0])
    if relation is None or relation.kind == "view":
        return UNKNOWN if relation is None else False
    return any(keys[:1] == (column.name,) for keys in (*relation.indexes, relation.primary_key))


def _in_primary_key(view: View, use: ColumnUse, column: Column) -> Value:
    relation = view.relation(use.relations[0])
    return UNKNOWN if relation is None else column.name in relation.primary_key


_COLUMN = Fact(
    "column",
    "A column of a stored relation that the statement reads, in any position; also those that flow into a view's column.",
    _columns,
    (
        Attribute(
            "name",
            "text",
            "Its name in the catalog; unknown for a star without a catalog. accessToken is met by access_token, too.",
            _column_name,
            broad=_column_spellings,
        ),
        Attribute(
            "relation",
            "name",
            "The relation that stores it, or a parent, partition or child of that.",
            lambda _view, use: one_of(use.relations),
            broad=lambda view, use: view.family(use.relations),
        ),
        Attribute("use", "text", "The clause that reads it.", lambda _view, use: use.use, words=CLAUSES),
        Attribute("star", "flag", "It came with * or t.*, nobody named it.", lambda _view, use: use.star),
        Attribute("whole_row", "flag", "It came with a reference to the whole row.", lambda _view, use: use.whole_row),
        Attribute("via", "name", "A view or parent on the way to it.", lambda _view, use: frozenset(use.via)),
        Attribute(
            "direct", "flag", "It is read from its relation itself: nothing is on the way.", lambda _v, use: not use.via
        ),
        Attribute(
            "type",
            "name",
            "Its type as in pg_type: int4, text, _text for text[].",
            _of_column(lambda _v, _u, c: c.type),
        ),
        Attribute("comment", "text", "Its comment.", _of_column(lambda _v, _u, c: c.comment or None)),
        Attribute("nullable", "flag", "It may hold NULL; unknown for a view's column.", _of_column(_nullable)),
        Attribute("indexed", "flag", "It is the first column of an index.", _of_column(_indexed)),
        Attribute("primary_key", "flag", "It is part of the primary key.", _of_column(_in_primary_key)),
    ),
    relations=lambda _view, use: use.relations,
    certain=lambda use: use.certain,
)


# -- type, literal, parameter, budget --------------------------------------------------------------------------------


def _type_capabilities(_view: View, use: TypeUse) -> Value:
    if use.name.schema != "pg_catalog":
        return None
    name = use.name.name.removeprefix("_")
    found = (builtins.classify(f"{name}in", through_cast=True) or frozenset()) | builtins.casts_to(name, use.constant)
    return found or None


_TYPE = Fact(
    "type",
    "A type that the statement names: in a cast, in a typed literal, in a column list.",
    lambda view: view.facts.types,
    (
        Attribute("name", "name", "Its name as in pg_type: int4, text, _text for text[].", lambda _view, use: use.name),
        Attribute(
            "constant",
            "text",
            "The text that is cast to it; unknown where that is not a constant.",
            lambda _view, use: UNKNOWN if use.constant in (None, "$") else use.constant,
        ),
        Attribute(
            "capability",
            "text",
            "What the cast can do, in the words of function.capability.",
            lambda view, use: _type_capabilities(view, use),
        ),
    ),
)


def _parameter_number(view: View, place: int) -> Value:
    sql = view.subject.sql
    found = re.compile(r"\$([0-9]{1,9})").match(sql.text, sql.char(place))
    return float(found[1]) if found else UNKNOWN


_PARAMETER = Fact(
    "parameter",
    "A parameter: $1, $2 and so on.",
    lambda view: view.facts.parameters,
    amounts("number", "Its number", _parameter_number),
    shown="number_over",
    place=lambda place: int(place),
)


def _tokens(view: View, _record: object) -> Value:
    try:
        return len(tokenize(view.subject.sql))
    except Refusal:
        return UNKNOWN


def _depth(view: View, _record: object) -> Value:
    deepest = 0
    for level in view.facts.levels:
        depth, around = 0, level.outer
        while around is not None:
            depth, around = depth + 1, around.outer
        deepest = max(deepest, depth)
    return deepest


_BUDGET = Fact(
    "budget",
    "The statement as a whole; each statement has one.",
    lambda _view: ((-1,),),
    (
        *amounts("bytes", "Its length in bytes of UTF-8", lambda view, _: len(view.subject.sql.data)),
        *amounts(
            "joins",
            "Relations in the SELECT that joins most of them",
            lambda view, _: max((level.tables for level in view.facts.joins), default=0),
        ),
        *amounts("depth", "How deep its sub-selects are nested; 0 without any", _depth),
        *amounts("tokens", "Its tokens", _tokens),
    ),
    shown="bytes_over",
    place=itemgetter(0),
)

FACTS: Final[tuple[Fact, ...]] = (_STATEMENT, _RELATION, _COLUMN, _TYPE, _PARAMETER, _BUDGET)
