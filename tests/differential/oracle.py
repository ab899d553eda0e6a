"""What PostgreSQL itself resolves. In: SELECT texts and a connection. Out: relations, columns and functions of each.

Each text becomes the body of a temporary SQL-standard function, in a subtransaction that is rolled back. A function's
body is analysed exactly as a statement is and stored as a tree (pg_proc.prosqlbody) before any rewriting; other than a
view it puts no condition on the names and types of output columns. The tree holds the oid of every function that was
chosen, PostgreSQL's own included; pg_depend holds the columns, once more and independently of the tree.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from pg_guard.catalog.dependencies import WHOLE, tree_reads
from pg_guard.catalog.model import Name

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

__all__ = ["Called", "Oracle", "Resolved"]

_SETUP = r"""
CREATE FUNCTION pg_temp.resolve(statement text, OUT tree text, OUT columns text, OUT problem text)
LANGUAGE plpgsql AS $function$
BEGIN
  BEGIN
    EXECUTE E'CREATE FUNCTION pg_temp.resolved() RETURNS void LANGUAGE sql BEGIN ATOMIC\n' || statement || E'\n; END';
    SELECT p.prosqlbody::text,
           (SELECT string_agg(d.refobjid || '.' || d.refobjsubid, ' ') FROM pg_catalog.pg_depend AS d
            WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = p.oid
              AND d.refclassid = 'pg_catalog.pg_class'::regclass)
      INTO tree, columns
      FROM pg_catalog.pg_proc AS p WHERE p.proname = 'resolved' AND p.pronamespace = pg_catalog.pg_my_temp_schema();
    RAISE EXCEPTION USING ERRCODE = 'PG001';
  EXCEPTION WHEN SQLSTATE 'PG001' THEN RETURN;
            WHEN OTHERS THEN problem := SQLSTATE || ' ' || SQLERRM; RETURN;
  END;
