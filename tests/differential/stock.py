"""What the generator builds from. In: a catalog. Out: constants by type, functions and operators by result, names."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from pg_guard.catalog.model import Name

if TYPE_CHECKING:
    from pg_guard.catalog.model import Catalog, Function, Operator, Relation

__all__ = ["ALIASES", "CONSTANTS", "PG", "Stock", "plain"]

PG = "pg_catalog"

_CONSTANTS: dict[str, tuple[str, ...]] = {
    "int2": ("1", "-3"), "int4": ("1", "42", "7"), "int8": ("5", "99999999999"), "numeric": ("1.5", "0"), "float4": ("0.5",),
    "float8": ("1e3", "2.25"), "text": ("a", "x y", "paid", "id", ""), "varchar": ("abc",), "bpchar": ("DE",), "name": ("orders",),
    "char": ("c",), "bool": ("t", "false"), "date": ("2026-02-03",), "time": ("10:00",), "timetz": ("10:00+01",),
    "timestamp": ("2026-01-02 03:04",), "timestamptz": ("2026-01-02 03:04+00",), "interval": ("1 day", "2 hours"),
    "uuid": ("00000000-0000-0000-0000-000000000001",), "json": ('{"a": 1}', "[1,2]"), "jsonb": ('{"a": {"b": 2}}', "[1,2]", '"s"'),
    "jsonpath": ("$.a",), "bytea": ("\\x00ff",), "inet": ("10.0.0.1",), "cidr": ("10.0.0.0/8",), "macaddr": ("08:00:2b:01:02:03",),
    "int4range": ("[1,5)",), "numrange": ("[1.0,2.5]",), "daterange": ("[2026-01-01,2026-02-01)",), "int4multirange": ("{[1,3)}",),
    "point": ("(1,2)",), "box": ("(0,0),(1,1)",), "circle": ("<(0,0),1>",), "bit": ("1",), "varbit": ("101",), "money": ("1.00",),
    "tsvector": ("a b",), "tsquery": ("a & b",), "oid": ("1259",), "regclass": ("orders", "pg_class"),
    "regtype": ("integer",), "regproc": ("now",), "_int4": ("{1,2}",), "_text": ("{a,b}",), "_numeric": ("{1,2.5}",),
    "_date": ("{2026-01-01}",), "_bool": ("{t}",), "_jsonb": ("{1}",), "_regclass": ("{orders}",), "tid": ("(0,1)",),
}  # fmt: skip
_OWN_CONSTANTS: dict[str, tuple[str, ...]] = {
    "order_status": ("paid", "pending"), "grade": ("low",), "email_address": ("a@b.example",), "code": ("c",), "code_of_code": ("d",),
    "dimensions": ("(1,2,3)",), "person": ('(first,"x")',), "household": ('("(h,x)",1)',), "ticket": ("(1)",), "staff_ref": ("(1)",),
    "coded": ("(c,1)",), "_order_status": ("{paid}",), "_ticket": ('{"(1)"}',), "_person": ('{"(a,b)"}',), "_grade": ("{low}",),
    "shade": ("dark",), "paint": ("(light,2)",), "_shade": ("{dark}",), "good_ticket": ("(2)",), "pair_of_tickets": ('("(1)","(2)")',),
    "ticket_range": ('["(1)","(2)")',), "pointer": ("(orders,x)",), "coded_box": ('("(c,1)")',),
}  # fmt: skip
CONSTANTS: dict[Name, tuple[str, ...]] = {
    **{Name(PG, name): values for name, values in _CONSTANTS.items()},
    **{Name("public", name): values for name, values in _OWN_CONSTANTS.items()},
}

# Few, and the names of real columns, tables and functions among them: a scope that is looked up wrongly meets another
# thing of the same name.
ALIASES = (
    "t", "u", "x", "a", "b", "o", "c", "orders", "customers", "regions", "id", "name", "ssn", "total", "employees", "payroll", "n",
    "lower", "upper", "contact", "city", "number", "stores", "Mixed", "web_events", "value", "products", "p", "line",
)  # fmt: skip

_POLYMORPHIC = frozenset(
    {"anyelement", "anyarray", "anynonarray", "anyenum", "anyrange", "anymultirange", "anycompatible", "anycompatiblearray",
     "anycompatiblenonarray", "anycompatiblerange", "anycompatiblemultirange", "any"}
)  # fmt: skip


def plain(name: Name) -> bool:
    """A type that is neither polymorphic nor for PostgreSQL's own use."""
    return name.schema != PG or (name.name not in _POLYMORPHIC and name in CONSTANTS)


class Stock:
    """Indexes over one catalog.

    Args:
        catalog: Where the statements will run.
    """

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        kinds = ("table", "partitioned", "view", "matview")
        relations = [each for each in catalog.relations if each.kind in kinds and each.columns]
        self.tables: list[Relation] = [each for each in relations if each.schema not in (PG, "information_schema")]
        self.hidden = [each for each in self.tables if each.schema in ("hr", "audit")]
        self.known = [each for each in self.tables if each.schema == "public" and len(each.columns) > 1]
        self.system = [each for each in relations if each.name in ("pg_class", "pg_tables", "pg_authid", "pg_stats")]
        self.types = tuple(CONSTANTS)
        self.functions: dict[Name, list[Function]] = defaultdict(list)
        self.own_functions: list[Function] = []
        self.polymorphic: list[Function] = []
        self.aggregates: list[Function] = []
        self.windows: list[Function] = []
        self.set_returning: list[Function] = []
        usable = [each for each in catalog.functions if each.kind != "procedure" and not each.extension]
        for function in usable:
            self._sort(function)
        self.operators: dict[Name, list[Operator]] = defaultdict(list)
        self.own_operators: list[Operator] = []
        self.poly_operators: list[Operator] = []
        for operator in catalog.operators:
            sides = [side for side in (operator.left, operator.right) if side is not None]
            if operator.schema != PG:
                self.own_operators.append(operator)
            if all(plain(side) for side in sides):
                self.operators[operator.result].append(operator)
            else:
                self.poly_operators.append(operator)
        self.casts: dict[Name, list[Name]] = defaultdict(list)
        for cast in catalog.casts:
            if plain(cast.source) and plain(cast.target):
                self.casts[cast.target].append(cast.source)

    def _sort(self, function: Function) -> None:
        if any(arg.name in ("internal", "cstring", "trigger") for arg in (*function.args, function.result)):
            return
        if function.kind == "aggregate":
            self.aggregates.append(function)
        elif function.kind == "window":
            self.windows.append(function)
        elif function.returns_set:
            self.set_returning.append(function)
        elif all(plain(arg) for arg in function.args):
            self.functions[function.result].append(function)
            if function.schema not in (PG, "information_schema"):
                self.own_functions.append(function)
        elif function.result.name not in ("event_trigger", "language_handler"):
            self.polymorphic.append(function)
