"""What can be read: every relation and column of the sample database, by deciding the statement that reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pg_guard.compare.reach import compare_reach, readable
from pg_guard.guard import Guard
from pg_guard.policy.load import parse_policy

if TYPE_CHECKING:
    from pg_guard.catalog.model import Catalog


def guard(text: str, catalog: Catalog) -> Guard:
    return Guard(parse_policy(f"schema: pg-guard/policy/v1\n{text}").policy, catalog)


def test_what_is_readable_is_what_clients_are_shown(demo_guard: Guard, demo_catalog: Catalog) -> None:
    """Two ways to the same answer: statements that are decided, and the lists of the MCP server."""
    visible = {relation.key for relation in demo_guard.visible_relations()}
    compared = 0
    for relation in demo_catalog.relations:
        if relation.kind not in ("table", "partitioned", "foreign", "view", "matview"):
            continue
        access = readable(demo_guard, relation)
        if relation.key in visible:
            compared += 1
            assert access.rows, relation.key
            assert access.columns == {column.name for column in demo_guard.visible_columns(relation)}, relation.key
        else:
            assert not access.rows, relation.key
    assert compared > 10


def test_a_denied_relation_takes_with_it_what_reads_it(demo_catalog: Catalog) -> None:
    reach = compare_reach(guard("", demo_catalog), guard("tables: {deny: [hr.employees]}", demo_catalog), demo_catalog)
    hidden = {move.relation for move in reach.moves if move.direction == "unreadable" and move.column is None}
    assert "hr.employees" in hidden
    assert not reach.loosened
    back = compare_reach(guard("tables: {deny: [hr.employees]}", demo_catalog), guard("", demo_catalog), demo_catalog)
    assert back.loosened
    assert {move.relation for move in back.moves if move.column is None} == hidden
    assert back.columns == sum(
        len(relation.columns)
        for relation in demo_catalog.relations
        if relation.kind not in ("composite", "index", "toast")
    )


def test_columns_move_one_by_one(demo_catalog: Catalog) -> None:
    old = guard("columns: {deny: {customers: [ssn, email]}}", demo_catalog)
    new = guard("columns: {deny: {customers: [ssn, name]}}", demo_catalog)
    moves = {
        (move.column, move.direction, move.rules)
        for move in compare_reach(old, new, demo_catalog).moves
        if move.relation == "public.customers"
    }
    assert moves == {("email", "readable", ("columns/denied",)), ("name", "unreadable", ("columns/denied",))}


def test_a_condition_makes_nothing_unreadable_but_is_compared(demo_catalog: Catalog) -> None:
    none, some = guard("", demo_catalog), guard("where: [{table: orders}]", demo_catalog)
    held = guard("where: [{table: orders, columns: [customer_id]}]", demo_catalog)
    more = compare_reach(none, some, demo_catalog)
    assert {(move.relation, move.direction) for move in more.moves} == {("public.orders", "condition-more")}
    assert not more.loosened
    assert compare_reach(some, none, demo_catalog).loosened
    assert compare_reach(held, some, demo_catalog).loosened
