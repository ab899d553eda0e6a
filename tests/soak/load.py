"""Mixed load. In: a server, tokens and what is going wrong at the moment. Out: a ledger of what clients saw.

Every worker opens a session, does a number of things in it, leaves it well or badly, and opens the next one. What a worker is
told must be right; an error is accepted only where it was asked for, or while a fault is on.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import TYPE_CHECKING

from tests.soak.actions import ACTIONS, WEIGHTS, Unexcused
from tests.support.http_server import MODERN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp import Client

    from tests.soak.faults import Faults
    from tests.soak.ledger import Ledger
    from tests.support.http_server import Served

__all__ = ["WORKERS", "Load"]

MODES = ("legacy", MODERN)
SECONDS = 60.0
WORKERS = 6
# A third of them is left unread, and the server keeps fifty.
KEPT_RESULTS = 30


class Load:
    """Workers that can be paused and ended.

    Args:
        server: What is asked.
        tokens: Of clients that may come in.
        ledger: Is told.
        faults: What is going wrong.
        seed: Of the mix.
        pause: Seconds between two actions of a worker; so many workers keep a machine of two cores busy, not drowned.
    """

    def __init__(
        self, server: Served, tokens: Sequence[str], ledger: Ledger, faults: Faults, *, seed: int, pause: float = 0.02
    ) -> None:
        self._server = server
        self._tokens = tokens
        self._ledger = ledger
        self._faults = faults
        self._seed = seed
        self._pause = pause
        self._open = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._idle = 0
        self.ending = False

    async def fill(self) -> None:
        """Every action a few times, and as many results that nobody reads as a server keeps: what is bounded is full then."""
        dice = random.Random(self._seed)

        async def some(mode: str) -> None:
            async with self._server.client(self._tokens[0], mode) as client:
                for name in (*ACTIONS, *["long"] * KEPT_RESULTS):
                    with contextlib.suppress(Unexcused):
                        await ACTIONS[name](self._server, client, self._tokens[0], self._ledger, dice)

        await asyncio.gather(*(some(mode) for mode in MODES for _ in range(WORKERS // len(MODES))))

    def start(self, workers: int) -> None:
        """Let workers begin."""
        self._open.set()
        self._tasks = [asyncio.create_task(self._work(number)) for number in range(workers)]

    async def pause(self) -> None:
        """Let every worker leave its session, and wait until all have."""
        self._open.clear()
        async with asyncio.timeout(2 * SECONDS):
            while self._idle < len(self._tasks):  # noqa: ASYNC110 - at most once a third of the run
                await asyncio.sleep(0.05)

    def resume(self) -> None:
        """Let them go on."""
        self._open.set()

    async def end(self) -> None:
        """End all workers, whatever they do."""
        self.ending = True
        for task in self._tasks:
            task.cancel()
        for outcome in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                self._ledger.defect(f"a worker failed: {outcome!r}")

    async def _work(self, number: int) -> None:
        dice = random.Random(f"{self._seed}:{number}")
        while not self.ending:
            self._idle += 1
            await self._open.wait()
            self._idle -= 1
            mode, token = dice.choice(MODES), dice.choice(self._tokens)
            try:
                async with self._server.client(token, mode) as client:
                    await self._use(dice, client, token, mode)
            except Exception as error:  # noqa: BLE001 - whatever the client's library raises
                # A server that was told to end hangs up; one that serves must not.
                if not self.ending:
                    self._ledger.defect(f"a session ({mode}) failed: {error!r}")

    async def _use(self, dice: random.Random, client: Client, token: str, mode: str) -> None:
        for _ in range(dice.randint(3, 30)):
            if self.ending or not self._open.is_set():
                return
            name = dice.choices(list(ACTIONS), WEIGHTS)[0]
            began = self._faults.epoch
            try:
                async with asyncio.timeout(SECONDS):
                    outcome = await ACTIONS[name](self._server, client, token, self._ledger, dice)
            except Unexcused as error:
                outcome = error.outcome
                if not (error.may_pass and self._faults.excuse(began)) and not self.ending:
                    self._ledger.defect(f"{name} ({mode}): {error}")
            except TimeoutError:
                outcome = "no answer"
                if not self.ending:
                    self._ledger.defect(f"{name} ({mode}): no answer within {SECONDS:g} s")
            self._ledger.note(name, outcome)
            await asyncio.sleep(self._pause)
