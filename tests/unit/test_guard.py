"""The guard as a whole: its face, every text gets a decision, monitor mode, work without a catalog, what may be shown."""

from __future__ import annotations

import hashlib
import inspect
import json
import random
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pg_guard.catalog.model import Name
from pg_guard.decision import SEVERITIES, Decision
from pg_guard.errors import PolicyError, UsageError
from pg_guard.facts.views import Shape, ViewShapes
from pg_guard.guard import Guard
from pg_guard.policy.load import parse_policy
from tests.corpus.loading import POLICIES, load_cases

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pg_guard.catalog.model import Catalog

HEADER = "schema: pg-guard/policy/v1\nsearch_path: [public]\n"
STATEMENTS = [case.sql for kind in ("attacks", "benign") for case in load_cases(kind)]


def guard_of(policy: str, catalog: Catalog | None = None) -> Guard:
    return Guard(parse_policy(HEADER + policy).policy, catalog)


@pytest.fixture(scope="module")
def bare_guard() -> Guard:
    """The demo policy without a catalog."""
    return Guard.load(POLICIES / "demo.yaml")


def assert_sound(decision: Decision, sql: object) -> None:
    """What holds for every decision under `enforce`, whatever the text was."""
    if decision.allowed:
        assert decision.effect == "allow"
        assert decision.sql == sql
        assert not decision.would_deny
        assert all(finding.effect == "warn" for finding in decision.findings)
    else:
        assert decision.effect == "deny"
        assert decision.sql is None
        assert decision.would_deny
        assert any(finding.effect == "deny" for finding in decision.findings)
    assert not [finding for finding in decision.findings if finding.rule == "internal/error"]
    json.dumps(decision.to_dict())


# -- the face ----------------------------------------------------------------------------------------------------------


def test_a_guard_is_loaded_from_a_file(tmp_path: Path, demo_catalog: Catalog) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(HEADER + "tables: {deny: [orders]}\n", encoding="utf-8")
    guard = Guard.load(path, catalog=demo_catalog)
    assert guard.catalog is demo_catalog
    assert guard.policy.tables.deny == ("orders",)
    assert not guard.check("SELECT 1 FROM orders").allowed
    assert Guard.load(str(path)).catalog is None
    with pytest.raises(UsageError):
        Guard.load(tmp_path / "none.yaml")
    path.write_text("schema: pg-guard/policy/v1\ntabels: {}\n", encoding="utf-8")
    with pytest.raises(PolicyError):
        Guard.load(path)


def test_check_is_synchronous_and_takes_a_principal(demo_guard: Guard) -> None:
    assert not inspect.iscoroutinefunction(Guard.check)
    assert demo_guard.check("SELECT 1", principal={"tenant_id": 42}).allowed
    assert demo_guard.check("SELECT 1", {"tenant_id": 42}).allowed
    assert demo_guard.check("SELECT 1", None).allowed


@pytest.mark.parametrize(
    "sql",
    ["SELECT 1", " select\t1 ;", "SELECT 'größe 🚢'\r\n-- end", "/* a */ TABLE orders", "SELECT $1::int", "SELECT 1;;"],
)
def test_an_allowed_text_runs_unchanged(demo_guard: Guard, sql: str) -> None:
    decision = demo_guard.check(sql)
    assert decision.allowed, decision.findings
    assert decision.sql == decision.statement == sql
    assert decision.digests["statement"] == hashlib.sha256(sql.encode()).hexdigest()


def test_a_denied_text_is_recorded_and_not_returned(demo_guard: Guard) -> None:
    decision = demo_guard.check("SELECT * FROM hr.payroll")
    assert (decision.effect, decision.sql, decision.allowed) == ("deny", None, False)
    assert decision.statement == "SELECT * FROM hr.payroll"


