"""What can be reloaded, and by whom: the endpoint, settings, secrets, packs, what clients still hold, a stdio server."""

from __future__ import annotations

import asyncio
import re
import signal
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
import yaml

from pg_guard.policy.packs import write_manifest
from tests.support.http_server import MODERN, Served, call, new_token
from tests.support.mcp_client import answer_of, connected, error_of
from tests.support.reloading import (
    CUSTOMERS,
    DENIED_CUSTOMERS,
    DENIED_ORDERS,
    ORDERS,
    WATCHING,
    A,
    B,
    decisions,
    lines_of,
    refused,
    reloaded,
    replace,
    running,
    text_of,
)
from tests.support.scripted_model import Say, ScriptedModel

if TYPE_CHECKING:
    from pathlib import Path

    from mcp import Client

OWN_TOKEN = "may-reload-12345"
SCRAPER = "may-look-12345"


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "policy.yaml"
    path.write_text(text_of("a", DENIED_ORDERS), encoding="utf-8")
    return path


async def ask(server: Served, token: str | None, method: str = "POST", **headers: str) -> httpx2.Response:
    given = headers if token is None else {"authorization": f"Bearer {token}", **headers}
    async with httpx2.AsyncClient(timeout=60) as http:
        return await http.request(method, f"{server.origin}/admin/reload", headers=given)


def configure(directory: Path, **settings: Any) -> None:
    """Change the settings file."""
    path = directory / "pg-guard.yaml"
    replace(path, yaml.safe_dump(yaml.safe_load(path.read_text(encoding="utf-8")) | settings))


# -- the endpoint ------------------------------------------------------------------------------------------------------


