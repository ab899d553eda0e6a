"""What clients do. In: a client, and a die. Out: what came of it; `Unexcused` for an answer that nobody asked for."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any, Final

import httpx2

from tests.soak.model import WAYS
from tests.support.http_server import INITIALIZE, post

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable
    from typing import TypeAlias

    from mcp import Client

    from tests.soak.ledger import Ledger
    from tests.support.http_server import Served

    Action: TypeAlias = Callable[[Served, Client, str, Ledger, random.Random], Awaitable[str]]

__all__ = ["ACTIONS", "EXPECTED", "LARGEST_REQUEST", "WEIGHTS", "Unexcused"]

LARGEST_REQUEST: Final = 60_000
LONG_ROWS: Final = 1_500
PAGE_ROWS: Final = 250
# While a database goes away or comes back; nothing else may be an answer to a statement that was allowed.
_OF_FAULTS: Final = frozenset({"database", "CIRCUIT_OPEN", "BUSY", "DATABASE_UNAVAILABLE"})
_OF_MODELS: Final = frozenset(
    {"MODEL_TIMEOUT", "MODEL_UNAVAILABLE", "MODEL_RATE_LIMITED", "MODEL_BAD_ANSWER", "CIRCUIT_OPEN", "NO_SQL", "DENIED"}
)


class Unexcused(Exception):  # noqa: N818 - named for what it means
    """An answer that was not to be expected.

    Attributes:
        outcome: Its kind, for counting.
        may_pass: A fault excuses it.
    """

    def __init__(self, outcome: str, text: str, *, may_pass: bool = False) -> None:
        super().__init__(text)
        self.outcome = outcome
        self.may_pass = may_pass


async def _call(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    result = await client.call_tool(tool, arguments)
    content = result.structured_content
    if result.is_error or not isinstance(content, dict):
        raise Unexcused("tool error", f"{tool}: {str(result.content)[:300]}")
    return content


def _ran(ledger: Ledger, number: int, answer: dict[str, Any]) -> dict[str, Any]:
    """The answer of a statement that is allowed and gives rows."""
    if answer["decision"] != "allow":
        raise Unexcused("denied", f"denied: {answer['findings']}")
    error = answer["error"]
    if error is not None:
        raise Unexcused(error["code"], f"{error}", may_pass=error["code"] in _OF_FAULTS)
    ledger.with_rows.add(number)
    return answer


def _expect(condition: object, text: str) -> None:
    if not condition:
        raise Unexcused("wrong answer", text)


async def allowed(server: Served, client: Client, token: str, ledger: Ledger, dice: random.Random) -> str:
    """An honest query; its number comes back in its row."""
    n = ledger.number()
    sql = dice.choice(
        (
            f"SELECT {n} AS n, count(*) AS c FROM orders",
            f"SELECT {n} AS n, max(o.id) AS c FROM orders o JOIN customers c ON c.id = o.customer_id",
            f"SELECT {n} AS n, count(*) AS c FROM products WHERE id > {dice.randint(0, 50)}",
            f"WITH t AS (SELECT {n} AS n, count(*) AS c FROM order_items) SELECT n, c FROM t",
        )
    )
    answer = _ran(ledger, n, await _call(client, "run_sql", sql=f"{sql} /*soak:{n}*/"))
    _expect(answer["rows"][0][0] == n, f"the rows of another statement: {answer['rows']} for {n}")
    return "ok"


async def denied(server: Served, client: Client, token: str, ledger: Ledger, dice: random.Random) -> str:
    """What the policy forbids."""
    n = ledger.number()
    sql = dice.choice(
        (
            "SELECT * FROM hr.payroll",
            "SELECT password_hash FROM customers",
            "DELETE FROM orders",
            "SELECT pg_read_file('/etc/passwd')",
            "SELECT count(*) FROM web_events",
            "SELECT 1; SELECT 2",
            "SELECT c FROM customers c",
            "SELECT 1 FROM orders a, orders b, orders c, orders d, orders e, orders f, orders g, orders h, orders i",
        )
    )
    tool = dice.choice(("run_sql", "run_sql", "explain_sql", "check_sql", "explain_denial"))
    answer = await _call(client, tool, sql=f"{sql} /*soak:{n}*/")
    _expect(answer["decision"] == "deny" and not answer.get("rows"), f"not denied: {sql}: {answer}")
    ledger.denied.add(n)
    return "denied"


async def wrong(server: Served, client: Client, token: str, ledger: Ledger, dice: random.Random) -> str:
    """What is no SQL, or fails in PostgreSQL."""
    n = ledger.number()
    if dice.random() < 0.5:
        answer = await _call(client, "run_sql", sql=f"SELEC {n} FROM /*soak:{n}*/ orders (")
        _expect(answer["decision"] == "deny", f"read: {answer}")
        ledger.denied.add(n)
        return "denied"
    answer = await _call(client, "run_sql", sql=f"SELECT 1 / (id - id) FROM orders /*soak:{n}*/")
    code = (answer["error"] or {}).get("sqlstate") or (answer["error"] or {}).get("code")
    if code != "22012":
        raise Unexcused(str(code), f"not a division by zero: {answer}", may_pass=code in _OF_FAULTS)
    return "failed"


async def long(server: Served, client: Client, token: str, ledger: Ledger, dice: random.Random) -> str:
    """A long result, read to its end or left."""
    n, began = ledger.number(), ledger.replaced - ledger.replaced % 2
    sql = f"SELECT g, md5(g::text) AS h FROM generate_series(1, {LONG_ROWS}) AS g /*soak:{n}*/"
    answer = _ran(ledger, n, await _call(client, "run_sql", sql=sql, page_rows=PAGE_ROWS))
    numbers = [row[0] for row in answer["rows"]]
    if dice.random() < 0.3:
        return "left"
    while answer["next_cursor"] is not None:
        try:
            answer = await _call(client, "run_sql", cursor=answer["next_cursor"], page_rows=PAGE_ROWS)
        except Unexcused as error:
            # A cursor ends with the policy that allowed its statement.
            if "CURSOR_UNKNOWN" in str(error) and ledger.replaced != began:
                return "policy replaced"
            raise
        numbers += [row[0] for row in answer["rows"]]
    _expect(numbers == list(range(1, LONG_ROWS + 1)), f"{len(numbers)} rows of {LONG_ROWS}")
    return "read"


async def cancelled(server: Served, client: Client, token: str, ledger: Ledger, dice: random.Random) -> str:
    """A call that its client takes back."""
    n = ledger.number()
    call = asyncio.create_task(client.call_tool("run_sql", {"sql": f"SELECT pg_sleep(20) /*soak:{n}*/"}))
    try:
        await asyncio.sleep(dice.random() * 0.2)
    finally:
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
    return "cancelled"


async def slow(server: Served, client: Client, token: str, ledger: Ledger, dice: random.Random) -> str:
    """A statement that takes longer than it may."""
    n = ledger.number()
    answer = await _call(client, "run_sql", sql=f"SELECT pg_sleep(20) /*soak:{n}*/")
    code = (answer["error"] or {}).get("sqlstate") or (answer["error"] or {}).get("code")
    if code != "57014":
        raise Unexcused(str(code), f"no time-out: {answer}", may_pass=code in _OF_FAULTS)
    return "timed out"


async def explained(server: Served, client: Client, token: str, ledger: Ledger, dice: random.Random) -> str:
    """A plan."""
    n = ledger.number()
    answer = await _call(client, "explain_sql", sql=f"SELECT id FROM orders WHERE id = {n} /*soak:{n}*/")
    _ran(ledger, n, answer)
    _expect(answer["plan"], f"no plan: {answer}")
    return "ok"


async def schema(server: Served, client: Client, token: str, ledger: Ledger, dice: random.Random) -> str:
    """A look around."""
    tool, arguments = dice.choice(
        (
            ("search_schema", {"text": dice.choice(("orders of a customer", "stock of a product", "reviews"))}),
            ("list_tables", {}),
            ("list_databases", {}),
            ("describe_table", {"table": "orders"}),
            ("describe_policy", {}),
            ("refresh_schema", {}),
        )
    )
    answer = await _call(client, tool, **arguments)
    found = {"search_schema": "hits", "list_tables": "tables", "describe_table": "columns"}.get(tool)
    _expect(found is None or answer[found], f"{tool} finds nothing: {answer}")
    return "ok"


async def churn(server: Served, client: Client, token: str, ledger: Ledger, dice: random.Random) -> str:
    """A table that comes and goes: there or not, an answer in any case."""
    n = ledger.number()
    sql = f"SELECT count(*) AS c FROM soak_churn_{dice.randint(0, 3)} /*soak:{n}*/"
    answer = await _call(client, "run_sql", sql=sql)
    if answer["decision"] == "deny":
        ledger.denied.add(n)
        return "denied"
    if answer["error"] is None:
        ledger.with_rows.add(n)
        return "ok"
    code = answer["error"]["sqlstate"] or answer["error"]["code"]
    # Dropped after the catalog was read, or locked by who drops it.
    if code not in ("42P01", "55P03", "XX000"):
        raise Unexcused(code, f"{answer['error']}", may_pass=code in _OF_FAULTS)
    return "gone"


async def by_policy(server: Served, client: Client, token: str, ledger: Ledger, dice: random.Random) -> str:
    """What one policy allows and the next one forbids: each answer is of the one in force."""
    n, began, denies = ledger.number(), ledger.replaced, ledger.denies_reviews
    answer = await _call(client, "run_sql", sql=f"SELECT {n} AS n, count(*) AS c FROM reviews /*soak:{n}*/")
    decision = answer["decision"]
    if began % 2 == 0 and began == ledger.replaced:
        _expect(decision == ("deny" if denies else "allow"), f"the policy denies: {denies}; the answer: {decision}")
    if decision == "deny":
        ledger.denied.add(n)
        return "denied"
    _ran(ledger, n, answer)
    return "ok"


async def asked(server: Served, client: Client, token: str, ledger: Ledger, dice: random.Random) -> str:
    """A question to a model that answers well, badly, late or not at all."""
    n, way = ledger.number(), dice.choice(WAYS)
    answer = await _call(client, "ask", question=f"How many orders are there of each status? soak:{n} {way}")
    if answer["error"] is None:
        # On a machine that is slow enough, late is early enough.
        _expect(way in ("good", "repaired", "late"), f"{way}: {answer}")
        _expect(answer["rows"], f"no rows: {answer}")
        ledger.with_rows.add(n)
        return way
    code = answer["error"]["code"]
    if code not in _OF_MODELS:
        raise Unexcused(code, f"{way}: {answer['error']}", may_pass=code in _OF_FAULTS)
    return code


async def twice(server: Served, client: Client, token: str, ledger: Ledger, dice: random.Random) -> str:
    """A request that is sent again under its key runs once."""
    n = ledger.number()
    arguments = {"sql": f"SELECT {n} AS n /*soak:{n}*/", "idempotency_key": f"key-{n}"}
    for answer in await asyncio.gather(
        *(_call(client, "run_sql", **arguments) for _ in range(2)), return_exceptions=True
    ):
        if isinstance(answer, BaseException):
            raise answer
        _ran(ledger, n, answer)
        _expect(answer["rows"] == [[n]], f"the rows of another key: {answer['rows']} for {n}")
    return "ok"


async def large(server: Served, client: Client, token: str, ledger: Ledger, dice: random.Random) -> str:
    """A long statement within the limits, or one beyond them."""
    n = ledger.number()
    if dice.random() < 0.5:
        ids = ", ".join(map(str, range(2_500)))
        sql = f"SELECT count(*) AS c FROM orders WHERE id IN ({ids}) /*soak:{n}*/"
        _ran(ledger, n, await _call(client, "run_sql", sql=sql))
        return "ok"
    answer = await _call(client, "run_sql", sql=f"SELECT '{'x' * 30_000}' /*soak:{n}*/")
    _expect(answer["decision"] == "deny", "a statement beyond limits.sql_bytes is not denied")
    ledger.denied.add(n)
    return "denied"


async def refused(server: Served, client: Client, token: str, ledger: Ledger, dice: random.Random) -> str:
    """A stranger, a body that is too large, or no request at all."""
    kind = dice.choice(("stranger", "oversize", "garbage"))
    if kind == "stranger":
        status, expected = (await post(server, token[:-1])).status_code, 401
    elif kind == "oversize":
        body = {**INITIALIZE, "params": {"filler": "x" * LARGEST_REQUEST * 2}}
        status, expected = (await post(server, token, body=body)).status_code, 413
    else:
        status, expected = (await post(server, token, body=[1, "two", None])).status_code, 400
    _expect(status == expected, f"{kind}: status {status}, not {expected}")
    return kind


async def vanished(server: Served, client: Client, token: str, ledger: Ledger, dice: random.Random) -> str:
    """A client that hangs up in mid-request, or leaves its session without a word."""
    n = ledger.number()
    headers = {"authorization": f"Bearer {token}", "accept": "application/json, text/event-stream"}
    async with httpx2.AsyncClient(timeout=30, headers=headers) as http:
        opened = await http.post(server.url, json=INITIALIZE)
        session = {"mcp-session-id": opened.headers["mcp-session-id"], "mcp-protocol-version": "2025-06-18"}
        call = {"name": "run_sql", "arguments": {"sql": f"SELECT pg_sleep(20) /*soak:{n}*/"}}
        body = json.dumps({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": call})
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(dice.random() * 0.3):
                await http.post(server.url, content=body, headers={**session, "content-type": "application/json"})
    return "vanished"


ACTIONS: Final[dict[str, Action]] = {
    "allowed": allowed,
    "denied": denied,
    "wrong": wrong,
    "long": long,
    "cancelled": cancelled,
    "slow": slow,
    "explained": explained,
    "schema": schema,
    "churn": churn,
    "by policy": by_policy,
    "asked": asked,
    "twice": twice,
    "large": large,
    "refused": refused,
    "vanished": vanished,
}
# In the same order.
WEIGHTS: Final = (30, 14, 8, 5, 4, 2, 8, 8, 6, 6, 6, 3, 2, 4, 2)
# What a run without it would not have tried.
EXPECTED: Final = (
    ("allowed", "ok"), ("denied", "denied"), ("wrong", "denied"), ("wrong", "failed"), ("long", "read"), ("long", "left"),
    ("cancelled", "cancelled"), ("slow", "timed out"), ("explained", "ok"), ("schema", "ok"), ("churn", "ok"),
    ("by policy", "ok"), ("by policy", "denied"), ("asked", "good"), ("twice", "ok"), ("large", "ok"), ("large", "denied"),
    ("refused", "stranger"), ("refused", "oversize"), ("refused", "garbage"), ("vanished", "vanished"),
)  # fmt: skip
