"""Facts on how the author built a statement. In: its SELECT levels, operators, joins, sub-queries, sorts. Out: their attributes.

They come from a detailed reading (`pg_guard.facts.shapes_model`), which the guard makes when a rule asks for one of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, get_args

from pg_guard.checks.terms import UNKNOWN, Attribute, Fact, Value, View, amounts, spellings
from pg_guard.checks.terms_names import CLAUSES
from pg_guard.facts.shapes_model import OperandKind, OperatorUse, QueryRole, QueryUse

if TYPE_CHECKING:
    from collections.abc import Callable

    from pg_guard.catalog.model import Name

__all__ = ["FACTS"]


def _field(name: str, *, missing: Value = None) -> Callable[[View, Any], Value]:
    """A field of the record; `missing` is what None stands for there."""

    def get(_view: View, record: Any) -> Value:
        value = getattr(record, name)
        return missing if value is None else value

    return get


def _flag(name: str, description: str) -> Attribute:
    return Attribute(name, "flag", description, _field(name, missing=UNKNOWN))


def _word(name: str, description: str, words: tuple[str, ...]) -> Attribute:
    return Attribute(name, "text", description, _field(name), words=words)


def _text(name: str, description: str) -> Attribute:
    return Attribute(name, "text", description, _field(name))


def _amount(name: str, description: str) -> tuple[Attribute, Attribute]:
    return amounts(name, description, _field(name, missing=UNKNOWN))


_CLAUSE: Final = _word("use", "The clause that it stands in.", CLAUSES)

# -- query -----------------------------------------------------------------------------------------------------------


def _set_operation(_view: View, use: QueryUse) -> Value:
    return use.set_operation or None


def _number_of(flag: str, number: str) -> Callable[[View, QueryUse], Value]:
    """LIMIT or OFFSET: nothing where there is none, unknown where it is not written as a number."""

    def get(_view: View, use: QueryUse) -> Value:
        if not getattr(use, flag):
            return None
        value = getattr(use, number)
        return UNKNOWN if value is None else value

    return get


_QUERY = Fact(
    "query",
    "One SELECT, or one set operation over two of them.",
    lambda view: view.facts.queries,
    (
        _word(
            "role",
            "What it is for: the statement itself, a CTE, an item of FROM, a branch of a set operation, a sub-select.",
            get_args(QueryRole),
        ),
        _flag("top", "It is the statement itself."),
        _flag("star", "* or t.* stands in its select list."),
        _flag("star_stored", "Such a star stands for columns of a stored relation."),
        _flag("distinct", "DISTINCT without ON."),
        _flag("distinct_on", "DISTINCT ON."),
        _flag("distinct_needless", "DISTINCT over rows that GROUP BY has made different already."),
        _flag("ordered", "It has an ORDER BY."),
        _flag("limited", "It has a LIMIT or FETCH FIRST."),
        *amounts("limit", "The number of its LIMIT", _number_of("limited", "limit")),
        _flag("offset", "It has an OFFSET."),
        *amounts("offset", "The number of its OFFSET", _number_of("offset", "offset_rows")),
        _flag("grouped", "It has a GROUP BY."),
        _flag("aggregated", "Aggregates stand in its select list or HAVING."),
        _flag("single", "It gives one row at most."),
        _flag("has_where", "It has a WHERE."),
        _flag("having", "It has a HAVING."),
        _flag("having_plain", "Its HAVING asks for nothing that WHERE could not ask for."),
        Attribute(
            "set_operation",
            "text",
            "union, union_all, intersect, intersect_all, except, except_all; nothing for a SELECT.",
            _set_operation,
            words=("union", "union_all", "intersect", "intersect_all", "except", "except_all"),
        ),
        _flag("disjoint", "Its two branches cannot have a row in common."),
        *_amount("tables", "Relations that its FROM joins"),
        _flag("stored", "Its FROM names a stored relation or a view."),
        *_amount("rows", "Rows of the largest stored relation in its FROM, by the planner's estimate"),
        *_amount("depth", "Queries around it; 0 at the top"),
        _flag("recursive", "It is a recursive CTE."),
        _flag("unused_cte", "Its WITH has a query that nothing reads."),
        Attribute(
            "unused_cte_name",
            "text",
            "The name of a query in its WITH that nothing reads.",
            lambda _view, use: frozenset(use.unused_ctes) or None,
        ),
        _flag("duplicate_output", "Two of its outputs have the same name."),
        Attribute(
            "duplicate_output_name",
            "text",
            "A name that two of its outputs have.",
            lambda _view, use: frozenset(use.duplicate_outputs) or None,
        ),
    ),
    shown="role",
)


# -- operator --------------------------------------------------------------------------------------------------------


def _side(side: str, name: str, *, missing: Value = None) -> Callable[[View, OperatorUse], Value]:
    def get(_view: View, use: OperatorUse) -> Value:
        operand = getattr(use, side)
        if operand is None:
            return None
        value = getattr(operand, name)
        return missing if value is None else value

    return get


def _of_column(side: str, name: str) -> Callable[[View, OperatorUse], Value]:
    """What is known of the column under a side: nothing where there is no column."""

    def get(_view: View, use: OperatorUse) -> Value:
        operand = getattr(use, side)
        if operand is None or operand.column is None:
            return None
        value = getattr(operand, name)
        return UNKNOWN if value is None else value

    return get


def _relation_of(side: str) -> Callable[[View, OperatorUse], Value]:
    def get(view: View, use: OperatorUse) -> Value:
        operand = getattr(use, side)
        if operand is None or operand.column is None:
            return None
        if operand.relation is not None:
            return operand.relation
        return UNKNOWN if view.catalog is None else None

    return get


def _family_of(side: str) -> Callable[[View, OperatorUse], Value]:
    own = _relation_of(side)

    def get(view: View, use: OperatorUse) -> Value:
        relation = own(view, use)
        return relation if relation is None or relation is UNKNOWN else view.family((relation,))

    return get


def _spellings_of(side: str) -> Callable[[View, OperatorUse], Value]:
    own = _side(side, "column")

    def get(view: View, use: OperatorUse) -> Value:
        name = own(view, use)
        return None if name is None else spellings(name)

    return get


def _sides(side: str) -> tuple[Attribute, ...]:
    what = f"the {side} side"
    return (
        Attribute(side, "text", f"What {what} is.", _side(side, "kind"), words=get_args(OperandKind)),
        Attribute(
            f"{side}_column",
            "text",
            f"The one column that {what} reads.",
            _side(side, "column"),
            broad=_spellings_of(side),
        ),
        Attribute(
            f"{side}_relation",
            "name",
            f"The relation of {side}_column, or a parent, partition or child of it.",
            _relation_of(side),
            broad=_family_of(side),
        ),
        Attribute(f"{side}_type", "name", f"The type of {what}.", _side(side, "type", missing=UNKNOWN)),
        Attribute(f"{side}_column_type", "name", f"The type of {side}_column.", _of_column(side, "column_type")),
        Attribute(f"{side}_function", "text", f"The function, when {what} is a call.", _side(side, "function")),
        Attribute(
            f"{side}_function_on_column",
            "flag",
            f"{side}_function is called with a column.",
            _side(side, "function_on_column"),
        ),
        Attribute(f"{side}_cast", "text", f"The type that {what} is cast to.", _side(side, "cast")),
        Attribute(f"{side}_literal", "text", f"The text of {what}, when it is a constant.", _side(side, "literal")),
        Attribute(
            f"{side}_date_only",
            "flag",
            f"{what[0].upper()}{what[1:]} is a constant date without a time of day.",
            _side(side, "date_only"),
        ),
        Attribute(f"{side}_indexed", "flag", f"{side}_column leads an index.", _of_column(side, "indexed")),
        Attribute(
            f"{side}_expression_indexed",
            "flag",
            f"An index on an expression mentions {side}_column.",
            _of_column(side, "expression_indexed"),
        ),
        Attribute(f"{side}_primary_key", "flag", f"{side}_column is the primary key.", _of_column(side, "primary_key")),
        Attribute(f"{side}_nullable", "flag", f"{side}_column may be NULL.", _of_column(side, "nullable")),
        *amounts(f"{side}_rows", f"Estimated rows of {side}_relation", _of_column(side, "rows")),
    )


def _operator_relations(view: View, use: OperatorUse) -> tuple[Name, ...]:
    sides = [operand for operand in (use.left, use.right) if operand is not None and operand.column is not None]
    names = tuple(operand.relation for operand in sides if operand.relation is not None)
    # A side of unknown origin may be of any relation of the statement.
    return names if len(names) == len(sides) else view.relations


_OPERATOR = Fact(
    "operator",
    "An operator between two sides, as PostgreSQL spells it: LIKE is ~~, ILIKE ~~*, IN is =; names have no wildcards.",
    lambda view: view.facts.operations,
    (
        Attribute(
            "name",
            "symbol",
            "The operator without NOT: NOT LIKE is ~~, NOT IN is =, NULLIF is =; BETWEEN is between, IS DISTINCT FROM "
            "is distinct; <> stays <>.",
            _field("name"),
        ),
        _word(
            "kind",
            "How it is written.",
            ("operator", "in", "between", "like", "similar", "distinct", "nullif", "any", "all"),
        ),
        _flag("negated", "NOT stands in it or right before it."),
        _flag("any_all", "It is = ANY (…), <> ALL (…) or the like over an array."),
        _CLAUSE,
        *_sides("left"),
        *_sides("right"),
        *_amount("items", "Items of the list of IN; 1 otherwise"),
        _flag("null_item", "One of the items of IN is NULL."),
        _flag("reversed", "The lower bound of BETWEEN is above the upper one."),
        Attribute("wildcard", "flag", "The constant pattern of LIKE has a wildcard.", _field("wildcard")),
        Attribute(
            "anchored",
            "flag",
            "The constant pattern of LIKE, SIMILAR TO or ~ begins with plain text, so that an index may help.",
            _field("anchored"),
        ),
        _flag("same_sides", "Both sides are the same expression."),
        _flag("repeated", "The same condition stands beside it, joined by the same AND or OR."),
        _flag("condition", "It is a condition of WHERE, ON or HAVING, or a part of one, joined by AND, OR, NOT."),
    ),
    relations=_operator_relations,
)


# -- join, sub-query, sort, literal ----------------------------------------------------------------------------------

_JOIN = Fact(
    "join",
    "One join of FROM: of its two sides, or of an item behind a comma with those before it.",
    lambda view: view.facts.linkages,
    (
        _word("type", "What it does.", ("inner", "left", "right", "full", "cross")),
        _word("syntax", "How it is written.", ("comma", "cross", "on", "using", "natural")),
        _flag("lateral", "Its right side is LATERAL, or a function that reads the left side."),
        _flag("linked", "Some condition speaks of both sides; false for a cartesian product."),
        _flag("equality", "Some equality links both sides."),
        _flag("constant_condition", "Its ON reads no column."),
        _flag("uses_or", "Its ON links the sides by an OR, and by no equality beside it."),
        _flag("single", "One side gives one row at most."),
        _flag("stored", "Both sides read stored relations."),
        _flag("made_inner", "WHERE drops the rows that the outer join adds."),
        Attribute("relation", "name", "The stored relation on its right side.", _field("relation")),
        _text("alias", "What the statement calls the right side."),
        *_amount("rows", "Estimated rows of the product of both sides"),
        *_amount("left_rows", "Estimated rows of the left side"),
        *_amount("right_rows", "Estimated rows of the right side"),
    ),
    shown="type",
)

_SUBQUERY = Fact(
    "subquery",
    "A query inside of another.",
    lambda view: view.facts.subqueries,
    (
        _word(
            "kind",
            "What it is for.",
            ("scalar", "exists", "not_exists", "in", "not_in", "any", "all", "array", "from", "lateral"),
        ),
        _flag("correlated", "It reads a column of a query around it."),
        _flag("nullable", "Its output may be NULL."),
        _CLAUSE,
        _flag("limited", "It has a LIMIT or OFFSET."),
        _flag("ordered", "It has an ORDER BY."),
        _flag("aggregated", "It gives one row by an aggregate without GROUP BY."),
        _flag("indexed", "Its WHERE has an equality on a column that leads an index."),
        _flag("outer_output", "Its one output is a column of a query around it, as when a name was mistyped."),
        *_amount("rows", "Rows of the largest stored relation in its FROM, by the planner's estimate"),
    ),
    shown="kind",
)

_SORT = Fact(
    "sort",
    "One item of ORDER BY, GROUP BY, DISTINCT ON or PARTITION BY.",
    lambda view: view.facts.sorts,
    (
        _word("by", "What it sorts by.", ("column", "position", "expression", "constant")),
        _word("use", "The clause that it stands in.", ("order", "group", "distinct", "window", "aggregate")),
        _text("function", "The function, when it is a call."),
        _text("column", "The column."),
        _flag("descending", "It is DESC."),
        _flag("limited", "Its SELECT has a LIMIT."),
    ),
    shown="by",
)

_LITERAL = Fact(
    "literal",
    "A constant of the text.",
    lambda view: view.facts.literals,
    (
        _word("type", "What it is.", ("integer", "numeric", "text", "boolean", "bit", "null")),
        _CLAUSE,
        _text("cast", "The type that it is cast to."),
        _text("value", "Its text; nothing for NULL."),
    ),
    shown="value",
)

FACTS: Final[tuple[Fact, ...]] = (_QUERY, _OPERATOR, _JOIN, _SUBQUERY, _SORT, _LITERAL)
