"""Reloading while clients work: each answer is of one policy, and its record tells of which; what ran goes on as it began."""

from __future__ import annotations

import asyncio
import itertools
import json
import signal
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

import asyncpg
import httpx2
import pytest
import yaml

from tests.support.http_server import MODERN, Served, call
from tests.support.reloading import (
    CUSTOMERS,
    DENIED_CUSTOMERS,
    DENIED_ORDERS,
    ORDERS,
    A,
    B,
    decisions,
    lines_of,
    refused,
    reloaded,
    replace,
    running,
    text_of,
    until,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mcp import Client

ROWS = {"a": 10, "b": 20}
ITEMS = "SELECT quantity FROM order_items"
TEXTS = {
    "a": text_of("a", DENIED_ORDERS, {"limits": {"rows": ROWS["a"]}}),
    "b": text_of("b", DENIED_CUSTOMERS, {"limits": {"rows": ROWS["b"]}}),
}
ALLOWED = {"a": {CUSTOMERS, ITEMS}, "b": {ORDERS, ITEMS}}
RELOADS = 20
CLIENTS = 10
# What 20 clients' worth of requests are to one server: none is turned away.
ROOM: dict[str, Any] = {"resilience": {"queue_size": 1_000, "queue_timeout": 60}}


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "policy.yaml"
    path.write_text(TEXTS["a"], encoding="utf-8")
    return path


async def hang_up(server: Served, count: int = 1) -> None:
    """Reload, and wait until as many reloads have succeeded."""
    server.process.send_signal(signal.SIGHUP)
    await reloaded(server, count)


async def test_every_answer_is_of_one_policy_while_policies_and_catalogs_change(
    demo_dsn: str, policy: Path, tmp_path: Path
) -> None:
    """Two hundred statements at a time, twenty reloads, and as many catalogs."""
    audit = tmp_path / "audit.jsonl"
    settings = {"audit": {"sink": "file", "path": str(audit), "fsync": "never"}, **ROOM}
    answers: Counter[tuple[str, str, int]] = Counter()
    ended = asyncio.Event()

    async def ask(client: Client, statements: list[str]) -> None:
        while not ended.is_set():
            for sql in statements:
                answer = await call(client, "run_sql", sql=sql)
                assert answer["error"] is None, answer
                answers[sql, answer["decision"], len(answer["rows"])] += 1

    async def change_catalog(client: Client) -> None:
        owner = await asyncpg.connect(demo_dsn)
        try:
            for number in itertools.count(1):
                if ended.is_set():
                    break
                await owner.execute(f"DROP TABLE IF EXISTS reload_{number - 1}; CREATE TABLE reload_{number} (id int)")
                assert (await call(client, "refresh_schema"))["changed"]
        finally:
            await owner.close()

    owner = await asyncpg.connect(demo_dsn)
    try:
        async with running(demo_dsn, policy, tmp_path, **settings) as server:
            async with asyncio.TaskGroup() as work:
                for number in range(CLIENTS + 1):
                    work.create_task(_with_client(server, number, ask, change_catalog))
                for number in range(1, RELOADS + 1):
                    seen = sum(answers.values())
                    replace(policy, TEXTS["ab"[number % 2]])
                    await hang_up(server, number)
                    # Some of the work is done under each.
                    await until(partial(_more, answers, seen + 20), server)
                ended.set()
            async with server.client(mode=MODERN) as client:
                assert await decisions(client) == (B if RELOADS % 2 else A)
                # Neither a reload nor a refresh has taken away what the other brought.
                tables = await call(client, "list_tables")
                there = await owner.fetch("SELECT relname FROM pg_class WHERE relname LIKE 'reload_%'")
                assert {row["relname"] for row in there} == {
                    name
                    for each in tables["tables"]
                    if (name := each["table"].rpartition(".")[2]).startswith("reload_")
                }
            # A reload belongs to no request, whichever one the signal interrupted.
            assert not [line for line in lines_of(server, "reloaded") if "request_id" in line]
            assert await server.stop(signal.SIGTERM) == 143
    finally:
        for row in await owner.fetch("SELECT relname FROM pg_class WHERE relname LIKE 'reload_%' AND relkind = 'r'"):
            await owner.execute(f"DROP TABLE {row['relname']}")
        await owner.close()
    by_policy = _judge(audit)
    assert all(by_policy[name] > RELOADS for name in ALLOWED)
    assert {rows for (sql, decision, rows) in answers if sql == ITEMS} == set(ROWS.values())


def _more(answers: Counter[Any], than: int) -> bool:
    return sum(answers.values()) > than


async def _with_client(server: Served, number: int, ask: Any, change_catalog: Any) -> None:
    async with server.client(mode=MODERN) as client:
        if number == CLIENTS:
            await change_catalog(client)
            return
        # Those of one client at a time, in different orders.
        async with asyncio.TaskGroup() as work:
            for turn in range(20):
                statements = [ORDERS, CUSTOMERS, ITEMS]
                work.create_task(ask(client, statements[turn % 3 :] + statements[: turn % 3]))


def _judge(audit: Path) -> Counter[str]:
    """Every record has the digest of its policy, decides as that policy does, and has run under its limits."""
    lines = [json.loads(line) for line in audit.read_text(encoding="utf-8").splitlines()]
    records = {line["decision_id"]: line["decision"] for line in lines if line.get("operation") == "run"}
    ended = {line["decision_id"]: line for line in lines if line["event"] == "outcome"}
    assert len({(each["policy"], each["digests"]["policy"]) for each in records.values()}) == len(ALLOWED)
    by_policy: Counter[str] = Counter()
    for identifier, decision in records.items():
        name = decision["policy"].partition(" ")[0]
        by_policy[name] += 1
        assert decision["effect"] == ("allow" if decision["statement"] in ALLOWED[name] else "deny"), decision
        assert (identifier in ended) == (decision["effect"] == "allow"), decision
        if decision["statement"] == ITEMS:
            assert ended[identifier]["rows"] == ROWS[name], decision
    return by_policy


# Without an end: whoever runs it holds its slot until it is cancelled.
ENDLESS = (
    "SELECT count(*) FROM order_items a JOIN order_items b ON a.quantity = b.quantity JOIN order_items c ON b.quantity = c.quantity"
    " JOIN order_items d ON c.quantity = d.quantity"
)
SINGLE: dict[str, Any] = {"resilience": {"database": {"concurrency": 1, "retries": 0}, "queue_timeout": 60}}


class Onlooker:
    """A connection beside the server."""

    def __init__(self, connection: asyncpg.Connection[Any], server: Served) -> None:
        self._connection = connection
        self._server = server

    async def _until(self, holds: Callable[[Any], bool], sql: str, argument: str) -> None:
        try:
            async with asyncio.timeout(60):
                while not holds(await self._connection.fetchval(sql, argument)):  # noqa: ASYNC110 - of another process
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError("\n".join([sql, argument, *self._server.log])) from None

    async def sees(self, application: str, count: int) -> None:
        """Wait until a server has as many connections."""
        counting = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1"
        await self._until(lambda found: found == count, counting, application)

    async def runs(self, sql: str) -> None:
        """Wait until a statement runs."""
        counting = "SELECT count(*) FROM pg_stat_activity WHERE query = $1 AND state = 'active'"
        await self._until(bool, counting, sql)

    async def end(self, sql: str) -> None:
        """Cancel a statement, once it runs."""
        ending = "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE query = $1 AND state = 'active'"
        await self._until(bool, ending, sql)


def named(dsn: str, application: str) -> str:
    return f"{dsn}&application_name={application}"


async def queue_of(server: Served) -> dict[str, Any]:
    async with httpx2.AsyncClient() as http:
        found: dict[str, Any] = (await http.get(f"{server.origin}/health/queue")).json()
    return found


async def test_what_was_allowed_ends_as_it_began(demo_dsn: str, policy: Path, tmp_path: Path) -> None:
    """A statement that runs and one that waits, both allowed before: under their own limits and on their own connections."""
    config = tmp_path / "pg-guard.yaml"
    settings = {"databases": {"shop": {"dsn": named(demo_dsn, "reload-first")}}, **SINGLE}
    watcher = await asyncpg.connect(demo_dsn)
    try:
        async with (
            running(None, policy, tmp_path, **settings) as server,
            server.client(mode=MODERN) as client,
            server.client(mode=MODERN) as other,
        ):
            onlooker = Onlooker(watcher, server)
            runs = asyncio.create_task(call(other, "run_sql", sql=ENDLESS))
            await onlooker.runs(ENDLESS)
            waits = asyncio.create_task(call(client, "run_sql", sql=ITEMS))
            while (await queue_of(server))["statements"]["waiting"] < 1:  # noqa: ASYNC110 - of another process
                await asyncio.sleep(0.02)
            replace(policy, text_of("c", {"tables": {"deny": ["order_items"]}, "limits": {"statement_timeout": 0.001}}))
            changed = yaml.safe_load(config.read_text(encoding="utf-8"))
            changed["databases"]["shop"]["dsn"] = named(demo_dsn, "reload-second")
            replace(config, yaml.safe_dump(changed))
            await hang_up(server)
            async with server.client(mode=MODERN) as third:
                assert (await call(third, "run_sql", sql=ITEMS))["decision"] == "deny"
            await onlooker.sees("reload-second", 1)
            assert not runs.done()
            assert not waits.done()
            await onlooker.end(ENDLESS)
            ended, answer = await asyncio.gather(runs, waits)
            assert (ended["decision"], ended["error"]["sqlstate"]) == ("allow", "57014")
            assert (answer["decision"], len(answer["rows"])) == ("allow", ROWS["a"])
            await onlooker.sees("reload-first", 0)
            assert (await call(client, "list_databases"))["databases"][0]["policy"] == "c 1.0.0"
            assert await server.stop(signal.SIGTERM) == 143
        await onlooker.sees("reload-second", 0)
    finally:
        await watcher.close()


async def test_databases_come_and_go(demo_dsn: str, policy: Path, tmp_path: Path) -> None:
    """One that cannot be reached keeps everything from changing; one that can is served; one that is left out is closed."""
    config = tmp_path / "pg-guard.yaml"
    first = {"dsn": named(demo_dsn, "reload-first"), "description": "the first"}
    watcher = await asyncpg.connect(demo_dsn)
    token = {"observability": {"token": "may-reload-12345"}}

    async def databases(client: Client) -> dict[str, str]:
        return {each["database"]: each["description"] for each in (await call(client, "list_databases"))["databases"]}

    def configure(**databases: Any) -> None:
        known = yaml.safe_load(config.read_text(encoding="utf-8"))
        replace(config, yaml.safe_dump(known | {"databases": databases}))

    try:
        async with (
            running(None, policy, tmp_path, databases={"first": first}, **token) as server,
            server.client(mode=MODERN) as client,
        ):
            onlooker = Onlooker(watcher, server)
            assert await databases(client) == {"first": "the first"}
            replace(policy, TEXTS["b"])
            configure(
                first=first,
                second={"dsn": named(demo_dsn, "reload-second")},
                gone={"dsn": "postgresql://reader:planted-Password-42@127.0.0.1:1/none"},
            )
            server.process.send_signal(signal.SIGHUP)
            [line] = await refused(server)
            assert line["code"] == "database"
            assert "planted" not in "\n".join(server.log)
            assert await databases(client) == {"first": "the first"}
            assert await decisions(client) == A
            await onlooker.sees("reload-second", 0)
            configure(
                first={**first, "description": "still the first"}, second={"dsn": named(demo_dsn, "reload-second")}
            )
            await hang_up(server)
            assert await databases(client) == {"first": "still the first", "second": ""}
            for name in ("first", "second"):
                answer = await call(client, "run_sql", sql=ORDERS, database=name)
                assert (answer["decision"], answer["database"]) == ("allow", name)
            await onlooker.sees("reload-first", 1)
            configure(second={"dsn": named(demo_dsn, "reload-second")})
            await hang_up(server, 2)
            assert await databases(client) == {"second": ""}
            assert (await call(client, "run_sql", sql=ORDERS))["database"] == "second"
            await onlooker.sees("reload-first", 0)
            headers = {"authorization": "Bearer may-reload-12345"}
            async with httpx2.AsyncClient(headers=headers) as http:
                metrics = (await http.get(f"{server.origin}/metrics")).text
                assert (await http.get(f"{server.origin}/health")).json() == {"status": "ok"}
            assert 'last_reload_successful{database="second"} 1.0' in metrics
            assert 'database="first"' not in "".join(each for each in metrics.splitlines() if "reload" in each)
            configure()
            server.process.send_signal(signal.SIGHUP)
            await refused(server, 2)
            assert await databases(client) == {"second": ""}
    finally:
        await watcher.close()


async def test_a_reload_does_not_keep_the_server_from_ending(demo_dsn: str, policy: Path, tmp_path: Path) -> None:
    """Tests that would take minutes are given up; nothing of what they were for comes into force."""
    columns = ", ".join(f"coalesce(o.total, o.id + {number})" for number in range(600))
    heavy = f"SELECT {columns} FROM orders o"
    lines = [f"- {{name: heavy {number}, sql: *heavy, expect: deny}}" for number in range(3_000)]
    first = f"- {{name: heavy, sql: &heavy {json.dumps(heavy)}, expect: deny}}"
    limits: dict[str, Any] = {"reload": {"watch": False, "tests_timeout": 3_600}}
    async with running(demo_dsn, policy, tmp_path, **limits) as server, server.client(mode=MODERN) as client:
        assert await decisions(client) == A
        replace(policy, TEXTS["b"] + "\n".join(["tests:", first, *lines]) + "\n")
        server.process.send_signal(signal.SIGHUP)
        [line, *_] = await reloaded(server, 1, "reload: tests of the policy run")
        assert line["tests"] > 0
        # Meanwhile there is no other policy, and no other answer.
        assert await decisions(client) == A
        assert (await call(client, "run_sql", sql=CUSTOMERS))["decision"] == "allow"
        for _ in range(3):
            server.process.send_signal(signal.SIGHUP)
        assert await server.stop(signal.SIGTERM) == 143
        assert not lines_of(server, "reloaded")
        assert "Traceback" not in "\n".join(server.log)


async def test_tests_that_take_too_long_refuse_the_policy(demo_dsn: str, policy: Path, tmp_path: Path) -> None:
    limits: dict[str, Any] = {"reload": {"watch": False, "tests_timeout": 0.000_001}}
    test = {"tests": [{"name": "one", "sql": "SELECT 1", "expect": "allow"}]}
    async with running(demo_dsn, policy, tmp_path, **limits) as server, server.client(mode=MODERN) as client:
        replace(policy, text_of("b", DENIED_CUSTOMERS, test))
        server.process.send_signal(signal.SIGHUP)
        [line] = await refused(server)
        assert line["code"] == "policy-invalid"
        assert "its tests take longer than 1e-06 s" in "\n".join(server.log)
        assert await decisions(client) == A
