"""The judgement of a soak. In: what clients, PostgreSQL, the audit log and the server say. Out: defects where they differ."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from pg_guard.observe.audit_file import parts_of
from pg_guard.observe.audit_lines import parse_line
from tests.soak.actions import EXPECTED
from tests.soak.ledger import markers
from tests.soak.load import WORKERS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.soak.ledger import Ledger
    from tests.soak.run import Report

__all__ = ["judge"]

MOST_GROWTH: Final = 0.05
EXIT_CODE: Final = 143
MOST_SECONDS_TO_END: Final = 20.0
# Beyond those of a server that nobody has asked: of the pool (five, one from the start on), and to the model, one a worker.
MOST_KEPT_CONNECTIONS: Final = 4 + WORKERS
# asyncio's pool is made as it is needed, up to this; beside it there are the main thread and what writes logs.
MOST_THREADS: Final = min(32, (os.cpu_count() or 1) + 4) + 3
_BAD_LINES: Final = re.compile(
    r"Traceback|Task was destroyed|never awaited|never retrieved|ResourceWarning|\"level\": ?\"critical\""
)


async def judge(
    report: Report, ledger: Ledger, audit: Path, postgresql_log: str, log: Sequence[str], ended: dict[str, Any]
) -> None:
    """Add figures and defects to a report."""
    defects = report.defects
    defects += ledger.defects
    defects += [f"never seen: {action}: {how}" for action, how in EXPECTED if not ledger.total(action, how)]
    _judge_memory(report)
    _judge_end(report, ended, log)
    lines = [
        parse_line(line).content
        for part in (*parts_of(audit), audit)
        for line in part.read_bytes().splitlines(keepends=True)
    ]
    _judge_statements(report, ledger, lines, markers(postgresql_log))
    parts = [str(part) for part in (*parts_of(audit), audit)]
    verified = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "pg_guard", "audit", "verify", "--complete", *parts],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if verified.returncode:
        defects.append(f"audit verify: {verified.stdout}{verified.stderr}")
    report.figures |= {"audit lines": len(lines), "audit files": len(parts), "audit verify": verified.stdout.strip()}
    report.figures["outcomes"] = {f"{name}: {how}": count for (name, how), count in sorted(ledger.counts.items())}


def _judge_memory(report: Report) -> None:
    growth = report.figures["growth, %"] / 100
    if growth > MOST_GROWTH:
        report.defects.append(f"memory grew by {growth:.1%} from the second third to the last")
    start = report.settled[0].descriptors
    for found, kinds in zip(report.settled[1:], report.kinds[1:], strict=True):
        if found.descriptors > start + MOST_KEPT_CONNECTIONS:
            report.defects.append(f"descriptors left open: {start} at the start, then {kinds}")
        if found.threads > MOST_THREADS:
            report.defects.append(f"{found.threads} threads")


def _judge_end(report: Report, ended: dict[str, Any], log: Sequence[str]) -> None:
    if ended["code"] != EXIT_CODE:
        report.defects.append(f"exit code {ended['code']}, not {EXIT_CODE}")
    if ended["seconds"] > MOST_SECONDS_TO_END:
        report.defects.append(f"took {ended['seconds']:.1f} s to end")
    if ended["backends"]:
        report.defects.append(f"connections left in PostgreSQL: {ended['backends']}")
    report.defects += [f"in the server's log: {line[:2000]}" for line in log if _BAD_LINES.search(line)]
    report.figures |= {"seconds to end": round(ended["seconds"], 2), "connections left": len(ended["backends"])}


def _judge_statements(report: Report, ledger: Ledger, lines: list[dict[str, Any]], executed: set[int]) -> None:
    """Hold three books against each other: clients', PostgreSQL's and the audit log."""
    by_id: dict[str, dict[str, Any]] = {}
    outcomes: Counter[str] = Counter()
    good: set[str] = set()
    for line in lines:
        if line["event"] == "decision":
            by_id[line["decision_id"]] = line
        elif line["event"] == "outcome":
            outcomes[line["decision_id"]] += 1
            if line["status"] == "ok":
                good.add(line["decision_id"])
        else:
            report.defects.append(f"a line of another kind in the audit log: {line}")
    allowed: set[int] = set()
    completed: set[int] = set()
    well: set[int] = set()
    refused: set[int] = set()
    for decision_id, line in by_id.items():
        found = markers(line["decision"]["statement"])
        if line["decision"]["effect"] == "deny":
            refused |= found
        elif line["operation"] in ("run", "explain"):
            allowed |= found
            completed |= found if outcomes[decision_id] else set()
            well |= found if decision_id in good else set()
    _none(report, "statements that PostgreSQL saw and the audit log does not allow", executed - allowed)
    _none(report, "statements that PostgreSQL saw without an outcome", executed - completed)
    _none(report, "answers with rows without a decision and a good outcome", ledger.with_rows - well)
    _none(report, "answers with rows that PostgreSQL did not see", ledger.with_rows - executed)
    _none(report, "denials without a line", ledger.denied - refused)
    _none(report, "outcomes of no decision", set(outcomes) - set(by_id))
    _none(report, "decisions with two outcomes", {name for name, count in outcomes.items() if count > 1})
    report.figures |= {
        "decisions": len(by_id),
        "outcomes in the audit log": sum(outcomes.values()),
        "statements that PostgreSQL saw": len(executed),
        "answers with rows": len(ledger.with_rows),
        "denials": len(ledger.denied),
    }


def _none(report: Report, what: str, found: set[Any]) -> None:
    if found:
        report.defects.append(f"{len(found)} {what}: {sorted(found)[:10]}")
