"""Which overload is meant: what PostgreSQL chose is always among the candidates, and nearly always the only one.

PostgreSQL's choice is read from the stored tree of a view (pg_rewrite.ev_action), made in a transaction that is rolled back.
"""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import asyncpg
import pytest

from pg_guard.catalog.model import Name
from pg_guard.facts.names import UNKNOWN, Names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pg_guard.catalog.model import Catalog, Function, Operator

PG = "pg_catalog"
CONCRETE = {
    "any": "int4", "anyelement": "int4", "anyarray": "_int4", "anynonarray": "int4", "anyrange": "int4range",
    "anyenum": "order_status", "anymultirange": "int4multirange", "anycompatible": "int4", "anycompatiblearray": "_int4",
    "anycompatiblenonarray": "int4", "anycompatiblerange": "int4range", "anycompatiblemultirange": "int4multirange",
}  # fmt: skip
OTHERS = (
    "int2", "int4", "int8", "numeric", "float4", "float8", "text", "varchar", "bpchar", "name", "date", "timestamp",
    "timestamptz", "interval", "time", "bool", "jsonb", "_int4", "_text", "bytea", "point", "inet", "cidr", "bit", "varbit",
    "oid", "char",
)  # fmt: skip
DOMAIN = Name("public", "email_address")
ENUM = Name("public", "order_status")


class Case(NamedTuple):
    """A call or an expression with arguments of these types; `prefix` operators have one."""

    name: str
    args: tuple[Name, ...]
    operator: bool = False

    @property
    def sql(self) -> str:
        parts = ["NULL" if type_ == UNKNOWN else f'NULL::"{type_.schema}"."{type_.name}"' for type_ in self.args]
        if not self.operator:
            return f'SELECT pg_catalog."{self.name}"({", ".join(parts)}) AS x'
        left = parts[0] if len(parts) == 2 else ""
        return f"SELECT {left} OPERATOR(pg_catalog.{self.name}) {parts[-1]} AS x"


def concrete(type_: Name) -> Name | None:
    if type_.schema != PG:
        return type_
    name = CONCRETE.get(type_.name, type_.name)
    if name in ("cstring", "internal", "record", "trigger", "void", "event_trigger", "fdw_handler"):
        return None
    return ENUM if name == "order_status" else Name(PG, name)


def vary(rng: random.Random, declared: tuple[Name, ...]) -> tuple[Name, ...] | None:
    """Types for a call that is meant for these, or for another overload."""
    args = []
    for type_ in declared:
        found = concrete(type_)
        if found is None:
            return None
        chance = rng.random()
        if chance < 0.3:
            found = UNKNOWN
        elif chance < 0.5:
            found = Name(PG, rng.choice(OTHERS))
        elif chance < 0.55 and found == Name(PG, "text"):
            found = DOMAIN
        args.append(found)
    return tuple(args)


def function_cases(catalog: Catalog, count: int) -> Iterator[Case]:
    rng = random.Random(18)
    overloaded: list[Function] = [
        each
        for name in sorted(catalog.function_index)
        for each in catalog.function_index[name]
        if each.schema == PG and each.args and each.kind == "function"
        and sum(other.schema == PG for other in catalog.function_index[name]) > 1
    ]  # fmt: skip
    for function in rng.choices(overloaded, k=count):
        if args := vary(rng, function.args):
            yield Case(function.name, args)