# -- the record --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sql", ["SELECT count(*) FROM orders", "SELECT * FROM hr.payroll", "no sql", "\0", "\ud800", b"\xff"]
)
def test_the_record_is_json_with_exact_keys(demo_guard: Guard, sql: str | bytes) -> None:
    record = demo_guard.check(sql).to_dict()
    assert set(record) == {
        "schema", "effect", "allowed", "mode", "would_deny", "kind", "statement", "sql", "findings", "relations", "functions",
        "policy", "digests", "timings_us",
    }  # fmt: skip
    assert record["schema"] == "pg-guard/decision/v1"
    assert json.loads(json.dumps(record)) == record
    for finding in record["findings"]:
        assert set(finding) == {"rule", "severity", "effect", "message", "remediation", "span"}
        assert finding["message"]
        assert finding["remediation"]
        assert finding["span"] is None or set(finding["span"]) == {"start", "end", "line", "column"}
    assert all(isinstance(each, int) for each in record["timings_us"].values())
    assert all(len(digest) == 64 for digest in record["digests"].values())


def test_the_record_names_what_was_touched(demo_guard: Guard, demo_catalog: Catalog) -> None:
    record = demo_guard.check("EXPLAIN SELECT upper(name) FROM customers JOIN analytics.daily_sales ON true").to_dict()
    assert record["kind"] == "explain"
    assert record["relations"] == sorted(record["relations"])
    assert {"public.customers", "analytics.daily_sales", "public.orders"} <= set(record["relations"])
    assert "upper" in record["functions"]
    assert record["policy"] == "demo 1.0.0"
    assert record["digests"]["policy"] == demo_guard.policy.digest
    assert record["digests"]["catalog"] == demo_catalog.digest


def test_findings_are_ordered_by_severity_then_place(demo_guard: Guard) -> None:
    decision = demo_guard.check(
        "SELECT nothing, password_hash, pg_read_file('x') FROM customers, hr.payroll, web_events FOR UPDATE"
    )
    order = [
        (-SEVERITIES.index(each.severity), each.span.start if each.span is not None else -1)
        for each in decision.findings
    ]
    assert order == sorted(order)
    rules = [finding.rule for finding in decision.findings]
    assert rules[0] == "statement/not-allowed"
    assert {"columns/denied", "tables/denied", "functions/denied"} <= set(rules)
    assert len(set(decision.findings)) == len(decision.findings)


@pytest.mark.parametrize("sql", random.Random(1).sample(STATEMENTS, 150))
def test_findings_point_into_the_text_in_order(demo_guard: Guard, sql: str) -> None:
    decision = demo_guard.check(sql)
    order = []
    for finding in decision.findings:
        order.append((-SEVERITIES.index(finding.severity), finding.span.start if finding.span else -1))
        if finding.span is not None:
            assert 0 <= finding.span.start <= finding.span.end <= len(sql)
            before = sql[: finding.span.start]
            assert finding.span.line == before.count("\n") + 1
            assert finding.span.column == len(before) - (before.rfind("\n") + 1) + 1
    assert order == sorted(order)


# -- any text ----------------------------------------------------------------------------------------------------------

