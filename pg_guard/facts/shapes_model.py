"""How a statement is built, as rules see it. In: nothing. Out: immutable values: levels, operators, joins, sub-queries, sorts.

These facts are about the author's own text (never about the inside of a view), and are only gathered when a rule asks for
them: `Reader(detailed=True)`. None in a field says that it cannot be known, as without a catalog.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from pg_guard.catalog.model import Name
    from pg_guard.facts.model import Use

__all__ = [
    "JoinUse",
    "LiteralUse",
    "Operand",
    "OperandKind",
    "OperatorUse",
    "QueryRole",
    "QueryUse",
    "SortUse",
    "SubqueryUse",
]

QueryRole: TypeAlias = Literal["top", "cte", "from", "branch", "scalar", "exists", "in", "any", "all", "array"]
OperandKind: TypeAlias = Literal[
    "column", "constant", "null", "parameter", "function", "cast", "subquery", "expression", "row", "array"
]


class QueryUse(NamedTuple):
    """One SELECT, or one set operation over two of them.

    Attributes:
        role: What it is for: the statement itself, a CTE, an item of FROM, a branch of a set operation, a sub-select.
        depth: How many queries are around it; 0 at the top.
        star: ``*`` or ``t.*`` stands in its select list.
        star_stored: Such a star stands for columns of a stored relation, a view included.
        distinct: DISTINCT without ON.
        distinct_on: DISTINCT ON.
        distinct_needless: DISTINCT over rows that GROUP BY has made different already.
        ordered: It has an ORDER BY.
        limited: LIMIT or FETCH FIRST; `limit` is its number when it is written as one. Without OFFSET.
        offset: OFFSET; `offset_rows` is its number when it is written as one.
        grouped: It has a GROUP BY.
        aggregated: Aggregates stand in its select list or HAVING.
        single: It gives one row at most (an aggregate without GROUP BY, LIMIT 1, a SELECT without FROM).
        has_where: It has a WHERE.
        having: It has a HAVING.
        having_plain: HAVING asks for nothing that WHERE could not ask for: no aggregate stands in it.
        set_operation: ``union``, ``union_all``, ``intersect``, ``except`` and so on; '' for a SELECT.
        disjoint: Its two branches cannot have a row in common: an output column holds different constants.
        tables: How many relations its FROM joins.
        stored: Its FROM names a stored relation or a view.
        rows: Rows of the largest stored relation in its FROM, by the planner's estimate.
        recursive: It is a recursive CTE.
        unused_ctes: Names in its WITH that nothing reads.
        duplicate_outputs: Names that more than one of its outputs has; those of columns and of AS, not of stars and calls.
    """

    location: int
    role: QueryRole
    depth: int
    star: bool = False
    star_stored: bool = False
    distinct: bool = False
    distinct_on: bool = False
    distinct_needless: bool = False
    ordered: bool = False
    limited: bool = False
    limit: float | None = None
    offset: bool = False
    offset_rows: float | None = None
    grouped: bool = False
    aggregated: bool = False
    single: bool = False
    has_where: bool = False
    having: bool = False
    having_plain: bool = False
    set_operation: str = ""
    disjoint: bool = False
    tables: int = 0
    stored: bool = False
    rows: float | None = None
    recursive: bool = False
    unused_ctes: tuple[str, ...] = ()
    duplicate_outputs: tuple[str, ...] = ()

    @property
    def top(self) -> bool:
        """Is it the statement itself?"""
        return self.role == "top"

    @property
    def unused_cte(self) -> bool:
        """Has its WITH a query that nothing reads?"""
        return bool(self.unused_ctes)

    @property
    def duplicate_output(self) -> bool:
        """Do two of its outputs, none of a star, have the same name?"""
        return bool(self.duplicate_outputs)


class Operand(NamedTuple):
    """One side of an operator.

    Attributes:
        kind: What it is. A cast constant is a constant; ``cast`` is the cast of anything else.
        column: The one column that it is or is made of, by its stored name; None when there is none, or several.
        relation: The stored relation of that column; None for a column of a CTE, a derived table or a function.
        type: The type of the side as a whole.
        column_type: The type of the column under it.
        function: Name of the function, when the side is a call; of a scalar sub-query, when its one output is a call.
        function_on_column: A column is an argument of the function.
        cast: Name of the type that it is cast to.
        literal: Text of the constant.
        date_only: The constant is a date without a time of day, as in 2026-01-31.
        indexed: The column leads an index of its relation (no index on an expression).
        expression_indexed: An index on an expression mentions the column.
        primary_key: The column is the whole primary key.
        nullable: The column may be NULL, by its declaration or by an outer join.
        rows: The planner's estimate for the relation, partitions included.
    """

    kind: OperandKind
    column: str | None = None
    relation: Name | None = None
    type: Name | None = None
    column_type: Name | None = None
    function: str | None = None
    function_on_column: bool = False
    cast: str | None = None
    literal: str | None = None
    date_only: bool = False
    indexed: bool | None = None
    expression_indexed: bool | None = None
    primary_key: bool | None = None
    nullable: bool | None = None
    rows: float | None = None


class OperatorUse(NamedTuple):
    """``left name right``, as PostgreSQL spells the operator: LIKE is ``~~``, ILIKE ``~~*``, IN is ``=``.

    Attributes:
        name: The operator without its negation where SQL has a word for that: NOT LIKE is ``~~``, NOT IN is ``=``;
            BETWEEN is ``between``, IS DISTINCT FROM is ``distinct``, NULLIF is ``=``. ``<>`` stays what it is.
        kind: How it is written: ``operator``, ``in``, ``between``, ``like``, ``similar``, ``distinct``, ``nullif``, ``any``, ``all``.
        negated: NOT stands in it or right before it.
        left: None for a prefix operator.
        right: For IN the list, for BETWEEN the upper bound; `low` is its lower bound.
        items: How many items the list of IN has; 1 otherwise.
        null_item: One of them is NULL.
        reversed: The lower bound of BETWEEN is above the upper one, so that nothing lies between.
        wildcard: The constant pattern of LIKE has a wildcard; None for another operator, or no constant.
        anchored: The constant pattern of LIKE, SIMILAR TO or ``~`` begins with plain text, so that an index may help; None
            for another operator, or no constant.
        same_sides: Both sides are the same expression.
        repeated: The same condition stands beside it, joined by the same AND or OR.
        condition: It is a condition of WHERE, ON or HAVING, or a part of one, joined by AND, OR, NOT.
    """

    name: str
    kind: str
    negated: bool
    left: Operand | None
    right: Operand
    use: Use
    location: int
    low: Operand | None = None
    items: int = 1
    null_item: bool = False
    reversed: bool = False
    wildcard: bool | None = None
    anchored: bool | None = None
    same_sides: bool = False
    repeated: bool = False
    condition: bool = False

    @property
    def any_all(self) -> bool:
        """Is it ``= ANY (…)``, ``<> ALL (…)`` or the like over an array?"""
        return self.kind in ("any", "all")


class JoinUse(NamedTuple):
    """One join of FROM: of its two sides, or of an item behind a comma with those before it.

    Attributes:
        type: ``inner``, ``left``, ``right``, ``full`` or ``cross``.
        syntax: ``comma``, ``cross``, ``on``, ``using`` or ``natural``.
        lateral: Its right side is LATERAL, or a function that reads the left side.
        linked: Some condition of ON or WHERE speaks of both sides, directly or by way of other relations.
        equality: Some equality does.
        constant_condition: Its ON reads no column.
        uses_or: Its ON links the sides by an OR, and by no equality beside it.
        single: One side gives one row at most.
        stored: Both sides read stored relations; False where one is VALUES, a function, a series.
        made_inner: WHERE drops the rows that the outer join adds.
        rows: Estimated rows of the product of both sides.
        left_rows: Estimated rows of the left side, and `right_rows` of the right one.
        relation: The stored relation on its right side, when it is one.
        alias: What the statement calls the right side.
    """

    type: str
    syntax: str
    location: int
    lateral: bool = False
    linked: bool = True
    equality: bool = True
    constant_condition: bool = False
    uses_or: bool = False
    single: bool = False
    stored: bool = True
    made_inner: bool = False
    rows: float | None = None
    left_rows: float | None = None
    right_rows: float | None = None
    relation: Name | None = None
    alias: str = ""


class SubqueryUse(NamedTuple):
    """A query inside of another.

    Attributes:
        kind: ``scalar``, ``exists``, ``not_exists``, ``in``, ``not_in``, ``any``, ``all``, ``array``, ``from`` or ``lateral``.
        correlated: It reads a column of a query around it.
        nullable: Its output may be NULL; of several the first that may be.
        use: The clause that it stands in.
        limited: It has a LIMIT or OFFSET.
        ordered: It has an ORDER BY.
        aggregated: It gives one row by an aggregate without GROUP BY.
        indexed: A condition of its WHERE is an equality on a column that leads an index.
        outer_output: Its one output is a column of a query around it, as when a name was mistyped.
        rows: Rows of the largest stored relation in its FROM, by the planner's estimate.
    """

    kind: str
    correlated: bool
    nullable: bool | None
    use: Use
    location: int
    limited: bool = False
    ordered: bool = False
    aggregated: bool = False
    indexed: bool = False
    outer_output: bool = False
    rows: float | None = None


class SortUse(NamedTuple):
    """One item of ORDER BY, GROUP BY, DISTINCT ON, PARTITION BY.

    Attributes:
        by: ``column`` (an output's name included), ``position``, ``constant`` or ``expression``.
        use: ``order``, ``group``, ``distinct``, ``window`` or ``aggregate``.
        function: Name of the function when it is a call.
        column: Name of the column.
        descending: DESC.
        limited: Its SELECT has a LIMIT.
    """

    by: str
    use: str
    location: int
    function: str | None = None
    column: str | None = None
    descending: bool = False
    limited: bool = False


class LiteralUse(NamedTuple):
    """A constant of the text.

    Attributes:
        value: Its text; None for NULL.
        type: ``integer``, ``numeric``, ``text``, ``boolean``, ``bit`` or ``null``.
        cast: Name of the type that it is cast to.
    """

    value: str | None
    type: str
    use: Use
    location: int
    cast: str | None = None
