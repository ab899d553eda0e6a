"""Random SELECTs over a catalog. In: a catalog and a seed. Out: an endless, repeatable series of statements.

Most are valid; what PostgreSQL refuses is skipped by the caller. Half of the statements keep away from what the demo
policy hides, so that the guard allows enough of them for the canary check to mean something.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from tests.differential.expressions import BOOL, INT4, TEXT, Column, Expressions, Frame, Source
from tests.differential.fromitems import FromItems
from tests.differential.spelling import respell
from tests.differential.stock import Stock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pg_guard.catalog.model import Catalog, Function, Name

__all__ = ["Generator"]

_FRAMES = ("", " ROWS BETWEEN 1 PRECEDING AND CURRENT ROW", " RANGE UNBOUNDED PRECEDING", " GROUPS 2 PRECEDING")


class Generator(FromItems, Expressions):
    """Makes statements.

    Args:
        catalog: The database that they will run on.
        seed: Equal seeds give equal series.
    """

    def __init__(self, catalog: Catalog, seed: int) -> None:
        super().__init__(Stock(catalog), random.Random(seed))

    def __iter__(self) -> Iterator[str]:
        while True:
            yield self.statement()

    def statement(self) -> str:
        """The next statement."""
        self.careful = self.chance(0.5)
        return respell(self.query(Frame(), 3)[0], self.rng)

    # -- queries -----------------------------------------------------------------------------------------------------

    def query(self, frame: Frame, depth: int, types: list[Name] | None = None) -> tuple[str, list[Column]]:
        """A query expression; `types` are those of its outputs, or None for any."""
        form = self.rng.random()
        if form < 0.16 and depth > 1:
            text, columns = self.with_query(frame, depth, types)
            return f"({text})", columns
        if form < 0.24 and depth > 0:
            return self.set_operation(frame, depth, types)
        if form < 0.28:
            return self.values(frame, depth, types)
        if form < 0.3 and types is None:
            table = self.table()
            columns = [Column(each.name, each.type) for each in table.columns]
            return f"TABLE {self.relation_name(table)}", columns
        return self.select(frame, depth, types)

    def subquery(self, frame: Frame, depth: int, types: list[Name]) -> str:
        return self.query(frame, min(depth, 1), types)[0]

    def with_query(self, frame: Frame, depth: int, types: list[Name] | None) -> tuple[str, list[Column]]:
        inner = Frame(frame.outer, frame.sources, dict(frame.ctes))
        parts = []
        recursive = self.chance(0.3)
        for _ in range(self.rng.randint(1, 2)):
            name = self.alias()
            if recursive and self.chance(0.6):
                parts.append(self.recursive(name, inner, depth))
                continue
            body, columns = self.query(inner, depth - 1)
            names, columns = self.column_list(columns)
            how = self.rng.choice(("", "", "", "MATERIALIZED ", "NOT MATERIALIZED "))
            parts.append(f"{self.name(name)}{names} AS {how}({body})")
            inner.ctes[name] = columns
        body, columns = self.query(inner, depth - 1, types)
        return f"WITH {'RECURSIVE ' * recursive}{', '.join(parts)} {body}", columns

    def recursive(self, name: str, frame: Frame, depth: int) -> str:
        columns = [Column(self.alias(), INT4), Column("label", TEXT)]
        seed = self.select(frame, depth - 1, [INT4, TEXT])[0]
        frame.ctes[name] = columns
        inner = Frame(frame.outer, [Source("r", columns)], frame.ctes)
        step = f"SELECT r.{self.name(columns[0].name)} + 1, {self.expr(TEXT, inner, 1)} FROM {self.name(name)} AS r"
        extra = ""
        if self.chance(0.2):
            by = self.name(columns[0].name)
            extra = self.rng.choice((f" SEARCH DEPTH FIRST BY {by} SET seq", f" CYCLE {by} SET cyc USING way"))
        names = ", ".join(self.name(column.name) for column in columns)
        union = self.rng.choice(("UNION", "UNION ALL"))
        return f"{self.name(name)} ({names}) AS ({seed} {union} {step} WHERE r.{self.name(columns[0].name)} < 5){extra}"

    def set_operation(self, frame: Frame, depth: int, types: list[Name] | None) -> tuple[str, list[Column]]:
        types = types or [self.random_type() for _ in range(self.rng.randint(1, 3))]
        left, columns = self.query(frame, depth - 1, types)
        right, _ = self.query(frame, depth - 1, [each if self.chance(0.85) else self.random_type() for each in types])
        kind = self.rng.choice(("UNION", "UNION ALL", "INTERSECT", "EXCEPT", "EXCEPT ALL"))
        order = self.rng.choice(
            ("", "", " ORDER BY 1", f" ORDER BY {self.name(columns[0].name)}" if columns else "", " LIMIT 5")
        )
        return f"(({left}) {kind} ({right}){order})", columns

    def values(self, frame: Frame, depth: int, types: list[Name] | None) -> tuple[str, list[Column]]:
        types = types or [self.random_type() for _ in range(self.rng.randint(1, 3))]
        rows = [
            "(" + ", ".join(self.near(each, frame, min(depth, 1)) for each in types) + ")"
            for _ in range(self.rng.randint(1, 2))
        ]
        return f"VALUES {', '.join(rows)}", [Column(f"column{n}", each) for n, each in enumerate(types, 1)]

    # -- one SELECT --------------------------------------------------------------------------------------------------

    def select(self, outer: Frame, depth: int, types: list[Name] | None) -> tuple[str, list[Column]]:
        frame = Frame(outer, [], dict(outer.ctes))
        items = self.from_items(frame, depth) if self.chance(0.95) else ""
        where = f" WHERE {self.expr(BOOL, frame, depth - 1)}" if self.chance(0.5) else ""
        if items and self.chance(0.22):
            body, columns = self.grouped(frame, depth, types, items, where)
        else:
            body, columns = self.plain_select(frame, depth, types, items, where)
        limit = self.rng.choice(("", "", "", " LIMIT 3", " OFFSET 1", " FETCH FIRST 2 ROWS ONLY"))
        return body + limit, columns

    def plain_select(
        self, frame: Frame, depth: int, types: list[Name] | None, items: str, where: str
    ) -> tuple[str, list[Column]]:
        targets: list[str] = []
        columns: list[Column] = []
        if types is None and frame.sources and self.chance(0.2):
            source = self.rng.choice(frame.sources)
            whole = len(frame.sources) == 1 and self.chance(0.5)
            targets.append("*" if whole or not source.alias else f"{self.name(source.alias)}.*")
            columns += source.columns if targets[0] != "*" else [c for each in frame.sources for c in each.columns]
        wanted = types if types is not None else [self.target_type(frame) for _ in range(self.rng.randint(1, 4))]
        targets += [
            self.target(type_, frame, depth, columns, window=bool(items) and self.chance(0.08)) for type_ in wanted
        ]
        distinct = ""
        order = self.order(frame, depth, columns)
        if self.chance(0.1):
            distinct = "DISTINCT "
            order = " ORDER BY 1" if order else ""
        elif self.chance(0.04):
            key = self.key(frame)
            distinct, order = f"DISTINCT ON ({key}) ", f" ORDER BY {key}" if order else ""
        window = ""
        if self.chance(0.04):
            window = f" WINDOW w AS (PARTITION BY {self.key(frame)})"
            targets[-1] += f", count(*) OVER {self.rng.choice(('w', '(w ORDER BY 1)'))}"
            if types is not None:
                targets[-1] = targets[-1].rpartition(", count(*)")[0]
        head = f"SELECT {distinct}{', '.join(targets)}"
        return f"{head}{' FROM ' + items if items else ''}{where}{window}{order}", columns

    def target_type(self, frame: Frame) -> Name:
        """Mostly the type of a column in scope."""
        columns = [column for source in frame.sources for column in source.columns]
        return self.rng.choice(columns).type if columns and self.chance(0.7) else self.random_type()

    def key(self, frame: Frame) -> str:
        """A column to group or sort by; a bare constant would be refused."""
        columns = self.columns(frame, None)
        return self.rng.choice(columns) if columns else "(1 + 1)"

    def target(self, type_: Name, frame: Frame, depth: int, columns: list[Column], *, window: bool) -> str:
        if window:
            text = self.window_call(frame, depth)
        else:
            form = self.rng.random()
            text = self.whole_row(frame) if form < 0.04 else self.expr(type_, frame, depth - (form < 0.5))
            if form > 0.98 and (rows := self.composite_column(frame)):
                text = f"({rows}).*"
                columns.append(Column("?", type_))
                return text
        name = self.alias() if self.chance(0.5) else f"c{len(columns)}"
        columns.append(Column(name, type_))
        return f"{text} AS {self.name(name)}" if self.chance(0.85) else text

    def composite_column(self, frame: Frame) -> str:
        index = self.stock.catalog.type_index
        found = [
            self.reference(source, column, frame)
            for source in frame.sources
            for column in source.columns
            if column.type in index and index[column.type].kind == "composite"
        ]
        return self.rng.choice(found) if found else ""

    def order(self, frame: Frame, depth: int, columns: list[Column]) -> str:
        if self.chance(0.65):
            return ""
        form = self.rng.random()
        if form < 0.3 or not frame.sources:
            key = "1"
        elif form < 0.6 and columns:
            key = self.name(self.rng.choice(columns).name)
        else:
            key = self.expr(self.target_type(frame), frame, min(depth, 1))
        return f" ORDER BY {key}{self.rng.choice(('', ' DESC', ' NULLS LAST', ' USING <' if form > 0.9 else ''))}"

    # -- groups and windows ------------------------------------------------------------------------------------------

    def grouped(
        self, frame: Frame, depth: int, types: list[Name] | None, items: str, where: str
    ) -> tuple[str, list[Column]]:
        keys = [self.key(frame) for _ in range(self.rng.randint(0, 2))]
        targets: list[str] = []
        columns: list[Column] = []
        for type_ in types if types is not None else [self.random_type() for _ in range(self.rng.randint(1, 3))]:
            if keys and types is None and self.chance(0.5):
                targets.append(self.rng.choice(keys))
            else:
                targets.append(self.aggregate(type_, frame, depth))
            columns.append(Column(f"g{len(columns)}", type_))
            if self.chance(0.8):
                targets[-1] += f" AS {columns[-1].name}"
        group = ""
        if keys:
            listed = ", ".join(keys)
            forms = (
                listed,
                listed,
                f"ROLLUP ({listed})",
                f"GROUPING SETS (({listed}), ())",
                "1" if types is None else listed,
            )
            group = f" GROUP BY {self.rng.choice(forms)}"
        having = f" HAVING {self.aggregate(BOOL, frame, 1)}" if self.chance(0.2) else ""
        order = self.rng.choice(("", "", " ORDER BY 1", f" ORDER BY {self.aggregate(INT4, frame, 1)}"))
        return f"SELECT {', '.join(targets)} FROM {items}{where}{group}{having}{order}", columns

    def aggregate(self, type_: Name, frame: Frame, depth: int) -> str:
        fitting = [each for each in self.stock.aggregates if each.result == type_]
        if type_ == BOOL and self.chance(0.7):
            return f"count(*) > {self.aggregate(INT4, frame, depth)}"
        form = self.rng.random()
        if form < 0.15:
            return "count(*)"
        if form < 0.22:
            order = self.key(frame)
            name = self.rng.choice(("percentile_cont(0.5)", "mode()", "percentile_disc(ARRAY[0.1])", "rank('a')"))
            return f"{name} WITHIN GROUP (ORDER BY {order})"
        function = self.rng.choice(fitting) if fitting and form < 0.7 else self.rng.choice(self.stock.aggregates)
        return self.aggregate_call(function, frame, depth)

    def aggregate_call(self, function: Function, frame: Frame, depth: int) -> str:
        if not function.args:
            return f"{self.qualified(function.key)}(*)"
        args = self.arguments(function, frame, min(depth, 1))
        order = f" ORDER BY {self.key(frame)}" if self.chance(0.2) else ""
        distinct = "DISTINCT " if not order and self.chance(0.12) else ""
        after = f" FILTER (WHERE {self.expr(BOOL, frame, 1)})" if self.chance(0.12) else ""
        return f"{self.qualified(function.key)}({distinct}{args}{order}){after}"

    def window_call(self, frame: Frame, depth: int) -> str:
        function = self.rng.choice(self.stock.windows if self.chance(0.6) else self.stock.aggregates)
        call = f"{self.qualified(function.key)}({self.arguments(function, frame, min(depth, 1))})"
        if not function.args and function.kind == "aggregate":
            call = "count(*)"
        by = f"PARTITION BY {self.key(frame)}" if self.chance(0.5) else ""
        order = f" ORDER BY {self.key(frame)}" if self.chance(0.7) else ""
        return f"{call} OVER ({by}{order}{self.rng.choice(_FRAMES) if order else ''})"
