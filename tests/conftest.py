"""Fixtures that every test may use: a real PostgreSQL 18 and the sample database, once per session (and per worker)."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pg_guard.demo.database import load_sample_database
from pg_guard.demo.embedded import start
from tests.summary import print_corpus, print_differential

if TYPE_CHECKING:
    from collections.abc import Iterator

    from _pytest.terminal import TerminalReporter

    from pg_guard.catalog.model import Catalog
    from pg_guard.guard import Guard

ROOT = Path(__file__).resolve().parent.parent

# A run in the background of a script is told to ignore Ctrl-C, and so would be every process that a test starts and ends by it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN and threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def server_dsn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URI of a superuser on an embedded PostgreSQL 18 of this test session."""
    with start(tmp_path_factory.mktemp("postgresql")) as server:
        yield server.dsn


@pytest.fixture(scope="session")
async def demo_dsn(server_dsn: str) -> str:
    """URI of the sample database, loaded once; a test that changes it must undo that."""
    return await load_sample_database(server_dsn)


@pytest.fixture(scope="session")
async def demo_catalog(demo_dsn: str) -> Catalog:
    """The catalog of the sample database."""
    from pg_guard.catalog.model import Catalog

    return await Catalog.from_database(demo_dsn)


@pytest.fixture(scope="session")
def demo_guard(demo_catalog: Catalog) -> Guard:
    """The guard with the shipped demo policy on the sample database."""
    from pg_guard.guard import Guard

    return Guard.load(ROOT / "policies" / "demo.yaml", catalog=demo_catalog)


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Here, because with worker processes only this conftest is loaded where the summary is printed."""
    print_corpus(terminalreporter)
    print_differential(terminalreporter)
