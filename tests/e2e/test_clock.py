"""A server whose clock is set back and forth by days, in a process of its own: nothing hangs, expires, turns or breaks for that."""

from __future__ import annotations

import asyncio
import datetime
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from pg_guard.observe.audit_file import parts_of
from pg_guard.observe.audit_lines import parse_line
from tests.support.http_server import new_token, post, served
from tests.support.observed import POLICY, observed, value
from tests.support.scripted_model import Fail, Say, ScriptedModel

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "tests" / "support" / "shifted_clock.c"
DAY = 86_400
GOOD = "```sql\nSELECT count(*) AS n FROM orders\n```"


@pytest.fixture
def clock(tmp_path: Path) -> tuple[dict[str, str], Callable[[int], None]]:
    """Variables for a process whose clock can be set, and what sets it."""
    compiler = shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("the clock of a process can be set only with a C compiler (cc), on Linux")
    library, shift = tmp_path / "clock.so", tmp_path / "shift"
    done = subprocess.run(
        [compiler, "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-ldl"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"the C compiler does not work: {done.stderr[-200:]}")

    def set_to(seconds: int) -> None:
        new = tmp_path / "shift.new"
        new.write_text(str(seconds), encoding="ascii")
        new.replace(shift)

    set_to(0)
    return {"LD_PRELOAD": str(library), "CLOCK_SHIFT": str(shift)}, set_to


def times(path: Path) -> list[str]:
    return [str(parse_line(line).content["time"])[:10] for line in path.read_bytes().splitlines(keepends=True)]


async def test_days_back_and_forth_change_nothing(
    demo_dsn: str, tmp_path: Path, clock: tuple[dict[str, str], Callable[[int], None]]
) -> None:
    variables, set_clock = clock
    audit = tmp_path / "audit.jsonl"
    with ScriptedModel([Say(GOOD)]) as model:
        env = variables | {
            "PG_GUARD_AUDIT__SINK": "file",
            "PG_GUARD_AUDIT__PATH": str(audit),
            "PG_GUARD_AUDIT__ROTATE_SECONDS": "3600",
            "PG_GUARD_AUDIT__KEEP_DAYS": "2",
            "PG_GUARD_AUDIT__ANCHORS": str(tmp_path / "anchors.jsonl"),
            "PG_GUARD_RESILIENCE__REQUESTS_PER_MINUTE": "1000",
            "PG_GUARD_RESILIENCE__MODEL__RETRIES": "0",
            "PG_GUARD_RESILIENCE__MODEL__BREAKER_THRESHOLD": "1",
            "PG_GUARD_RESILIENCE__MODEL__BREAKER_RECOVERY": "0.2",
            "PG_GUARD_VALIDATION__ENABLED": "false",
            "PG_GUARD_MODEL__BASE_URL": model.url,
        }
        async with observed(demo_dsn, tmp_path, **env) as server:

            async def ask() -> dict[str, Any]:
                found = await server.client.call_tool("ask", {"question": "How many orders?"})
                assert found.structured_content is not None
                return found.structured_content

            for shift in (0, DAY, -DAY, 400 * DAY, 0):
                # A circuit opens just before the clock is set, and closes in time after it.
                model.script = [Fail(500)]
                assert (await ask())["error"] is not None
                slow = asyncio.create_task(server.run("SELECT count(*) FROM order_items a, order_items b"))
                set_clock(shift)
                model.script = [Say(GOOD)]
                async with asyncio.timeout(60):
                    while (await ask())["error"] is not None:  # noqa: ASYNC110 - the circuit is another process's
                        await asyncio.sleep(0.05)
                answers = await asyncio.gather(*(server.run(f"SELECT {number} AS n") for number in range(5)))
                assert [answer["rows"] for answer in answers] == [[[number]] for number in range(5)]
                for answer in (*answers, await slow):
                    assert answer["duration_ms"] is None or 0 <= answer["duration_ms"] < 60_000
                detailed = (await server.get("/health/detailed")).json()
                assert detailed["ready"] is True
                assert 0 <= detailed["uptime_seconds"] < 600
                database = detailed["components"]["database:shop"]
                assert 0 <= database["catalog_age_seconds"] < 600
                assert 0 <= database["latency_ms"] < 60_000
            metrics = await server.metrics()
            requests = [line for line in server.lines() if line["event"] == "request"]
    for name in ("query_duration", "db_query_duration", "decision_duration"):
        assert 0 <= (value(metrics, f"pg_guard_{name}_seconds_sum") or 0) < 600
    assert value(metrics, "pg_guard_audit_records_total", status="failed") == 0
    assert all(0 <= line["duration_ms"] < 60_000 for line in requests)
    # The clock did jump, and the file was neither turned nor deleted for that.
    assert len(set(times(audit))) >= 4
    assert parts_of(audit) == []
    command = ["audit", "verify", str(audit), "--complete", "--anchors", str(tmp_path / "anchors.jsonl")]
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-m", "pg_guard", *command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no outcome" not in done.stdout


async def test_a_token_ends_with_its_day_by_the_clock_of_the_moment(
    demo_dsn: str, tmp_path: Path, clock: tuple[dict[str, str], Callable[[int], None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    variables, set_clock = clock
    for name, variable in variables.items():
        monkeypatch.setenv(name, variable)
    tomorrow = datetime.datetime.now(datetime.UTC).date() + datetime.timedelta(days=1)
    token = new_token(tmp_path / "tokens.yaml", "bi", "--expires", tomorrow.isoformat(), "--scope", "observe")
    async with served(demo_dsn, POLICY, {"tokens": "tokens.yaml"}, tmp_path) as server:
        headers = {"authorization": f"Bearer {token}"}
        async with httpx2.AsyncClient(timeout=30) as http:
            for shift, expected in ((0, 200), (3 * DAY, 401), (0, 200), (-400 * DAY, 200), (400 * DAY, 401), (0, 200)):
                set_clock(shift)
                for path in ("/health/detailed", "/metrics"):
                    assert (await http.get(server.origin + path, headers=headers)).status_code == expected, shift
                assert ((await post(server, token)).status_code == 200) is (expected == 200)
