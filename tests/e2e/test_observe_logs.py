"""What a server tells in log lines and traces: no secret in any, ids that stay with their request, the trace of the client."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

import asyncpg
import pytest
from mcp.shared.exceptions import MCPError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.http_server import new_token, served
from tests.support.observed import observed
from tests.support.scripted_model import Fail, Hang, Say, ScriptedModel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

PASSWORD = "planted-Password-42"
KEY = "planted-model-key-7"
TOKEN = "planted-scrape-token-9"
LITERAL = "planted-literal-11"
ROW = "planted-row-078-05-1120"
QUESTION = "planted-question-Miller"
COLLECTOR_KEY = "planted-collector-key-3"
GOOD = "```sql\nSELECT count(*) AS n FROM orders\n```"
SURE = '{"confidence": 95, "explanation": "it counts the orders"}'

# -- logs --------------------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def watched_role(server_dsn: str, demo_dsn: str) -> AsyncIterator[tuple[str, asyncpg.Connection[Any]]]:
    """A role with a password, and a connection of its administrator; both with a table that holds what nobody may tell."""
    connection = await asyncpg.connect(demo_dsn)
    await connection.execute(f"CREATE ROLE observed LOGIN PASSWORD '{PASSWORD}' IN ROLE pg_read_all_data")
    await connection.execute(
        f"CREATE TABLE public.planted (ssn text); INSERT INTO public.planted VALUES ('{ROW}');"
        "CREATE FUNCTION public.told(text) RETURNS int LANGUAGE plpgsql STABLE AS $$ BEGIN"
        f" RAISE unique_violation USING MESSAGE = 'duplicate', DETAIL = 'Key (ssn)=({ROW}) exists.', HINT = '{ROW}'; END $$"
    )
    head, tail = demo_dsn.split("//", 1)
    try:
        yield f"{head}//observed:{PASSWORD}@{tail.rpartition('@')[2]}", connection
    finally:
        await connection.execute("DROP TABLE public.planted; DROP FUNCTION public.told(text); DROP ROLE observed")
        await connection.close()


OPEN = """
schema: pg-guard/policy/v1
metadata: {name: open, version: 1.0.0}
functions: {mode: denylist, allow: [public.told], user_defined: allow_listed}
"""

PLANTED = (PASSWORD, KEY, TOKEN, LITERAL, ROW, QUESTION, COLLECTOR_KEY, "another-planted-token", "planted_name")

SETTINGS = {
    "PG_GUARD_MODEL__KEY": KEY,
    "PG_GUARD_MODEL__TIMEOUT": "0.5",
    "PG_GUARD_RESILIENCE__MODEL__RETRIES": "0",
    "PG_GUARD_OBSERVABILITY__TOKEN": TOKEN,
    "PG_GUARD_LOGGING__LEVEL": "debug",
    "PG_GUARD_LOGGING__LIBRARIES": "debug",
    "PG_GUARD_LOGGING__FORMAT": "json",
    "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer%20{COLLECTOR_KEY}",
}


async def provoke(client: Any, model: ScriptedModel, administrator: asyncpg.Connection[Any]) -> None:
    """Whatever brings what is planted near to a log line."""
    for script in (
        [Say(GOOD), Say(SURE)],
        [Say(f"SELECT '{LITERAL}' FROM planted")],
        [Fail(401)],
        [Fail(500)],
        [Hang(2)],
    ):
        model.script = list(script)
        await client.call_tool("ask", {"question": f"How many orders has {QUESTION}?"})
    for sql in (
        "SELECT * FROM customers",
        f"SELECT 'password={PASSWORD}', '{KEY}', '{LITERAL}'",
        f"SELECT ssn FROM planted WHERE ssn <> '{LITERAL}'",
        # The database's own words hold rows, in each part of an error.
        "SELECT ssn::int FROM planted",
        "SELECT told(ssn) FROM planted",
        f"SELECT '{LITERAL}'::date",
        'SELECT "planted_name" FROM "planted_name"',
        f"SELEC '{LITERAL}'",
        f"SELECT '{LITERAL}",
    ):
        for tool in ("run_sql", "explain_sql", "check_sql", "explain_denial"):
            await client.call_tool(tool, {"sql": sql})
    for arguments in ({"sql": 5}, {"sql": "SELECT 1", "database": "planted_name"}, {"planted_name": LITERAL}):
        await client.call_tool("run_sql", arguments)
    await client.call_tool("planted_name", {LITERAL: ROW})
    for address in ("pg-guard://planted_name", f"pg-guard://policy/{LITERAL}"):
        with contextlib.suppress(MCPError):
            await client.read_resource(address)
    with contextlib.suppress(MCPError):
        await client.get_prompt("planted_name", {})
    await administrator.execute("ALTER ROLE observed NOLOGIN")
    await administrator.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'observed'")
    await client.call_tool("run_sql", {"sql": f"SELECT '{LITERAL}'"})
    await client.call_tool("refresh_schema", {})


def tells_nothing(written: str, *shown: str) -> None:
    """Of what is planted nothing is there, and lines of libraries are, so that there could be."""
    told = [json.loads(line) for line in written.splitlines() if line.startswith("{")]
    assert {"debug", "info", "warning"} <= {line["level"] for line in told}
    libraries = {line["logger"].partition(".")[0] for line in told}
    assert {"mcp", "openai", "asyncio", "httpx2", "httpcore2", "uvicorn"} <= libraries
    for text in (written, *shown):
        assert [secret for secret in PLANTED if secret in text] == []


async def test_what_is_planted_is_in_no_line_at_debug(server_dsn: str, demo_dsn: str, tmp_path: Path) -> None:
    policy = tmp_path / "open.yaml"
    policy.write_text(OPEN, encoding="utf-8")
    with Collector() as collector, ScriptedModel([Say(GOOD)]) as model:
        async with watched_role(server_dsn, demo_dsn) as (dsn, administrator):
            env = {**SETTINGS, "PG_GUARD_MODEL__BASE_URL": model.url, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
            async with observed(dsn, tmp_path, policy, **env) as server:
                await provoke(server.client, model, administrator)
                await server.get("/metrics", authorization="Bearer pgg_another-planted-token")
                authorized = {"authorization": f"Bearer {TOKEN}"}
                detailed = (await server.get("/health/detailed", **authorized)).text
                metrics = (await server.get("/metrics", **authorized)).text
    # Values of rows and statements are in answers, which no line repeats.
    tells_nothing((tmp_path / "stderr").read_text(encoding="utf-8"), detailed, metrics)
    spans = str(collector.spans)
    assert "pg_guard.execution" in spans
    assert [secret for secret in PLANTED if secret in spans] == []


async def test_what_is_planted_is_in_no_line_over_http(server_dsn: str, demo_dsn: str, tmp_path: Path) -> None:
    policy, tokens = tmp_path / "open.yaml", tmp_path / "tokens.yaml"
    policy.write_text(OPEN, encoding="utf-8")
    token = new_token(tokens, "bi")
    with ScriptedModel([Say(GOOD)]) as model:
        async with watched_role(server_dsn, demo_dsn) as (dsn, administrator):
            chosen: dict[str, Any] = {
                "logging": {"level": "debug", "libraries": "debug", "format": "json"},
                "model": {"base_url": model.url, "key": KEY, "timeout": 0.5},
                "resilience": {"model": {"retries": 0}},
                "observability": {"token": TOKEN},
            }
            async with served(dsn, policy, {"tokens": "tokens.yaml"}, tmp_path, **chosen) as server:
                # The older protocol has sessions, whose ids open them.
                for mode in ("auto", "legacy"):
                    await administrator.execute("ALTER ROLE observed LOGIN")
                    async with server.client(token, mode) as client:
                        await provoke(client, model, administrator)
                # Lines that wait are written before the end.
                await server.stop(signal.SIGTERM)
            written = "\n".join(server.log)
    tells_nothing(written)
    assert token not in written
    # Nothing looks like the id of a session either: it is a key.
    assert re.findall(r"session ID: [0-9a-f]", written) == []


async def test_statements_in_full_hold_no_secret_of_the_deployment(
    server_dsn: str, demo_dsn: str, tmp_path: Path
) -> None:
    async with watched_role(server_dsn, demo_dsn) as (dsn, _):
        env = SETTINGS | {"PG_GUARD_LOGGING__STATEMENTS": "full"}
        async with observed(dsn, tmp_path, **env) as server:
            await server.run(f"SELECT 'password={PASSWORD}', '{KEY}', '{TOKEN}', '{COLLECTOR_KEY}', '{LITERAL}'")
            await server.client.call_tool("ask", {"question": f"Is {PASSWORD} the key {KEY} of {QUESTION}?"})
            [decision] = await server.lines_of("decision", 1)
            [question] = await server.lines_of("question", 1)
    assert decision["statement"] == f"SELECT 'password=***', '***', '***', '***', '{LITERAL}'"
    assert question["question"] == f"Is *** the key *** of {QUESTION}?"
    written = (tmp_path / "stderr").read_text(encoding="utf-8")
    assert [secret for secret in (PASSWORD, KEY, TOKEN, COLLECTOR_KEY) if secret in written] == []


async def test_a_question_is_told_as_the_settings_say(demo_dsn: str, tmp_path: Path) -> None:
    question = f"How many orders has {QUESTION}?"
    for how, expected in (("none", None), ("masked", "How many ? has ?"), ("full", question)):
        with ScriptedModel([Say(GOOD), Say(SURE)]) as model:
            env = {"PG_GUARD_MODEL__BASE_URL": model.url, "PG_GUARD_LOGGING__STATEMENTS": how}
            async with observed(demo_dsn, tmp_path, **env) as server:
                await server.client.call_tool("ask", {"question": question})
                [line] = await server.lines_of("question", 1)
                [request] = await server.lines_of("request", 1)
                [decision] = await server.lines_of("decision", 1)
        assert line.get("question") == expected
        assert (line["status"], line["duration_ms"] > 0) == ("ok", True)
        assert line["question_id"] == decision["question_id"] == request["question_id"]
        assert (QUESTION in (tmp_path / "stderr").read_text(encoding="utf-8")) is (how == "full")


@pytest.mark.parametrize(
    ("how", "expected"), [("none", None), ("masked", "SELECT ? AS a, id FROM orders LIMIT ?"), ("full", LITERAL)]
)
async def test_statements_are_told_as_the_settings_say(
    demo_dsn: str, tmp_path: Path, how: str, expected: str | None
) -> None:
    async with observed(
        demo_dsn, tmp_path, PG_GUARD_LOGGING__STATEMENTS=how, PG_GUARD_LOGGING__LEVEL="debug"
    ) as server:
        await server.run(f"SELECT '{LITERAL}' AS a, id FROM orders LIMIT 3")
        [decision] = await server.lines_of("decision", 1)
        [statement] = await server.lines_of("statement", 1)
    assert (expected in decision["statement"]) if expected else "statement" not in decision
    assert (LITERAL in (tmp_path / "stderr").read_text(encoding="utf-8")) is (how == "full")
    assert statement["rows"] == 3
    assert statement["decision_id"] == decision["decision_id"]


async def test_lines_of_requests_at_the_same_time_keep_their_ids_apart(demo_dsn: str, tmp_path: Path) -> None:
    async with observed(
        demo_dsn, tmp_path, PG_GUARD_LOGGING__LEVEL="debug", PG_GUARD_LOGGING__STATEMENTS="full"
    ) as server:
        keys = [{"idempotency_key": f"key-{n}"} if n % 2 else {} for n in range(50)]
        answers = await asyncio.gather(
            *(
                server.client.call_tool("run_sql", {"sql": f"SELECT {n} AS n", **key})
                if n % 3
                else server.client.call_tool("run_sql", {"sql": f"SELECT {n} AS n FROM no_such_table", **key})
                for n, key in enumerate(keys)
            )
        )
        assert len(answers) == 50
        requests = await server.lines_of("request", 50)
        decisions = await server.lines_of("decision", 50)
        statements = await server.lines_of("statement", sum(n % 3 != 0 for n in range(50)))
        everything = server.lines()
    assert len(requests) == 50
    by_request = {line["request_id"]: line for line in decisions}
    assert len(by_request) == len({line["decision_id"] for line in decisions}) == 50
    # Which call a decision was of, its statement says.
    assert sorted(int(line["statement"].split()[1]) for line in decisions) == list(range(50))
    for line in statements:
        assert by_request[line["request_id"]]["decision_id"] == line["decision_id"]
    for line in everything:
        if "decision_id" in line:
            assert by_request[line["request_id"]]["decision_id"] == line["decision_id"], line
    for request in requests:
        decision = by_request[request["request_id"]]
        # The request knows its own decision, also where a task of its own has made it.
        assert request["decision_id"] == decision["decision_id"]
        assert (request["status"] == "denied") == (decision["effect"] == "deny")


async def test_a_file_can_hold_the_log(demo_dsn: str, tmp_path: Path) -> None:
    path = tmp_path / "guard.log"
    async with observed(demo_dsn, tmp_path, PG_GUARD_LOGGING__FILE=str(path)) as server:
        await server.run("SELECT 1")
        assert server.lines() == []
    events = [json.loads(line)["event"] for line in path.read_text(encoding="utf-8").splitlines()]
    assert events == ["policy in force", "decision", "request"]


# -- traces ------------------------------------------------------------------------------------------------------------


class Collector:
    """Takes traces as an OpenTelemetry collector does."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["content-length"])))
                for resource in body.resource_spans:
                    outer.spans += [span for scope in resource.scope_spans for span in scope.spans]
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


