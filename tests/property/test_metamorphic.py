"""Spelling a denied statement in another way never makes it allowed; denying more never allows more.

The statements are the corpus's own; hypothesis draws one and how it is respelled. Each change keeps the meaning that
PostgreSQL gives to the text, or reads as much as before.
"""

from __future__ import annotations

import random
import re
from functools import cache
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from postgast import scan

from pg_guard.guard import Guard
from pg_guard.policy.load import parse_policy
from pg_guard.sql.text import Refusal, admit
from pg_guard.sql.witness import read_postgres
from tests.corpus.loading import POLICIES, load_cases, policy_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from pg_guard.catalog.model import Catalog

    Decider = Callable[[str, str], bool]

PROPERTY = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def _one_select(sql: str) -> bool:
    try:
        reading = read_postgres(admit(sql, max_bytes=20_000))
    except Refusal:
        return False
    return len(reading.statements) == 1 and "SelectStmt" in reading.statements[0] and ";" not in sql


@cache
def corpus(kind: str) -> tuple[tuple[str, str], ...]:
    """(policy, statement) of the corpus's SELECT statements."""
    cases = load_cases("attacks" if kind == "attacks" else "benign")
    return tuple((case.policy, case.sql) for case in cases if _one_select(case.sql) and not case.todo)


ATTACKS = st.sampled_from(corpus("attacks"))
HONEST = st.sampled_from(corpus("benign"))


@pytest.fixture(scope="module")
def allowed(demo_catalog: Catalog) -> Decider:
    @cache
    def guard(policy: str) -> Guard:
        return Guard.load(policy_path(policy), catalog=demo_catalog)

    @cache
    def decide(policy: str, sql: str) -> bool:
        return guard(policy).check(sql).allowed

    return decide


# -- spelling ----------------------------------------------------------------------------------------------------------


def tokens(sql: str) -> list[tuple[int, int, str]]:
    """(start, end, kind) in characters; kind is `word`, `name`, `comment` or `other`."""
    text = admit(sql, max_bytes=200_000)
    found = []
    for token in scan(sql).tokens:
        start, end = text.char(token.start), text.char(token.end)
        part = sql[start:end]
        kind = "other"
        if part.startswith(("--", "/*")):
            kind = "comment"
        elif re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", part):
            kind = "word"
        found.append((start, end, kind))
    return found


_GAPS = (
    " ",
    "\n",
    "\t",
    "\r\n",
    "\f",
    " /* x */ ",
    " /* ' \" $$ */ ",
    " -- ' \n",
    " /* /* nested */ FROM x */ ",
    " --\n",
    "  ",
)


def space_out(sql: str, rng: random.Random) -> str:
    """Other white space and comments wherever there was some: between tokens a blank may also be new."""
    parts, last = [], 0
    for start, end, kind in tokens(sql):
        gap = sql[last:start]
        # A string continued on another line needs its newline.
        if (gap and "\n" not in gap and rng.random() < 0.5) or (
            not gap and kind == "other" and sql[start] in "(),=[]" and rng.random() < 0.2
        ):
            gap = rng.choice(_GAPS)
        parts += [gap, sql[start:end]]
        last = end
    return "".join(parts) + sql[last:]


def change_case(sql: str, rng: random.Random) -> str:
    """Another case of every word that is neither quoted nor in a string."""
    parts, last = [], 0
    for start, end, kind in tokens(sql):
        part = sql[start:end]
        if kind == "word":
            style = rng.choice((str.upper, str.lower, str.title, str))
            part = style(part)
        parts += [sql[last:start], part]
        last = end
    return "".join(parts) + sql[last:]


_TABLES = (
    "regions", "stores", "categories", "suppliers", "products", "customers", "orders", "order_items", "payments", "reviews",
    "inventory", "web_events", "audit_trail",
)  # fmt: skip


def respell_tables(sql: str, rng: random.Random) -> str:
    """Quote or qualify tables after FROM and JOIN; a text with CTEs may hide a table by one, so it is only quoted."""
    ways = [lambda name: f'"{name}"', lambda name: f'U&"{name[:1]}\\{ord(name[1]):04x}{name[2:]}"']
    if not re.search(r"\bwith\b", sql, re.IGNORECASE):
        ways += [
            lambda name: f"public.{name}",
            lambda name: f'"public" . "{name}"',
            lambda name: f"PUBLIC.{name.upper()}",
        ]
    words = tokens(sql)
    parts, last = [], 0
    for index, (start, end, kind) in enumerate(words):
        part = sql[start:end]
        before = sql[words[index - 1][0] : words[index - 1][1]].lower() if index else ""
        after = sql[words[index + 1][0] : words[index + 1][1]] if index + 1 < len(words) else ""
        if kind == "word" and part.lower() in _TABLES and before in ("from", "join") and after not in (".", "("):
            part = rng.choice(ways)(part.lower())
        parts += [sql[last:start], part]
        last = end
    return "".join(parts) + sql[last:]