async def test_only_who_may_reload_can(demo_dsn: str, policy: Path, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.yaml"
    admin = new_token(tokens, "root", "--scope", "admin")
    observer = new_token(tokens, "prometheus", "--scope", "observe")
    plain = new_token(tokens, "bi")
    settings = {
        "http": {"tokens": "tokens.yaml"},
        "reload": {"watch": False, "token": OWN_TOKEN},
        "observability": {"token": SCRAPER},
    }
    async with running(demo_dsn, policy, tmp_path, **settings) as server, server.client(admin, MODERN) as client:
        replace(policy, text_of("b", DENIED_CUSTOMERS))
        for token in (None, observer, plain, SCRAPER, OWN_TOKEN[:-1], OWN_TOKEN + "6", "x" * 20_000):
            answer = await ask(server, token)
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer"), token
            assert set(answer.json()) == {"error"}
        for method in ("GET", "PUT", "OPTIONS"):
            assert (await ask(server, OWN_TOKEN, method)).status_code == 405
        assert (await ask(server, None, authorization=f"Basic {OWN_TOKEN}")).status_code == 401
        assert not lines_of(server, "reloaded")
        assert await decisions(client) == A
        answer = await ask(server, admin)
        told = answer.json()
        assert (answer.status_code, told["successful"], told["cause"]) == (200, True, "request")
        [database] = told["databases"].values()
        assert (database["outcome"], database["error"]) == ("changed", "")
        assert re.fullmatch(r"[0-9a-f]{64}", database["before"])
        assert re.fullmatch(r"[0-9a-f]{64}", database["after"])
        assert await decisions(client) == B
        again = (await ask(server, OWN_TOKEN)).json()
        [unchanged] = again["databases"].values()
        assert unchanged == {**database, "outcome": "unchanged", "before": database["after"]}
        replace(policy, text_of("b", {"tables": {"dney": ["x"]}}))
        answer = await ask(server, OWN_TOKEN)
        told = answer.json()
        assert (answer.status_code, told["successful"], told["code"]) == (422, False, "policy-invalid")
        assert any("dney" in problem and str(policy) in problem for problem in told["problems"])
        # All at once: some get the reload that runs, the others the one after it.
        replace(policy, text_of("a", DENIED_ORDERS))
        before = len(lines_of(server, "reloaded"))
        answers = await asyncio.gather(*(ask(server, OWN_TOKEN) for _ in range(20)))
        assert {answer.status_code for answer in answers} == {200}
        assert await decisions(client) == A
        assert len(lines_of(server, "reloaded")) - before < 20


async def test_this_machine_alone_may_not_reload(demo_dsn: str, policy: Path, tmp_path: Path) -> None:
    """Metrics are for programs of this machine; to reload takes a token, and here nobody has one."""
    async with running(demo_dsn, policy, tmp_path) as server:
        async with httpx2.AsyncClient() as http:
            assert (await http.get(f"{server.origin}/metrics")).status_code == 200
        assert (await ask(server, None)).status_code == 401
        assert (await ask(server, "None")).status_code == 401
        assert not lines_of(server, "reloaded")


# -- settings ----------------------------------------------------------------------------------------------------------


async def test_settings_change_while_it_runs_and_some_wait_for_a_restart(
    demo_dsn: str, policy: Path, tmp_path: Path
) -> None:
    key = tmp_path / "model-key"
    key.write_text("first-model-key\n", encoding="utf-8")
    good = Say("```sql\nSELECT count(*) AS n FROM customers\n```")
    with ScriptedModel([good, good]) as model:
        settings: dict[str, Any] = {
            "reload": {"watch": False, "token": OWN_TOKEN},
            "model": {"base_url": model.url, "key_file": "model-key"},
            "validation": {"enabled": False},
            "audit": {"sink": "none"},
        }
        async with running(demo_dsn, policy, tmp_path, **settings) as server, server.client(mode=MODERN) as client:
            assert (await call(client, "ask", question="How many customers?"))["error"] is None
            key.write_text("second-model-key\n", encoding="utf-8")
            configure(
                tmp_path,
                validation={"enabled": False, "max_question_length": 30},
                observability={"listen": "127.0.0.1:0"},
                reload={"watch": False, "token": "another-token-678"},
                http={"allow_anonymous": True, "max_sessions": 7},
                logging={"format": "json", "level": "debug", "file": "guard.log"},
                audit={"sink": "stdout"},
                security={"blocked_tables": ["customers"]},
            )
            told = (await ask(server, OWN_TOKEN)).json()
            assert told["successful"], told
            restart = ["audit.sink", "http.max_sessions", "logging.file", "observability.listen"]
            assert sorted(told["needs_restart"]) == restart
            [line] = await reloaded(server, 1, "settings that need a restart keep their values")
            assert sorted(line["settings"]) == restart
            assert (await ask(server, OWN_TOKEN)).status_code == 401
            assert (await ask(server, "another-token-678")).status_code == 200
            assert not (tmp_path / "guard.log").exists()
            assert await decisions(client) == {"orders": "deny", "customers": "deny"}
            answer = await call(client, "ask", question="How many customers are there today?")
            assert answer["error"]["code"] == "QUESTION_TOO_LONG"
            answer = await call(client, "ask", question="How many?")
            assert answer["error"]["code"] == "DENIED"
            assert model.keys[:2] == ["Bearer first-model-key", "Bearer second-model-key"]
            assert lines_of(server, "statement") or lines_of(server, "model call")
            # Secrets of before and of now are in no line.
            configure(tmp_path, reload={"watch": False, "token": "x" * 20}, observability={"probe_timeout": -1})
            refusal = await ask(server, "another-token-678")
            assert (refusal.status_code, refusal.json()["code"]) == (422, "policy-invalid")
            assert "observability.probe_timeout" in refusal.text
            log = "\n".join(server.log)
            for secret in (OWN_TOKEN, "another-token-678", "first-model-key", "second-model-key", "x" * 20):
                assert secret not in log


async def test_secrets_in_files_are_followed(demo_dsn: str, policy: Path, tmp_path: Path) -> None:
    """The file of a whole address changes, as when a password is rotated: new connections, without a signal."""
    file = tmp_path / "dsn"
    file.write_text("postgresql://nobody_here@127.0.0.1:1/none", encoding="utf-8")
    databases = {"shop": {"dsn": demo_dsn}, "more": {"dsn": demo_dsn}}
    async with running(None, policy, tmp_path, databases=databases, **WATCHING) as server:
        configure(tmp_path, databases={"shop": {"dsn": demo_dsn}, "more": {"dsn_file": "dsn"}})
        [line] = await refused(server)
        assert line["code"] == "database"
        file.write_text(f"{demo_dsn}&application_name=reload-more\n", encoding="utf-8")
        await reloaded(server)
        async with server.client(mode=MODERN) as client:
            assert (await call(client, "run_sql", sql=CUSTOMERS, database="more"))["decision"] == "allow"


# -- packs -------------------------------------------------------------------------------------------------------------

RULE = """\
schema: pg-guard/rule/v1
id: acme/PG100
name: orders
title: Orders
status: stable
severity: high
description: Orders are nobody's business.
rationale: A test.
match: {relation: {name: [public.TABLE]}}
effect: deny
message: "{relation} is closed"
remediation: Read something else.
tests:
  - {name: closed, sql: "SELECT count(*) FROM orders", expect: deny}
  - {name: open, sql: "SELECT count(*) FROM customers", expect: allow}
"""


def write_pack(directory: Path, table: str) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "pack.yaml").write_text(
        "schema: pg-guard/pack/v1\nname: acme\nversion: 1.0.0\ntitle: Acme\nfiles: {}\n", encoding="utf-8"
    )
    (directory / "PG100_orders.yaml").write_text(RULE.replace("TABLE", table), encoding="utf-8")
    write_manifest(directory)


