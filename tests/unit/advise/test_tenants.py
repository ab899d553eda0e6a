"""Tenant columns by the evidence of names and keys."""

from __future__ import annotations

from pg_guard.advise.sensitive import load_vocabulary
from pg_guard.advise.tenants import find_tenants, is_indexed, unheld
from pg_guard.catalog.model import Column, ForeignKey, Name, Relation

INT = Name("pg_catalog", "int4")
WORDS = load_vocabulary()


def table(name: str, *columns: str, **keys: str) -> Relation:
    """A table; ``tenant_id="tenants"`` is a foreign key to ``tenants(id)``."""
    return Relation(
        "app",
        name,
        "table",
        tuple(Column(column, INT) for column in dict.fromkeys((*columns, *keys))),
        foreign_keys=tuple(ForeignKey((column,), Name("app", target), ("id",)) for column, target in keys.items()),
    )


def test_a_table_that_many_refer_to_by_a_telling_name() -> None:
    relations = [
        table("tenants", "id"),
        table("orders", "id", tenant_id="tenants"),
        table("invoices", "id", tenant_id="tenants"),
        table("logs", "id", "tenant_id"),
        table("countries", "id"),
    ]
    (found,) = find_tenants(relations, WORDS)
    assert (found.column, found.target, found.target_column, found.sure) == (
        "tenant_id",
        Name("app", "tenants"),
        "id",
        True,
    )
    assert [name.name for name in found.referring] == ["invoices", "orders"]
    assert [name.name for name in found.others] == ["logs"]


def test_dimension_tables_are_no_tenants() -> None:
    relations = [
        table("products", "id"),
        *(table(f"t{number}", "id", product_id="products") for number in range(9)),
    ]
    assert find_tenants(relations, WORDS) == ()


def test_the_target_may_speak_for_the_column() -> None:
    relations = [
        table("organisations", "id"),
        table("a", "id", belongs_to="organisations"),
        table("b", "id", belongs_to="organisations"),
    ]
    (found,) = find_tenants(relations, WORDS)
    assert (found.column, found.sure) == ("belongs_to", True)


def test_doubtful_candidates_come_last() -> None:
    relations = [
        table("customers", "id"),
        *(table(f"c{number}", "id", customer_id="customers") for number in range(5)),
        table("mandanten", "id"),
        *(table(f"m{number}", "id", mandant_id="mandanten") for number in range(2)),
        *(table(f"w{number}", "id", "workspace_id") for number in range(3)),
    ]
    found = find_tenants(relations, WORDS)
    assert [(each.column, each.sure) for each in found] == [
        ("mandant_id", True),
        ("customer_id", False),
        ("workspace_id", False),
    ]
    assert found[-1].target is None


def test_tables_that_belong_to_tenants_at_any_distance() -> None:
    relations = [
        table("orders", "id", tenant_id="tenants"),
        table("lines", "id", order_id="orders"),
        table("notes", "id", line_id="lines"),
        table("countries", "id"),
        table("selves", "id", parent_id="selves"),
    ]
    found = unheld(relations, [Name("app", "orders")], ["tenant_id"])
    assert [(name.name, key.target.name) for name, key in found] == [("lines", "orders"), ("notes", "lines")]


def test_an_index_counts_when_the_column_leads_it() -> None:
    relation = Relation("app", "t", "table", indexes=(("id", "tenant_id"), ("owner",)))
    assert is_indexed(relation, "id")
    assert not is_indexed(relation, "tenant_id")