def operator_cases(catalog: Catalog, count: int) -> Iterator[Case]:
    rng = random.Random(19)
    own: list[Operator] = [each for each in catalog.operators if each.schema == PG]
    # The operators that queries are made of come as often as all others together.
    common = [
        each for each in own if each.name in ("+", "-", "*", "/", "||", "=", "<", ">=", "<>", "->", "@>", "~", "~~")
    ]
    for operator in rng.choices(own, k=count // 2) + rng.choices(common, k=count // 2):
        declared = (operator.right,) if operator.left is None else (operator.left, operator.right)
        if args := vary(rng, declared):
            yield Case(operator.name, args, operator=True)


class Chosen(NamedTuple):
    """What PostgreSQL chose: a function's name and arguments, or an operator's operands."""

    name: Name
    args: tuple[Name, ...]


class Server:
    """Asks PostgreSQL for the overload that it chooses."""

    def __init__(self, connection: asyncpg.Connection[Any]) -> None:
        self._connection = connection
        self._functions: dict[int, Chosen] = {}
        self._operators: dict[int, Chosen] = {}

    async def start(self) -> None:
        fetch = self._connection.fetch
        types = {
            row["oid"]: Name(row["nspname"], row["typname"])
            for row in await fetch(
                "SELECT t.oid, nspname, typname FROM pg_type t JOIN pg_namespace n ON n.oid = typnamespace"
            )
        }
        for row in await fetch(
            "SELECT p.oid, nspname, proname, proargtypes::oid[] AS args FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace"
        ):
            args = tuple(types[oid] for oid in row["args"])
            self._functions[row["oid"]] = Chosen(Name(row["nspname"], row["proname"]), args)
        for row in await fetch(
            "SELECT o.oid, nspname, oprname, oprleft, oprright FROM pg_operator o JOIN pg_namespace n ON n.oid = oprnamespace"
        ):
            args = tuple(types[oid] for oid in (row["oprleft"], row["oprright"]) if oid)
            self._operators[row["oid"]] = Chosen(Name(row["nspname"], row["oprname"]), args)

    async def choose(self, case: Case) -> Chosen | None:
        """The overload, or None when PostgreSQL refuses the expression."""
        transaction = self._connection.transaction()
        await transaction.start()
        try:
            await self._connection.execute(f"CREATE TEMP VIEW asked AS {case.sql}")
            tree: str = await self._connection.fetchval(
                "SELECT ev_action::text FROM pg_rewrite WHERE ev_class = 'pg_temp.asked'::regclass"
            )
        except asyncpg.PostgresError:
            return None
        finally:
            await transaction.rollback()
        if case.operator:
            found = [self._operators[int(oid)] for oid in re.findall(r":opno (\d+)", tree)]
        else:
            # The format tells a written call from a cast that PostgreSQL put in.
            pattern = r":funcid (\d+) :funcresulttype \d+ :funcretset \w+ :funcvariadic \w+ :funcformat 0"
            found = [self._functions[int(oid)] for oid in re.findall(pattern, tree)]
        return next((each for each in found if each.name.name == case.name), None)


@pytest.fixture(scope="module")
async def choices(demo_dsn: str, demo_catalog: Catalog) -> dict[Case, Chosen]:
    """What PostgreSQL chose for each case that it accepts."""
    cases = dict.fromkeys([*function_cases(demo_catalog, 700), *operator_cases(demo_catalog, 700)])
    connection = await asyncpg.connect(demo_dsn)
    try:
        server = Server(connection)
        await server.start()
        found = {case: await server.choose(case) for case in cases}
    finally:
        await connection.close()
    return {case: chosen for case, chosen in found.items() if chosen is not None}


def candidates(names: Names, case: Case) -> list[Chosen]:
    if not case.operator:
        return [Chosen(each.key, each.args) for each in names.resolve_function(PG, case.name, case.args)]
    left = case.args[0] if len(case.args) == 2 else None
    found = names.resolve_operator(PG, case.name, left, case.args[-1], prefix=len(case.args) == 1)
    return [
        Chosen(Name(each.schema, each.name), (each.right,) if each.left is None else (each.left, each.right))
        for each in found
    ]


@pytest.mark.parametrize("operator", [False, True], ids=["functions", "operators"])
def test_the_choice_of_postgresql_is_among_the_candidates(
    choices: dict[Case, Chosen], demo_catalog: Catalog, operator: bool
) -> None:
    names = Names(demo_catalog, ("public",))
    chosen = {case: each for case, each in choices.items() if case.operator is operator}
    assert len(chosen) >= 200
    missed = [
        (case.sql, chosen[case], candidates(names, case))
        for case in chosen
        if chosen[case] not in candidates(names, case)
    ]
    assert not missed


@pytest.mark.parametrize("operator", [False, True], ids=["functions", "operators"])
def test_it_is_nearly_always_the_only_one(choices: dict[Case, Chosen], demo_catalog: Catalog, operator: bool) -> None:
    names = Names(demo_catalog, ("public",))
    cases = [case for case in choices if case.operator is operator]
    several = [case.sql for case in cases if len(candidates(names, case)) > 1]
    assert len(several) <= len(cases) // 10, several


@pytest.mark.parametrize("operator", [False, True], ids=["functions", "operators"])
def test_an_argument_of_any_type_keeps_the_choice(
    choices: dict[Case, Chosen], demo_catalog: Catalog, operator: bool
) -> None:
    """A type that could not be told must only widen the candidates."""
    names = Names(demo_catalog, ("public",))
    for case, chosen in choices.items():
        if case.operator is not operator:
            continue
        for index in range(len(case.args)):
            given: tuple[Name | None, ...] = (*case.args[:index], None, *case.args[index + 1 :])
            if operator:
                left = given[0] if len(given) == 2 else None
                found = names.resolve_operator(PG, case.name, left, given[-1], prefix=len(given) == 1)
                assert chosen.args in [
                    (each.right,) if each.left is None else (each.left, each.right) for each in found
                ], case.sql
            else:
                assert chosen.args in [each.args for each in names.resolve_function(PG, case.name, given)], case.sql
