"""One reload after the other, in this process: who gets which, what is tried again, what is closed when nothing comes of it."""

from __future__ import annotations

import asyncio
import datetime
import logging
import threading
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from pg_guard.entry.mcp import reload
from pg_guard.entry.mcp.reload import Reloader, reloading
from pg_guard.entry.mcp.service import Service, open_service
from pg_guard.entry.sources import Sources
from pg_guard.errors import InternalError, UsageError
from pg_guard.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

POLICY = "schema: pg-guard/policy/v1\nmetadata: {{name: {0}}}\n"


class Files:
    """What a server is made of."""

    def __init__(self, dsn: str, directory: Path) -> None:
        self.dsn = dsn
        self.policy = directory / "policy.yaml"
        self.name = "a"
        self.databases: dict[str, Any] = {"shop": {"dsn": dsn}}
        self.reload: dict[str, Any] = {"watch": False}
        self.failures: list[Exception] = []
        self.reads = 0

    def write(self, name: str, more: str = "") -> None:
        draft = self.policy.with_name("draft")
        draft.write_text(POLICY.format(name) + more, encoding="utf-8")
        draft.replace(self.policy)

    def read(self) -> Settings:
        self.reads += 1
        if self.failures:
            raise self.failures.pop(0)
        settings = {"databases": self.databases, "policy": self.policy, "reload": self.reload}
        return Settings.model_validate({**settings, "observability": {"tracing": False}})


@pytest.fixture
def files(demo_dsn: str, tmp_path: Path) -> Files:
    files = Files(demo_dsn, tmp_path)
    files.write("a")
    return files


@pytest.fixture
async def service(files: Files) -> AsyncIterator[Service]:
    async with open_service(files.read()) as service:
        yield service


def policy_of(service: Service) -> str:
    return service.databases["shop"].guard.policy.metadata.name


async def test_who_asks_before_it_begins_gets_the_same_and_who_asks_later_the_next(
    service: Service, files: Files
) -> None:
    async with reloading(service, Sources(files.read)) as reloader:
        files.write("b")
        first = [reloader.ask("request") for _ in range(5)]
        assert len(set(first)) == 1
        while files.reads < 2:  # noqa: ASYNC110 - of a thread
            await asyncio.sleep(0)
        files.write("c")
        second = [reloader.ask("signal") for _ in range(5)]
        assert len({*first, *second}) == 2
        reports = await asyncio.gather(first[0], second[0])
        assert [(each.successful, each.cause) for each in reports] == [(True, "request"), (True, "signal")]
        assert reports[1] is reloader.last
        assert policy_of(service) == "c"
        assert files.reads == 3


async def test_what_failed_is_tried_again_and_told_once(
    service: Service, files: Files, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(reload, "_BETWEEN_TRIES", datetime.timedelta(0))
    caplog.set_level(logging.INFO)
    files.reload = service.settings.reload.model_copy(update={"watch": True, "interval": 0.01}).model_dump()
    service.settings = files.read()
    async with reloading(service, Sources(files.read)) as reloader:
        files.write("b")
        files.failures = [UsageError("the secret is not there yet") for _ in range(3)]
        async with asyncio.timeout(30):
            while reloader.last is None or not reloader.last.successful:  # noqa: ASYNC110 - of another task
                await asyncio.sleep(0.01)
        assert policy_of(service) == "b"
        assert reloader.last.cause in ("retry", "files")
    told = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert told.count("reload: the secret is not there yet") == 1


async def test_a_defect_changes_nothing_and_ends_nothing(service: Service, files: Files) -> None:
    async with reloading(service, Sources(files.read)) as reloader:
        files.write("b")
        files.failures = [RuntimeError("planted")]
        report = await reloader.ask("request")
        assert (report.successful, report.code, policy_of(service)) == (False, "internal", "a")
        assert "planted" not in str(report.to_dict())
        assert (await reloader.ask("request")).successful
        assert policy_of(service) == "b"


async def test_a_reload_that_is_given_up_leaves_no_connection(service: Service, files: Files, demo_dsn: str) -> None:
    """New connections are open, the tests of the policy run, and the server ends."""
    tests = [f"- {{name: t{number}, sql: SELECT {number}, expect: allow}}" for number in range(2_000)]
    counting = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'given-up'"
    onlooker = await asyncpg.connect(demo_dsn)
    old = service.databases["shop"]
    try:
        async with reloading(service, Sources(files.read)) as reloader:
            files.write("b", "\n".join(["tests:", *tests]) + "\n")
            files.databases = {"shop": {"dsn": f"{demo_dsn}&application_name=given-up"}}
            task = reloader.ask("signal")
            async with asyncio.timeout(60):
                while not await onlooker.fetchval(counting):
                    assert not task.done()
                    await asyncio.sleep(0)
        assert task.cancelled()
        with pytest.raises(InternalError):
            reloader.ask("request")
        reloader.hang_up()
        assert service.databases["shop"] is old
        assert policy_of(service) == "a"
        async with asyncio.timeout(30):
            while await onlooker.fetchval(counting):  # noqa: ASYNC110 - of PostgreSQL
                await asyncio.sleep(0.01)
        assert (await old.check("SELECT 1")).decision.allowed
    finally:
        await onlooker.close()


async def test_a_database_that_was_replaced_decides_no_more(service: Service, files: Files, demo_dsn: str) -> None:
    async with reloading(service, Sources(files.read)) as reloader:
        old = service.databases["shop"]
        allowed = await old.check("SELECT 1 AS one")
        files.databases = {"shop": {"dsn": f"{demo_dsn}&application_name=other"}}
        assert (await reloader.ask("request")).databases["shop"].outcome == "reconnected"
        assert service.databases["shop"] is not old
        with pytest.raises(Exception, match="have just been replaced"):
            await old.check("SELECT 1")
        # What was allowed before still runs.
        assert (await old.run(allowed)).rows == [[1]]


async def test_every_request_sees_all_of_it_or_nothing(service: Service, files: Files, demo_dsn: str) -> None:
    """Two databases, a setting and two policies change in one step: whoever looks between two steps sees one state."""
    files.databases = {name: {"dsn": demo_dsn} for name in ("shop", "more")}
    async with reloading(service, Sources(files.read)) as reloader:
        await reloader.ask("request")
        seen: set[tuple[str, ...]] = set()
        ended = threading.Event()

        async def look() -> None:
            while not ended.is_set():
                names = tuple(sorted(service.databases))
                policies = [service.databases[name].guard.policy.metadata.name for name in names]
                seen.add((*names, *policies, service.settings.databases["shop"].description))
                await asyncio.sleep(0)

        looking = asyncio.create_task(look())
        for name in "bcb":
            files.write(name)
            files.databases = {each: {"dsn": demo_dsn, "description": name} for each in files.databases}
            assert (await reloader.ask("request")).successful
        files.databases = {"shop": files.databases["shop"]}
        assert (await reloader.ask("request")).databases["more"].outcome == "closed"
        await asyncio.sleep(0)
        ended.set()
        await looking
    assert seen == {
        ("more", "shop", "a", "a", ""),
        ("more", "shop", "b", "b", "b"),
        ("more", "shop", "c", "c", "c"),
        ("shop", "b", "b"),
    }


async def test_closing_twice_and_asking_late_do_no_harm(service: Service, files: Files) -> None:
    reloader = Reloader(service, Sources(files.read))
    reloader.watch()
    await reloader.close()
    await reloader.close()
    assert reloader.last is None
