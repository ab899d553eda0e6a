"""What a question finds among 5,000 tables, and what a policy keeps out of it."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import re
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pg_guard.ask.context import ContextIndex, SchemaContext
from pg_guard.ask.render import estimate_tokens
from pg_guard.catalog.model import Catalog, Name
from pg_guard.execute.databases import Databases
from pg_guard.guard import Guard
from pg_guard.settings import Settings
from tests.support.large_catalog import SIZE, large_catalog
from tests.unit.ask.conftest import guard_over

if TYPE_CHECKING:
    from collections.abc import Iterator


BUDGET = 6_000
ROOT = Path(__file__).resolve().parents[3]
QUESTIONS = yaml.safe_load(Path(__file__).with_name("questions.yaml").read_text(encoding="utf-8"))


def digest(index: ContextIndex, budget: int = BUDGET) -> str:
    texts = (index.context(each["ask"], token_budget=budget).text for each in QUESTIONS[::10])
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


# -- the catalog and its questions -----------------------------------------------------------------------------------------


def test_the_catalog_is_what_it_should_be() -> None:
    catalog = large_catalog()
    assert len(catalog.relations) == len(catalog.relation_index) == SIZE == 5_000
    assert all(key.target in catalog.relation_index for relation in catalog.relations for key in relation.foreign_keys)
    assert len(catalog.schemas) > 60
    assert sum(len(relation.columns) >= 200 for relation in catalog.relations) > 5


def test_each_question_names_tables_that_exist() -> None:
    assert len(QUESTIONS) >= 120
    assert len({each["ask"] for each in QUESTIONS}) == len(QUESTIONS)
    for each in QUESTIONS:
        assert 1 <= len(each["needs"]) <= 4
        assert all(Name(*needed.split(".")) in large_catalog().relation_index for needed in each["needs"])


def test_the_needed_tables_are_kept_for_95_of_100_questions(large_index: ContextIndex) -> None:
    missed = {}
    for each in QUESTIONS:
        context = large_index.context(each["ask"], token_budget=BUDGET)
        names = {name.replace('"', "") for name in context.tables}
        # public is on the search_path, so that its tables stand without it.
        missing = [needed for needed in each["needs"] if needed.removeprefix("public.") not in names]
        if missing:
            missed[each["ask"]] = missing
    assert len(missed) <= 0.05 * len(QUESTIONS), missed


@pytest.mark.parametrize("budget", [0, 20, 100, 1_000, BUDGET, 20_000])
def test_the_budget_holds(large_index: ContextIndex, budget: int) -> None:
    for each in QUESTIONS[::5]:
        context = large_index.context(each["ask"], token_budget=budget)
        assert estimate_tokens(context.text) <= context.tokens <= budget
        assert context.pruned
        assert bool(context.tables) == bool(context.text)
    # It is used, too.
    if budget >= 1_000:
        assert large_index.context("customers and orders", token_budget=budget).tokens > 0.9 * budget


def test_a_question_reads_a_small_part_of_the_index(large_index: ContextIndex) -> None:
    """What makes it quick: each word looks at the tables that hold it, not at all of them."""
    visited = sorted(large_index.ranking.postings_visited(each["ask"]) for each in QUESTIONS)
    assert visited[len(visited) // 2] < SIZE
    assert visited[-1] < 4 * SIZE


def test_what_is_left_out_is_said(large_index: ContextIndex) -> None:
    context = large_index.context("orders of the shop", token_budget=BUDGET)
    assert context.text.endswith(f"({len(context.tables)} of 5,000 tables are shown, the most relevant first)")
    assert re.search(r"^  … \d+ more columns? not shown$", context.text, re.MULTILINE)
    assert context.text.startswith("table shop.orders,")


def test_a_wide_table_does_not_fill_the_budget(large_index: ContextIndex) -> None:
    wide = next(relation for relation in large_catalog().relations if len(relation.columns) >= 200)
    context = large_index.context(f"Show {wide.schema}.{wide.name} please", token_budget=BUDGET)
    assert context.tables[0] == f"{wide.schema}.{wide.name}"
    assert len(context.tables) > 10


def test_a_question_without_a_known_word_gets_the_tables_that_others_refer_to(large_index: ContextIndex) -> None:
    context = large_index.context("qqqq?", token_budget=BUDGET)
    assert {"shop.orders", "hr.employees"} <= set(context.tables)
    assert not any("_archive" in table for table in context.tables)
    assert large_index.context("", token_budget=BUDGET).tables == context.tables


def test_tables_between_the_found_ones_come_with_them(large_index: ContextIndex) -> None:
    context = large_index.context("trainings of employees", token_budget=1_500)
    assert {"hr.trainings", "hr.employees", "hr.training_attendance"} <= set(context.tables)


def test_of_equal_tables_that_of_the_business_in_question_comes_first(large_index: ContextIndex) -> None:
    """ "Players" are in two schemas; the other words of the question are about one of them."""
    sports = large_index.context("players, leagues and goals", token_budget=BUDGET).tables
    games = large_index.context("players, guilds and kills", token_budget=BUDGET).tables
    assert sports.index("sports.player") < sports.index("games.gm_player")
    assert games.index("games.gm_player") < games.index("sports.player")


# -- the same every time -----------------------------------------------------------------------------------------------------


def test_the_same_text_whatever_the_order_of_the_catalog(large_index: ContextIndex) -> None:
    chance = random.Random(7)
    catalog = large_catalog()
    relations = [
        replace(
            relation,
            foreign_keys=tuple(chance.sample(relation.foreign_keys, len(relation.foreign_keys))),
            indexes=tuple(chance.sample(relation.indexes, len(relation.indexes))),
        )
        for relation in chance.sample(catalog.relations, len(catalog.relations))
    ]
    types = tuple(chance.sample(catalog.types, len(catalog.types)))
    shuffled = replace(catalog, relations=tuple(relations), types=types)
    assert digest(ContextIndex.build(guard_over(shuffled))) == digest(large_index) == digest(large_index)


def test_the_same_text_in_every_process(large_index: ContextIndex) -> None:
    """Sets of words are iterated in another order in each process; it must not show."""
    program = (
        "from tests.unit.ask.conftest import guard_over\nfrom tests.unit.ask.test_context import ContextIndex, digest\n"
        "from tests.support.large_catalog import large_catalog\nprint(digest(ContextIndex.build(guard_over(large_catalog()))))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "12345"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.strip() == digest(large_index)


# -- what a policy hides -----------------------------------------------------------------------------------------------------


class Told(NamedTuple):
    """A table and a column (or None) that a text names."""

    table: str
    column: str | None


def told(context: SchemaContext) -> Iterator[Told]:
    """Every name in a text, comments excluded: tables, columns, targets of foreign keys, columns of keys and conditions."""
    for block in context.text.split("\n\n"):
        head, *lines = (line.partition(" -- ")[0] for line in block.split("\n"))
        if head.startswith("("):
            continue
        table = head.removeprefix("table ").split(",")[0].replace('"', "")
        yield Told(table, None)
        for line in lines:
            if line.startswith("  …"):
                continue
            if reference := re.search(r"references (\S+?)\(([^)]*)\)", line):
                yield from (Told(reference[1].replace('"', ""), name) for name in names_of(reference[2]))
            own = re.match(r"  (?:primary key |index )?\(([^)]*)\)", line)
            held = re.match(r"  required: each use is (?:held to constants by (.*)|narrowed by a condition)$", line)
            if own:
                yield from (Told(table, name) for name in names_of(own[1]))
            elif held:
                yield from (Told(table, name) for name in names_of(held[1] or ""))
            else:
                yield Told(table, line.split()[0].replace('"', ""))


def names_of(text: str) -> list[str]:
    return [name.strip().replace('"', "") for name in text.split(",") if name.strip()]


SMALL = {"shop", "crm", "hr", "hospital", "insurance", "buchhaltung", "webshop_b2b", "ref"}


def small_catalog() -> Catalog:
    """A tenth of the large catalog: foreign keys between schemas, camel case, abbreviations, copies."""
    catalog = large_catalog()
    return replace(
        catalog, relations=tuple(each for each in catalog.relations if each.schema in SMALL), search_path=("shop",)
    )


_TABLES = st.sampled_from(sorted({f"{each.schema}.{each.name}" for each in small_catalog().relations}))
_PATTERNS = st.one_of(
    _TABLES, st.sampled_from(["hr.*", "shop.*", "*_archive*", "stg_*", "*customer*", "ref.*", "order*"])
)
_COLUMNS = st.sampled_from(
    [
        "id",
        "customer_id",
        "order_id",
        "full_name",
        "patient_id",
        "*_id",
        "*_no",
        "country_code",
        "status",
        "acct_id",
        "created_at",
    ]
)


@given(
    deny=st.lists(_PATTERNS, max_size=6, unique=True),
    columns=st.dictionaries(st.one_of(_TABLES, st.just("*")), st.lists(_COLUMNS, min_size=1, max_size=3), max_size=4),
    where=st.lists(
        st.tuples(_TABLES, st.lists(_COLUMNS.filter(str.isidentifier), max_size=2, unique=True)), max_size=3
    ),
    question=st.sampled_from([each["ask"] for each in QUESTIONS]),
    budget=st.sampled_from([500, 3_000, 1_000_000]),
)
@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
def test_nothing_denied_is_ever_named(
    deny: list[str], columns: dict[str, list[str]], where: list[tuple[str, list[str]]], question: str, budget: int
) -> None:
    policy: dict[str, Any] = {
        "search_path": ["shop"],
        "tables": {"deny": deny},
        "columns": {"deny": columns},
        "where": [{"table": table} | ({"columns": held} if held else {}) for table, held in where],
    }
    guard = guard_over(small_catalog(), yaml.safe_dump(policy))
    index = ContextIndex.build(guard)
    visible = {
        str(relation.key).removeprefix("shop."): {column.name for column in guard.visible_columns(relation)}
        for relation in guard.visible_relations()
    }
    context = index.context(question, token_budget=budget)
    found = set(told(context))
    for each in found:
        assert each.table in visible, each
        assert each.column is None or each.column in visible[each.table], each
    for hit in index.search(question, 50):
        assert set(hit.columns) <= visible[hit.table.replace('"', "")]
    if budget == 1_000_000:
        # All that is permitted is there.
        assert {each.table for each in found} == set(visible)
        required = [block for block in context.text.split("\n\n") if "  required: " in block]
        assert len(required) == sum(bool(guard.requirements(relation)) for relation in guard.visible_relations())


def test_the_check_above_sees_what_is_named() -> None:
    """`told` reads every kind of line, so that a leak would be seen."""
    guard = guard_over(small_catalog(), "search_path: [shop]\nwhere: [{table: shop.order_items, columns: [order_id]}]")
    found = set(told(ContextIndex.build(guard).context("order items", token_budget=1_000_000)))
    assert {
        Told("order_items", "quantity"),
        Told("orders", "id"),
        Told("ref.countries", "code"),
        Told("insurance.insurancePolicy", "policyHolderId"),
        Told("order_items", "order_id"),
    } <= found


def test_a_table_between_two_others_is_no_way_when_it_is_hidden() -> None:
    policy = "search_path: [shop]\ntables: {deny: [hr.training_attendance]}"
    index = ContextIndex.build(guard_over(small_catalog(), policy))
    context = index.context("trainings of employees", token_budget=BUDGET)
    assert "training_attendance " not in context.text


def test_without_a_catalog_there_is_nothing_to_tell() -> None:
    guard = Guard(guard_over(small_catalog()).policy)
    index = ContextIndex.build(guard)
    assert index.context("orders", token_budget=BUDGET) == SchemaContext("", (), pruned=False, tokens=0)
    assert index.search("orders") == ()


# -- a small database --------------------------------------------------------------------------------------------------------


def test_what_fits_is_told_in_full(demo_guard: Guard) -> None:
    index = ContextIndex.build(demo_guard)
    context = index.context("How many orders are there?", token_budget=100_000)
    assert not context.pruned
    assert "not shown" not in context.text
    assert context.tables[0] == "orders"
    shown = {relation.name for relation in demo_guard.visible_relations() if relation.partition_of is None}
    assert len(context.tables) == len(shown)


# -- search ------------------------------------------------------------------------------------------------------------------


def test_search_tells_tables_and_the_columns_that_match(large_index: ContextIndex) -> None:
    first, *_ = hits = large_index.search("unpaid vacation", limit=5)
    assert len(hits) == 5
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert first.table == "hr.absences"
    assert first.kind == "table"
    assert first.comment == "Days that somebody is not at work"
    # An enum's label is a word for its column.
    assert first.columns == ("kind",)


def test_search_finds_names_as_they_are_written(large_index: ContextIndex) -> None:
    assert large_index.search("insurance.policyHolder")[0].table == 'insurance."policyHolder"'
    assert large_index.search("gl_jrnl_ln")[0].table == "gl.gl_jrnl_ln"


@pytest.mark.parametrize("text", ["", "???", "qqqq"])
def test_search_for_nothing_finds_nothing(large_index: ContextIndex, text: str) -> None:
    assert large_index.search(text) == ()


def test_search_does_not_find_what_is_denied() -> None:
    index = ContextIndex.build(
        guard_over(small_catalog(), "tables: {deny: ['hr.*']}\ncolumns: {deny: {'*': [iban, email]}}")
    )
    assert not [hit for hit in index.search("employees salaries", 100) if hit.table.startswith("hr.")]
    assert not [hit for hit in index.search("email", 100) if "email" in hit.columns]


# -- building it -------------------------------------------------------------------------------------------------------------


async def test_the_index_is_built_beside_the_event_loop(demo_dsn: str, tmp_path: Path) -> None:
    """While it is built, other requests are answered; it is built once."""
    policy = tmp_path / "policy.yaml"
    policy.write_text("schema: pg-guard/policy/v1\nsearch_path: [public]\n", encoding="utf-8")
    databases = await Databases.open(
        Settings(databases={"shop": {"dsn": demo_dsn}}, policy=policy, cache={"auto_refresh": False})  # type: ignore[arg-type]  # as in a file
    )
    started, go_on, built = threading.Event(), threading.Event(), []

    def build(guard: Guard) -> ContextIndex:
        started.set()
        assert go_on.wait(30)
        built.append(ContextIndex.build(guard))
        return built[-1]

    try:
        database = databases.resolve(None)
        waiting = [asyncio.create_task(database.derived("context", build)) for _ in range(3)]
        await asyncio.to_thread(started.wait, 30)
        assert (await database.check("SELECT id FROM orders")).decision.allowed
        assert not any(task.done() for task in waiting)
        go_on.set()
        first, *others = await asyncio.gather(*waiting)
        assert others == [first, first]
        assert built == [first]
    finally:
        go_on.set()
        await databases.close()
