"""A stdio server with a port of its own for what is observed. In: a database, settings. Out: a client, scrapes, log lines.

async with observed(dsn, directory) as server:
    await server.run("SELECT 1")
    metrics = await server.metrics()
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
from prometheus_client.parser import text_string_to_metric_families

from tests.support.mcp_client import connected

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["POLICY", "Observed", "observed", "value"]

POLICY = Path(__file__).resolve().parents[2] / "policies" / "demo.yaml"


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
        told = [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines() if line.startswith('{"')]
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
