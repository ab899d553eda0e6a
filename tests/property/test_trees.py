"""Changes of the tree that change no meaning: other aliases, conditions in another order. The decision stays the same.

PostgreSQL's own deparser writes the changed tree, so that the new text says exactly what the tree does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import postgast
import pytest

from pg_guard.guard import Guard
from tests.corpus.loading import load_cases, policy_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pg_guard.catalog.model import Catalog
    from tests.corpus.loading import Case

MOST_BYTES = 2_000


def messages(tree: Any) -> Iterator[Any]:
    for _, message in postgast.walk(tree):
        yield message


def parsed(sql: str) -> Any | None:
    """The tree of one SELECT that the protobuf reader and the deparser can take, else None."""
    if len(sql) > MOST_BYTES or "\0" in sql:
        return None
    try:
        tree = postgast.parse(sql)
        if len(tree.stmts) != 1 or tree.stmts[0].stmt.WhichOneof("node") != "select_stmt":
            return None
        # What is not a fixed point of parsing and deparsing is the deparser's own, not the guard's, to answer for.
        again = postgast.deparse(tree)
        return tree if postgast.deparse(postgast.parse(again)) == again else None
    except (postgast.PgQueryError, UnicodeError, RecursionError, Exception):  # noqa: BLE001 - DecodeError has no public name
        return None


def reorder_conditions(tree: Any) -> bool:
    """Turn the operands of every AND and OR around."""
    changed = False
    for message in messages(tree):
        if type(message).__name__ == "BoolExpr" and len(message.args) > 1:
            operands = [type(each).FromString(each.SerializeToString()) for each in message.args]
            del message.args[:]
            message.args.extend(reversed(operands))
            changed = True
    return changed


def rename_aliases(tree: Any) -> bool:
    """Give every alias of a table another name, wherever it stands; names that are also something else are left."""
    aliases: set[str] = set()
    taken: set[str] = set()
    for message in messages(tree):
        kind = type(message).__name__
        if kind == "RangeVar":
            taken.add(message.relname)
            if message.HasField("alias"):
                aliases.add(message.alias.aliasname)
        elif kind == "CommonTableExpr":
            taken.add(message.ctename)
        elif kind in (
            "RangeSubselect",
            "RangeFunction",
            "JoinExpr",
            "RangeTableFunc",
            "JsonTable",
        ) and message.HasField("alias"):
            taken.add(message.alias.aliasname)
        elif kind == "ResTarget":
            taken.add(message.name)
        elif kind == "ColumnRef" and len(message.fields) == 1 and message.fields[0].HasField("string"):
            # A bare name may be a column, or the row of an alias: the two cannot be told apart here.
            taken.add(message.fields[0].string.sval)
    renamed = {alias: f"renamed_{alias}"[:60] for alias in aliases - taken}
    for message in messages(tree):
        kind = type(message).__name__
        if kind == "RangeVar" and message.HasField("alias") and message.alias.aliasname in renamed:
            message.alias.aliasname = renamed[message.alias.aliasname]
        elif kind == "ColumnRef" and len(message.fields) > 1 and message.fields[0].HasField("string"):
            name = message.fields[0].string
            name.sval = renamed.get(name.sval, name.sval)
    return bool(renamed)


@pytest.mark.parametrize("change", [reorder_conditions, rename_aliases], ids=["conditions", "aliases"])
@pytest.mark.parametrize("kind", ["attacks", "benign"])
def test_the_decision_stays(demo_catalog: Catalog, kind: str, change: Callable[[Any], bool]) -> None:
    guards: dict[str, Guard] = {}
    compared = 0
    wrong: list[str] = []
    cases: list[Case] = load_cases("attacks" if kind == "attacks" else "benign")
    for case in cases:
        tree = parsed(case.sql)
        if tree is None or not change(tree):
            continue
        if case.policy not in guards:
            guards[case.policy] = Guard.load(policy_path(case.policy), catalog=demo_catalog)
        guard = guards[case.policy]
        before = guard.check(case.sql).allowed
        text = postgast.deparse(tree)
        compared += 1
        if guard.check(text).allowed is not before:
            wrong.append(f"{case.place}: {'allowed' if before else 'denied'} before, not after:\n{case.sql}\n{text}")
    assert wrong == []
    assert compared > 40
