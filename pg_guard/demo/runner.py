"""`pg-guard demo`. In: a console. Out: the whole way, run for real: database, MCP server, MCP client, decisions, rows.

The server is a child process on stdio, started as an MCP client would start it; its answers are compared with what must
come, and searched for the canaries of the sample database. A question is answered through the client's own model.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.table import Table
from rich.text import Text

from pg_guard.demo.database import CANARIES, load_sample_database
from pg_guard.demo.embedded import EmbeddedServer, start
from pg_guard.demo.question import QUESTION, Asked, CannedModel
from pg_guard.demo.statements import SHOWN_IN_FULL, STATEMENTS, Statement
from pg_guard.policy.shipped import shipped_dir

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Outcome", "run_demo"]

_SECONDS_PER_CALL = 30.0


class Outcome(NamedTuple):
    """What came of one statement.

    Attributes:
        answer: The structured content of ``run_sql``.
        leaked: A canary stood somewhere in the response.
        milliseconds: From the request to the answer, as the client saw it.
    """

    statement: Statement
    answer: dict[str, Any]
    leaked: bool
    milliseconds: float

    @property
    def as_expected(self) -> bool:
        """The decision is the right one, allowed statements gave rows, and nothing leaked."""
        rules = {finding["rule"] for finding in self.answer.get("findings", ())}
        if self.leaked or self.answer.get("error"):
            return False
        if self.statement.rule:
            return self.answer.get("decision") == "deny" and self.statement.rule in rules
        return self.answer.get("decision") == "allow" and not rules and self.answer.get("row_count", 0) > 0


def run_demo(*, keep: bool, console: Console) -> int:
    """Run the demo.

    Args:
        keep: Leave PostgreSQL running at the end and print how to use and to stop it.
        console: Where to print.

    Returns:
        0 when every decision was the expected one and nothing leaked, else 1.

    Raises:
        UsageError: The embedded PostgreSQL is not installed.
        DatabaseError: PostgreSQL did not start, or the data could not be loaded.
    """
    directory = Path(tempfile.mkdtemp(prefix="pg-guard-demo-"))
    server: EmbeddedServer | None = None
    kept = False
    try:
        _step(console, 1, "Starting PostgreSQL 18 ...")
        server = start(directory, detached=keep, temporary=True)
        dsn, outcomes, asked = asyncio.run(_session(server.dsn, console))
        good = _report(console, outcomes)
        good = _print_question(console, asked) and good
        _print_clients(console, dsn if keep else None)
        if keep:
            kept = True
            _print_kept(console, server, dsn)
        return 0 if good else 1
    finally:
        if not kept:
            if server is not None:
                server.stop()
            shutil.rmtree(directory, ignore_errors=True)


def _step(console: Console, number: int, what: str) -> None:
    console.print(f"[{number}/4] {what}", markup=False, soft_wrap=True)


async def _session(dsn: str, console: Console) -> tuple[str, list[Outcome], Asked]:
    from mcp import Client, StdioServerParameters

    _step(console, 2, "Loading the sample database, a shop with customers, orders, staff ...")
    shop = await load_sample_database(dsn)
    _step(console, 3, "Starting the MCP server and connecting a client to it ...")
    # Settings of this shell, as for a model, are not those of the demo.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG_GUARD")}
    # The DSN travels in the environment: arguments are seen by every user of the machine.
    parameters = StdioServerParameters(
        command=sys.executable,
        args=["-m", "pg_guard", "serve", "--policy", str(shipped_dir("policies") / "demo.yaml")],
        # The server shares this console; its log would stand between the demo's lines.
        env={**environment, "PG_GUARD_DSN": shop, "PG_GUARD_LOGGING__LEVEL": "warning"},
    )
    outcomes = []
    options: dict[str, Any] = {"read_timeout_seconds": _SECONDS_PER_CALL, "sampling_callback": CannedModel()}
    async with Client(parameters, **options) as client:
        _step(console, 4, f"Sending {len(STATEMENTS)} statements and a question ...")
        for statement in STATEMENTS:
            started = time.perf_counter()
            result = await client.call_tool("run_sql", {"sql": statement.sql})
            elapsed = (time.perf_counter() - started) * 1000
            answer = dict(result.structured_content or {})
            # The statement itself comes back in excerpts; only what it did not say can have leaked.
            response = result.model_dump_json().replace("CANARY-%", "")
            outcomes.append(Outcome(statement, answer, CANARIES.search(response) is not None, elapsed))
        started = time.perf_counter()
        result = await client.call_tool("ask", {"question": QUESTION})
        elapsed = (time.perf_counter() - started) * 1000
        asked = Asked.of(result.model_dump_json(), dict(result.structured_content or {}), elapsed)
    return shop, outcomes, asked


# -- what is printed -----------------------------------------------------------------------------------------------------


def _report(console: Console, outcomes: list[Outcome]) -> bool:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    # What the other columns need is taken off by hand: a column that may shrink makes rich shrink all of them.
    about = max(24, console.width - 48)
    table.add_column("statement", overflow="ellipsis", no_wrap=True, max_width=about, min_width=24)
    table.add_column("decision", no_wrap=True, min_width=8)
    table.add_column("rule", no_wrap=True, min_width=21, max_width=21)
    table.add_column("rows", justify="right", no_wrap=True, min_width=4)
    table.add_column("ms", justify="right", no_wrap=True, min_width=3)
    for outcome in outcomes:
        answer = outcome.answer
        denied = answer.get("decision") == "deny"
        rules = [finding["rule"] for finding in answer.get("findings", ())]
        expected = outcome.statement.rule
        rule = expected if expected in rules else (rules[0] if rules else "")
        decision = Text("deny" if denied else "allow", style="red" if denied else "green")
        if not outcome.as_expected:
            decision.append(" (!)", style="bold")
        rows = "" if denied else str(answer.get("row_count", ""))
        statement = Text(outcome.statement.about)
        statement.append("\n  " + " ".join(outcome.statement.sql.split()), style="dim")
        table.add_row(statement, decision, rule, rows, f"{outcome.milliseconds:.0f}")
    console.print()
    console.print(table)
    console.print()
    wrong = [outcome for outcome in outcomes if not outcome.as_expected]
    leaked = sum(outcome.leaked for outcome in outcomes)
    denied = sum(outcome.answer.get("decision") == "deny" for outcome in outcomes)
    console.print(
        f"{len(outcomes) - denied} allowed, {denied} denied, {len(wrong)} unexpected, {leaked} leaked.", markup=False
    )
    for outcome in wrong:
        console.print(f"Unexpected: {outcome.statement.about}: {outcome.answer}", markup=False, soft_wrap=True)
    for outcome in outcomes:
        if outcome.statement.about == SHOWN_IN_FULL:
            _print_refusal(console, outcome)
    return not wrong


def _print_refusal(console: Console, outcome: Outcome) -> None:
    console.print("\nA refusal in full, as the model gets it:\n")
    for finding in outcome.answer.get("findings", ()):
        console.print(f"  {finding['rule']}: {finding['message']}", markup=False)
        for line in finding["excerpt"].splitlines():
            console.print(f"  {line}", markup=False, soft_wrap=True)
        console.print(f"  fix: {finding['remediation']}", markup=False)


def _print_question(console: Console, asked: Asked) -> bool:
    """The question, each try, and the answer; true when all of it is as it must be."""
    answer = asked.answer
    console.print("\nA question in plain language, put to the client's own model (MCP sampling):\n")
    console.print(f"  {QUESTION}", markup=False)
    for number, attempt in enumerate(answer.get("attempts", ()), start=1):
        console.print(f"\n  try {number}: " + (f"denied by {attempt['problem']}" if attempt["problem"] else "allowed"))
        for line in attempt["sql"].splitlines():
            console.print(f"    {line}", markup=False)
    console.print()
    for row in answer.get("rows", ()):
        console.print("    " + "".join(f"{value!s:<16}" for value in row).rstrip(), markup=False)
    if review := answer.get("review"):
        console.print(f"\n  confidence {review['confidence']} of 100: {review['explanation']}", markup=False)
    if not asked.as_expected:
        console.print(f"Unexpected: {QUESTION}: {answer}", markup=False, soft_wrap=True)
    return asked.as_expected


def _print_clients(console: Console, dsn: str | None) -> None:
    shown = dsn or "postgresql://reader@db.example/shop"
    program = shutil.which("pg-guard", path=str(Path(sys.executable).parent)) or "pg-guard"
    console.print("\nTo use it with a database of yours:\n")
    console.print(
        f"""\
  Claude Desktop (claude_desktop_config.json) and Cursor (.cursor/mcp.json):
    {{"mcpServers": {{"shop": {{
      "command": "{program}",
      "args": ["serve", "--policy", "policy.yaml"],
      "env": {{"PG_GUARD_DSN": "{shown}"}}}}}}}}

  MCP inspector:
    PG_GUARD_DSN='{shown}' \\
      npx @modelcontextprotocol/inspector \\
      {program} serve --policy policy.yaml
""",
        markup=False,
        soft_wrap=True,
    )


def _print_kept(console: Console, server: EmbeddedServer, dsn: str) -> None:
    policy = shipped_dir("policies") / "demo.yaml"
    console.print(
        f"""\
The database is left running:
  database: {dsn}
  policy:   {policy}
  serve:    PG_GUARD_DSN='{dsn}' pg-guard serve --policy '{policy}'
  stop:     kill {server.keeper_pid}
""",
        markup=False,
        soft_wrap=True,
    )
    with suppress(OSError):
        sys.stdout.flush()
