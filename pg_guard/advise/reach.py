"""What leads to protected data. In: a policy and a catalog. Out: for views and functions, the protected objects behind them.

Protected is what the policy denies: relations of `tables.deny`, columns of `columns.deny`. The views are followed by the
code that decides on statements, so that advice and decisions agree.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pg_guard.checks.functions import FunctionCheck
from pg_guard.checks.tables import SYSTEM_SCHEMAS
from pg_guard.facts.extract import extract
from pg_guard.facts.reader import Reader, TooDeep
from pg_guard.facts.views import ViewShapes
from pg_guard.policy.compile import compile_policy
from pg_guard.sql.text import Refusal, admit
from pg_guard.sql.witness import read_postgres

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pg_guard.catalog.model import Catalog, Function, Name, Relation
    from pg_guard.facts.scopes import Base
    from pg_guard.facts.views import Shape
    from pg_guard.policy.model import Policy

__all__ = ["READABLE", "Reach", "Reads", "ViewLeak", "is_user_schema"]

READABLE: Final = ("table", "partitioned", "foreign", "view", "matview")
_BODY_BYTES: Final = 1_000_000
_DEPTH: Final = 500
_DYNAMIC: Final = re.compile(r"\bEXECUTE\b(?!\s+FUNCTION|\s+PROCEDURE)", re.IGNORECASE)


def is_user_schema(schema: str) -> bool:
    """Is it neither PostgreSQL's own nor temporary?"""
    return schema not in SYSTEM_SCHEMAS and not schema.startswith(("pg_temp", "pg_toast"))


@dataclass(frozen=True, slots=True)
class ViewLeak:
    """What a view shows of protected data.

    Attributes:
        relations: Denied relations that it reads, at any depth.
        columns: By column of the view that is not denied itself, the denied columns that flow into it.
        conditions: Denied columns that decide which rows there are.
        problem: Why the view could not be followed, or ''.
    """

    relations: tuple[Name, ...] = ()
    columns: tuple[tuple[str, tuple[Base, ...]], ...] = ()
    conditions: tuple[Base, ...] = ()
    problem: str = ""

    def __bool__(self) -> bool:
        return bool(self.relations or self.columns or self.conditions)


@dataclass(frozen=True, slots=True)
class Reads:
    """What a function's body reads.

    Attributes:
        relations: Relations of the catalog, system schemas left out.
        columns: Columns of them, as far as they can be told.
        dynamic: It runs SQL that it puts together, so that there may be more.
        known: False when its body is not SQL or PL/pgSQL and nothing can be told.
    """

    relations: frozenset[Name] = frozenset()
    columns: frozenset[tuple[Name, str]] = frozenset()
    dynamic: bool = False
    known: bool = True


class Reach:
    """Follows views and functions to what a policy denies.

    Args:
        policy: The policy.
        catalog: The database's catalog.
    """

    def __init__(self, policy: Policy, catalog: Catalog) -> None:
        program = compile_policy(policy, catalog)
        self.catalog = catalog
        self.tables = program.tables
        self.columns = program.columns
        self.names = program.names
        self.functions = next(check.rules for check in program.checks if isinstance(check, FunctionCheck))
        self._shapes = ViewShapes()

    def protected(self, name: Name) -> bool:
        """Is the relation denied?"""
        return self.tables.denied(name)

    def shape(self, view: Relation) -> Shape:
        """What a view reads and shows."""
        return self._shapes.shape(self.names, view)

    def view(self, view: Relation) -> ViewLeak:
        """What a view shows of protected data."""
        shape = self.shape(view)
        hidden = self.columns.hidden
        relations = {name for use in shape.relations for name in use.names if self.tables.denied(name)}
        columns = []
        for column in view.columns:
            if hidden(view.key, column.name):
                continue  # denied under its own name, too
            bases = tuple(base for base in shape.columns.get(column.name, ()) if hidden(base.relation, base.column))
            if bases:
                columns.append((column.name, bases))
        conditions = tuple(base for base in shape.conditions if hidden(base.relation, base.column))
        return ViewLeak(tuple(sorted(relations)), tuple(columns), conditions, shape.problem)

    def function(self, function: Function) -> Reads:
        """What a function reads; for PL/pgSQL by the names in its body, which may be more than it really reads."""
        text = function.definition or function.body
        if not text:
            return Reads(known=function.language in ("sql", "plpgsql"))
        by_name = self._named(text)
        if function.language != "sql":
            columns = self._named_columns(text, by_name)
            return Reads(by_name, columns, bool(_DYNAMIC.search(text)))
        relations: set[Name] = set()
        columns_read: set[tuple[Name, str]] = set()
        try:
            for statement in _statements(function):
                reader = Reader(self.names, self._shapes, max_depth=_DEPTH)
                facts = extract(reader, statement)
                if facts.kind != "select":
                    # Writing statements are not read in detail: their names are.
                    relations |= by_name
                    columns_read |= self._named_columns(text, by_name)
                relations |= {name for use in facts.relations for name in use.names if use.known}
                columns_read |= {(name, use.name) for use in facts.columns for name in use.relations}
        except (Refusal, TooDeep, RecursionError):
            return Reads(by_name, self._named_columns(text, by_name))
        return Reads(
            frozenset(name for name in relations if is_user_schema(name.schema)),
            frozenset(pair for pair in columns_read if is_user_schema(pair[0].schema)),
        )

    def protected_reads(self, reads: Reads) -> tuple[str, ...]:
        """The denied relations and columns among what a function reads, sorted, as ``schema.table`` and ``….column``."""
        relations = {name for name in reads.relations if self.tables.denied(name)}
        columns = {
            f"{name}.{column}"
            for name, column in reads.columns
            if name not in relations
            and (self.columns.guarded(name) if column == "*" else self.columns.hidden(name, column))
        }
        return (*sorted(map(str, relations)), *sorted(columns))

    def _named(self, text: str) -> frozenset[Name]:
        """Relations whose names stand in a text, alone or after their schema."""
        mentioned = set(_words(text))
        return frozenset(
            relation.key
            for relation in self.catalog.relations
            if relation.kind in READABLE
            and is_user_schema(relation.schema)
            and relation.name in mentioned
            and (relation.schema in mentioned or relation.schema in self.names.search_path)
        )

    def _named_columns(self, text: str, relations: Iterable[Name]) -> frozenset[tuple[Name, str]]:
        mentioned = set(_words(text))
        index = self.catalog.relation_index
        return frozenset(
            (name, column.name)
            for name in relations
            for column in index[name].columns
            if column.name in mentioned or "*" in text
        )


def _words(text: str) -> Iterable[str]:
    """Identifiers of a text: those in quotes as they are, others folded."""
    for match in re.finditer(r'"((?:[^"]|"")+)"|[^\W\d][\w$]*', text):
        yield match[1].replace('""', '"') if match[1] else match[0].lower()


def _statements(function: Function) -> list[dict[str, object]]:
    """The statements of an SQL function.

    Raises:
        Refusal: They cannot be read.
    """
    text = function.body
    if function.definition:
        text = function.definition.strip()
        if text.upper().startswith("RETURN"):
            text = "SELECT " + text[len("RETURN") :]
        else:
            text = re.sub(r"\ABEGIN\s+ATOMIC\b|\bEND\s*\Z", "", text, flags=re.IGNORECASE)
    return list(read_postgres(admit(text, max_bytes=_BODY_BYTES)).statements)