FUZZ = settings(
    max_examples=250,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@FUZZ
@given(sql=st.text(alphabet=st.characters()) | st.binary() | st.text(alphabet="SELECT*FROM'\"$;()-/\\\n abc.:,0"))
def test_any_text_gets_a_decision(demo_guard: Guard, bare_guard: Guard, sql: str | bytes) -> None:
    for guard in (demo_guard, bare_guard):
        decision = guard.check(sql)
        if isinstance(sql, str):
            assert_sound(decision, sql)


@pytest.mark.parametrize("sql", [None, 1, 1.5, ["SELECT 1"], object(), {}])
def test_what_is_no_text_gets_a_decision(demo_guard: Guard, sql: Any) -> None:
    decision = demo_guard.check(sql)
    assert decision.effect == "deny"
    assert decision.findings[0].rule == "sql/encoding"


_SPLICES = st.sampled_from([
    "(", ")", "'", '"', ";", "--", "/*", "*/", "$$", "\0", "\ud800", "U&'", 'U&"', "E'\\", ",", ".", "*", "::", "[", "]", "NULL",
    " SELECT ", " FROM ", " UNION ", " WITH ", " hr.payroll ", " LATERAL ", "|| ", " AS ", "𝒳", "é", "\r\n", "(SELECT 1)", "ROW(",
    " OVER (", " FILTER (", "ARRAY[", " IS ", " NOT ", " USING ", " NATURAL JOIN ", "t.*", "(c).", "$1", ":x", "%s",
])  # fmt: skip


@FUZZ
@given(data=st.data())
def test_mutated_statements_get_a_decision(demo_guard: Guard, bare_guard: Guard, data: st.DataObject) -> None:
    sql = data.draw(st.sampled_from(STATEMENTS))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(sql)))
        how = data.draw(st.sampled_from(["insert", "delete", "double", "swap"]))
        length = data.draw(st.integers(1, 20))
        part = sql[place : place + length]
        if how == "insert":
            sql = sql[:place] + data.draw(_SPLICES) + sql[place:]
        elif how == "delete":
            sql = sql[:place] + sql[place + length :]
        elif how == "double":
            sql = sql[:place] + part + sql[place:]
        else:
            other = data.draw(st.sampled_from(STATEMENTS))
            sql = sql[:place] + other[place:]
    assert_sound(demo_guard.check(sql), sql)
    assert_sound(bare_guard.check(sql), sql)


# -- budgets -----------------------------------------------------------------------------------------------------------

WIDE = "limits: {sql_bytes: 4000000, tokens: 50000, depth: 200, in_list: 100000}\n"


def doubling(levels: int) -> str:
    ctes = ["c0 AS (SELECT * FROM orders)"]
    ctes += [f"c{n} AS (SELECT a.*, b.* FROM c{n - 1} a, c{n - 1} b)" for n in range(1, levels)]
    return f"WITH {', '.join(ctes)} SELECT 1 FROM c{levels - 1}"


BUDGETS: dict[str, Callable[[], str]] = {
    "parentheses": lambda: "SELECT " + "(" * 500_000 + "1" + ")" * 500_000,
    "open-parentheses": lambda: "SELECT " + "(" * 1_000_000,
    "tokens": lambda: "SELECT " + "1," * 50_000 + "1",
    "not": lambda: "SELECT " + "NOT " * 5_000 + "true",
    "unary-minus": lambda: "SELECT " + "- " * 5_000 + "1",
    "case": lambda: "SELECT " + "CASE WHEN true THEN " * 400 + "1" + " END" * 400,
    "case-wide": lambda: "SELECT CASE " + "WHEN true THEN 1 " * 8_000 + "END",
    "subqueries": lambda: "SELECT " + "(SELECT " * 400 + "1" + ")" * 400,
    "derived": lambda: "SELECT 1 FROM " + "(SELECT 1 FROM " * 300 + "orders" + ") x" * 300,
    "calls": lambda: "SELECT " + "abs(" * 600 + "1" + ")" * 600,
    "arrays": lambda: "SELECT " + "ARRAY[" * 600 + "1" + "]" * 600,
    "subscripts": lambda: "SELECT a" + "[1]" * 600,
    "casts": lambda: "SELECT 1" + "::text" * 5_000,
    "unions": lambda: "SELECT 1" + " UNION ALL SELECT 1" * 4_000,
    "union-tree": lambda: "(" * 300 + "SELECT 1" + " UNION SELECT 1)" * 300,
    "joins": lambda: "SELECT 1 FROM orders o0" + "".join(f" JOIN orders o{n} USING (id)" for n in range(1, 800)),
    "ctes": lambda: doubling(8),
    "ctes-doubling": lambda: doubling(40),
    "nested-ctes": lambda: "WITH a AS (" * 300 + "SELECT 1" + ") SELECT 1 FROM a" * 300,
    "stars": lambda: "SELECT " + ", ".join(["*"] * 3_000) + " FROM orders, customers, products",
    "and": lambda: "SELECT 1 FROM orders WHERE " + " AND ".join(["id = 1"] * 8_000),
    "or-and": lambda: "SELECT 1 FROM web_events WHERE " + " AND ".join(["(id = 1 OR id = 2)"] * 500),
    "indirection": lambda: "SELECT a" + ".b" * 10_000,
    "long-name": lambda: "SELECT " + "x" * 1_000_000,
    "long-string": lambda: "SELECT '" + "x" * 1_000_000 + "'",
    "comments": lambda: "/*" * 4_000 + "*/" * 4_000 + "SELECT 1",
    "semicolons": lambda: ";" * 1_000_000,
    "statements": lambda: "SELECT 1;" * 5_000,
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(BUDGETS))
@pytest.mark.parametrize("limits", ["", WIDE], ids=["default", "wide"])
def test_heavy_texts_get_a_decision(demo_catalog: Catalog, name: str, limits: str) -> None:
    sql = BUDGETS[name]()
    decision = guard_of(
        limits + "columns: {deny: {customers: [ssn]}}\nwhere: [{table: web_events}]\n", demo_catalog
    ).check(sql)
    assert_sound(decision, sql)


