"""What a server shows of itself: a real child process, a real MCP client, real scrapes, a real PostgreSQL 18."""

from __future__ import annotations

import asyncio
import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from pg_guard.demo.embedded import start
from pg_guard.observe.metrics import METRICS
from tests.support.http_server import new_token, served
from tests.support.observed import POLICY, Observed, observed, value
from tests.support.scripted_model import Say, ScriptedModel

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "planted-model-key-7"
TOKEN = "planted-scrape-token-9"
GOOD = "```sql\nSELECT count(*) AS n FROM orders\n```"
SURE = '{"confidence": 95, "explanation": "it counts the orders"}'
STRANGER = {"host": "guard.example"}


# -- endpoints and metrics ---------------------------------------------------------------------------------------------


async def test_metrics_and_health_of_a_stdio_server(demo_dsn: str, tmp_path: Path) -> None:
    with ScriptedModel([Say(GOOD), Say(SURE)]) as model:
        env = {
            "PG_GUARD_MODEL__BASE_URL": model.url,
            "PG_GUARD_MODEL__KEY": KEY,
            "PG_GUARD_AUDIT__SINK": "file",
            "PG_GUARD_AUDIT__PATH": str(tmp_path / "audit.jsonl"),
            "PG_GUARD_AUDIT__ANCHORS": str(tmp_path / "anchors.jsonl"),
        }
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
    # Four decisions, three of them with an outcome.
    assert value(metrics, "pg_guard_audit_records_total", status="written") == 7
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


async def bare(base: str, request: str) -> str:
    """The answer to a request that no library would send."""
    host, _, port = base.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request.encode())
    await writer.drain()
    answer = await asyncio.wait_for(reader.read(), 30)
    writer.close()
    return answer.decode()


async def test_strangers_are_told_a_status_and_nothing_else(demo_dsn: str, tmp_path: Path) -> None:
    async with observed(demo_dsn, tmp_path, PG_GUARD_OBSERVABILITY__TOKEN=TOKEN) as server:
        strangers = [
            {"host": "guard.example"},  # a name that somebody lets point to this machine
            {"origin": "https://evil.example"},
            {"x-forwarded-for": "203.0.113.9"},
            {"x-forwarded-proto": "https"},
            {"X-Forwarded-Port": "443"},
            {"forwarded": "for=203.0.113.9"},
            {"via": "1.1 proxy"},
            {"cf-connecting-ip": "203.0.113.9"},
            {"x-envoy-external-address": "203.0.113.9"},
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
        # A proxy of this machine that adds nothing, as nginx does unless it is told to.
        for request in (
            "GET /health/detailed HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n",
            "GET /metrics HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n\r\n",
            "GET /metrics HTTP/1.0\r\n\r\n",
            *(
                f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
                for path, host in (
                    ("http://localhost/metrics", "guard.example"),
                    ("//health/detailed", "guard.example"),
                    ("/health/detailed/", "guard.example"),
                    ("/metrics", "127.0.0.1\r\nHost: guard.example"),
                    # A library that cannot read the name would take the server's own address.
                    ("/metrics", "localhost@guard.example"),
                    ("/metrics", "guard.example@localhost"),
                    ("/metrics", "localhost.guard.example"),
                    ("/metrics", "127.0.0.1.guard.example"),
                    ("/metrics", "guard,example"),
                    ("/metrics", "gu'ard.example"),
                    ("/metrics", "localhost/guard.example"),
                    ("/metrics", "127.0.0.1#guard.example"),
                    ("/metrics", "[::1]guard.example"),
                    ("/metrics", ""),
                )
            ),
        ):
            answer = await bare(server.base, request)
            assert int(answer.split()[1]) in (400, 401, 404, 307), answer
            assert "uptime" not in answer
            assert "pg_guard_" not in answer


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
