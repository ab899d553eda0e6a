"""What a server shows of its audit log, and what its values do while it runs: in metrics, in health, in the log."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from tests.support.collector import LogCollector
from tests.support.mcp_client import error_of
from tests.support.observed import Observed, observed, value
from tests.support.scripted_model import Fail, Say, ScriptedModel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SLOW = (
    "SELECT count(*) FROM order_items a JOIN order_items b ON a.quantity = b.quantity"
    " JOIN order_items c ON b.quantity = c.quantity"
)
TAKEN = (200, "application/x-protobuf", b"")
LITERAL = "planted-literal-11"


async def until(server: Observed, holds: Callable[[dict[Any, float]], bool]) -> dict[Any, float]:
    """Metrics, once they are as they should be."""
    async with asyncio.timeout(60):
        while not holds(metrics := await server.metrics()):  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.05)
    return metrics


# -- the audit log -----------------------------------------------------------------------------------------------------------


async def test_an_audit_log_that_fails_and_comes_back_is_seen(demo_dsn: str, tmp_path: Path) -> None:
    with LogCollector() as collector:
        env = {
            "PG_GUARD_AUDIT__SINK": "opentelemetry",
            "PG_GUARD_AUDIT__TIMEOUT": "2",
            "PG_GUARD_AUDIT__ANCHORS": str(tmp_path / "anchors.jsonl"),
            "PG_GUARD_AUDIT__ANCHOR_EVERY": "2",
            "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": f"{collector.url}/v1/logs",
        }
        async with observed(demo_dsn, tmp_path, **env) as server:
            assert (await server.run("SELECT 1 AS n"))["rows"] == [[1]]
            metrics = await server.metrics()
            assert value(metrics, "pg_guard_audit_records_total", status="written") == 2
            assert value(metrics, "pg_guard_audit_records_total", status="failed") == 0
            assert value(metrics, "pg_guard_audit_available") == 1
            assert value(metrics, "pg_guard_audit_anchors_total", status="written") == 1
            component = (await server.get("/health/detailed")).json()["components"]["audit"]
            assert component["latency_ms"] > 0
            assert component | {"latency_ms": 0} == {
                "status": "ok", "latency_ms": 0, "last_error": "", "sink": "opentelemetry", "fail": "closed",
                "lines_written": 2, "lines_failed": 0, "anchors_written": 1, "anchors_failed": 0,
            }  # fmt: skip
            collector.answer = (500, "text/plain", b"no")
            refused = await server.client.call_tool("run_sql", {"sql": f"SELECT '{LITERAL}'"})
            assert error_of(refused).startswith("AUDIT_UNAVAILABLE: ")
            metrics = await server.metrics()
            assert value(metrics, "pg_guard_audit_records_total", status="failed") == 1
            assert value(metrics, "pg_guard_audit_available") == 0
            assert value(metrics, "pg_guard_query_requests_total", status="unavailable", database="shop") == 1
            async with asyncio.timeout(30):
                while (await server.get("/health")).json() != {"status": "degraded"}:  # noqa: ASYNC110 - of another process
                    await asyncio.sleep(0.1)
            detailed = (await server.get("/health/detailed")).json()
            assert detailed["components"]["audit"]["status"] == "failed"
            assert detailed["components"]["audit"]["last_error"].endswith("the collector answered 500")
            assert detailed["reasons"] == ["the audit log cannot be written"]
            collector.answer = TAKEN
            await server.run("SELECT 2")
            metrics = await server.metrics()
            assert value(metrics, "pg_guard_audit_available") == 1
            assert value(metrics, "pg_guard_audit_records_total", status="failed") == 1
        statements = [body["decision"]["statement"] for body in collector.bodies() if body["event"] == "decision"]
    assert statements == ["SELECT 1 AS n", "SELECT 2"]
    assert LITERAL not in (tmp_path / "stderr").read_text(encoding="utf-8")


async def test_no_statement_runs_before_the_collector_has_confirmed_its_record(demo_dsn: str, tmp_path: Path) -> None:
    async def ran() -> bool:
        connection = await asyncpg.connect(demo_dsn)
        try:
            return bool(await connection.fetchval("SELECT count(*) FROM pg_stat_activity WHERE query = $1", SLOW))
        finally:
            await connection.close()

    with LogCollector() as collector:
        env = {
            "PG_GUARD_AUDIT__SINK": "opentelemetry",
            "PG_GUARD_AUDIT__TIMEOUT": "60",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_TRACES_EXPORTER": "none",
        }
        async with observed(demo_dsn, tmp_path, **env) as server:
            await server.run("SELECT 1")
            collector.release.clear()
            known = len(collector.headers)
            running = asyncio.create_task(server.run(SLOW))
            async with asyncio.timeout(60):
                while len(collector.headers) == known:  # noqa: ASYNC110 - of another thread
                    await asyncio.sleep(0.01)
                assert not await ran()
                assert not running.done()
                collector.release.set()
                # What was not there before is there now.
                while not await ran():  # noqa: ASYNC110 - of another process
                    await asyncio.sleep(0.05)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def test_without_a_collector_a_server_does_not_start_unless_the_log_may_be_missing(
    demo_dsn: str, tmp_path: Path
) -> None:
    env = {
        "PG_GUARD_AUDIT__SINK": "opentelemetry",
        "PG_GUARD_AUDIT__TIMEOUT": "0.5",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
    }
    with pytest.raises(BaseException):  # noqa: B017, PT011 - the client sees no server
        async with observed(demo_dsn, tmp_path, **env):
            pass
    assert "the audit log cannot be written: OpenTelemetry" in (tmp_path / "stderr").read_text(encoding="utf-8")
    async with observed(demo_dsn, tmp_path, **env, PG_GUARD_AUDIT__FAIL="open") as server:
        # Before the first statement it is known already.
        assert (await server.get("/health/detailed")).json()["components"]["audit"]["status"] == "failed"
        assert (await server.run("SELECT 1 AS n"))["rows"] == [[1]]
        assert value(await server.metrics(), "pg_guard_audit_records_total", status="failed") == 2


# -- values that move ----------------------------------------------------------------------------------------------------------


async def test_what_waits_and_what_runs_is_seen(demo_dsn: str, tmp_path: Path) -> None:
    env = {"PG_GUARD_RESILIENCE__DATABASE__CONCURRENCY": "1"}
    async with observed(demo_dsn, tmp_path, **env) as server:
        calls = [asyncio.create_task(server.client.call_tool("run_sql", {"sql": SLOW})) for _ in range(3)]
        busy = await until(server, lambda found: value(found, "pg_guard_queue_depth") == 2 and _active(found) == 1)
        assert value(busy, "pg_guard_concurrent_sessions") is not None
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        idle = await until(server, lambda found: value(found, "pg_guard_queue_depth") == 0 and _active(found) == 0)
        assert value(idle, "pg_guard_query_requests_total", status="cancelled", database="shop") == 3


def _active(metrics: dict[Any, float]) -> float | None:
    return value(metrics, "pg_guard_db_connections_active", database="shop")


async def test_circuits_tokens_and_ages_move(demo_dsn: str, tmp_path: Path) -> None:
    name = "model:gpt-5-mini"
    with ScriptedModel([Fail(500)]) as model:
        env = {
            "PG_GUARD_MODEL__BASE_URL": model.url,
            "PG_GUARD_RESILIENCE__MODEL__RETRIES": "0",
            "PG_GUARD_RESILIENCE__MODEL__BREAKER_THRESHOLD": "2",
            "PG_GUARD_RESILIENCE__MODEL__BREAKER_RECOVERY": "0.2",
            "PG_GUARD_VALIDATION__ENABLED": "false",
        }
        async with observed(demo_dsn, tmp_path, **env) as server:
            assert value(await server.metrics(), "pg_guard_llm_tokens_used_total", operation="generate") is None
            for _ in range(2):
                await server.client.call_tool("ask", {"question": "How many orders?"})
            metrics = await server.metrics()
            assert value(metrics, "pg_guard_circuit_breaker_state", name=name) in (1, 2)
            assert value(metrics, "pg_guard_llm_calls_total", operation="generate") == 2
            assert value(metrics, "pg_guard_query_requests_total", status="unavailable", database="shop") == 2
            model.script = [Say("```sql\nSELECT count(*) AS n FROM orders\n```")]

            async def answered() -> bool:
                found = (await server.client.call_tool("ask", {"question": "How many orders?"})).structured_content
                return found is not None and found["error"] is None

            async with asyncio.timeout(30):
                while not await answered():  # noqa: ASYNC110 - of another process
                    await asyncio.sleep(0.1)
            metrics = await server.metrics()
            assert value(metrics, "pg_guard_circuit_breaker_state", name=name) == 0
            assert value(metrics, "pg_guard_llm_tokens_used_total", operation="generate") == 15
            age = value(metrics, "pg_guard_schema_cache_age_seconds", database="shop")
            assert age is not None
            older = await until(
                server, lambda found: (value(found, "pg_guard_schema_cache_age_seconds", database="shop") or 0) > age
            )
            before = value(older, "pg_guard_schema_cache_age_seconds", database="shop")
            await server.client.call_tool("refresh_schema", {})
            after = value(await server.metrics(), "pg_guard_schema_cache_age_seconds", database="shop")
            assert before is not None
            assert after is not None
            assert after < before


async def test_the_policy_and_its_packs_are_told_with_their_digests(demo_dsn: str, tmp_path: Path) -> None:
    policy = tmp_path / "packed.yaml"
    text = "schema: pg-guard/policy/v1\nmetadata: {name: packed, version: 2.1.0}\npacks: [{use: core}]\n"
    policy.write_text(text, encoding="utf-8")
    digests = []
    for comment in ("", "joins: {max_tables: 5}\n"):
        policy.write_text(text + comment, encoding="utf-8")
        async with observed(demo_dsn, tmp_path, policy) as server:
            metrics = await server.metrics()
        [info] = [dict(labels) for name, labels in metrics if name == "pg_guard_policy_info"]
        [pack] = [dict(labels) for name, labels in metrics if name == "pg_guard_pack_info"]
        assert (info["policy"], info["version"], info["database"]) == ("packed", "2.1.0", "shop")
        assert (pack["pack"], pack["database"]) == ("core", "shop")
        digests.append((info["digest"], pack["digest"]))
    (one, its_pack), (other, same_pack) = digests
    assert one != other
    assert its_pack == same_pack


# -- what clients choose ---------------------------------------------------------------------------------------------------------


async def test_clients_cannot_make_new_series(demo_dsn: str, tmp_path: Path) -> None:
    async with observed(demo_dsn, tmp_path) as server:
        await server.run("SELECT 1")
        before = set(await server.metrics())
        for number in range(5):
            await server.client.call_tool("run_sql", {"sql": "SELECT 1", "database": f"planted{number}"})
            await server.client.call_tool(f"planted{number}", {})
            await server.run(f"SELECT planted{number} FROM planted{number}")
        after = set(await server.metrics())
        requests = await server.lines_of("request", 16)
    new = after - before
    assert "planted" not in str(after)
    assert {name for name, _ in new} <= {"pg_guard_query_requests_total", "pg_guard_sql_rejected_total"}
    assert len(new) <= 3
    assert {line["tool"] for line in requests} == {"run_sql", "other"}