@pytest.mark.parametrize("count", [10, 64, 500])
@pytest.mark.parametrize("operator", ["||", "+", "AND", "OR"])
def test_long_chains_are_no_nesting(demo_guard: Guard, operator: str, count: int) -> None:
    part = {"||": "o.note", "+": "o.total"}.get(operator, "o.total > 1")
    assert demo_guard.check(f"SELECT {f' {operator} '.join([part] * count)} FROM orders o").allowed


def test_budgets_are_the_policys(demo_catalog: Catalog) -> None:
    def rules(limits: str, sql: str) -> set[str]:
        return {each.rule for each in guard_of(f"limits: {{{limits}}}\n", demo_catalog).check(sql).findings}

    assert rules("sql_bytes: 20", "SELECT 'a long text of it'") == {"limits/sql-bytes"}
    assert rules("sql_bytes: 20", "SELECT 1") == set()
    assert rules("tokens: 4", "SELECT 1, 2") == set()
    assert rules("tokens: 4", "SELECT 1, 2, 3") == {"limits/tokens"}
    deep = "SELECT (SELECT (SELECT (SELECT (SELECT (SELECT 1)))))"
    assert rules("depth: 2", deep) == {"limits/depth"}
    assert rules("depth: 20", deep) == set()
    assert rules("in_list: 3", "SELECT 1 IN (1, 2, 3)") == set()
    assert rules("in_list: 3", "SELECT 1 IN (1, 2, 3, 4)") != set()


# -- threads -----------------------------------------------------------------------------------------------------------


def test_threads_decide_alike(demo_catalog: Catalog) -> None:
    chosen = random.Random(2).sample(STATEMENTS, 120)
    guard = Guard.load(POLICIES / "demo.yaml", catalog=demo_catalog)
    # Views are read on first use; the next test is about that.
    guard.visible_relations()
    for name in ("daily_sales", "customer_value", "product_sales", "team", "customer_export", "team_report"):
        guard.visible_columns(demo_catalog.relation_index[Name("analytics", name)])

    def decide(seed: int) -> dict[str, dict[str, Any]]:
        order = chosen[:]
        random.Random(seed).shuffle(order)
        return {sql: guard.check(sql).to_dict() | {"timings_us": {}} for sql in order}

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(decide, range(8)))
    fresh = Guard.load(POLICIES / "demo.yaml", catalog=demo_catalog)
    alone = {sql: fresh.check(sql).to_dict() | {"timings_us": {}} for sql in chosen}
    assert all(result == alone for result in results)