_WRAPPERS = (
    "SELECT * FROM (%) AS wrapped",
    "SELECT wrapped.* FROM (%) AS wrapped",
    "WITH wrapped AS (%) SELECT * FROM wrapped",
    "WITH wrapped AS MATERIALIZED (%) TABLE wrapped",
    "WITH a AS (%), wrapped AS (SELECT * FROM a) SELECT * FROM wrapped",
    "SELECT wrapped FROM (%) AS wrapped",
    "SELECT to_jsonb(wrapped) FROM (%) AS wrapped",
    "SELECT * FROM (SELECT * FROM (%) AS a) AS b",
    "SELECT x.* FROM (SELECT 1) AS one, LATERAL (%) AS x",
    "(%)",
    "SELECT count(*) FROM (%) AS wrapped",
    "SELECT EXISTS (%)",
)


def wrap(sql: str, rng: random.Random) -> str:
    """The statement as a part of another that reads all of its rows."""
    # A last comment must not swallow what follows.
    before, after = rng.choice(_WRAPPERS).split("%")
    return f"{before}{sql}\n{after}"


# -- properties --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", [space_out, change_case, respell_tables, wrap], ids=lambda each: each.__name__)
@PROPERTY
@given(case=ATTACKS, seed=st.integers(0, 2**32))
def test_a_respelled_attack_stays_refused(
    allowed: Decider, change: Callable[[str, random.Random], str], case: tuple[str, str], seed: int
) -> None:
    policy, sql = case
    if not allowed(policy, sql):
        other = change(sql, random.Random(seed))
        assert not allowed(policy, other), other


@pytest.mark.parametrize("change", [space_out, change_case, respell_tables, wrap], ids=lambda each: each.__name__)
@PROPERTY
@given(case=HONEST, seed=st.integers(0, 2**32))
def test_a_respelled_honest_statement_stays_allowed(
    allowed: Decider, change: Callable[[str, random.Random], str], case: tuple[str, str], seed: int
) -> None:
    policy, sql = case
    if allowed(policy, sql):
        other = change(sql, random.Random(seed))
        assert allowed(policy, other), other


@PROPERTY
@given(case=st.one_of(ATTACKS, HONEST), seed=st.integers(0, 2**32))
def test_changes_add_up(allowed: Decider, case: tuple[str, str], seed: int) -> None:
    policy, sql = case
    rng = random.Random(seed)
    other = space_out(change_case(respell_tables(sql, rng), rng), rng)
    assert allowed(policy, other) is allowed(policy, sql), other


DENIALS = (
    ("tables", "orders"), ("tables", "public.*"), ("tables", "analytics.*"), ("tables", "*"), ("tables", "cust*"),
    ("columns", "customers: [name]"), ("columns", "'*': [id]"), ("columns", "orders: ['*']"), ("columns", "'*': ['*_id', total]"),
    ("functions", "upper"), ("functions", "'*'"), ("functions", "{capability: aggregate}"), ("functions", "'count()'"),
    ("functions", "{capability: pure}"), ("functions", "sum"), ("functions", "'date_*'"),
)  # fmt: skip


def policy_with(denials: list[tuple[str, str]]) -> str:
    def joined(section: str) -> str:
        return ", ".join(dict.fromkeys(text for own, text in denials if own == section))

    columns = dict[str, list[str]]()
    for section, text in denials:
        if section == "columns":
            table, _, names = text.rpartition(": ")
            columns.setdefault(table, []).append(names.strip("[]"))
    hidden = ", ".join(f"{table}: [{', '.join(names)}]" for table, names in columns.items())
    tables = re.sub(r"([^, ]*\*[^, ]*)", r"'\1'", joined("tables"))
    return (
        "schema: pg-guard/policy/v1\nsearch_path: [public]\nstatements: {allow: [select, explain]}\n"
        f"tables: {{deny: [{tables}]}}\ncolumns: {{deny: {{{hidden}}}}}\n"
        f"functions: {{deny: [{joined('functions')}]}}\n"
    )


@pytest.fixture(scope="module")
def allowed_under(demo_catalog: Catalog) -> Decider:
    @cache
    def guard(text: str) -> Guard:
        return Guard(parse_policy(text).policy, demo_catalog)

    def decide(text: str, sql: str) -> bool:
        return guard(text).check(sql).allowed

    return decide


@PROPERTY
@given(
    case=st.one_of(HONEST, ATTACKS),
    few=st.lists(st.sampled_from(DENIALS), max_size=2, unique=True),
    more=st.lists(st.sampled_from(DENIALS), min_size=1, max_size=3, unique=True),
)
@example(case=("demo", "SELECT * FROM orders"), few=[("tables", "orders")], more=[("columns", "customers: [name]")])
def test_denying_more_allows_nothing_more(
    allowed_under: Decider, case: tuple[str, str], few: list[tuple[str, str]], more: list[tuple[str, str]]
) -> None:
    sql = case[1]
    if not allowed_under(policy_with(few), sql):
        assert not allowed_under(policy_with(list(dict.fromkeys([*few, *more]))), sql)


def test_the_demo_policy_is_the_corpus_policy() -> None:
    assert policy_path("demo") == POLICIES / "demo.yaml"
    assert len(corpus("attacks")) > 500
    assert len(corpus("benign")) > 500
