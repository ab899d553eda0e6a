"""FROM. In: its items. Out: the sources of a level, the conditions of its joins, and a fact per relation and scan."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pg_guard.decision import Named
from pg_guard.facts import expressions, operators, tablefunctions
from pg_guard.facts.conditions import read_condition
from pg_guard.facts.details import Sides
from pg_guard.facts.formula import Condition, Equal
from pg_guard.facts.model import ColumnUse, RelationUse, ScanUse
from pg_guard.facts.names import SYSTEM_COLUMNS
from pg_guard.facts.scopes import Base, Cte, Expr, FromItem, Level, Output, Query, Scope, Source, SourceColumn

if TYPE_CHECKING:
    from pg_guard.catalog.model import Name, Relation
    from pg_guard.facts.reader import Reader
    from pg_guard.sql.witness import Node

__all__ = ["Joined", "query_source", "read_from"]

Valid = frozenset[int] | None


class Joined(NamedTuple):
    """An item of FROM with the conditions that came with it; see `Level.conditions`."""

    item: FromItem
    conditions: list[tuple[Condition, Valid]]
    sources: list[Source]
    tables: int


def read_from(reader: Reader, nodes: list[Node], scope: Scope, level: Level) -> int:
    """Read all items of a FROM into `scope` and `level`; returns how many relations it joins."""
    tables = 0
    for node in nodes:
        joined = _read_item(reader, node, scope, level)
        if reader.details is not None:
            reader.details.keep_item(node, joined.sources)
        scope.add([joined.item])
        level.sources.extend(joined.sources)
        level.conditions.extend(joined.conditions)
        tables += joined.tables
    return tables


def _read_item(reader: Reader, node: Node, scope: Scope, level: Level) -> Joined:
    kind, body = next(iter(node.items()))
    if kind == "RangeVar":
        return _single(_read_relation(reader, body, scope, level), level, tables=1)
    if kind == "JoinExpr":
        reader.enter()
        try:
            return _read_join(reader, body, scope, level)
        finally:
            reader.leave()
    if kind == "RangeSubselect":
        return _single(_read_subselect(reader, body, scope, level), level, tables=1)
    if kind == "RangeTableSample":
        return _read_sample(reader, body, scope, level)
    source = tablefunctions.read(reader, node, scope)
    if source is None:
        reader.unsupported(f"The construct {kind} in FROM", body.get("location", -1))
        source = Source("function", "")
    return _single(source, level, tables=0)


def _single(source: Source, level: Level, *, tables: int) -> Joined:
    source.level = level
    opened = [source] if source.columns is None else []
    return Joined(FromItem([source], list(source.columns or ()), opened), [], [source], tables)


def rename(reader: Reader, source: Source, body: Node) -> Source:
    """Apply ``AS alias (a, b, …)``."""
    alias = body.get("alias")
    if not alias:
        return source
    source.alias = alias.get("aliasname", source.alias)
    source.schema = None
    names = [part["String"]["sval"] for part in alias.get("colnames", ())]
    if source.columns is None:
        if names and source.relation_names:
            # Which column gets which name cannot be known without a catalog, so any of them may be read.
            reader.use_row(source, "from", body.get("location", -1))
            # Each new name is some stored column, and nobody knows which.
            source.named.update({name: SourceColumn(source, name, None, (), stored="*") for name in names})
        return source
    if len(names) > len(source.columns) and source.kind != "function":
        reader.note("sql/unknown-name", f'The column list of "{source.alias}" is too long.', "Shorten it.")
    for name, column in zip(names, source.columns, strict=False):
        column.name = name
    return source


# -- stored relations and CTEs ---------------------------------------------------------------------------------------


def _read_relation(reader: Reader, body: Node, scope: Scope, level: Level) -> Source:
    name, schema = body["relname"], body.get("schemaname")
    location = body.get("location", -1)
    database = body.get("catalogname")
    parts = tuple(part for part in (database, schema, name) if part)
    if reader.fixed_location is None:
        reader.facts.raw_relations.append(parts)
    if schema is None and (cte := scope.cte(name)):
        return rename(reader, _read_cte(reader, cte), body)
    catalog = reader.names.catalog
    if database and catalog is not None and catalog.database and database != catalog.database:
        reader.note(
            "sql/unknown-name", f'"{database}" is another database.', "Name tables of this database only.", location
        )
    source = Source("relation", name)
    source.schema = schema
    source.via = reader.via
    # The source takes its alias in `rename`, when the fact stands already.
    alias = body.get("alias", {}).get("aliasname", name)
    if catalog is None:
        names = reader.names.written(schema, name)
        source.columns, source.relation_names, source.row_type = None, names, None
        use = RelationUse(names, "table", True, alias, reader.at(location), reader.via)
    else:
        relation = reader.names.relation(schema, name)
        if relation is None:
            use = RelationUse(
                reader.names.written(schema, name), "table", False, alias, reader.at(location), reader.via
            )
            reader.facts.relations.append(use)
            source.columns = source.row_type = None
            return rename(reader, source, body)
        use = _bind(reader, source, relation, alias, location, only=not body.get("inh", False))
    reader.facts.relations.append(use)
    reader.facts.scans.append(ScanUse(source, level, use, use.location, reader.via))
    return rename(reader, source, body)


def _bind(reader: Reader, source: Source, relation: Relation, alias: str, location: int, *, only: bool) -> RelationUse:
    """Give a source the columns of a stored relation and record what else its scan reads."""
    key = relation.key
    source.relation = relation
    source.row_type = key
    source.schema = relation.schema
    place = reader.at(location)
    use = RelationUse((key,), relation.kind, True, alias, place, reader.via)
    via = (*reader.via, key)
    names = reader.names
    for parent in names.ancestors(relation):
        how = "partition" if relation.partition_of is not None else "inheritance"
        reader.facts.relations.append(RelationUse((parent,), "table", True, "", place, via, how))  # type: ignore[arg-type] # literals
    if not only:
        for child in names.descendants(key):
            known = names.catalog.relation_index.get(child) if names.catalog else None
            how = "partition" if known is not None and known.partition_of is not None else "inheritance"
            reader.facts.relations.append(RelationUse((child,), "table", True, "", place, via, how))  # type: ignore[arg-type] # literals
    if relation.kind in ("view", "matview"):
        if key in reader.expand and key not in reader.via:
            query = reader.shapes.read_in_place(reader, relation, place)
            if query is not None:
                source.query = query
                query.user = source
        shape = reader.shapes.shape(reader.names, relation)
        for read in shape.relations:
            reader.facts.relations.append(
                RelationUse(read.names, read.kind, read.known, "", place, (*via, *read.via), "view")
            )
        for base in shape.conditions:
            reader.facts.columns.append(ColumnUse((base.relation,), base.column, "where", place, via=via))
        for function in shape.functions:
            reader.facts.functions.append(function._replace(location=place, via=(*via, *function.via)))
        if shape.problem:
            reader.note(
                "sql/unsupported",
                f'The view "{key}" cannot be followed: {shape.problem}',
                "Query the tables behind it.",
                location,
            )
        # The view's own column comes first: a policy may hide it, and views over it show it.
        bases = {name: (Base(key, name), *flows) for name, flows in shape.columns.items()}
    else:
        bases = reader.shapes.generated(reader.names, relation)
    source.columns = [
        SourceColumn(source, column.name, column.type, bases.get(column.name) or (Base(key, column.name),))
        for column in relation.columns
    ]
    return use


def _read_cte(reader: Reader, cte: Cte) -> Source:
    if cte.pending is not None and not cte.reading and cte.query is None:
        cte.pending()
    source = Source("cte", cte.name)
    source.cte = cte
    if cte.query is None and cte.columns is None:
        # A reference to itself outside of the second term of a UNION: PostgreSQL refuses it.
        reader.unsupported(f'The recursion in "{cte.name}"')
        source.columns = []
        return source
    opened = cte.query is not None and cte.query.opened
    source.columns = None if opened else query_columns(source, cte.columns or [])
    (cte.recursive_uses if cte.reading else cte.uses).append(source)
    return source


def query_columns(source: Source, outputs: list[tuple[str, Output]]) -> list[SourceColumn]:
    # What flows into the column was recorded where the query was read, so it carries no base of its own.
    columns = []
    for name, output in outputs:
        column = SourceColumn(source, name, output.expr.type, ())
        column.fields = output.expr.held
        column.flows = output.base
        columns.append(column)
    return columns


def query_source(query: Query, alias: str) -> Source:
    """The source that a query in FROM makes."""
    source = Source("query", alias)
    source.query = query
    query.user = source
    source.columns = None if query.opened else query_columns(source, [(each.name, each) for each in query.outputs])
    return source


def _read_subselect(reader: Reader, body: Node, scope: Scope, level: Level) -> Source:
    from pg_guard.facts import queries

    around = scope if body.get("lateral") else Scope(scope.outer)
    if not body.get("lateral"):
        around.ctes = scope.ctes
        around.level = level.outer
    query = queries.read_query(reader, body["subquery"], around)
    return rename(reader, query_source(query, ""), body)


def _read_sample(reader: Reader, body: Node, scope: Scope, level: Level) -> Joined:
    joined = _read_item(reader, body["relation"], scope, level)
    method = [part["String"]["sval"] for part in body.get("method", ())]
    args = expressions.read_all(reader, body.get("args"), scope, "from")
    expressions.read(reader, body.get("repeatable"), scope, "from")
    if method and method[-1] not in ("system", "bernoulli"):
        schema = method[-2] if len(method) > 1 else None
        reader.use_function(schema, method[-1], "sample", body.get("location", -1), args, use="from")
    return joined


# -- joins -----------------------------------------------------------------------------------------------------------


def _read_join(reader: Reader, body: Node, scope: Scope, level: Level) -> Joined:
    left = _read_item(reader, body["larg"], scope, level)
    inner = Scope(scope.outer, level)
    inner.ctes = scope.ctes
    inner.rels, inner.columns, inner.opened = list(scope.rels), list(scope.columns), list(scope.opened)
    inner.add([left.item])
    right = _read_item(reader, body["rarg"], inner, level)
    kind = body.get("jointype", "JOIN_INNER")

    both = Scope(scope.outer, level)
    both.ctes = scope.ctes
    both.add([left.item, right.item])
    own: list[Condition] = []
    merged: list[tuple[SourceColumn, SourceColumn]] = []
    if body.get("isNatural"):
        merged = _natural_pairs(reader, left.item, right.item)
    elif body.get("usingClause"):
        merged = _using_pairs(reader, body["usingClause"], left.item, right.item)
    else:
        own = read_condition(reader, body.get("quals"), both, "join")
    for one, other in merged:
        # A NATURAL JOIN names no column, so that a refusal must not either.
        natural = bool(body.get("isNatural"))
        sides = (
            reader.use_column(one, "join", -1, star=natural),
            reader.use_column(other, "join", -1, star=natural),
        )
        if operators.is_builtin(reader, operators.EQUALS, *sides):
            own.append(Equal(sides[0].items[0], sides[1].items[0]))
        operators.apply_operator(reader, None, "=", *sides, -1)
    if reader.details is not None:
        reader.details.keep_join(body, Sides(left.sources, right.sources, merged))
    left_ids = frozenset(map(id, left.sources))
    right_ids = frozenset(map(id, right.sources))

    def confine(conditions: list[tuple[Condition, Valid]], side: frozenset[int]) -> list[tuple[Condition, Valid]]:
        return [(condition, side if valid is None else valid) for condition, valid in conditions]

    # A condition holds for all rows of the result unless an outer join can add rows that do not meet it.
    on: Valid
    if kind == "JOIN_INNER":
        kept = left.conditions + right.conditions
        on = None
    elif kind == "JOIN_LEFT":
        kept = left.conditions + confine(right.conditions, right_ids)
        on = right_ids
    elif kind == "JOIN_RIGHT":
        kept = confine(left.conditions, left_ids) + right.conditions
        on = left_ids
    else:
        kept = confine(left.conditions, left_ids) + confine(right.conditions, right_ids)
        on = frozenset()
    kept = [*kept, *((condition, on) for condition in own)]
    item = _joined_item(reader, body, left.item, right.item, merged, kind, level)
    return Joined(item, kept, left.sources + right.sources, left.tables + right.tables)


def _natural_pairs(reader: Reader, left: FromItem, right: FromItem) -> list[tuple[SourceColumn, SourceColumn]]:
    if left.opened or right.opened:
        reader.note(
            "sql/unknown-name",
            "The columns of a NATURAL JOIN cannot be known without a catalog.",
            "Join with ON or USING.",
        )
        return []
    by_name = {column.name: column for column in right.columns if column.name not in SYSTEM_COLUMNS}
    return [(column, by_name[column.name]) for column in left.columns if column.name in by_name]


def _using_pairs(
    reader: Reader, clause: list[Node], left: FromItem, right: FromItem
) -> list[tuple[SourceColumn, SourceColumn]]:
    pairs = []
    for part in clause:
        name = part["String"]["sval"]
        sides = []
        for item in (left, right):
            found = next((column for column in item.columns if column.name == name), None)
            if found is None and item.opened:
                for source in item.opened:
                    found = reader.use_open(source, name, "join", -1, certain=len(item.opened) == 1)
            sides.append(found)
        one, other = sides
        if one is None or other is None:
            reader.note(
                "sql/unknown-name",
                f'USING names "{name}", which is not a column of both sides.',
                "Join with ON.",
                about=Named("column", name),
            )
        else:
            pairs.append((one, other))
    return pairs


def _joined_item(
    reader: Reader,
    body: Node,
    left: FromItem,
    right: FromItem,
    merged: list[tuple[SourceColumn, SourceColumn]],
    kind: str,
    level: Level,
) -> FromItem:
    join = Source("join", "")
    join.level = level
    first: list[SourceColumn] = []
    for one, other in merged:
        type_ = one.type if one.type == other.type else _merged_type(reader, one, other)
        if kind == "JOIN_FULL":
            column = SourceColumn(join, one.name, type_, ())
            column.merged = (one, other)
        else:
            column = other if kind == "JOIN_RIGHT" else one
            if column.type != type_:
                column = _stand_in(join, column, type_)
        first.append(column)
    taken = {id(column) for pair in merged for column in pair}
    rest = [column for column in (*left.columns, *right.columns) if id(column) not in taken]
    columns = first + rest
    rels = left.rels + right.rels
    if using := body.get("join_using_alias"):
        named = Source("join", using.get("aliasname", ""))
        named.level = level
        named.columns = [_stand_in(named, column, column.type) for column in first]
        rels = [*rels, named]
    if body.get("alias"):
        # An alias on the join hides the names inside of it.
        join.columns = [_stand_in(join, column, column.type) for column in columns]
        join.opened = left.opened + right.opened
        if join.opened and body["alias"].get("colnames"):
            # Which column gets which name cannot be known, so any of them may be read.
            for source in join.opened:
                reader.use_row(source, "from", -1)
        rename(reader, join, body)
        return FromItem([join], list(join.columns), left.opened + right.opened)
    return FromItem(rels, columns, left.opened + right.opened)


def _merged_type(reader: Reader, one: SourceColumn, other: SourceColumn) -> Name | None:
    """The common type of the two columns that USING merges (buildMergedJoinVar)."""
    return reader.common((Expr(one.type), Expr(other.type)))


def _stand_in(source: Source, column: SourceColumn, type_: Name | None) -> SourceColumn:
    copy = SourceColumn(source, column.name, type_, ())
    copy.merged = (column,)
    copy.fields = column.fields
    return copy
