"""Random items of FROM. In: a frame. Out: SQL text; the frame gets the sources that it names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pg_guard.catalog.model import Name
from tests.differential.expressions import BOOL, INT4, TEXT, Column, Expressions, Frame, Source
from tests.differential.stock import PG

if TYPE_CHECKING:
    from pg_guard.catalog.model import Relation

__all__ = ["FromItems"]


class FromItems(Expressions):
    """The FROM half of the generator."""

    careful = True

    def table(self) -> Relation:
        form = self.rng.random()
        if self.careful:
            return self.rng.choice(self.stock.known)
        if form < 0.3:
            return self.rng.choice(self.stock.hidden)
        return self.rng.choice(self.stock.system if form < 0.34 else self.stock.tables)

    def relation_name(self, relation: Relation) -> str:
        form = self.rng.random()
        name = self.name(relation.name)
        if relation.schema not in (PG, "public") or form < 0.25:
            name = f"{self.name(relation.schema)}.{name}"
            if form < 0.03:
                name = f"{self.name(self.stock.catalog.database)}.{name}"
        return name

    def column_list(self, columns: list[Column]) -> tuple[str, list[Column]]:
        """Sometimes a list of new names, often shorter than the columns."""
        if not columns or not self.chance(0.15):
            return "", columns
        count = self.rng.randint(1, min(len(columns), 4))
        names = list(dict.fromkeys(self.alias() for _ in range(count)))
        renamed = [Column(name, column.type) for name, column in zip(names, columns, strict=False)]
        return f" ({', '.join(self.name(name) for name in names)})", [*renamed, *columns[len(names) :]]

    def from_items(self, frame: Frame, depth: int) -> str:
        count = self.rng.choices((1, 2), (8, 2))[0]
        return ", ".join(
            self.joined(frame, depth) if depth > 0 and self.chance(0.35) else self.item(frame, depth)
            for _ in range(count)
        )

    def add(self, frame: Frame, columns: list[Column], row: Name | None = None, default: str = "") -> str:
        """Give an item an alias, maybe with a column list; returns the text of both."""
        taken = {source.alias for source in frame.sources}
        if default and default not in taken and self.chance(0.4):
            frame.sources.append(Source(default, columns, row))
            return ""
        alias = next((name for name in (self.alias() for _ in range(6)) if name not in taken), f"q{len(taken)}")
        names, columns = self.column_list(columns)
        frame.sources.append(Source(alias, columns, row))
        return f"{self.rng.choice((' AS ', ' AS ', ' '))}{self.name(alias)}{names}"

    def item(self, frame: Frame, depth: int) -> str:
        form = self.rng.random()
        if frame.ctes and form < 0.35:
            name = self.rng.choice(list(frame.ctes))
            return self.name(name) + self.add(frame, frame.ctes[name], default=name)
        if form < 0.6 or depth <= 0:
            return self.stored(frame)
        if form < 0.8:
            lateral = self.chance(0.35)
            seen = Frame(frame, [], frame.ctes) if lateral else Frame(frame.outer, [], frame.ctes)
            body, columns = self.query(seen, depth - 1)  # type: ignore[attr-defined]
            return f"{'LATERAL ' * lateral}({body})" + self.add(frame, columns)
        return self.function_item(frame, depth)

    def stored(self, frame: Frame) -> str:
        table = self.table()
        columns = [Column(each.name, each.type) for each in table.columns]
        kinds = ("table", "partitioned")
        name = self.relation_name(table)
        if table.kind in kinds and self.chance(0.06):
            name = f"ONLY {name}" if self.chance(0.5) else f"{name} *"
        sample = " TABLESAMPLE system (10)" if table.kind in (*kinds, "matview") and self.chance(0.03) else ""
        return name + self.add(frame, columns, table.key, table.name) + sample

    def joined(self, frame: Frame, depth: int) -> str:
        before = len(frame.sources)
        left = self.item(frame, depth - 1)
        middle = len(frame.sources)
        right = self.item(frame, depth - 1)
        kind = self.rng.choice(("JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "CROSS JOIN", "INNER JOIN"))
        one = [column for source in frame.sources[before:middle] for column in source.columns]
        other = [column for source in frame.sources[middle:] for column in source.columns]
        shared = [column.name for column in one if any(column.name == each.name for each in other)]
        if kind == "CROSS JOIN":
            text = f"{left} CROSS JOIN {right}"
        elif self.chance(0.15):
            text = f"{left} NATURAL {kind} {right}"
        elif shared and self.chance(0.4):
            names = list(dict.fromkeys(self.rng.choice(shared) for _ in range(2)))
            alias = f" AS {self.name(self.alias())}" if self.chance(0.15) else ""
            text = f"{left} {kind} {right} USING ({', '.join(self.name(name) for name in names)}){alias}"
        else:
            on = Frame(frame.outer, frame.sources[before:], frame.ctes)
            text = f"{left} {kind} {right} ON {self.expr(BOOL, on, min(depth, 1))}"
        if self.chance(0.12):
            del frame.sources[before:]
            return f"({text})" + self.add(frame, [*one, *other])
        return f"({text})" if self.chance(0.2) else text

    def function_item(self, frame: Frame, depth: int) -> str:
        form = self.rng.randrange(8)
        ordinality = self.chance(0.15)
        extra = [Column("ordinality", Name(PG, "int8"))] if ordinality else []
        suffix = " WITH ORDINALITY" if ordinality else ""
        if form == 0:
            return f"generate_series(1, {self.leaf(INT4, frame)}){suffix}" + self.add(
                frame, [Column("generate_series", INT4), *extra], default="generate_series"
            )
        if form == 1:
            element = self.random_type()
            array = f"ARRAY[{self.leaf(element, frame)}]"
            return f"unnest({array}){suffix}" + self.add(frame, [Column("unnest", element), *extra], default="unnest")
        if form == 2:
            tags = f"unnest({self.leaf(Name(PG, '_text'), frame)}, ARRAY[1,2]){suffix}"
            return tags + f" AS {self.rows(frame, [Column('tag', TEXT), Column('n', INT4)])}"
        if form == 3:
            json = self.leaf(Name(PG, "jsonb"), frame)
            name = self.rng.choice(("jsonb_each", "jsonb_each_text"))
            value = TEXT if name.endswith("text") else Name(PG, "jsonb")
            return f"{name}({json}){suffix}" + self.add(
                frame, [Column("key", TEXT), Column("value", value), *extra], default=name
            )
        if form == 4:
            json = self.leaf(Name(PG, "jsonb"), frame)
            types = [self.rng.choice(self.stock.types[:40]) for _ in range(2)]
            listed = ", ".join(f"{name} {self.type_name(type_)}" for name, type_ in zip("ab", types, strict=True))
            name = self.rng.choice(("jsonb_to_record", "jsonb_to_recordset"))
            columns = [Column(name, type_) for name, type_ in zip("ab", types, strict=True)]
            frame.sources.append(Source(f"j{len(frame.sources)}", columns))
            return f"{name}({json}) AS {frame.sources[-1].alias}({listed})"
        if form == 5:
            json = self.leaf(Name(PG, "jsonb"), frame)
            column = f"v {self.type_name(self.rng.choice((TEXT, INT4)))} PATH '$.a'"
            nested = self.rng.choice(("", ", NESTED PATH '$[*]' COLUMNS (w text PATH '$')"))
            columns = [Column("i", INT4), Column("v", TEXT), *([Column("w", TEXT)] if nested else [])]
            return f"JSON_TABLE({json}, '$[*]' COLUMNS (i FOR ORDINALITY, {column}{nested}))" + self.add(frame, columns)
        if form == 6:
            columns = [Column("a", INT4), Column("b", TEXT)]
            text = f"ROWS FROM (generate_series(1, 2), unnest(ARRAY[{self.leaf(TEXT, frame)}])){suffix}"
            return f"{text} AS {self.rows(frame, columns)}"
        own = [each for each in self.stock.set_returning if each.schema == "public"]
        function = self.rng.choice(own if self.chance(0.4) else self.stock.set_returning)
        result = self.stock.catalog.relation_index.get(function.result)
        outputs = [Column(name or function.name, type_) for name, type_ in function.outputs]
        columns = [Column(each.name, each.type) for each in result.columns] if result else outputs
        call = f"{self.qualified(function.key)}({self.arguments(function, frame, 1)})"
        return call + self.add(frame, columns or [Column(function.name, function.result)], default=function.name)

    def rows(self, frame: Frame, columns: list[Column]) -> str:
        """An alias with a full list of column names."""
        alias = f"f{len(frame.sources)}"
        frame.sources.append(Source(alias, columns))
        return f"{alias} ({', '.join(self.name(column.name) for column in columns)})"
