"""The tools beside `run_sql`, over three databases of one server: a real client, a real child process, a real PostgreSQL."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
import yaml
from mcp import MCPError

from pg_guard.demo.embedded import start
from tests.support.mcp_client import call, connected, error_of, shared

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from mcp import Client

DEMO = Path(__file__).resolve().parents[2] / "policies" / "demo.yaml"
STAFF = """
schema: pg-guard/policy/v1
metadata: {name: staff, version: 2.1.0, description: Staff data.}
statements: {allow: [select]}
search_path: [hr]
tables: {default: deny, allow: ["hr.*"]}
limits: {rows: 5000}
"""
CHEAP = """
schema: pg-guard/policy/v1
metadata: {name: cheap, version: 1.0.0, description: Small questions.}
statements: {allow: [select]}
search_path: [public]
tables: {default: deny, allow: [orders, order_items, "analytics.daily_sales"]}
limits: {cost: 1000, rows: 5000}
"""


@pytest.fixture(scope="module")
async def served(demo_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Client]:
    """One server of three databases, which are one behind three policies."""
    directory = tmp_path_factory.mktemp("config")
    (directory / "staff.yaml").write_text(STAFF, encoding="utf-8")
    (directory / "cheap.yaml").write_text(CHEAP, encoding="utf-8")
    config = {
        "databases": {
            "shop": {"dsn": demo_dsn, "policy": str(DEMO), "description": "Sales of a shop"},
            "staff": {"dsn": demo_dsn, "policy": "staff.yaml"},
            "cheap": {"dsn": demo_dsn, "policy": "cheap.yaml"},
        },
        "cache": {"auto_refresh": False},
    }
    file = directory / "pg-guard.yaml"
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    async with shared("--config", file) as client:
        yield client


# -- several databases ---------------------------------------------------------------------------------------------------


async def test_databases_are_listed_with_their_policies(served: Client) -> None:
    answer = await call(served, "list_databases")
    found = {each["database"]: each for each in answer["databases"]}
    assert list(found) == ["cheap", "shop", "staff"]
    assert found["shop"]["description"] == "Sales of a shop"
    assert {name: each["policy"] for name, each in found.items()} == {
        "shop": "demo 1.0.0", "staff": "staff 2.1.0", "cheap": "cheap 1.0.0",
    }  # fmt: skip
    assert found["cheap"]["tables"] == 3
    assert all(each["last_error"] == "" and each["catalog_age_seconds"] >= 0 for each in found.values())


async def test_each_database_has_its_own_policy(served: Client) -> None:
    decisions = {}
    for sql in ("SELECT count(*) FROM hr.payroll", "SELECT count(*) FROM public.orders"):
        for database in ("shop", "staff"):
            answer = await call(served, "run_sql", sql=sql, database=database)
            assert answer["database"] == database
            decisions[sql.rpartition(".")[2], database] = answer["decision"]
    assert decisions == {
        ("payroll", "shop"): "deny",
        ("payroll", "staff"): "allow",
        ("orders", "shop"): "allow",
        ("orders", "staff"): "deny",
    }


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("run_sql", {"sql": "SELECT 1"}),
        ("check_sql", {"sql": "SELECT 1"}),
        ("explain_sql", {"sql": "SELECT 1"}),
        ("explain_denial", {"sql": "SELECT 1"}),
        ("list_tables", {}),
        ("describe_table", {"table": "orders"}),
        ("search_schema", {"text": "orders"}),
        ("describe_policy", {}),
        ("refresh_schema", {}),
    ],
)
async def test_a_request_without_a_database_is_told_their_names(
    served: Client, tool: str, arguments: dict[str, Any]
) -> None:
    for given in ({}, {"database": "elsewhere"}):
        result = await served.call_tool(tool, {**arguments, **given})
        assert error_of(result).startswith("DATABASE_UNKNOWN: ")
        assert error_of(result).endswith("(name one of: cheap, shop, staff)")
        assert result.structured_content is not None
        assert result.structured_content["error"]["code"] == "DATABASE_UNKNOWN"


async def test_a_question_without_a_database_is_told_their_names(served: Client) -> None:
    answer = await call(served, "ask", question="How many orders?")
    assert answer["error"]["code"] == "DATABASE_UNKNOWN"
    assert answer["error"]["hint"] == "name one of: cheap, shop, staff"


# -- plans and costs -----------------------------------------------------------------------------------------------------


async def test_a_plan_as_json_and_as_text(served: Client) -> None:
    sql = "SELECT id FROM orders WHERE customer_id = 7"
    result = await served.call_tool("explain_sql", {"sql": sql, "database": "shop"})
    answer = result.structured_content
    assert answer is not None
    assert (answer["decision"], answer["error"], answer["complete"]) == ("allow", None, True)
    assert answer["cost"] > 0
    assert answer["plan"]["Node Type"]
    assert "orders" in json.dumps(answer["plan"])
    assert "customer_id = 7" in json.dumps(answer["plan"])
    text = result.content[0].text
    assert "Estimated cost" in text
    assert "customer_id = 7" in text
    assert "cost=" in text
    assert "Actual" not in json.dumps(answer["plan"])


async def test_a_plan_hides_what_stands_behind_a_view(served: Client) -> None:
    sql = "SELECT * FROM analytics.daily_sales"
    answer = await call(served, "explain_sql", sql=sql, database="cheap")
    shown = json.dumps(answer["plan"])
    assert answer["complete"] is False
    # Its condition, and the table that this policy does not list, are the view's own business.
    assert "cancelled" not in shown
    assert "stores" not in shown
    assert "(hidden)" in shown


async def test_a_refused_statement_has_no_plan(served: Client) -> None:
    for sql in ("SELECT * FROM hr.payroll", "DELETE FROM orders", "SELECT id FROM customers WHERE ssn = '1'"):
        result = await served.call_tool("explain_sql", {"sql": sql, "database": "shop"})
        answer = result.structured_content
        assert answer is not None
        assert answer["decision"] == "deny"
        assert answer["findings"]
        assert (answer["plan"], answer["cost"]) == (None, None)
        assert result.content[0].text.startswith("DENIED")


async def test_the_cost_limit_is_told_and_held(served: Client) -> None:
    dear = "SELECT count(*) FROM order_items a JOIN order_items b ON a.quantity = b.quantity"
    plan = await call(served, "explain_sql", sql=dear, database="cheap")
    assert plan["cost"] > plan["cost_limit"] == 1000
    ran = await call(served, "run_sql", sql=dear, database="cheap")
    assert ran["decision"] == "allow"
    assert ran["rows"] == []
    assert "cost" in ran["error"]["message"]
    assert "1,000" in ran["error"]["message"] or "1000" in ran["error"]["message"]
    policy = await call(served, "describe_policy", database="cheap")
    assert policy["max_cost"] == 1000


async def test_a_plan_that_postgresql_refuses_is_an_answer(served: Client) -> None:
    answer = await call(served, "explain_sql", sql="SELECT 'x'::integer", database="shop")
    assert answer["error"]["sqlstate"] == "22P02"


# -- refusals explained --------------------------------------------------------------------------------------------------


async def test_a_denial_is_explained_by_what_is_permitted(served: Client) -> None:
    result = await served.call_tool("explain_denial", {"sql": "SELECT ssn, c.* FROM customers c", "database": "shop"})
    answer = result.structured_content
    assert answer is not None
    assert answer["decision"] == "deny"
    (table,) = answer["permitted"]
    assert table["table"] == "public.customers"
    assert "email" in {column["column"] for column in table["columns"]}
    for text in (json.dumps(answer["permitted"]), result.content[0].text.partition("may be read:")[2]):
        assert "password_hash" not in text
        assert "card_token" not in text


@pytest.mark.parametrize("tool", ["run_sql", "check_sql", "explain_sql", "explain_denial"])
@pytest.mark.parametrize(
    ("hidden", "missing"),
    [("hr.payroll", "hr.no_such"), ("audit_trail", "audix_trail"), ("analytics.team", "analytics.teax"), ("hr.payroll", "xx.payroll")],
)  # fmt: skip
async def test_a_hidden_table_and_a_missing_one_look_alike(
    served: Client, tool: str, hidden: str, missing: str
) -> None:
    told = []
    for table in (hidden, missing):
        result = await served.call_tool(tool, {"sql": f"SELECT salary FROM {table}", "database": "shop"})
        told.append(result.model_dump_json().replace(table, "?").replace("~" * len(table), "^"))
        told[-1] = told[-1].replace("^" * len(table), "^")
    assert told[0] == told[1]


async def test_a_hidden_column_and_a_missing_one_look_alike(served: Client) -> None:
    told = []
    for column in ("ssn", "ssm"):
        sql = f"SELECT id FROM customers WHERE {column} LIKE 'a%'"
        result = await served.call_tool("explain_denial", {"sql": sql, "database": "shop"})
        text = result.model_dump_json()
        assert result.structured_content is not None
        mark = text.partition("untrusted-data-")[2].partition(">")[0]
        told.append(text.replace(column, "?").replace(mark, "?"))
    assert told[0] == told[1]


# -- the schema ----------------------------------------------------------------------------------------------------------


async def test_the_schema_is_searched_by_names_and_comments(served: Client) -> None:
    answer = await call(served, "search_schema", text="revenue of a day", database="shop")
    assert answer["hits"][0]["table"].endswith("daily_sales")
    people = await call(served, "search_schema", text="people who bought", database="shop", limit=3)
    assert "customers" in [hit["table"] for hit in people["hits"]]
    assert len(people["hits"]) <= 3
    nothing = await served.call_tool("search_schema", {"text": "xyzzy", "database": "shop"})
    assert nothing.structured_content == {"hits": []}


async def test_a_search_does_not_find_what_is_hidden(served: Client) -> None:
    for text in ("payroll salary", "password_hash", "Secret Stuff", "Never shown to anyone", "api_keys"):
        found = json.dumps(await call(served, "search_schema", text=text, database="shop"))
        for name in ("payroll", "salar", "password", "Secret", "api_keys"):
            assert name not in found
    staff = await call(served, "search_schema", text="payroll salary", database="staff")
    assert staff["hits"][0]["table"] == "payroll"


async def test_a_new_table_is_known_after_a_refresh(served: Client, demo_dsn: str) -> None:
    connection = await asyncpg.connect(demo_dsn)
    sql = "SELECT note FROM public.novelties"
    try:
        unchanged = await call(served, "refresh_schema", database="shop")
        await connection.execute("CREATE TABLE public.novelties AS SELECT 'fresh' AS note")
        before = await call(served, "run_sql", sql=sql, database="shop")
        refreshed = await call(served, "refresh_schema", database="shop")
        after = await call(served, "run_sql", sql=sql, database="shop")
        described = await call(served, "describe_table", table="novelties", database="shop")
        searched = await call(served, "search_schema", text="novelties", database="shop")
        other = await call(served, "describe_table", table="public.novelties", database="staff")
    finally:
        await connection.execute("DROP TABLE IF EXISTS public.novelties")
        await connection.close()
        await call(served, "refresh_schema", database="shop")
    assert (unchanged["changed"], unchanged["error"]) == (False, "")
    assert before["decision"] == "deny"
    assert (refreshed["changed"], refreshed["error"]) == (True, "")
    assert after["rows"] == [["fresh"]]
    assert described["found"] is True
    assert searched["hits"][0]["table"] == "novelties"
    assert other["found"] is False


# -- pages ---------------------------------------------------------------------------------------------------------------

NUMBERS = "SELECT g, g * 2 AS twice FROM generate_series(1, 1234) AS g ORDER BY g DESC"


async def test_all_pages_together_are_the_result(served: Client) -> None:
    page = await call(served, "run_sql", sql=NUMBERS, database="staff", page_rows=500)
    pages = [page]
    while page["next_cursor"] is not None:
        page = await call(served, "run_sql", cursor=page["next_cursor"])
        pages.append(page)
    assert [each["row_count"] for each in pages] == [500, 500, 234]
    assert [each["first_row"] for each in pages] == [0, 500, 1000]
    assert [row for each in pages for row in each["rows"]] == [[n, 2 * n] for n in range(1234, 0, -1)]
    assert all(each["columns"] == pages[0]["columns"] and not each["truncated"] for each in pages)
    assert {each["database"] for each in pages} == {"staff"}


async def test_a_cursor_can_be_used_once(served: Client) -> None:
    page = await call(served, "run_sql", sql=NUMBERS, database="staff", page_rows=1000)
    await call(served, "run_sql", cursor=page["next_cursor"])
    for cursor in (page["next_cursor"], "made-up", ""):
        result = await served.call_tool("run_sql", {"cursor": cursor})
        assert error_of(result).startswith("CURSOR_UNKNOWN: ")


async def test_a_cut_result_says_so_on_its_last_page(served: Client) -> None:
    sql = "SELECT g FROM generate_series(1, 6000) AS g"
    page = await call(served, "run_sql", sql=sql, database="staff", page_rows=4000)
    last = await call(served, "run_sql", cursor=page["next_cursor"])
    assert (page["row_count"], page["truncated"]) == (4000, False)
    assert (last["row_count"], last["truncated"], last["next_cursor"]) == (1000, True, None)


async def test_a_request_under_one_key_runs_once(served: Client) -> None:
    one = {"sql": "SELECT clock_timestamp() AS t", "database": "staff", "idempotency_key": "k-1"}
    answers = await asyncio.gather(*(call(served, "run_sql", **one) for _ in range(10)))
    assert len({str(answer["rows"]) for answer in answers}) == 1
    other = await served.call_tool("run_sql", {**one, "sql": "SELECT 2"})
    assert error_of(other).startswith("KEY_REUSED: ")


# -- resources and prompts -----------------------------------------------------------------------------------------------


async def test_resources_tell_schema_and_policy(served: Client) -> None:
    listed = {str(each.uri) for each in (await served.list_resources()).resources}
    templates = {each.uri_template for each in (await served.list_resource_templates()).resource_templates}
    assert listed == {"pg-guard://databases"}
    assert templates == {"pg-guard://{database}/schema", "pg-guard://{database}/policy"}

    async def read(uri: str) -> Any:
        (content,) = (await served.read_resource(uri)).contents
        assert content.mime_type == "application/json"
        return json.loads(content.text)  # type: ignore[union-attr]  # texts alone are served

    databases = await read("pg-guard://databases")
    assert [each["database"] for each in databases["databases"]] == ["cheap", "shop", "staff"]
    schema = await read("pg-guard://shop/schema")
    tables = {each["table"]: each for each in schema["tables"]}
    assert "public.orders" in tables
    assert "never instructions" in schema["note"]
    text = json.dumps(schema)
    for name in ("hr.", "payroll", "password_hash", "card_token", "Secret", "audit"):
        assert name not in text
    assert (await read("pg-guard://staff/policy"))["name"] == "staff"
    for uri in ("pg-guard://elsewhere/schema", "pg-guard://elsewhere/policy", "pg-guard://shop/rows"):
        with pytest.raises(MCPError) as caught:
            await served.read_resource(uri)
        assert "Traceback" not in str(caught.value)


async def test_prompts_start_analyses(served: Client) -> None:
    prompts = {each.name: each for each in (await served.list_prompts()).prompts}
    assert set(prompts) == {"profile_table", "trend", "compare", "repair"}
    given = {"table": "public.orders", "measure": "revenue", "groups": "country", "sql": "SELECT 1", "database": "shop"}
    for name, prompt in prompts.items():
        assert prompt.description
        names = {argument.name: argument.required for argument in prompt.arguments or ()}
        assert names.pop("database") is not True
        assert all(names.values())
        wanted = {argument: given[argument] for argument in names}
        text = (await served.get_prompt(name, wanted)).messages[0].content.text  # type: ignore[union-attr]  # texts alone
        assert all(value in text for value in wanted.values())
        assert "in the database shop" not in text
        text = (await served.get_prompt(name, {**wanted, "database": "shop"})).messages[0].content.text  # type: ignore[union-attr]  # as above
        assert "in the database shop" in text
        with pytest.raises(MCPError):
            await served.get_prompt(name, {})


async def test_arguments_and_answers_are_described(served: Client) -> None:
    for tool in (await served.list_tools()).tools:
        for name, argument in tool.input_schema["properties"].items():
            assert argument.get("description"), f"{tool.name}: {name}"
        assert tool.title
        assert tool.annotations is not None
        assert tool.annotations.open_world_hint is (tool.name in ("ask", "query"))
        assert tool.output_schema is not None
        wanted = set(tool.input_schema.get("required", ()))
        assert wanted == {
            "ask": {"question"}, "query": {"question"}, "describe_table": {"table"}, "search_schema": {"text"},
            "check_sql": {"sql"}, "explain_sql": {"sql"}, "explain_denial": {"sql"},
        }.get(tool.name, set())  # fmt: skip
    with_wrong_type = await served.call_tool("run_sql", {"sql": "SELECT 1", "page_rows": 0})
    assert with_wrong_type.is_error


# -- load and failures ---------------------------------------------------------------------------------------------------


async def test_two_hundred_calls_at_once_share_five_connections(served: Client, demo_dsn: str) -> None:
    connection = await asyncpg.connect(demo_dsn)
    most = 0

    async def watch() -> None:
        nonlocal most
        while True:
            count = await connection.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%two hundred calls%' AND pid <> pg_backend_pid()"
            )
            most = max(most, count)
            await asyncio.sleep(0.01)

    watching = asyncio.create_task(watch())
    try:
        answers = await asyncio.gather(
            *(
                call(served, "run_sql", sql=f"SELECT {n} /* two hundred calls */ AS n", database="staff")
                for n in range(200)
            )
        )
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await connection.close()
    assert [answer["rows"] for answer in answers] == [[[n]] for n in range(200)]
    assert 1 <= most <= 5


@pytest.fixture
def scratch() -> Iterator[Path]:
    """PostgreSQL runs as another account when this is root: a directory that is open, and short for the socket."""
    directory = Path(tempfile.mkdtemp(prefix="pgg", dir="/tmp"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


async def test_the_next_call_works_after_the_database_was_restarted(scratch: Path) -> None:
    directory, link, log = scratch, scratch / "socket", scratch / "stderr"
    policy = directory / "policy.yaml"
    policy.write_text(STAFF.replace('default: deny, allow: ["hr.*"]', "default: allow"), encoding="utf-8")
    server = start(directory)
    try:
        link.symlink_to(server.socket_directory)
        dsn = f"postgresql://postgres@/postgres?host={link}&port=5432"
        async with connected("--policy", policy, env={"PG_GUARD_DSN": dsn}, errors=log) as client:
            assert (await call(client, "run_sql", sql="SELECT 1 AS n"))["rows"] == [[1]]
            await asyncio.to_thread(server.stop)
            down = await call(client, "run_sql", sql="SELECT 2 AS n")
            stale = await call(client, "refresh_schema")
            assert down["decision"] == "allow"
            assert down["error"]["code"] == "database"
            assert stale["error"]
            assert (await call(client, "check_sql", sql="SELECT 1"))["decision"] == "allow"
            server = await asyncio.to_thread(start, directory)
            link.unlink()
            link.symlink_to(server.socket_directory)
            assert (await call(client, "run_sql", sql="SELECT 3 AS n"))["rows"] == [[3]]
            assert (await call(client, "refresh_schema"))["error"] == ""
        lines = log.read_text(encoding="utf-8").splitlines()
        told = [json.loads(line) for line in lines]
        assert [line for line in told if line["event"].startswith("catalog of postgres: not refreshed")]
        assert {line["level"] for line in told} <= {"info", "warning", "error"}
    finally:
        await asyncio.to_thread(server.stop)