async def test_packs_are_watched_and_their_tests_run(demo_dsn: str, policy: Path, tmp_path: Path) -> None:
    replace(policy, text_of("a"))
    async with running(demo_dsn, policy, tmp_path, **WATCHING) as server, server.client(mode=MODERN) as client:
        both = {"orders": "allow", "customers": "allow"}
        assert await decisions(client) == both
        # First the policy that wants it, then the pack, then one whose own test fails, then one that was tampered with.
        replace(policy, text_of("b", {"packs": [{"use": "acme"}]}))
        await refused(server)
        assert await decisions(client) == both
        write_pack(tmp_path / "packs" / "acme", "orders")
        await reloaded(server)
        assert await decisions(client) == A
        write_pack(tmp_path / "packs" / "acme", "customers")
        await refused(server, 2)
        assert await decisions(client) == A
        assert "the test 'closed' fails: expected the rule to fire" in "\n".join(server.log)
        rule = tmp_path / "packs" / "acme" / "PG100_orders.yaml"
        rule.write_text(rule.read_text(encoding="utf-8").replace("high", "low"), encoding="utf-8")
        await refused(server, 3)
        assert await decisions(client) == A
        write_pack(tmp_path / "packs" / "acme", "orders")
        await reloaded(server, 2)
        assert await decisions(client) == A


# -- what clients hold -------------------------------------------------------------------------------------------------


async def test_what_one_policy_gave_is_not_handed_out_under_the_next(
    demo_dsn: str, policy: Path, tmp_path: Path
) -> None:
    async with running(demo_dsn, policy, tmp_path) as server, server.client(mode=MODERN) as client:
        ids = "SELECT id FROM customers"
        first = await call(client, "run_sql", sql=ids, page_rows=5)
        kept = await call(client, "run_sql", sql=ids, page_rows=5)
        once = await call(client, "run_sql", sql=CUSTOMERS, idempotency_key="k")
        page = await call(client, "run_sql", cursor=first["next_cursor"], page_rows=5)
        assert page["rows"]
        # What is no other policy ends nothing.
        server.process.send_signal(signal.SIGHUP)
        await reloaded(server)
        assert (await call(client, "run_sql", cursor=page["next_cursor"]))["rows"]
        assert await call(client, "run_sql", sql=CUSTOMERS, idempotency_key="k") == once
        replace(policy, text_of("b", DENIED_CUSTOMERS))
        server.process.send_signal(signal.SIGHUP)
        await reloaded(server, 2)
        assert "CURSOR_UNKNOWN" in error_of(await client.call_tool("run_sql", {"cursor": kept["next_cursor"]}))
        assert (await call(client, "run_sql", sql=CUSTOMERS, idempotency_key="k"))["decision"] == "deny"


# -- standard input and output -----------------------------------------------------------------------------------------


async def test_a_stdio_server_reloads(demo_dsn: str, policy: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    env = {
        "PG_GUARD_DSN": demo_dsn,
        "PG_GUARD_LOGGING__FORMAT": "json",
        "PG_GUARD_RELOAD__TOKEN": OWN_TOKEN,
        "PG_GUARD_RELOAD__INTERVAL": "0.1",
    }
    arguments = ("--policy", policy, "--observe", "127.0.0.1:0")

    async def decided(client: Client, sql: str) -> str:
        return str(answer_of(await client.call_tool("check_sql", {"sql": sql}))["decision"])

    async with connected(*arguments, env=env, errors=log) as client:
        found = re.search(r"pg-guard: observe (http://127\.0\.0\.1:\d+)/health", log.read_text(encoding="utf-8"))
        assert found is not None
        assert await decided(client, ORDERS) == "deny"
        replace(policy, text_of("b", DENIED_CUSTOMERS))
        async with httpx2.AsyncClient(timeout=60) as http:
            url = f"{found[1]}/admin/reload"
            assert (await http.post(url)).status_code == 401
            answer = await http.post(url, headers={"authorization": f"Bearer {OWN_TOKEN}"})
            assert answer.status_code == 200
        assert await decided(client, ORDERS) == "allow"
        replace(policy, text_of("a", DENIED_ORDERS))
        async with asyncio.timeout(60):
            while await decided(client, ORDERS) != "deny":  # noqa: ASYNC110 - of another process
                await asyncio.sleep(0.02)