async def test_spans_of_a_question_continue_the_trace_of_the_client(demo_dsn: str, tmp_path: Path) -> None:
    trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    with Collector() as collector, ScriptedModel([Say(GOOD), Say(SURE)]) as model:
        env = {
            "PG_GUARD_MODEL__BASE_URL": model.url,
            "PG_GUARD_MODEL__KEY": KEY,
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        }
        async with observed(demo_dsn, tmp_path, **env) as server:
            meta: Any = {"traceparent": f"00-{trace}-{parent}-01"}
            await server.client.call_tool("ask", {"question": "How many orders?"}, meta=meta)
            # Leaving ends the server, which exports what is left.
        spans = {span.name: span for span in collector.spans if span.trace_id.hex() == trace}
    assert set(spans) == {
        "tools/call ask", "pg_guard.question", "pg_guard.generation", "pg_guard.decision", "pg_guard.execution",
        "pg_guard.review",
    }  # fmt: skip
    assert spans["tools/call ask"].parent_span_id.hex() == parent
    assert spans["pg_guard.question"].parent_span_id == spans["tools/call ask"].span_id
    for name in ("generation", "decision", "execution", "review"):
        assert spans[f"pg_guard.{name}"].parent_span_id == spans["pg_guard.question"].span_id
    text = str(collector.spans)
    assert "SELECT" not in text
    assert "How many" not in text


async def test_a_collector_that_is_not_there_delays_nothing(demo_dsn: str, tmp_path: Path) -> None:
    async with observed(demo_dsn, tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9") as server:
        assert (await server.run("SELECT 1 AS n"))["rows"] == [[1]]
