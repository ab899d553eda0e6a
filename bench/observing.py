"""What logs, metrics and traces cost a decision. In: a number of decisions. Out: the ratio of each to a decision that nobody observes.

    python -m bench.observing 3000

Each round decides the same statements once in every way, so that a machine that slows down slows all of them. ``off`` is what a
server does for which nothing is configured: the ratio of it to a bare decision is what observing costs those who do not use it.
"""

from __future__ import annotations

import logging
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from pg_guard.catalog.model import Catalog
from pg_guard.guard import Guard
from pg_guard.observe.logging import logging_to_output
from pg_guard.observe.metrics import Metrics
from pg_guard.observe.observer import Observer
from pg_guard.observe.tracing import Tracing
from pg_guard.policy.shipped import shipped_dir
from pg_guard.settings import LoggingSettings, Settings

if TYPE_CHECKING:
    from collections.abc import Callable

STATEMENTS = (
    "SELECT status, count(*) FROM orders GROUP BY status",
    "SELECT c.city, sum(o.total) FROM customers c JOIN orders o ON o.customer_id = c.id GROUP BY c.city",
    "SELECT name FROM products WHERE price > 100 ORDER BY price LIMIT 10",
)


def observed(guard: Guard, observer: Observer) -> Callable[[str], object]:
    """A decision as a server makes it."""

    def decide(sql: str) -> object:
        with observer.request(), observer.deciding("shop") as span:
            decision = guard.check(sql)
            observer.decided("shop", decision, span)
        return decision

    return decide


def main(count: int = 3_000) -> None:
    """Measure, and print."""
    guard = Guard.load(
        shipped_dir("policies") / "demo.yaml",
        catalog=Catalog.from_json(shipped_dir("rules") / "catalogs" / "demo.json"),
    )
    provider = TracerProvider(shutdown_on_exit=False)
    exporter = InMemorySpanExporter()
    provider.add_span_processor(BatchSpanProcessor(exporter))
    quiet, told = Observer(), Observer(Metrics())
    ways: dict[str, tuple[Callable[[str], object], int]] = {
        "nobody observes": (guard.check, logging.WARNING),
        "off": (observed(guard, quiet), logging.WARNING),
        "metrics": (observed(guard, told), logging.WARNING),
        "metrics, log lines": (observed(guard, told), logging.INFO),
        "metrics, traces": (observed(guard, Observer(Metrics(), Tracing(provider))), logging.WARNING),
    }
    order = list(ways)
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    with tempfile.TemporaryDirectory() as directory:
        settings = Settings(logging=LoggingSettings(format="json", file=Path(directory) / "log"))
        with logging_to_output(settings):
            for number in range(count):
                # In another order each time: the first one finds the caches cold.
                turn = number % len(order)
                for name in order[turn:] + order[:turn]:
                    decide, level = ways[name]
                    logging.getLogger("pg_guard").setLevel(level)
                    sql = STATEMENTS[number % len(STATEMENTS)]
                    started = time.perf_counter()
                    decide(sql)
                    seconds[name].append(time.perf_counter() - started)
                if not number % 500:
                    exporter.clear()
    provider.shutdown()
    bare = statistics.median(seconds["nobody observes"])
    for name, found in seconds.items():
        median = statistics.median(found)
        print(f"{name:20} {median * 1e6:8.1f} µs  {median / bare:.3f}")  # noqa: T201 - what it is for


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
