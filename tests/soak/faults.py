"""Faults by schedule. In: a PostgreSQL, a model, a server. Out: what goes wrong at the moment, and how long each took to pass."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import time
from typing import TYPE_CHECKING, Final

import asyncpg
import httpx2

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.soak.ledger import Ledger
    from tests.soak.model import Model
    from tests.soak.policy import Policy
    from tests.soak.postgresql import KillablePostgreSQL
    from tests.support.http_server import Served

__all__ = ["Faults"]

DATABASE: Final = "shop"
ROLE: Final = "soak_guard"
SECONDS_TO_RECOVER: Final = 60.0
SECONDS_DOWN: Final = 1.0


class Faults:
    """The faults of a run.

    Attributes:
        epoch: Odd while a fault of the database is on, or not yet overcome.
        recoveries: By fault, the seconds that each took to pass after its end.
        kinds: Faults by name, in the order in which a round brings them.
    """

    def __init__(self, postgresql: KillablePostgreSQL, model: Model, ledger: Ledger, policy: Policy) -> None:
        self.epoch = 0
        self.recoveries: dict[str, list[float]] = {}
        self.server: Served | None = None
        self.token = ""
        self.watcher = ""
        self._policy = policy
        self._postgresql = postgresql
        self._model = model
        self._ledger = ledger
        self.kinds: dict[str, Callable[[], Awaitable[None]]] = {
            "backends terminated": self._terminate,
            "model down": self._model_down,
            "database killed": self._kill,
            "policy replaced": self._replace_policy,
            "model slow": self._model_slow,
            "database restarted": self._restart,
            "policy half-written": self._break_policy,
        }

    def excuse(self, began: int) -> bool:
        """Whether a fault was on since an epoch began."""
        return self.epoch != began or self.epoch % 2 == 1

    async def rounds(self, seconds: float, count: int) -> None:
        """Bring every fault `count` times within a time, evenly."""
        step = seconds / count / (len(self.kinds) + 1)
        began = time.monotonic()
        for number in range(count):
            for place, (name, fault) in enumerate(self.kinds.items(), 1):
                due = began + number * seconds / count + place * step
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                await self.bring(name, fault)

    async def bring(self, name: str, fault: Callable[[], Awaitable[None]]) -> None:
        """Bring one fault, and wait until the server has overcome it."""
        # A model that fails, or a policy, is no excuse for a statement.
        step = 0 if name.startswith(("model", "policy")) else 1
        self.epoch += step
        await fault()
        ended = time.monotonic()
        if await self._overcome():
            self.recoveries.setdefault(name, []).append(time.monotonic() - ended)
        else:
            self._ledger.defect(f"{name}: not overcome within {SECONDS_TO_RECOVER:g} s")
        self.epoch += step

    async def _overcome(self) -> bool:
        """Wait until the server is ready again, by its own word and by a statement."""
        assert self.server is not None
        deadline = time.monotonic() + SECONDS_TO_RECOVER
        async with httpx2.AsyncClient(timeout=30) as http:
            while time.monotonic() < deadline:
                with contextlib.suppress(httpx2.HTTPError):
                    if (await http.get(f"{self.server.origin}/health/ready")).status_code == 200:
                        break
                await asyncio.sleep(0.05)
        async with self.server.client(self.token) as client:
            while time.monotonic() < deadline:
                answer = (await client.call_tool("run_sql", {"sql": "SELECT 1 AS one"})).structured_content
                if answer is not None and answer.get("rows") == [[1]]:
                    return True
                await asyncio.sleep(0.05)
        return False

    # -- the faults ----------------------------------------------------------------------------------------------------

    async def _terminate(self) -> None:
        connection = await asyncpg.connect(self._postgresql.dsn())
        try:
            await connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1", ROLE)
        finally:
            await connection.close()

    async def _kill(self) -> None:
        await asyncio.to_thread(self._postgresql.kill)
        await asyncio.sleep(SECONDS_DOWN)
        await asyncio.to_thread(self._postgresql.start)

    async def _restart(self) -> None:
        await asyncio.to_thread(self._postgresql.stop)
        await asyncio.sleep(SECONDS_DOWN)
        await asyncio.to_thread(self._postgresql.start)

    async def _model_down(self) -> None:
        await self._model_is("down")

    async def _model_slow(self) -> None:
        await self._model_is("slow")

    async def _model_is(self, state: str) -> None:
        self._model.state = state
        try:
            await asyncio.sleep(SECONDS_DOWN)
        finally:
            self._model.state = "up"

    async def _replace_policy(self) -> None:
        ledger, version = self._ledger, self._policy.version + 1
        ledger.replaced += 1
        self._policy.write(version)
        await self._hang_up(f'pg_guard_policy_info{{.*version="1.0.{version}"')
        ledger.denies_reviews = self._policy.denies_reviews
        ledger.replaced += 1

    async def _break_policy(self) -> None:
        # All stays as it is, until the file is whole again.
        whole = self._policy.path.read_text(encoding="utf-8")
        self._policy.path.write_text(whole[: len(whole) // 2], encoding="utf-8")
        await self._hang_up(r"pg_guard_last_reload_successful{.*} 0\.0")
        self._policy.path.write_text(whole, encoding="utf-8")
        await self._hang_up(r"pg_guard_last_reload_successful{.*} 1\.0")

    async def _hang_up(self, pattern: str) -> None:
        """Send SIGHUP, and wait until the metrics say what came of it."""
        assert self.server is not None
        self.server.process.send_signal(signal.SIGHUP)
        headers = {"authorization": f"Bearer {self.watcher}"}
        async with httpx2.AsyncClient(timeout=30, headers=headers) as http:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SECONDS_TO_RECOVER):
                    while not re.search(pattern, (await http.get(f"{self.server.origin}/metrics")).text):  # noqa: ASYNC110
                        await asyncio.sleep(0.05)
                    return
        self._ledger.defect(f"SIGHUP: the metrics do not come to say {pattern}")

    async def change_tables(self) -> None:
        """Create and drop tables, for as long as nobody ends it; a database that is down is waited for."""
        number = 0
        while True:
            with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                connection = await asyncpg.connect(self._postgresql.dsn(DATABASE))
                try:
                    while True:
                        name = f"soak_churn_{number % 4}"
                        await connection.execute(f"DROP TABLE IF EXISTS {name}")
                        if number % 3:
                            columns = ", ".join(f"c{place} integer" for place in range(number % 7 + 1))
                            await connection.execute(f"CREATE TABLE {name} ({columns})")
                        number += 1
                        await asyncio.sleep(0.5)
                finally:
                    with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                        await connection.close(timeout=1)
            await asyncio.sleep(0.2)
