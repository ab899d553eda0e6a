"""A soak. In: seconds. Out: a report of what a real server did under mixed load with faults, and how it ended.

before:               what is bounded is filled      connections, threads, results that nobody reads
thirds of the time:   warm-up | second | last        memory of the second and the last are compared
after each third:     all clients leave              what is open then must be the same each time
in each third:        every fault as often as in the others
at the end:           SIGTERM under load             then all logs are held against each other
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import asyncpg
import httpx2

from pg_guard.demo.database import load_sample_database
from tests.soak.actions import LARGEST_REQUEST
from tests.soak.faults import DATABASE, ROLE, Faults
from tests.soak.judge import judge
from tests.soak.ledger import Ledger
from tests.soak.load import WORKERS, Load
from tests.soak.measure import Sample, descriptors, median, sample
from tests.soak.model import LATE, Model
from tests.soak.policy import Policy
from tests.soak.postgresql import KillablePostgreSQL
from tests.support.http_server import Served, new_token, served

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import AsyncIterator, Callable

__all__ = ["Report", "soak"]

THIRDS: Final = 3
SECONDS_BETWEEN_LINES: Final = 10.0
SECONDS_OF_A_ROUND: Final = 60.0
SECONDS_TO_SETTLE: Final = 30.0
SESSION_IDLE: Final = 4.0


@dataclass
class Report:
    """What a soak found.

    Attributes:
        samples: By third, once a second.
        settled: When all clients had left, at the start and after each third.
        kinds: Descriptors that were open then, by kind.
        figures: Numbers by name, for people and machines.
        defects: What must not have happened, in words; empty when all is well.
    """

    samples: list[list[Sample]] = field(default_factory=list)
    settled: list[Sample] = field(default_factory=list)
    kinds: list[Counter[str]] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    defects: list[str] = field(default_factory=list)


async def soak(seconds: float, *, seed: int = 1, say: Callable[[str], object] = lambda _: None) -> Report:
    """Run one.

    Args:
        seconds: Of load; starting, settling and ending come on top.
        seed: Of the mix of requests.
        say: Is told how it goes.
    """
    ledger, model = Ledger(say=say), Model()
    with (
        tempfile.TemporaryDirectory(prefix="pgg-soak-") as place,
        KillablePostgreSQL() as postgresql,
        model,
    ):
        directory = Path(place)
        await _prepare(postgresql)
        policy = Policy(directory)
        faults = Faults(postgresql, model, ledger, policy)
        tokens = [new_token(directory / "tokens.yaml", f"client-{number}") for number in range(3)]
        watcher = new_token(directory / "tokens.yaml", "watcher", "--scope", "observe")
        faults.token, faults.watcher = tokens[0], watcher
        async with _serving(postgresql, model, policy, directory) as server:
            faults.server = server
            load = Load(server, tokens, ledger, faults, seed=seed)
            run = _Run(seconds, server, load, faults, ledger, watcher, say)
            report = await run.run()
            report.figures["model calls"] = model.calls
            ended = await run.end(postgresql)
        await judge(report, ledger, directory / "audit.jsonl", postgresql.log, server.log, ended)
    return report


async def _prepare(postgresql: KillablePostgreSQL) -> None:
    await load_sample_database(postgresql.dsn(), name=DATABASE)
    admin = await asyncpg.connect(postgresql.dsn())
    try:
        await admin.execute(f"CREATE ROLE {ROLE} LOGIN IN ROLE pg_read_all_data")
        # What it executes is held against what the audit log says was allowed.
        await admin.execute(f"ALTER ROLE {ROLE} SET log_statement = 'all'")
    finally:
        await admin.close()


@contextlib.asynccontextmanager
async def _serving(
    postgresql: KillablePostgreSQL, model: Model, policy: Policy, directory: Path
) -> AsyncIterator[Served]:
    http = {
        "tokens": "tokens.yaml",
        "max_request_bytes": LARGEST_REQUEST,
        "session_idle": SESSION_IDLE,
        "drain_timeout": 1.0,
    }
    recovery = {"breaker_recovery": 1.0}
    async with served(
        postgresql.dsn(DATABASE, ROLE), policy.path, http, directory,
        model={"base_url": model.url, "key": "k", "timeout": LATE * 2 / 3},
        validation={"timeout": LATE, "max_retries": 1},
        cache={"interval": 2.0},
        resilience={
            "model": {**recovery, "retries": 1, "concurrency": 10},
            "database": recovery,
            "requests_per_minute": 100_000,
        },
        audit={"sink": "file", "path": "audit.jsonl", "rotate_bytes": 1_000_000, "timeout": 20.0},
    ) as server:  # fmt: skip
        yield server


class _Run:
    def __init__(
        self,
        seconds: float,
        server: Served,
        load: Load,
        faults: Faults,
        ledger: Ledger,
        watcher: str,
        say: Callable[[str], object],
    ) -> None:
        self._seconds = seconds
        self._server = server
        self._load = load
        self._faults = faults
        self._ledger = ledger
        self._watcher = watcher
        self._say = say
        self._report = Report()
        self._began = time.monotonic()

    async def run(self) -> Report:
        """All thirds."""
        tables = asyncio.create_task(self._faults.change_tables())
        watching = asyncio.create_task(self._watch())
        try:
            await self._settle("start")
            await self._load.fill()
            self._began = time.monotonic()
            self._load.start(WORKERS)
            for third in range(THIRDS):
                await self._third(third)
                await self._load.pause()
                await self._settle(("warm", "second third", "last third")[third])
                self._load.resume()
        finally:
            for task in (tables, watching):
                task.cancel()
            await asyncio.gather(tables, watching, return_exceptions=True)
        second, last = median(self._report.samples[1]), median(self._report.samples[2])
        self._report.figures |= {
            "seconds": self._seconds,
            "memory at start, MB": round(self._report.settled[0].megabytes, 1),
            "memory in the first third, MB": round(median(self._report.samples[0]), 1),
            "memory in the second third, MB": round(second, 1),
            "memory in the last third, MB": round(last, 1),
            "resident at the end, MB": round(self._report.settled[-1].resident, 1),
            "growth, %": round((last / second - 1) * 100, 2),
            "actions": self._ledger.actions,
            "faults": sum(map(len, self._faults.recoveries.values())),
            "longest recovery, s": round(max(map(max, self._faults.recoveries.values())), 2),
            "descriptors when settled": [each.descriptors for each in self._report.settled],
            "threads when settled": [each.threads for each in self._report.settled],
            "memory when settled, MB": [round(each.megabytes, 1) for each in self._report.settled],
        }
        return self._report

    async def _third(self, third: int) -> None:
        length = self._seconds / THIRDS
        count = max(1, round(length / SECONDS_OF_A_ROUND))
        bringing = asyncio.create_task(self._faults.rounds(length, count))
        began = time.monotonic()
        told = began
        samples: list[Sample] = []
        self._report.samples.append(samples)
        while (now := time.monotonic()) - began < length or not bringing.done():
            samples.append(sample(self._server.process.pid, now - self._began))
            if now - told >= SECONDS_BETWEEN_LINES:
                told = now
                self._tell(samples[-1])
            await asyncio.sleep(1.0)
        await bringing

    def _tell(self, found: Sample) -> None:
        self._say(
            f"{found.seconds:5.0f} s  {found.megabytes:6.1f} MB  {found.descriptors:3d} descriptors"
            f"  {found.threads:2d} threads  {self._ledger.actions:6d} actions"
            f"  {sum(map(len, self._faults.recoveries.values())):2d} faults  {len(self._ledger.defects)} defects"
        )

    async def _settle(self, name: str) -> None:
        """Wait until what clients left behind is gone, and take the measure."""
        deadline = time.monotonic() + SECONDS_TO_SETTLE
        fewest = 0
        while True:
            state = await self._metrics()
            if not any(state.values()):
                # What uvicorn keeps open for a while is gone by then, too.
                found = sample(self._server.process.pid, time.monotonic() - self._began)
                if found.descriptors == fewest:
                    break
                fewest = found.descriptors
            if time.monotonic() > deadline:
                self._ledger.defect(f"{name}: not settled after {SECONDS_TO_SETTLE:g} s: {fewest} descriptors, {state}")
                break
            await asyncio.sleep(SESSION_IDLE / 2)
        self._report.settled.append(sample(self._server.process.pid, time.monotonic() - self._began))
        self._report.kinds.append(descriptors(self._server.process.pid))
        self._say(f"{name}: {self._report.settled[-1]}")

    async def _metrics(self) -> dict[str, float]:
        """What must be 0 when nobody asks."""
        headers = {"authorization": f"Bearer {self._watcher}"}
        async with httpx2.AsyncClient(timeout=30, headers=headers) as http:
            text = (await http.get(f"{self._server.origin}/metrics")).text
        names = ("pg_guard_concurrent_sessions", "pg_guard_queue_depth", "pg_guard_db_connections_active")
        return {
            line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
            for line in text.splitlines()
            if line.startswith(names)
        }

    async def _watch(self) -> None:
        """Scrape, as a monitoring system does."""
        headers = {"authorization": f"Bearer {self._watcher}"}
        async with httpx2.AsyncClient(timeout=30, headers=headers) as http:
            while True:
                for path in ("/metrics", "/health/detailed", "/health/queue"):
                    response = await http.get(self._server.origin + path)
                    if response.status_code != 200 and not (path.startswith("/health") and response.status_code == 503):
                        self._ledger.defect(f"{path}: status {response.status_code}")
                await asyncio.sleep(1.0)

    async def end(self, postgresql: KillablePostgreSQL) -> dict[str, Any]:
        """SIGTERM under load; how the server ended, and what it left in PostgreSQL."""
        await asyncio.sleep(1.0)
        self._load.ending = True
        began = time.monotonic()
        self._server.process.terminate()
        code = await asyncio.wait_for(self._server.process.wait(), 60)
        took = time.monotonic() - began
        await self._load.end()
        admin = await asyncpg.connect(postgresql.dsn())
        try:
            left = await admin.fetch("SELECT pid, state, query FROM pg_stat_activity WHERE usename = $1", ROLE)
        finally:
            await admin.close()
        return {"code": code, "seconds": took, "backends": [dict(row) for row in left]}
