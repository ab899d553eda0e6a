"""How long a simple question takes besides the model's own time. In: a number of rounds. Out: medians, printed.

    python -m bench.ask_latency 200

On the embedded PostgreSQL with the sample database, with a model that answers at once: over MCP (a client, `pg-guard serve` as its
child process, the `openai` client, a server on loopback), and by the pipeline alone. Each question is two model calls, a
decision, a statement and a judgement. The aim is a median of less than 50 ms end to end.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pg_guard.ask.model import Completion
from pg_guard.demo.database import load_sample_database
from pg_guard.demo.embedded import start
from pg_guard.entry.mcp.service import open_service
from pg_guard.policy.shipped import shipped_dir
from pg_guard.settings import Settings
from tests.support.mcp_client import call, connected
from tests.support.scripted_model import Say, ScriptedModel

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from pg_guard.ask.model import Message, Operation

POLICY = shipped_dir("policies") / "demo.yaml"
QUESTION = "How many orders of each status are there?"
SQL = "```sql\nSELECT status, count(*) FROM orders GROUP BY status\n```"
JUDGEMENT = '{"confidence": 95, "explanation": "It counts them.", "suggestion": ""}'
WARM_UP = 20


class Instant:
    """A model that takes no time."""

    name = "instant"

    async def complete(self, messages: Sequence[Message], *, operation: Operation) -> Completion:  # noqa: ARG002 - of the protocol
        """Answer at once."""
        return Completion(SQL if operation == "generate" else JUDGEMENT)


class Alternating(ScriptedModel):
    """Writes SQL and judges in turn, for as long as it is asked."""

    def _next(self, request: dict[str, object], key: str) -> Say:  # noqa: ARG002 - of the scripted server
        return Say(JUDGEMENT if "You judge" in str(request["messages"]) else SQL)


async def measure(name: str, rounds: int, ask: Callable[[], Awaitable[object]]) -> None:
    """Print the median and the 95th percentile of `rounds` questions, one after the other."""
    taken = []
    for number in range(rounds + WARM_UP):
        started = time.perf_counter()
        await ask()
        if number >= WARM_UP:
            taken.append((time.perf_counter() - started) * 1000)
    percentiles = statistics.quantiles(taken, n=20)
    say(f"{name:<24} median {statistics.median(taken):6.1f} ms   95 % {percentiles[18]:6.1f} ms   ({rounds} questions)")


async def main(rounds: int) -> None:
    """Measure both ways."""
    with tempfile.TemporaryDirectory(prefix="pgg") as directory, start(Path(directory), temporary=True) as server:
        dsn = await load_sample_database(server.dsn)
        with Alternating([Say(SQL)]) as model:
            env = {"PG_GUARD_DSN": dsn, "PG_GUARD_MODEL__BASE_URL": model.url}
            async with connected("--policy", POLICY, env=env) as client:

                async def over_mcp() -> None:
                    answer = await call(client, "ask", question=QUESTION)
                    assert answer["error"] is None, answer
                    assert answer["review"] is not None

                await measure("over MCP, end to end", rounds, over_mcp)
        async with open_service(Settings(databases={"shop": {"dsn": dsn}}, policy=POLICY)) as service:  # type: ignore[dict-item]  # read by pydantic

            async def alone() -> None:
                answer = await service.pipeline.ask(QUESTION, model=Instant())
                assert answer.error is None, answer

            await measure("the pipeline alone", rounds, alone)
        decision = service.databases.resolve(None).guard.check("SELECT status, count(*) FROM orders GROUP BY status")
        say(f"of this the guard       {decision.timings_us['total'] / 1000:6.1f} ms")


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 200))