END $function$;
"""
_RESOLVE = """
SELECT r.tree, r.columns, r.problem
FROM unnest($1::text[]) WITH ORDINALITY AS s(statement, place), LATERAL pg_temp.resolve(s.statement) AS r ORDER BY place
"""
_SYSTEM_COLUMNS = {-1: "ctid", -2: "xmin", -3: "cmin", -4: "xmax", -5: "cmax", -6: "tableoid"}
# COERCE_EXPLICIT_CALL and COERCE_SQL_SYNTAX: the author wrote a call; 1 and 2 are casts.
_WRITTEN_AS_CALL = frozenset({"0", "3"})
_FUNCTION = re.compile(
    r":funcid (\d+) :funcresulttype \d+ :funcretset \w+ :funcvariadic \w+ :funcformat (\d)"
    r"|:(?:opfuncid|startInRangeFunc|endInRangeFunc|tsmhandler) (\d+)|:(?:aggfnoid|winfnoid) (\d+)"
)
_OPERATOR = re.compile(r":(?:eqop|sortop) (\d+)|:opnos \(o([ \d]*)\)")
_WHOLE_ROW = re.compile(r"\{VAR :varno -?\d+ :varattno 0 :vartype (\d+)")
_TYPE = re.compile(r":(?:consttype|resulttype) (\d+)")


class Called(NamedTuple):
    """One overload, and how the statement came to call it."""

    function: Name
    args: tuple[Name, ...]
    how: str  # call, cast, operator, sort


@dataclass(frozen=True, slots=True)
class Resolved:
    """What PostgreSQL made of one text.

    Attributes:
        problem: SQLSTATE and message when it refused the text, else ''.
        columns: (relation, column); every column where the whole row is read.
        functions: Every overload that the stored tree names.
        types: Types of constants and of conversions by input and output functions.
        record: True when a row of no named type is read whole, whose columns neither tree nor pg_depend tells.
    """

    problem: str = ""
    relations: frozenset[Name] = frozenset()
    columns: frozenset[tuple[Name, str]] = frozenset()
    functions: frozenset[Called] = frozenset()
    types: frozenset[Name] = frozenset()
    record: bool = False


class Oracle:
    """Asks one connection; `start` once before `resolve`."""

    def __init__(self, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        self._connection = connection
        self._relations: dict[int, Name] = {}
        self._columns: dict[int, dict[int, str]] = {}
        self._functions: dict[int, tuple[Name, tuple[Name, ...]]] = {}
        self._operators: dict[int, int] = {}
        self._types: dict[int, Name] = {}
        self._rows: dict[int, int] = {}

    async def start(self) -> None:
        """Read the names of everything, and set the connection up."""
        fetch = self._connection.fetch
        schema = "JOIN pg_catalog.pg_namespace AS n ON n.oid ="
        for row in await fetch(f"SELECT c.oid, nspname, relname FROM pg_class AS c {schema} relnamespace"):
            self._relations[row["oid"]] = Name(row["nspname"], row["relname"])
        for row in await fetch(
            "SELECT attrelid, attnum, attname FROM pg_attribute WHERE attnum > 0 AND NOT attisdropped"
        ):
            self._columns.setdefault(row["attrelid"], {})[row["attnum"]] = row["attname"]
        for row in await fetch(f"SELECT t.oid, nspname, typname, typrelid FROM pg_type AS t {schema} typnamespace"):
            self._types[row["oid"]] = Name(row["nspname"], row["typname"])
            if row["typrelid"]:
                self._rows[row["oid"]] = row["typrelid"]
        arguments = "proargtypes::oid[] AS args"
        for row in await fetch(f"SELECT p.oid, nspname, proname, {arguments} FROM pg_proc AS p {schema} pronamespace"):
            args = tuple(self._types[oid] for oid in row["args"])
            self._functions[row["oid"]] = (Name(row["nspname"], row["proname"]), args)
        for row in await fetch("SELECT oid, oprcode::oid AS code FROM pg_operator"):
            self._operators[row["oid"]] = row["code"]
        await self._connection.execute(_SETUP)

    async def resolve(self, statements: Sequence[str]) -> list[Resolved]:
        """What PostgreSQL makes of each text, in order."""
        rows = await self._connection.fetch(_RESOLVE, list(statements))
        return [
            Resolved(problem=row["problem"]) if row["tree"] is None else self._read(row["tree"], row["columns"] or "")
            for row in rows
        ]

    def _read(self, tree: str, recorded: str) -> Resolved:
        # `(t).c` needs the privilege to read all of t, but reads one column: whole rows are counted by their own nodes.
        reads: set[tuple[int, int]] = {read for read in tree_reads(tree) if read[1] != WHOLE}
        reads |= {(self._rows[oid], WHOLE) for oid in map(int, _WHOLE_ROW.findall(tree)) if oid in self._rows}
        for entry in recorded.split():
            relation, _, column = entry.partition(".")
            reads.add((int(relation), int(column)))
        columns: set[tuple[Name, str]] = set()
        for oid, number in reads:
            own = self._columns.get(oid, {})
            if oid not in self._relations or number == 0:
                continue
            names = own.values() if number == WHOLE else [own.get(number) or _SYSTEM_COLUMNS[number]]
            columns.update((self._relations[oid], name) for name in names)
        return Resolved(
            relations=frozenset(self._relations[oid] for oid in map(int, re.findall(r":relid ([1-9]\d*)", tree))),
            columns=frozenset(columns),
            functions=frozenset(self._called(tree)),
            types=frozenset(self._types[int(oid)] for oid in _TYPE.findall(tree)),
            record="2249" in _WHOLE_ROW.findall(tree),
        )

    def _called(self, tree: str) -> set[Called]:
        found: set[Called] = set()
        for called, form, operator, aggregate in _FUNCTION.findall(tree):
            oid = int(called or operator or aggregate)
            if oid:
                how = "operator" if operator else "call" if aggregate or form in _WRITTEN_AS_CALL else "cast"
                found.add(Called(*self._functions[oid], how))
        for single, several in _OPERATOR.findall(tree):
            for oid in map(int, (single or several).split()):
                if oid:
                    found.add(Called(*self._functions[self._operators[oid]], "sort" if single else "operator"))
        return found
