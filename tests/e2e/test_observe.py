"""What a server shows of itself: a real child process, a real MCP client, real scrapes, a real PostgreSQL 18."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import shutil
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import asyncpg
import httpx2
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.parser import text_string_to_metric_families

from pg_guard.demo.embedded import start
from pg_guard.observe.metrics import METRICS
from tests.support.http_server import new_token, served
from tests.support.mcp_client import connected
from tests.support.scripted_model import Fail, Hang, Say, ScriptedModel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

ROOT = Path(__file__).resolve().parents[2]
POLICY = ROOT / "policies" / "demo.yaml"
PASSWORD = "planted-Password-42"
KEY = "planted-model-key-7"
TOKEN = "planted-scrape-token-9"
LITERAL = "planted-literal-11"
GOOD = "```sql\nSELECT count(*) AS n FROM orders\n```"
SURE = '{"confidence": 95, "explanation": "it counts the orders"}'
STRANGER = {"host": "guard.example"}


class Observed:
    """A stdio server with a port of its own for what is observed."""

    def __init__(self, client: Any, log: Path, base: str) -> None:
        self.client = client
        self.log = log
        self.base = base

    async def get(self, path: str, **headers: str) -> httpx2.Response:
        async with httpx2.AsyncClient(timeout=30) as http:
            return await http.get(self.base + path, headers=headers)

    async def metrics(self) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        response = await self.get("/metrics")
        assert response.status_code == 200
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(response.text)
            for sample in family.samples
        }

    async def run(self, sql: str) -> dict[str, Any]:
        return (await self.client.call_tool("run_sql", {"sql": sql})).structured_content

    def lines(self) -> list[dict[str, Any]]:
        told = [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines() if line.startswith("{")]
        # At debug there are lines of how the client begins, too.
        return [line for line in told if line["event"] != "request" or "tool" in line]

    async def lines_of(self, event: str, count: int) -> list[dict[str, Any]]:
        """Lines are written by a thread of the server: wait for them."""
        async with asyncio.timeout(30):
            while len(found := [line for line in self.lines() if line["event"] == event]) < count:  # noqa: ASYNC110 - of another process
                await asyncio.sleep(0.02)
        return found


@contextlib.asynccontextmanager
async def observed(dsn: str, directory: Path, policy: Path = POLICY, **env: str) -> AsyncIterator[Observed]:
    log = directory / "stderr"
    arguments = ("--policy", policy, "--observe", "127.0.0.1:0")
    async with connected(*arguments, env={"PG_GUARD_DSN": dsn, **env}, errors=log) as client:
        found = re.search(r"pg-guard: observe (http://127\.0\.0\.1:\d+)/health", log.read_text(encoding="utf-8"))
        assert found is not None
        yield Observed(client, log, found[1])


def value(metrics: dict[Any, float], name: str, /, **labels: str) -> float | None:
    return metrics.get((name, tuple(sorted(labels.items()))))


# -- endpoints and metrics ---------------------------------------------------------------------------------------------


async def test_metrics_and_health_of_a_stdio_server(demo_dsn: str, tmp_path: Path) -> None:
    with ScriptedModel([Say(GOOD), Say(SURE)]) as model:
        env = {"PG_GUARD_MODEL__BASE_URL": model.url, "PG_GUARD_MODEL__KEY": KEY}
        async with observed(demo_dsn, tmp_path, **env) as server:
            database = (await server.run("SELECT 1"))["database"]
            await server.run("SELECT * FROM customers")
            await server.run("SELECT 1 / (id - id) FROM orders")
            await server.client.call_tool("run_sql", {"sql": "SELECT 1", "database": "elsewhere"})
            answer = await server.client.call_tool("ask", {"question": "How many orders are there?"})
            assert answer.structured_content["error"] is None
            await server.client.call_tool("list_tables", {})
            metrics = await server.metrics()
            for path, expected in (
                ("/health", {"status": "ok"}),
                ("/health/live", {"status": "alive"}),
                ("/health/ready", {"status": "ready"}),
            ):
                response = await server.get(path)
                assert (response.status_code, response.json()) == (200, expected)
            detailed = (await server.get("/health/detailed")).json()
            queue = (await server.get("/health/queue")).json()
            requests = await server.lines_of("request", 6)
            assert (await server.get("/nothing")).status_code == 404
    counted = {
        status: value(metrics, "pg_guard_query_requests_total", status=status, database=database)
        for status in ("ok", "denied", "failed", "invalid")
    }
    assert counted == {"ok": 2, "denied": 1, "failed": 1, "invalid": 1}
    assert value(metrics, "pg_guard_query_duration_seconds_count") == 5
    assert value(metrics, "pg_guard_sql_rejected_total", reason="columns") == 1
    assert value(metrics, "pg_guard_decision_duration_seconds_count") == 4
    assert value(metrics, "pg_guard_db_query_duration_seconds_count") == 3
    for operation in ("generate", "review"):
        assert value(metrics, "pg_guard_llm_calls_total", operation=operation) == 1
        assert value(metrics, "pg_guard_llm_tokens_used_total", operation=operation) == 15
        assert value(metrics, "pg_guard_llm_latency_seconds_count", operation=operation) == 1
    assert value(metrics, "pg_guard_concurrent_sessions") == 1
    assert value(metrics, "pg_guard_db_connections_active", database=database) == 0
    assert value(metrics, "pg_guard_circuit_breaker_state", name=f"database:{database}") == 0
    assert value(metrics, "pg_guard_last_reload_successful", database=database) == 1
    [(_, labels)] = [key for key in metrics if key[0] == "pg_guard_policy_info"]
    assert re.fullmatch(r"[0-9a-f]{64}", dict(labels)["digest"])
    shown = {key[0] for key in metrics}
    for name, spec in METRICS.items():
        if name == "pg_guard_pack_info":
            continue  # this policy has no packs
        assert (name + "_count" if spec.kind == "histogram" else name) in shown, name
    components = detailed["components"]
    assert components[f"database:{database}"]["status"] == "ok"
    assert components[f"database:{database}"]["latency_ms"] > 0
    assert components["model:gpt-5-mini"] | {"latency_ms": 0} == {
        "status": "ok", "latency_ms": 0, "last_error": "", "circuit": "closed",
    }  # fmt: skip
    assert queue["statements"] == {"running": 0, "waiting": 0, "limit": 20}
    assert [line["status"] for line in requests] == ["ok", "denied", "failed", "invalid", "ok", "ok"]
    assert [line["tool"] for line in requests] == ["run_sql"] * 4 + ["ask", "list_tables"]
    assert len({line["request_id"] for line in requests}) == 6
    assert len({line["session_id"] for line in requests}) == 1
    assert all(line["duration_ms"] > 0 for line in requests)


async def test_strangers_are_told_a_status_and_nothing_else(demo_dsn: str, tmp_path: Path) -> None:
    async with observed(demo_dsn, tmp_path, PG_GUARD_OBSERVABILITY__TOKEN=TOKEN) as server:
        strangers = [
            {"host": "guard.example"},  # a name that somebody lets point to this machine
            {"origin": "https://evil.example"},
            {"x-forwarded-for": "203.0.113.9"},
            {"authorization": "Bearer wrong"},
            {"authorization": f"Basic {TOKEN}"},
            {"authorization": "Bearer"},
        ]
        for path in ("/metrics", "/health/detailed", "/health/queue"):
            for headers in strangers:
                response = await server.get(path, **headers)
                assert response.status_code == 401
                assert response.headers["www-authenticate"] == "Bearer"
                assert set(response.json()) == {"error"}
                allowed = await server.get(path, **{**headers, "authorization": f"Bearer {TOKEN}"})
                assert allowed.status_code == 200
        for path in ("/health", "/health/live", "/health/ready"):
            assert set((await server.get(path, **STRANGER)).json()) == {"status"}


async def test_metrics_can_be_public_or_off(demo_dsn: str, tmp_path: Path) -> None:
    async with observed(demo_dsn, tmp_path, PG_GUARD_OBSERVABILITY__PUBLIC_METRICS="true") as server:
        assert (await server.get("/metrics", **STRANGER)).status_code == 200
        assert (await server.get("/health/detailed", **STRANGER)).status_code == 401
    async with observed(demo_dsn, tmp_path, PG_GUARD_OBSERVABILITY__METRICS="false") as server:
        assert (await server.run("SELECT 1"))["rows"] == [[1]]
        assert (await server.get("/metrics")).status_code == 404
        assert (await server.get("/health/ready")).status_code == 200


async def test_beside_mcp_over_http_a_scope_opens_the_endpoints(demo_dsn: str, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.yaml"
    client_token = new_token(tokens, "bi")
    watcher = new_token(tokens, "watcher", "--scope", "observe")
    async with served(demo_dsn, POLICY, {"tokens": "tokens.yaml"}, tmp_path) as server:
        async with server.client(client_token, "legacy") as client, httpx2.AsyncClient(timeout=30) as http:
            await client.call_tool("run_sql", {"sql": "SELECT 1"})

            async def get(path: str, token: str) -> httpx2.Response:
                return await http.get(server.origin + path, headers={**STRANGER, "authorization": f"Bearer {token}"})

            for path in ("/metrics", "/health/detailed", "/health/queue"):
                assert (await get(path, client_token)).status_code == 401
                assert (await get(path, watcher)).status_code == 200
                # A proxy on this machine passes on requests of everybody.
                assert (await http.get(server.origin + path)).status_code == 401
            assert (await http.get(server.origin + "/health/ready", headers=STRANGER)).json() == {"status": "ready"}
            text = (await get("/metrics", watcher)).text
        assert "\npg_guard_concurrent_sessions 1.0\n" in text
        assert 'pg_guard_query_requests_total{database="shop",status="ok"} 1.0' in text


# -- readiness ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def scratch() -> Iterator[Path]:
    """PostgreSQL runs as another account when this is root: a directory that is open, and short for the socket."""
    directory = Path(tempfile.mkdtemp(prefix="pgg", dir="/tmp"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


async def test_readiness_follows_the_database(scratch: Path) -> None:
    link = scratch / "socket"
    policy = scratch / "policy.yaml"
    policy.write_text("schema: pg-guard/policy/v1\nmetadata: {name: open, version: 1.0.0}\n", encoding="utf-8")

    async def until(server: Observed, path: str, status: int) -> dict[str, Any]:
        async with asyncio.timeout(60):
            while (response := await server.get(path)).status_code != status:  # noqa: ASYNC110 - of another process
                await asyncio.sleep(0.1)
        return response.json()

    postgresql = start(scratch)
    try:
        link.symlink_to(postgresql.socket_directory)
        dsn = f"postgresql://postgres@/postgres?host={link}&port=5432"
        async with observed(dsn, scratch, policy) as server:
            assert await until(server, "/health/ready", 200) == {"status": "ready"}
            await asyncio.to_thread(postgresql.stop)
            down = await until(server, "/health/ready", 503)
            assert down["status"] == "not ready"
            assert down["reasons"][0] == "database postgres does not answer"
            detailed = await until(server, "/health/detailed", 503)
            assert detailed["status"] == "unavailable"
            component = detailed["components"]["database:postgres"]
            assert component["status"] == "failed"
            assert component["last_error"]
            assert component["latency_ms"] is None
            assert set((await server.get("/health/ready", **STRANGER)).json()) == {"status"}
            assert (await server.get("/health/live")).status_code == 200
            assert (await server.run("SELECT 1"))["error"]["code"] in ("database", "CIRCUIT_OPEN")
            assert (
                value(
                    await server.metrics(), "pg_guard_query_requests_total", status="unavailable", database="postgres"
                )
                == 1
            )
            postgresql = await asyncio.to_thread(start, scratch)
            link.unlink()
            link.symlink_to(postgresql.socket_directory)
            assert await until(server, "/health/ready", 200) == {"status": "ready"}
            assert (await until(server, "/health", 200)) == {"status": "ok"}
            assert (await server.run("SELECT 1 AS n"))["rows"] == [[1]]
    finally:
        await asyncio.to_thread(postgresql.stop)


# -- logs --------------------------------------------------------------------------------------------------------------


async def test_planted_secrets_are_in_no_line_at_debug(server_dsn: str, demo_dsn: str, tmp_path: Path) -> None:
    connection = await asyncpg.connect(server_dsn)
    await connection.execute(f"CREATE ROLE observed LOGIN PASSWORD '{PASSWORD}' IN ROLE pg_read_all_data")
    head, tail = demo_dsn.split("//", 1)
    dsn = f"{head}//observed:{PASSWORD}@{tail.rpartition('@')[2]}"
    try:
        with ScriptedModel([Say(GOOD)]) as model:
            env = {
                "PG_GUARD_MODEL__BASE_URL": model.url,
                "PG_GUARD_MODEL__KEY": KEY,
                "PG_GUARD_MODEL__TIMEOUT": "0.3",
                "PG_GUARD_OBSERVABILITY__TOKEN": TOKEN,
                "PG_GUARD_LOGGING__LEVEL": "debug",
                "PG_GUARD_LOGGING__LIBRARIES": "debug",
                "PG_GUARD_LOGGING__STATEMENTS": "full",
            }
            async with observed(dsn, tmp_path, **env) as server:
                for script in ([Say(GOOD), Say(SURE)], [Fail(401)], [Fail(500)], [Hang(2)]):
                    model.script = list(script)
                    await server.client.call_tool("ask", {"question": "How many orders are there?"})
                await server.run("SELECT * FROM customers")
                await server.run(f"SELECT 'password={PASSWORD}', '{KEY}'")
                await server.get("/metrics", authorization=f"Bearer {TOKEN}")
                await server.get("/metrics", authorization="Bearer pgg_another-planted-token")
                await connection.execute("ALTER ROLE observed NOLOGIN")
                await connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'observed'"
                )
                await server.run("SELECT 2")
                await server.client.call_tool("refresh_schema", {})
                detailed = (await server.get("/health/detailed")).text
                await server.lines_of("request", 7)
    finally:
        await connection.execute("DROP ROLE observed")
        await connection.close()
    written = (tmp_path / "stderr").read_text(encoding="utf-8")
    told = [json.loads(line) for line in written.splitlines() if line.startswith("{")]
    assert {"debug", "info", "warning"} <= {line["level"] for line in told}
    # Libraries tell what they do, too: without redaction there would be something to find.
    assert [line for line in told if not line["logger"].startswith("pg_guard")]
    assert "***" in written
    for secret in (PASSWORD, KEY, TOKEN, "another-planted-token"):
        assert secret not in written
        assert secret not in detailed


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
        keys = [{"idempotency_key": f"key-{n}"} if n % 2 else {} for n in range(12)]
        answers = await asyncio.gather(
            *(
                server.client.call_tool("run_sql", {"sql": f"SELECT {n} AS n", **key})
                if n % 3
                else server.client.call_tool("run_sql", {"sql": f"SELECT {n} AS n FROM no_such_table", **key})
                for n, key in enumerate(keys)
            )
        )
        assert len(answers) == 12
        requests = await server.lines_of("request", 12)
        decisions = await server.lines_of("decision", 12)
    assert len(requests) == 12
    by_request = {line["request_id"]: line for line in decisions}
    assert len(by_request) == len({line["decision_id"] for line in decisions}) == 12
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


# -- the address -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("nonsense", "--observe nonsense: not of the form HOST:PORT"),
        ("127.0.0.1:99999", "--observe 127.0.0.1:99999: not of the form HOST:PORT"),
        ("192.0.2.1:9187", "--observe 192.0.2.1:9187: cannot assign requested address"),
    ],
)
async def test_an_address_that_cannot_be_used_is_an_error_at_the_start(
    demo_dsn: str, address: str, message: str
) -> None:
    import os
    import sys

    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "pg_guard", "serve", "--policy", str(POLICY), "--observe", address,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PG_GUARD_DSN": demo_dsn},
    )  # fmt: skip
    output, errors = await process.communicate()
    assert process.returncode == 2
    assert output == b""
    assert f"pg-guard: error: {message}" in errors.decode()
