"""What a starter policy says, on databases that were changed by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pg_guard.advise.starter import write_starter
from pg_guard.advise.survey import survey
from pg_guard.catalog.model import Catalog, Name
from pg_guard.errors import UsageError

if TYPE_CHECKING:
    from pg_guard.advise.surroundings import Estate


def with_rows(estate: Estate, rows: dict[Name, float]) -> Estate:
    catalog = estate.catalog
    relations = tuple(replace(each, rows=rows.get(each.key, each.rows)) for each in catalog.relations)
    return replace(estate, catalog=replace(catalog, relations=relations))


def test_large_tables_are_named_and_their_size_is_rounded(demo_estate: Estate) -> None:
    orders = Name("public", "orders")
    texts = {
        rows: write_starter(survey(with_rows(demo_estate, {orders: rows})), demo_estate.catalog).text
        for rows in (2e6, 8e6, 2e7, 5.0, -1.0)
    }
    assert "  # - table: public.orders  # over 1 million rows" in texts[2e6]
    assert texts[2e6] == texts[8e6]
    assert "  # - table: public.orders  # over 10 million rows" in texts[2e7]
    assert texts[5.0] == texts[-1.0]
    assert "no large table was seen" in texts[5.0]


def test_partitions_count_for_their_parent(demo_estate: Estate) -> None:
    parts = {Name("public", f"web_events_2026_0{month}"): 4e5 for month in (1, 2, 3)}
    plan = survey(with_rows(demo_estate, parts))
    assert [(line.value, line.why) for line in plan.large] == [("public.web_events", "over 1 million rows")]


def test_when_every_schema_sounds_private_their_tables_are_looked_at(demo_estate: Estate) -> None:
    catalog = demo_estate.catalog
    only_hr = replace(
        catalog, relations=tuple(each for each in catalog.relations if each.schema in ("hr", "pg_catalog"))
    )
    plan = survey(replace(demo_estate, catalog=only_hr))
    assert [line.value for line in plan.allow] == ["hr.*"]
    assert dict(plan.columns)["hr.employees"]
    assert "hr.payroll" in {line.value for line in plan.deny}


def test_the_plan_does_not_depend_on_the_order_of_rows(demo_estate: Estate) -> None:
    catalog = demo_estate.catalog
    path_first = write_starter(survey(demo_estate, ["public", "analytics"]), catalog).text
    path_last = write_starter(survey(demo_estate, ["analytics", "public", "public"]), catalog).text
    assert path_first == path_last


def test_a_view_that_cannot_be_followed_is_named(demo_estate: Estate) -> None:
    catalog: Catalog = demo_estate.catalog
    broken = Name("analytics", "daily_sales")
    relations = tuple(
        replace(each, definition="SELECT oops(" if each.key == broken else each.definition)
        for each in catalog.relations
    )
    plan = survey(replace(demo_estate, catalog=replace(catalog, relations=relations)))
    assert any(note.startswith("view analytics.daily_sales: could not be followed") for note in plan.notes)


def test_extensions_are_told_apart(demo_estate: Estate) -> None:
    extended = replace(demo_estate.catalog, extensions=(("plpgsql", "1.0"), ("pgcrypto", "1.3"), ("mystery", "9")))
    notes = "\n".join(survey(replace(demo_estate, catalog=extended)).function_notes)
    assert "extension pgcrypto: its functions are classified" in notes
    assert "extension mystery: not known to pg-guard" in notes
    assert "plpgsql" not in notes


def test_a_database_too_large_for_one_file_is_refused_politely(demo_estate: Estate) -> None:
    catalog = demo_estate.catalog
    orders = catalog.relation_index[Name("public", "customers")]
    many = tuple(replace(orders, name=f"customers_{number:06}", indexes=()) for number in range(8000))
    large = replace(catalog, relations=(*catalog.relations, *many))
    with pytest.raises(UsageError, match="larger than a policy file may be"):
        write_starter(survey(replace(demo_estate, catalog=large)), large)


def test_what_a_telling_extension_brings_is_denied(demo_estate: Estate) -> None:
    catalog = demo_estate.catalog
    view = replace(catalog.relation_index[Name("analytics", "daily_sales")], schema="public", name="pg_stat_statements")
    row_type = replace(
        catalog.type_index[Name("analytics", "daily_sales")],
        schema="public",
        name="pg_stat_statements",
        extension="pg_stat_statements",
    )
    extended = replace(catalog, relations=(*catalog.relations, view), types=(*catalog.types, row_type))
    plan = survey(replace(demo_estate, catalog=extended))
    (line,) = [each for each in plan.deny if each.value == "public.pg_stat_statements"]
    assert line.active
    assert line.why.startswith("of the extension pg_stat_statements: it shows the statements of other sessions")
