"""How a statement is built. In: PostgreSQL's tree and what it was read as. Out: `Facts.queries`, `.operations`, `.linkages` …

Runs once over the tree after a detailed reading; expressions are walked with a stack of their own, because PostgreSQL sets no
limit on the length of a chain of operators.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pg_guard.facts.levels import describe_level, describe_set, read_limit
from pg_guard.facts.linkage import Groups, Joining, conclude_joins, first_location, join_type
from pg_guard.facts.operations import describe_operation, is_equality, looks_up, rejects_null
from pg_guard.facts.reads import Reads, sources_of
from pg_guard.facts.repeats import conjuncts, repeated
from pg_guard.facts.shapes_model import LiteralUse, SubqueryUse
from pg_guard.facts.sides import Sizes, cast_name, output_nullable
from pg_guard.facts.sortshapes import Targets, describe_sort

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pg_guard.facts.details import Details
    from pg_guard.facts.model import Use
    from pg_guard.facts.reader import Reader
    from pg_guard.facts.reads import Frame, Sink
    from pg_guard.facts.scopes import Expr, Level, Query, Source, SourceColumn
    from pg_guard.facts.shapes_model import QueryRole
    from pg_guard.sql.witness import Node

__all__ = ["gather_shapes"]

_CLAUSES: tuple[tuple[str, Use], ...] = (
    ("targetList", "output"),
    ("havingClause", "having"),
    ("limitCount", "limit"),
    ("limitOffset", "limit"),
    ("valuesLists", "output"),
)
_SUBLINKS = {
    "EXISTS_SUBLINK": "exists", "EXPR_SUBLINK": "scalar", "ARRAY_SUBLINK": "array", "ALL_SUBLINK": "all", "ANY_SUBLINK": "in",
}  # fmt: skip
_LITERALS = {"ival": "integer", "fval": "numeric", "sval": "text", "boolval": "boolean", "bsval": "bit"}
# A test compares few columns.
_MOST_TESTED = 16
# Nodes of which more is told than what they hold.
_KINDS = frozenset(
    {
        "ColumnRef", "A_Const", "TypeCast", "A_Expr", "BoolExpr", "SubLink", "FuncCall", "SelectStmt", "GroupingFunc",
    }
)  # fmt: skip
# Fields that hold names and types, not expressions.
_SKIPPED = frozenset({"typeName", "funcname", "name", "location", "fields", "ParamRef", "String", "alias"})

_NONE = Targets([])


class _Step(NamedTuple):
    """A part of an expression that is still to be walked."""

    value: object
    use: Use
    condition: bool = False
    negated: bool = False
    repeated: bool = False


def gather_shapes(reader: Reader, node: Node) -> None:
    """Fill the facts on how a statement is built.

    Args:
        reader: One that has read `node` with `detailed`.
        node: The SelectStmt.
    """
    if reader.details is not None and "SelectStmt" in node:
        reader.facts.detailed = True
        _Walk(reader, reader.details).query(node["SelectStmt"], "top", 0)


class _Walk:
    def __init__(self, reader: Reader, details: Details) -> None:
        self._reader = reader
        self._facts = reader.facts
        self._details = details
        self._sizes = Sizes(reader.names, reader.facts)
        self._reads = Reads()
        self._links = Groups()
        self._equal = Groups()
        for left, right in reader.facts.equalities:
            self._equal.join(sources_of(column for side in (left, right) for column in side))
        # Columns of which a WHERE lets no NULL pass.
        self._strict: set[SourceColumn] = set()

    # -- queries -----------------------------------------------------------------------------------------------------

    def query(self, body: Node, role: QueryRole, depth: int) -> Frame | None:
        query = self._details.query(body)
        if query is None:
            return None
        with self._reads.inside(query.level) as frame:
            self._walk_query(body, query, role, depth, frame)
        return frame

    def _walk_query(self, body: Node, query: Query, role: QueryRole, depth: int, frame: Frame) -> None:
        unused = self._walk_with(body.get("withClause", {}), depth)
        start = body["larg"] if query.kind == "setop" else {key: body[key] for key in body if key != "withClause"}
        place = first_location(start)
        place = self._reader.at(place)
        if query.kind == "setop":
            for side in ("larg", "rarg"):
                self.query(body[side], "branch", depth)
            use = describe_set(body, query, role, depth, place)
            self._facts.queries.append(use._replace(unused_ctes=unused))
        elif query.kind == "select" and query.level is not None:
            joins = self._walk_from(body, query.level, depth)
            self._walk_where(body.get("whereClause"), query.level, depth)
            conclude_joins(self._facts, self._sizes, query.level, joins, self._links, self._equal, self._strict)
        for field, clause in _CLAUSES:
            if field in body:
                self._walk(body[field], clause, depth, condition=field == "havingClause")
        self._walk_sorts(body, depth)
        if query.kind == "select" and query.level is not None:
            use = describe_level(body, query, role, depth, place, self._sizes)
            use = use._replace(
                unused_ctes=unused, having_plain=use.having and not frame.having_aggregate and use.grouped
            )
            self._facts.queries.append(use)
            self._facts.level_queries[query.level] = use

    def _walk_with(self, clause: Node, depth: int) -> tuple[str, ...]:
        unused = []
        for entry in clause.get("ctes", ()):
            body = entry["CommonTableExpr"]
            statement = body["ctequery"].get("SelectStmt")
            if statement is None:
                continue
            self.query(statement, "cte", depth + 1)
            cte = self._details.cte(body)
            if cte is not None and not cte.uses:
                unused.append(cte.name)
        return tuple(unused)

    def _walk_sorts(self, body: Node, depth: int) -> None:
        limited = read_limit(body)[0]
        targets = Targets(body.get("targetList", []))
        for field, use, clause in (
            ("groupClause", "group", "group"),
            ("windowClause", "window", "window"),
            ("sortClause", "order", "order"),
            ("distinctClause", "distinct", "distinct"),
        ):
            for node in body.get(field, ()):
                if "WindowDef" in node:
                    self._walk_window(node["WindowDef"], depth)
                elif node:
                    self._sort(node, use, clause, targets, depth, limited=limited)  # type: ignore[arg-type] # literals

    # -- FROM and WHERE ------------------------------------------------------------------------------------------------

    def _walk_from(self, body: Node, level: Level, depth: int) -> list[Joining]:
        joins: list[Joining] = []
        before: list[Source] = []
        for node in body.get("fromClause", ()):
            self._walk_item(node, level, depth, joins)
            sources = self._details.sources(node)
            if before:
                right = node
                while "JoinExpr" in right:
                    right = right["JoinExpr"].get("larg", {})
                joins.append(Joining(right, before, sources, "cross", "comma"))
            else:
                before = sources
        return joins

    def _walk_item(self, node: Node, level: Level, depth: int, joins: list[Joining]) -> None:
        kind, body = next(iter(node.items()))
        if kind == "JoinExpr":
            self._walk_join(body, level, depth, joins)
        elif kind == "RangeSubselect":
            statement = body["subquery"].get("SelectStmt", {})
            self._reads.begin()
            frame = self.query(statement, "from", depth + 1)
            self._link(level, self._reads.end(), self._details.sources(node))
            if frame is not None:
                lateral = "lateral" if body.get("lateral") else "from"
                self._subquery(statement, lateral, frame, "from", first_location(statement))
        elif kind != "RangeVar":
            self._reads.begin()
            self._walk(body, "from", depth)
            self._link(level, self._reads.end(), self._details.sources(node))

    def _walk_join(self, body: Node, level: Level, depth: int, joins: list[Joining]) -> None:
        sides = self._details.sides(body)
        if sides is None:
            return
        for field, own in (("larg", sides.left), ("rarg", sides.right)):
            self._details.keep_item(body[field], own)
            self._walk_item(body[field], level, depth, joins)
        type_, syntax = join_type(body)
        reads: Sink = set()
        either, equality = False, False
        for conjunct, found in self._walk_conjuncts(body.get("quals"), "join", depth):
            self._link(level, found)
            reads |= found
            crosses = not (found.isdisjoint(sides.left) or found.isdisjoint(sides.right))
            either |= crosses and conjunct.get("BoolExpr", {}).get("boolop") == "OR_EXPR"
            equality |= crosses and is_equality(conjunct)
        right = body["rarg"]
        joins.append(
            Joining(
                right, sides.left, sides.right, type_, syntax, len(sides.merged), "quals" in body, frozenset(reads),
                either and not equality,
            )
        )  # fmt: skip

    def _walk_where(self, node: Node | None, level: Level, depth: int) -> None:
        for conjunct, found in self._walk_conjuncts(node, "where", depth):
            if is_equality(conjunct):
                self._reads.frame.indexed |= looks_up(self._details, conjunct, level)
            self._link(level, found)
            self._strict.update(rejects_null(self._details, conjunct))

    def _walk_conjuncts(self, node: Node | None, use: Use, depth: int) -> Iterator[tuple[Node, Sink]]:
        """The parts of a condition that AND joins, each with the sources that it reads."""
        parts = list(conjuncts(node))
        again = repeated(parts) if len(parts) > 1 else ()
        for index, part in enumerate(parts):
            self._reads.begin()
            self._walk(part, use, depth, condition=True, again=index in again)
            yield part, self._reads.end()

    def _link(self, level: Level, reads: Sink, own: Iterable[Source] = ()) -> None:
        """What a condition reads is linked; so is an item of FROM with what it reads of its neighbours."""
        outer = [source for source in reads if source.level is level]
        self._links.join((*own, *outer) if own else reads)

    # -- expressions ---------------------------------------------------------------------------------------------------

    def _walk(self, root: object, use: Use, depth: int, *, condition: bool = False, again: bool = False) -> None:
        stack = [_Step(root, use, condition, repeated=again)]
        while stack:
            step = stack.pop()
            value = step.value
            if isinstance(value, dict):
                for key, inner in value.items():
                    if key in _KINDS and isinstance(inner, dict):
                        self._visit(key, inner, step, stack, depth)
                    elif key not in _SKIPPED and isinstance(inner, (dict, list)):
                        stack.append(_Step(inner, step.use))
            elif isinstance(value, list):
                stack.extend([_Step(each, *step[1:]) for each in reversed(value)])

    def _visit(self, kind: str, body: Node, step: _Step, stack: list[_Step], depth: int) -> None:
        use = step.use
        if kind == "ColumnRef":
            self._reference(body)
        elif kind == "A_Const":
            self._literal(body, use, None)
        elif kind == "TypeCast":
            inner = body.get("arg", {})
            if "A_Const" in inner:
                self._literal(inner["A_Const"], use, cast_name(body))
            else:
                stack.append(_Step(inner, use))
        elif kind == "A_Expr":
            self._operator(body, step)
            stack.extend(_Step(body.get(side), use) for side in ("rexpr", "lexpr"))
        elif kind == "BoolExpr":
            self._boolean(body, step, stack)
        elif kind == "SubLink":
            stack.append(_Step(body.get("testexpr"), use))
            self._sublink(body, step, depth)
        elif kind == "FuncCall":
            self._call(body, use, stack, depth)
        elif kind == "SelectStmt":
            self.query(body, "array", depth + 1)
        else:
            if kind == "GroupingFunc" and use == "having":
                # GROUPING is only known of groups.
                self._reads.frame.having_aggregate = True
            stack.append(_Step(body, use))

    def _reference(self, body: Node) -> None:
        value = self._details.expr(body)
        if value is None:
            return
        self._reads.note(value.items, value.row)

    def _literal(self, body: Node, use: Use, cast: str | None) -> None:
        place = self._reader.at(body.get("location", -1))
        for field, type_ in _LITERALS.items():
            if field in body:
                inner = body[field].get(field, "")
                value = {"integer": str(inner or 0), "boolean": "true" if inner else "false"}.get(type_, str(inner))
                self._facts.literals.append(LiteralUse(value, type_, use, place, cast))
                return
        if body.get("isnull"):
            self._facts.literals.append(LiteralUse(None, "null", use, place, cast))

    def _boolean(self, body: Node, step: _Step, stack: list[_Step]) -> None:
        args = body.get("args", [])
        if body.get("boolop") == "NOT_EXPR":
            stack.extend(_Step(arg, step.use, step.condition, negated=not step.negated) for arg in args)
            return
        again = repeated(args)
        stack.extend(
            _Step(arg, step.use, step.condition, repeated=index in again)
            for index, arg in reversed(list(enumerate(args)))
        )

    def _operator(self, body: Node, step: _Step) -> None:
        operation = describe_operation(self._details, self._sizes, body, step.use, negated=step.negated)
        place = self._reader.at(operation.location)
        self._facts.operations.append(
            operation._replace(location=place, repeated=step.repeated, condition=step.condition)
        )

    def _call(self, body: Node, use: Use, stack: list[_Step], depth: int) -> None:
        value = self._details.expr(body)
        if use == "having" and value is not None and value.aggregate and "over" not in body:
            self._reads.frame.having_aggregate = True
        if over := body.get("over"):
            self._walk_window(over, depth)
        for entry in body.get("agg_order", ()):
            self._sort(entry, "aggregate", "order", _NONE, depth)
        stack.append(_Step(body.get("agg_filter"), "filter", condition=True))
        stack.append(_Step(body.get("args"), use))

    def _walk_window(self, body: Node, depth: int) -> None:
        for entry in (*body.get("partitionClause", ()), *body.get("orderClause", ())):
            self._sort(entry, "window", "window", _NONE, depth)
        self._walk([body.get("startOffset"), body.get("endOffset")], "window", depth)

    def _sublink(self, body: Node, step: _Step, depth: int) -> None:
        kind = _SUBLINKS.get(body.get("subLinkType", "EXISTS_SUBLINK"), "scalar")
        if kind == "in" and body.get("operName"):
            kind = "any"
        statement = body.get("subselect", {}).get("SelectStmt", {})
        frame = self.query(statement, kind, depth + 1)  # type: ignore[arg-type] # literals
        if frame is not None:
            negated = "not_" if step.negated and kind in ("in", "exists") else ""
            self._subquery(statement, negated + kind, frame, step.use, body.get("location", -1))

    def _subquery(self, statement: Node, kind: str, frame: Frame, use: Use, location: int) -> None:
        query = self._details.query(statement)
        assert query is not None  # the frame exists
        tested = min(len(query.outputs), _MOST_TESTED) if kind not in ("from", "lateral", "exists", "not_exists") else 0
        known = [output_nullable(query, index, self._details, self._strict) for index in range(tested)]
        level = frame.level
        own = self._facts.level_queries.get(level) if level is not None else None
        limited, _, offset, _ = read_limit(statement)
        self._facts.subqueries.append(
            SubqueryUse(
                kind,
                frame.correlated,
                True if True in known else None if None in known or not known else False,
                use,
                self._reader.at(location),
                limited or offset,
                "sortClause" in statement,
                level is not None and level.has_aggregate and level.group is None,
                frame.indexed,
                level is not None and len(query.outputs) == 1 and _is_outer(query.outputs[0].expr, level),
                own.rows if own is not None else None,
            )
        )

    # -- sorting -------------------------------------------------------------------------------------------------------

    def _sort(self, entry: Node, use: str, clause: Use, targets: Targets, depth: int, *, limited: bool = False) -> None:
        for node, found in describe_sort(entry, use, targets, limited=limited):
            self._facts.sorts.append(found._replace(location=self._reader.at(found.location)))
            if found.by != "position":
                self._walk(node, clause, depth)


def _is_outer(value: Expr, level: Level) -> bool:
    """Is it a column of a level around this one?"""
    column = value.direct
    return column is not None and column.source.level is not None and column.source.level is not level
