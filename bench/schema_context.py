"""How long the schema context takes on 5,000 tables. In: nothing. Out: times and recall, printed.

Run from the root of the repository: ``python -m bench.schema_context``.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import yaml

from pg_guard.ask.context import ContextIndex
from pg_guard.guard import Guard
from pg_guard.policy.load import parse_policy
from tests.support.large_catalog import large_catalog

_BUDGET = 6_000
_ROUNDS = 3
_QUESTIONS = Path(__file__).parent.parent / "tests" / "unit" / "ask" / "questions.yaml"


def main() -> None:
    """Build the index, ask every question, print the figures."""
    questions = yaml.safe_load(_QUESTIONS.read_text(encoding="utf-8"))
    catalog = large_catalog()
    guard = Guard(parse_policy("schema: pg-guard/policy/v1\n").policy, catalog)
    wall, cpu = time.perf_counter(), time.process_time()
    index = ContextIndex.build(guard)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    times, cpu_times, kept, tables = [], [], 0, []
    for each in questions:
        for _ in range(_ROUNDS):
            started, began = time.perf_counter(), time.process_time()
            context = index.context(each["ask"], token_budget=_BUDGET)
            times.append((time.perf_counter() - started) * 1000)
            cpu_times.append((time.process_time() - began) * 1000)
        names = {name.replace('"', "") for name in context.tables}
        kept += all(needed.removeprefix("public.") in names for needed in each["needs"])
        tables.append(len(names))
    visited = [index.ranking.postings_visited(each["ask"]) for each in questions]
    deciles = statistics.quantiles(times, n=20)
    lines = (
        f"tables            {len(catalog.relations):,}",
        f"index             {wall:.2f} s ({cpu:.2f} s of CPU)",
        f"a question        {statistics.median(times):.1f} ms median, {deciles[-1]:.1f} ms for 95 of 100",
        f"  of CPU          {statistics.median(cpu_times):.1f} ms median",
        f"postings read     {statistics.median(visited):,.0f} median, {max(visited):,} at most",
        f"tables shown      {statistics.median(tables):.0f} median, in {_BUDGET:,} tokens",
        f"all needed tables {kept} of {len(questions)} questions ({100 * kept / len(questions):.1f} %)",
    )
    print("\n".join(lines))  # noqa: T201 - the result of a program


if __name__ == "__main__":
    main()
