"""Random expressions of a wanted type. In: a scope and a type. Out: SQL text, mostly well typed.

A part of the arguments is of another type than the function or operator declares: how PostgreSQL chooses among overloads
is what the facts have to follow.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from pg_guard.catalog.model import Name
from tests.differential.spelling import spell_name, spell_text
from tests.differential.stock import ALIASES, CONSTANTS, PG, Stock, plain

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from pg_guard.catalog.model import Function, Operator

__all__ = ["Column", "Expressions", "Frame", "Source"]

BOOL, TEXT, INT4 = Name(PG, "bool"), Name(PG, "text"), Name(PG, "int4")
JSON, JSONB = Name(PG, "json"), Name(PG, "jsonb")


class Column(NamedTuple):
    name: str
    type: Name


@dataclass
class Source:
    """An item of FROM; `row` is its composite type when it is a stored relation."""

    alias: str
    columns: list[Column]
    row: Name | None = None


@dataclass
class Frame:
    """What one query level can see."""

    outer: Frame | None = None
    sources: list[Source] = field(default_factory=list)
    ctes: dict[str, list[Column]] = field(default_factory=dict)

    def levels(self) -> list[Frame]:
        return [self, *(self.outer.levels() if self.outer else [])]


class Expressions:
    """Makes expressions; the query half is in `generator`."""

    def __init__(self, stock: Stock, rng: random.Random) -> None:
        self.stock = stock
        self.rng = rng

    # -- pieces ------------------------------------------------------------------------------------------------------

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    def name(self, name: str) -> str:
        return spell_name(name, self.rng)

    def alias(self) -> str:
        return self.rng.choice(ALIASES)

    def qualified(self, name: Name) -> str:
        """A function, type or operator's name; sometimes with its schema."""
        in_path = name.schema in (PG, "public")
        if in_path and not self.chance(0.12):
            return self.name(name.name)
        return f"{self.name(name.schema)}.{self.name(name.name)}"

    def type_name(self, type_: Name) -> str:
        catalog_type = self.stock.catalog.type_index.get(type_)
        if catalog_type is not None and catalog_type.element is not None and catalog_type.kind == "array":
            return self.type_name(catalog_type.element) + "[]"
        if type_ == Name(PG, "char"):
            return '"char"'
        return self.qualified(type_)

    def random_type(self) -> Name:
        common = (
            INT4,
            TEXT,
            Name(PG, "numeric"),
            BOOL,
            Name(PG, "timestamptz"),
            Name(PG, "date"),
            JSONB,
            Name(PG, "int8"),
        )
        return self.rng.choice(common if self.chance(0.65) else self.stock.types)

    # -- expressions -------------------------------------------------------------------------------------------------

    def expr(self, type_: Name, frame: Frame, depth: int) -> str:
        """An expression that is mostly of the type."""
        if depth <= 0 or self.chance(0.15):
            return self.leaf(type_, frame)
        made = self.rng.choices(
            (None, self.call, self.operation, self.cast, self.choice, self.misc), (5, 4, 4, 2, 2, 3)
        )[0]
        return made(type_, frame, depth - 1) if made is not None else self.leaf(type_, frame)

    def leaf(self, type_: Name, frame: Frame) -> str:
        columns = self.columns(frame, type_)
        if columns and self.chance(0.75):
            return self.rng.choice(columns)
        return self.constant(type_)

    def constant(self, type_: Name) -> str:
        values = CONSTANTS.get(type_, ())
        if not values or self.chance(0.04):
            return f"NULL::{self.type_name(type_)}" if type_ in CONSTANTS else "NULL"
        value = self.rng.choice(values)
        if type_ in (INT4, Name(PG, "numeric"), Name(PG, "int8")) and self.chance(0.7):
            return value
        if type_ == BOOL and self.chance(0.7):
            return self.rng.choice(("TRUE", "FALSE"))
        text = spell_text(value, self.rng)
        form = self.rng.random()
        if form < 0.1:
            return text
        if form < 0.6 or "_" in type_.name[:1]:
            return f"{text}::{self.type_name(type_)}"
        return f"CAST({text} AS {self.type_name(type_)})" if form < 0.85 else f"{self.qualified(type_)} {text}"

    def columns(self, frame: Frame, type_: Name | None) -> list[str]:
        """References to columns of the type, outer levels included; a few of any type."""
        found: list[str] = []
        for depth, level in enumerate(frame.levels()[:3]):
            if depth and found and not self.chance(0.3):
                break
            for source in level.sources:
                found += [
                    self.reference(source, column, level)
                    for column in source.columns
                    if type_ is None or column.type == type_ or self.chance(0.01)
                ]
        return found

    def reference(self, source: Source, column: Column, level: Frame) -> str:
        alone = sum(column.name == other.name for each in level.sources for other in each.columns) == 1
        form = self.rng.random()
        if not source.alias or (form < 0.35 and alone):
            return self.name(column.name)
        if form < 0.9 or source.row is None:
            return f"{self.name(source.alias)}.{self.name(column.name)}"
        if form < 0.95:
            return f"({self.name(source.alias)}).{self.name(column.name)}"
        return f"{self.name(column.name)}({self.name(source.alias)})"

    def near(self, type_: Name, frame: Frame, depth: int) -> str:
        """An argument for a declared type: of that type, of one that may be coerced, or an unknown literal."""
        form = self.rng.random()
        catalog = self.stock.catalog.type_index
        if not plain(type_):
            type_ = self.concrete(type_)
        if form < 0.86:
            return self.expr(type_, frame, depth)
        if form < 0.93:
            category = catalog[type_].category if type_ in catalog else ""
            alike = [each for each in self.stock.types if each in catalog and catalog[each].category == category]
            return self.expr(self.rng.choice(alike or [type_]), frame, depth)
        if form < 0.99 and CONSTANTS.get(type_):
            return spell_text(self.rng.choice(CONSTANTS[type_]), self.rng)
        return self.expr(self.random_type(), frame, depth)

    def concrete(self, type_: Name) -> Name:
        index = self.stock.catalog.type_index
        wanted = {"anyarray": "array", "anycompatiblearray": "array", "anyenum": "enum", "anyrange": "range",
                  "anymultirange": "multirange", "record": "composite"}.get(type_.name)  # fmt: skip
        fitting = [
            each for each in self.stock.types if wanted is None or (each in index and index[each].kind == wanted)
        ]
        return self.rng.choice(fitting)

    def arguments(self, function: Function, frame: Frame, depth: int) -> str:
        declared = list(function.args)
        if function.defaults and self.chance(0.6):
            declared = declared[: len(declared) - self.rng.randint(1, function.defaults)]
        same = self.concrete(Name(PG, "anyelement"))
        parts = []
        for index, arg in enumerate(declared):
            if function.variadic and index == len(function.args) - 1:
                element = self.stock.catalog.type_index.get(arg)
                kind = element.element if element is not None and element.element is not None else same
                parts += [self.near(kind, frame, depth) for _ in range(self.rng.randint(1, 3))]
            elif arg.name in ("anyelement", "anycompatible", "any", "anynonarray"):
                parts.append(self.whole_row(frame) if self.chance(0.12) else self.expr(same, frame, depth))
            elif arg.name in ("anyarray", "anycompatiblearray") and self.chance(0.6):
                parts.append(f"ARRAY[{self.expr(same, frame, depth)}]")
            else:
                parts.append(self.near(arg, frame, depth))
        return ", ".join(parts)

    def whole_row(self, frame: Frame) -> str:
        sources = [each for level in frame.levels()[:2] for each in level.sources if each.alias]
        return self.name(self.rng.choice(sources).alias) if sources else "ROW(1)"

    def call(self, type_: Name, frame: Frame, depth: int) -> str:
        form = self.rng.random()
        functions: Sequence[Function] = self.stock.functions.get(type_, ())
        if form < 0.1:
            functions = self.stock.own_functions
        elif form < 0.25:
            functions = self.stock.polymorphic
        if not functions:
            return self.leaf(type_, frame)
        function = self.rng.choice(functions)
        if len(function.args) == 1 and self.chance(0.05) and (columns := self.columns(frame, function.args[0])):
            # Attribute notation.
            return f"({self.rng.choice(columns)}).{self.name(function.name)}"
        if len(function.args) == 1 and function.args[0].schema == "public" and self.chance(0.3):
            return f"{self.whole_row(frame)}.{self.name(function.name)}"
        return f"{self.qualified(function.key)}({self.arguments(function, frame, depth)})"

    def operation(self, type_: Name, frame: Frame, depth: int) -> str:
        form = self.rng.random()
        operators: Sequence[Operator] = self.stock.operators.get(type_, ())
        if form < 0.08:
            operators = self.stock.own_operators
        elif form < 0.16:
            operators = self.stock.poly_operators
        if not operators:
            return self.leaf(type_, frame)
        operator = self.rng.choice(operators)
        sign = operator.name
        if self.chance(0.05):
            sign = f"OPERATOR({operator.schema}.{operator.name})"
        right = self.near(operator.right, frame, depth)
        if operator.left is None:
            return f"({sign} {right})"
        return f"({self.near(operator.left, frame, depth)} {sign} {right})"

    def cast(self, type_: Name, frame: Frame, depth: int) -> str:
        sources = self.stock.casts.get(type_) or [TEXT]
        source = self.rng.choice(sources) if self.chance(0.8) else self.random_type()
        inner = self.whole_row(frame) if self.chance(0.05) else self.expr(source, frame, depth)
        name = self.type_name(type_)
        return f"({inner})::{name}" if self.chance(0.6) else f"CAST({inner} AS {name})"

    def choice(self, type_: Name, frame: Frame, depth: int) -> str:
        """CASE, COALESCE and their kin, where parts of several types become one."""
        form = self.rng.randrange(6)
        make = self.expr if type_ == BOOL else self.near
        parts = [make(type_, frame, depth) for _ in range(2)]
        if form == 0:
            return f"CASE WHEN {self.expr(BOOL, frame, depth)} THEN {parts[0]} ELSE {parts[1]} END"
        if form == 1:
            other = self.random_type()
            tests = [self.near(other, frame, depth) for _ in range(2)]
            return f"CASE {tests[0]} WHEN {tests[1]} THEN {parts[0]} ELSE {parts[1]} END"
        if form == 2:
            return f"COALESCE({', '.join(parts)})"
        if form == 3:
            return f"NULLIF({', '.join(parts)})"
        if form == 4:
            return f"{self.rng.choice(('GREATEST', 'LEAST'))}({', '.join(parts)})"
        index = self.stock.catalog.type_index.get(type_)
        if index is not None and index.kind == "array" and index.element is not None:
            return f"ARRAY[{self.near(index.element, frame, depth)}, {self.near(index.element, frame, depth)}]"
        return f"(ARRAY[{', '.join(parts)}])[1]"

    # -- forms of one type -------------------------------------------------------------------------------------------

    def misc(self, type_: Name, frame: Frame, depth: int) -> str:
        if type_ == BOOL:
            return self.condition(frame, depth)
        if self.chance(0.3):
            return f"({self.subquery(frame, depth, [type_])})"
        if type_ in (JSON, JSONB):
            return self.json(type_, frame, depth)
        if type_ == TEXT:
            return self.text(frame, depth)
        if type_ == INT4 and self.chance(0.5):
            return f"EXTRACT(year FROM {self.expr(Name(PG, 'timestamptz'), frame, depth)})::int"
        if type_.name == "timestamp":
            return f"({self.expr(Name(PG, 'timestamptz'), frame, depth)} AT TIME ZONE 'UTC')"
        if type_.name == "date":
            return "CURRENT_DATE"
        if type_.name == "xml":
            return self.cast(type_, frame, depth)
        return self.operation(type_, frame, depth)

    def text(self, frame: Frame, depth: int) -> str:
        form = self.rng.randrange(7)
        one = self.expr(TEXT, frame, depth)
        if form == 0:
            return f"SUBSTRING({one} FROM 1 FOR {self.expr(INT4, frame, depth)})"
        if form == 1:
            return f"TRIM(BOTH 'x' FROM {one})"
        if form == 2:
            return f"({self.whole_row(frame)})::text"
        if form == 3:
            return f"OVERLAY({one} PLACING 'x' FROM 1)"
        if form == 4:
            return f"({one} COLLATE {self.name('C')})"
        if form == 5:
            return f"({one} || {self.expr(self.random_type(), frame, depth)})"
        return f"format('%s', {self.whole_row(frame)})"

    def json(self, type_: Name, frame: Frame, depth: int) -> str:
        value = self.whole_row(frame) if self.chance(0.3) else self.expr(self.random_type(), frame, depth)
        forms = [
            f"to_json{'b' * (type_ == JSONB)}({value})",
            f"json{'b' * (type_ == JSONB)}_build_object('k', {value})",
            f"JSON_OBJECT('k': {value} RETURNING {type_.name})",
            f"JSON_ARRAY({value} RETURNING {type_.name})",
            f"JSON_QUERY({self.expr(JSONB, frame, depth)}, '$.a' RETURNING {type_.name})",
            f"row_to_json({self.whole_row(frame)})::{type_.name}",
        ]
        return self.rng.choice(forms)

    def condition(self, frame: Frame, depth: int) -> str:
        form = self.rng.randrange(15)
        type_ = self.random_type()
        one, other = self.near(type_, frame, depth), self.near(type_, frame, depth)
        negated = self.rng.choice(("", "NOT "))
        if form == 0:
            return f"({self.expr(BOOL, frame, depth)} {self.rng.choice(('AND', 'OR'))} {self.expr(BOOL, frame, depth)})"
        if form == 1:
            return f"NOT {self.expr(BOOL, frame, depth)}"
        if form == 2:
            return f"({one} IS {negated}NULL)"
        if form == 3:
            return f"({one} {negated}BETWEEN {other} AND {self.near(type_, frame, depth)})"
        if form == 4:
            return f"({one} {negated}IN ({other}, {self.near(type_, frame, depth)}))"
        if form == 5:
            return f"({one} {negated}IN ({self.subquery(frame, depth, [type_])}))"
        if form == 6:
            return f"{negated}EXISTS ({self.subquery(frame, depth, [type_])})"
        if form == 7:
            quantifier = self.rng.choice(("ANY", "ALL", "SOME"))
            inside = self.subquery(frame, depth, [type_]) if self.chance(0.4) else f"ARRAY[{other}]"
            return f"({one} {self.rng.choice(('=', '<', '<>'))} {quantifier} ({inside}))"
        if form == 8:
            return f"({self.expr(TEXT, frame, depth)} {negated}{self.rng.choice(('LIKE', 'ILIKE', 'SIMILAR TO'))} 'a%')"
        if form == 9:
            sign = self.rng.choice(("=", "<", ">="))
            return f"(({one}, {self.near(INT4, frame, depth)}) {sign} ({other}, {self.near(INT4, frame, depth)}))"
        if form == 10:
            return f"({one} IS {negated}DISTINCT FROM {other})"
        if form == 11:
            return f"({self.whole_row(frame)} IS {negated}NULL)"
        if form == 12:
            sides = (self.whole_row(frame), self.whole_row(frame))
            return f"({sides[0]} {self.rng.choice(('=', '<', 'IS DISTINCT FROM'))} {sides[1]})"
        if form == 13:
            types = [type_, self.random_type()]
            return f"(({one}, {self.near(types[1], frame, depth)}) IN ({self.subquery(frame, depth, types)}))"
        return f"({one} {self.rng.choice(('=', '<', '>', '<=', '<>'))} {other})"

    def subquery(self, frame: Frame, depth: int, types: list[Name]) -> str:
        raise NotImplementedError
