"""Random statements: the facts name all that PostgreSQL resolves, and nothing hidden comes out of what is allowed.

`PG_GUARD_FUZZ_COUNT` and `PG_GUARD_FUZZ_SEED` make the run longer or another one (``make fuzz``).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tests.differential.fuzz import fuzz

if TYPE_CHECKING:
    from collections.abc import Callable

    from pg_guard.catalog.model import Catalog
    from pg_guard.guard import Guard

COUNT = int(os.environ.get("PG_GUARD_FUZZ_COUNT", "5000"))
SEED = int(os.environ.get("PG_GUARD_FUZZ_SEED", "18"))
# Shares of the compared statements; measured are 0.4 % and 0.3 %.
MOST_NOT_UNDERSTOOD = 0.01
MOST_SURPLUS = 0.01


async def test_the_facts_are_what_postgresql_resolves(
    ground_dsn: str, ground: Catalog, ground_guard: Guard, record_property: Callable[[str, object], None]
) -> None:
    report = await fuzz(ground_dsn, ground, ground_guard, seed=SEED, count=COUNT)
    record_property("differential", report.summary())
    assert not report.misses, report.show(report.misses)
    assert not report.leaks, f"seed {SEED}\n" + "\n\n".join(report.leaks[:10])
    assert sum(report.notes.values()) <= MOST_NOT_UNDERSTOOD * COUNT, report.show(report.notes)
    assert sum(report.surplus.values()) <= MOST_SURPLUS * COUNT, report.show(report.surplus)
    # A generator that makes only nonsense, or a guard that refuses everything, would pass all of the above.
    assert report.accepted >= COUNT
    assert report.allowed >= COUNT / 20
