"""Load that the guard cannot see in the text is ended by the executor: every attack of that kind, on the real server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from pg_guard.errors import ExecutionError
from pg_guard.execute.executor import Executor
from tests.corpus.loading import load_cases

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.corpus.loading import Case

SECONDS = 1.5
CASES = [case for case in load_cases("attacks") if case.ended_by]


@pytest.fixture(scope="module")
async def executor(bed_dsn: str) -> AsyncIterator[Executor]:
    async with await Executor.open(bed_dsn, statement_timeout=SECONDS, rows=100, result_bytes=1_000_000) as opened:
        yield opened


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
async def test_the_time_out_or_the_caps_end_it(executor: Executor, case: Case) -> None:
    code, capped = "", False
    try:
        result = await executor.run(case.sql)
    except ExecutionError as error:
        code = error.sqlstate
    else:
        capped = result.row_count <= 100 and len(json.dumps(result.rows)) <= 1_100_000
    # 57014: cancelled by the time-out; the others: PostgreSQL's own limits on sizes, memory and numbers.
    assert capped or code in {"57014", "54000", "53200", "22003", "22001"}, code
    assert (await executor.run("SELECT 1")).rows == [[1]]
