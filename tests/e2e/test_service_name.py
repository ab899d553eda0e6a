"""`service_name`: what a deployment calls itself reaches clients, log lines, metrics and traces."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from pg_guard._version import __version__
from tests.support.observed import observed, value

if TYPE_CHECKING:
    from pathlib import Path

NAME = "guard of the shop"
ELSEWHERE = "of the collector"


@pytest.mark.parametrize(
    ("variables", "in_traces"),
    [
        ({}, NAME),
        ({"OTEL_SERVICE_NAME": ELSEWHERE}, ELSEWHERE),
        ({"OTEL_RESOURCE_ATTRIBUTES": f"deployment.environment=test,service.name={ELSEWHERE}"}, ELSEWHERE),
    ],
)
async def test_the_name_is_told_everywhere(
    demo_dsn: str, tmp_path: Path, variables: dict[str, str], in_traces: str
) -> None:
    env = {"PG_GUARD_SERVICE_NAME": NAME, "OTEL_TRACES_EXPORTER": "console", **variables}
    async with observed(demo_dsn, tmp_path, **env) as server:
        assert server.client.server_info.name == NAME
        await server.run("SELECT 1")
        metrics = await server.metrics()
        (line,) = await server.lines_of("decision", 1)
    assert value(metrics, "pg_guard_build_info", service=NAME, version=__version__) == 1
    assert line["service"] == NAME
    # Spans are exported by the time that the server has ended.
    assert f'"service.name": {json.dumps(in_traces)}' in (tmp_path / "stderr").read_text(encoding="utf-8")


async def test_without_a_name_lines_have_none(demo_dsn: str, tmp_path: Path) -> None:
    async with observed(demo_dsn, tmp_path) as server:
        await server.run("SELECT 1")
        (line,) = await server.lines_of("decision", 1)
    assert "service" not in line