def test_a_view_that_another_thread_reads_is_no_loop(demo_catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both threads meet a view that nobody has read before; the second comes while the first is at it."""
    guard = Guard.load(POLICIES / "demo.yaml", catalog=demo_catalog)
    inside, go_on = threading.Event(), threading.Event()
    read = ViewShapes._read

    def slowly(self: ViewShapes, *arguments: Any) -> Shape:
        if not inside.is_set():
            inside.set()
            go_on.wait(10)
        return read(self, *arguments)

    monkeypatch.setattr(ViewShapes, "_read", slowly)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(guard.check, "SELECT day FROM analytics.daily_sales")
        assert inside.wait(10)
        second = pool.submit(guard.check, "SELECT day FROM analytics.daily_sales")
        # A guard may let the second wait for the first, or read the view twice.
        wait([second], timeout=1)
        go_on.set()
        assert first.result().allowed
        assert second.result().allowed, second.result().findings


# -- monitor -----------------------------------------------------------------------------------------------------------


def test_monitor_refuses_nothing_and_tells(demo_catalog: Catalog) -> None:
    guard = guard_of("mode: monitor\ntables: {deny: [orders]}\n", demo_catalog)
    decision = guard.check("SELECT 1 FROM orders")
    assert (decision.effect, decision.would_deny, decision.mode) == ("allow", True, "monitor")
    assert decision.sql == "SELECT 1 FROM orders"
    assert [each.rule for each in decision.findings] == ["tables/denied"]
    assert not guard.check("SELECT 1 FROM stores").would_deny


@pytest.mark.parametrize(
    "sql", ["SELEC 1", "", "SELECT 1; SELECT 2", "SELECT 1\0", "SELECT '\ud800'", "SELECT " + "(" * 9000, "x" * 30_000]
)
def test_monitor_still_refuses_what_cannot_be_read(demo_catalog: Catalog, sql: str) -> None:
    decision = guard_of("mode: monitor\n", demo_catalog).check(sql)
    assert (decision.effect, decision.sql, decision.would_deny) == ("deny", None, True)


# -- without a catalog -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "allowed"),
    [
        ("SELECT total FROM orders", True),
        ("SELECT anything FROM nobody_knows", True),
        ("SELECT * FROM orders", True),
        ("SELECT count(*) FROM users", True),
        ("SELECT name FROM users u", True),
        ("SELECT * FROM users", False),  # users may have a hidden column
        ("SELECT u.* FROM users u", False),
        ("SELECT u FROM users u", False),
        ("SELECT to_jsonb(u) FROM users u", False),
        ("SELECT password FROM users", False),
        ("SELECT u.PassWord FROM users u", False),
        ("SELECT 1 FROM users u ORDER BY u.password", False),
        ("SELECT password FROM users JOIN orders ON true", False),  # whose is it? perhaps users'
        ("SELECT o.password FROM users JOIN orders o ON true", True),
        ("SELECT 1 FROM secret", False),  # through the search_path it is private.secret
        ("SELECT 1 FROM private.secret", False),
        ("SELECT 1 FROM public.secret", True),
        ("SELECT 1 FROM PRIVATE.Secret", False),
        ('SELECT 1 FROM "Private".secret', False),  # a denial ignores case
        ("WITH secret AS (SELECT 1) SELECT * FROM secret", True),
        ("SELECT 1 FROM pg_authid", False),
        ("SELECT 1 FROM pg_catalog.pg_class", False),
        ("SELECT upper('a')", True),
        ("SELECT pg_catalog.upper('a')", True),
        ("SELECT surprise('a')", False),
        ("SELECT listed('a')", True),
        ("SELECT other.listed_too('a')", True),
        ("SELECT pg_read_file('a')", False),
        ("SELECT pg_sleep(1)", False),
        ("DELETE FROM orders", False),
    ],
)
def test_without_a_catalog_names_are_as_written(sql: str, allowed: bool) -> None:
    policy = """
tables: {deny: [private.secret]}
columns: {deny: {users: [password]}}
functions:
  allow: [{capability: [pure, aggregate]}, listed, other.listed_too]
  user_defined: allow_listed
"""
    guard = Guard(parse_policy("schema: pg-guard/policy/v1\nsearch_path: [public, private]\n" + policy).policy)
    decision = guard.check(sql)
    assert decision.allowed is allowed, decision.findings
    assert_sound(decision, sql)


def test_without_a_catalog_nothing_is_shown(bare_guard: Guard) -> None:
    assert bare_guard.visible_relations() == ()
    assert "catalog" not in bare_guard.check("SELECT 1").digests


# -- search_path -------------------------------------------------------------------------------------------------------


def test_the_search_path_is_the_policys_or_the_catalogs(demo_catalog: Catalog) -> None:
    plain = "schema: pg-guard/policy/v1\n"
    assert Guard(parse_policy(plain).policy).search_path == ("public",)
    assert Guard(parse_policy(plain).policy, demo_catalog).search_path == demo_catalog.search_path
    guard = Guard(parse_policy(plain + "search_path: [analytics]\n").policy, demo_catalog)
    assert guard.search_path == ("analytics",)
    assert guard.check("SELECT day FROM daily_sales").allowed
    assert not guard.check("SELECT id FROM orders").allowed
    assert guard.check("SELECT id FROM public.orders").allowed


# -- what may be shown -------------------------------------------------------------------------------------------------


def test_visible_relations(demo_guard: Guard) -> None:
    shown = {str(relation.key) for relation in demo_guard.visible_relations()}
    assert {"public.customers", "public.orders", "analytics.daily_sales", "analytics.product_sales"} <= shown
    assert not {name for name in shown if name.startswith(("hr.", "audit.", "pg_catalog.", "information_schema."))}
    assert not shown & {"public.audit_trail", "public.Secret Stuff", "analytics.team", "analytics.team_report"}


def test_visible_columns(demo_guard: Guard, demo_catalog: Catalog) -> None:
    def columns(schema: str, name: str) -> set[str]:
        return {each.name for each in demo_guard.visible_columns(demo_catalog.relation_index[Name(schema, name)])}

    assert columns("public", "customers") & {"password_hash", "card_token", "ssn"} == set()
    assert {"id", "name", "email"} <= columns("public", "customers")
    assert columns("analytics", "customer_export") == {"id", "name", "email"}
    assert "lifetime_value" in columns("analytics", "customer_value")


def test_what_is_shown_may_be_read(demo_guard: Guard) -> None:
    for relation in demo_guard.visible_relations():
        columns = ", ".join(f't."{column.name}"' for column in demo_guard.visible_columns(relation))
        condition = " WHERE t.id = 1" if demo_guard.requirements(relation) else ""
        decision = demo_guard.check(f'SELECT {columns} FROM "{relation.schema}"."{relation.name}" AS t{condition}')
        assert decision.allowed, (relation.key, decision.findings)


def test_a_generated_column_of_a_hidden_one_is_hidden(demo_catalog: Catalog) -> None:
    guard = guard_of("columns: {deny: {products: [cost]}}\n", demo_catalog)
    shown = {each.name for each in guard.visible_columns(demo_catalog.relation_index[Name("public", "products")])}
    assert not shown & {"cost", "margin"}
    assert not guard.check("SELECT margin FROM products").allowed
    assert guard.check("SELECT price FROM products").allowed


def test_requirements(demo_catalog: Catalog) -> None:
    guard = guard_of(
        "where:\n- {table: web_events}\n- {table: [orders, 'web_*'], columns: [tenant_id]}\n", demo_catalog
    )

    def demanded(name: str) -> tuple[tuple[str, ...], ...]:
        return guard.requirements(demo_catalog.relation_index[Name("public", name)])

    assert demanded("stores") == ()
    assert demanded("orders") == (("tenant_id",),)
    assert demanded("web_events") == ((), ("tenant_id",))
    assert demanded("web_events_2026_01") == ((), ("tenant_id",))
