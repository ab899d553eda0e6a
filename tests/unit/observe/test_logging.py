"""Log lines: their form, their ids, and what must not be in them."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import threading
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from pydantic import SecretStr

from pg_guard.observe.context import bind, current_ids, request_scope
from pg_guard.observe.log_output import QueuedHandler, RotatingFile
from pg_guard.observe.logging import logging_to_output
from pg_guard.observe.redaction import Redactor, secrets_of
from pg_guard.observe.statements import shown_statement, without_literals
from pg_guard.settings import (
    DatabaseSettings,
    LoggingSettings,
    ModelSettings,
    ResilienceSettings,
    Settings,
    load_settings,
)

if TYPE_CHECKING:
    from pathlib import Path

PASSWORD = "p@ss/w\"ord 'ß"
KEY = "planted-model-key"

log = logging.getLogger("pg_guard.somewhere")


def settings(**chosen: Any) -> Settings:
    chosen.setdefault("format", "json")
    return Settings(
        _env_file=None,
        policy="policy.yaml",
        databases={
            "shop": DatabaseSettings(dsn=SecretStr("postgresql://reader:hunter2%40secret@db.example/shop")),
            "hr": DatabaseSettings(password=SecretStr(PASSWORD)),
        },
        model=ModelSettings(key=SecretStr(KEY)),
        resilience=ResilienceSettings(redis_url=SecretStr("redis://:redis-secret@cache.example:6379/0")),
        logging=LoggingSettings(**chosen),
    )


def lines(tell: Any, **chosen: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text(tell, **chosen).splitlines()]


def text(tell: Any, **chosen: Any) -> str:
    stream = io.StringIO()
    with logging_to_output(settings(**chosen), stream):
        tell()
    return stream.getvalue()


# -- form --------------------------------------------------------------------------------------------------------------


def test_a_line_is_one_json_object_with_its_fields_in_order() -> None:
    def tell() -> None:
        with request_scope(request_id="r1", session_id="s1"):
            log.info("request %s", "ended", extra={"duration_ms": 1.5, "status": "ok", "rows": None})

    [line] = lines(tell)
    assert list(line) == ["timestamp", "level", "logger", "event", "request_id", "session_id", "duration_ms", "status"]
    assert line["event"] == "request ended"
    assert line["level"] == "info"
    assert line["logger"] == "pg_guard.somewhere"
    assert line["timestamp"].endswith("Z")


def test_structlog_and_libraries_write_the_same_lines_at_their_own_level() -> None:
    def tell() -> None:
        structlog.get_logger("pg_guard.other").info("one", rows=3)
        structlog.get_logger("library").warning("two")
        logging.getLogger("library").info("three is not told")
        logging.getLogger("library").error("four")
        log.debug("five is not told")

    found = lines(tell)
    assert [line["event"] for line in found] == ["one", "two", "four"]
    assert found[0]["rows"] == 3
    assert found[0]["logger"] == "pg_guard.other"
    assert [line["level"] for line in found] == ["info", "warning", "error"]


def test_what_was_configured_before_comes_back() -> None:
    root = logging.getLogger()
    before = (root.handlers[:], root.level, structlog.get_config()["logger_factory"])
    text(lambda: None)
    assert (root.handlers, root.level, structlog.get_config()["logger_factory"]) == before


def test_an_exception_is_told_by_its_kind_alone() -> None:
    def tell() -> None:
        try:
            raise LookupError("row 4711 of customers")
        except LookupError:
            log.exception("it failed")
            structlog.get_logger("pg_guard").error("again", exc_info=True)

    found = lines(tell)
    assert [line["exception"] for line in found] == ["LookupError", "LookupError"]
    assert "4711" not in str(found)


def test_the_form_for_people_keeps_one_event_on_one_line_and_moves_no_cursor() -> None:
    written = text(lambda: log.warning("a\nb \x1b[31mred", extra={"status": "x\ry"}), format="console")
    assert written.count("\n") == 1
    assert "\x1b[31m" not in written
    assert "\r" not in written
    assert "a\\nb" in written


@pytest.mark.parametrize("form", ["json", "console"])
def test_no_text_of_a_client_gives_orders_to_a_terminal_or_ends_a_line(form: str) -> None:
    orders = "\n\r\x1b[2J\x9b2J\x07\x08\x7f\u2028\u2029\u202e\u2066\u200f\ufeff\x85\x0b\x0c"

    def tell() -> None:
        log.info("said %s", orders, extra={"code": orders, "rules": [orders], "deep": {"a": {orders: orders}}})

    written = text(tell, format=form)
    assert written.endswith("\n")
    assert written[:-1].splitlines() == [written[:-1]]
    assert [each for each in written[:-1] if not each.isprintable()] == []
    if form == "json":
        # Nothing is lost: a reader of JSON gets the same.
        assert json.loads(written)["code"] == orders


def test_a_line_that_cannot_be_formatted_or_encoded_stops_nothing() -> None:
    class Odd:
        def __str__(self) -> str:
            raise RuntimeError

    def tell() -> None:
        log.info("%d", "not a number")
        log.info("odd", extra={"what": Odd()})
        log.info("half \ud800 a character")

    found = lines(tell)
    assert [line["event"] for line in found if line["event"] != "log lines were lost"] == [
        "odd",
        "half \ud800 a character",
    ]
    assert found[0] == {
        "level": "warning",
        "logger": "pg_guard.observe.log_output",
        "event": "log lines were lost",
        "lines": 1,
    }


# -- ids ---------------------------------------------------------------------------------------------------------------


async def test_ids_reach_tasks_and_threads_and_two_requests_never_mix() -> None:
    seen: dict[str, list[dict[str, str]]] = {"a": [], "b": []}
    both = asyncio.Barrier(2)

    async def inner(name: str) -> None:
        await both.wait()
        bind(decision_id=f"decision-{name}")
        await both.wait()
        seen[name].append(current_ids())
        seen[name].append(await asyncio.to_thread(current_ids))

    async def request(name: str) -> None:
        with request_scope(request_id=name):
            await both.wait()
            await asyncio.create_task(inner(name))
            await both.wait()
            seen[name].append(current_ids())

    await asyncio.gather(request("a"), request("b"))
    for name in ("a", "b"):
        assert seen[name] == [{"request_id": name, "decision_id": f"decision-{name}"}] * 3
    assert current_ids() == {}


def test_ids_end_with_their_request_and_an_inner_one_keeps_its_own() -> None:
    bind(database="nowhere")
    assert current_ids() == {}
    with request_scope(request_id="outer"):
        with request_scope(database="shop"):
            bind(decision_id="d")
            assert current_ids() == {"request_id": "outer", "database": "shop", "decision_id": "d"}
        assert current_ids() == {"request_id": "outer"}


# -- secrets -----------------------------------------------------------------------------------------------------------


def test_all_secrets_of_the_settings_are_known() -> None:
    found = set(secrets_of(settings()))
    assert {PASSWORD, KEY, "hunter2@secret", "hunter2%40secret", "redis-secret"} <= found
    assert not {each for each in found if "example" in each}


@pytest.mark.parametrize("secret", [PASSWORD, KEY, "hunter2@secret", "hunter2%40secret", "redis-secret"])
def test_a_known_secret_is_hidden_wherever_and_however_it_is_written(secret: str) -> None:
    def tell() -> None:
        log.warning("said %s", secret)
        log.warning("said %r", {"a": [secret]})
        log.warning("said %s", json.dumps({"a": secret}))
        log.warning("bytes", extra={"data": secret.encode(), secret: 1, "deep": {"list": [(secret,)]}})
        structlog.get_logger("pg_guard.b").error("b", what=secret, error=ValueError(secret))

    written = text(tell)
    assert written.count("***") >= 7
    for spelling in (
        secret,
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        repr(secret)[1:-1],
    ):
        assert spelling not in written


@pytest.mark.parametrize(
    "said",
    [
        "connect to postgresql://joe:s3cr3tvalue@host/db failed",
        "postgresql://joe:s3cr3tvalue@with@ats@host/db",
        "host=x password=s3cr3tvalue dbname=y",
        "host=x password='s3cr3tvalue with spaces' dbname=y",
        "?sslmode=require&password=s3cr3tvalue&x=1",
        "{'password': 's3cr3tvalue'}",
        '{"api_key": "s3cr3tvalue"}',
        "OPENAI_API_KEY=s3cr3tvalue",
        "Authorization: Bearer s3cr3tvalue",
        "{'authorization': 'Basic s3cr3tvalue'}",
        "(b'authorization', b'Bearer s3cr3tvalue')",
        "ALTER ROLE joe PASSWORD 's3cr3tvalue'",
        "key sk-proj-s3cr3tvalue is wrong",
        "token pgg_s3cr3tvalue",
        "eyJhbGciOiJI.eyJzdWIiOiIx.s3cr3tvalue",
        "-----BEGIN PRIVATE KEY-----\ns3cr3tvalue\n-----END PRIVATE KEY-----",
    ],
)
def test_patterns_find_the_secrets_of_others(said: str) -> None:
    assert "s3cr3tvalue" not in Redactor().text(said)
    assert "***" in Redactor().text(said)


@pytest.mark.parametrize(
    "said",
    [
        "SELECT count(*) FROM tokens WHERE secretary = 1",
        "max_tokens=2000 input_tokens: 10",
        "bearer tokens are hashed",
        "serving http://127.0.0.1:8080/mcp",
        "postgresql://reader@db.example:5432/shop",
        "the password is not set",
        "mail joe@example.com",
    ],
)
def test_what_is_no_secret_stays(said: str) -> None:
    assert Redactor().text(said) == said


def test_a_field_with_a_secret_name_is_hidden() -> None:
    shown = Redactor().value(
        {"password": "x", "headers": {"Authorization": "y", "cookie": "z"}, "tokens": 5, "token": None}
    )
    assert shown == {
        "password": "***",
        "headers": {"Authorization": "***", "cookie": "***"},
        "tokens": 5,
        "token": None,
    }


def test_a_long_text_takes_time_in_proportion_to_its_length() -> None:
    # Without bounds inside of the patterns these would not end within the test run.
    for text_ in ("a.a" * 200_000, "x://y:" * 100_000, "password=" * 100_000, "eyJ" * 200_000, "\\" * 500_000):
        assert len(Redactor(["needle"]).text(text_)) < 10_000


# -- statements --------------------------------------------------------------------------------------------------------


def test_statements_are_told_as_the_settings_say() -> None:
    sql = (
        "SELECT name /* Joe */ FROM people WHERE ssn = '123-45' AND age > 42 AND bits = B'01' AND x = $q$Joe$q$ -- Joe"
    )
    assert shown_statement("none")(sql) is None
    assert shown_statement("full")(sql) == sql
    assert (
        shown_statement("masked")(sql) == "SELECT name  FROM people WHERE ssn = ? AND age > ? AND bits = ? AND x = ? "
    )


@pytest.mark.parametrize("sql", ["SELECT 'open", "SELECT 1\0 'Joe'", "SELECT '\ud800'", "SELECT $a$Joe"])
def test_of_what_cannot_be_read_nothing_is_told(sql: str) -> None:
    assert without_literals(sql) == "(not readable)"


# -- output ------------------------------------------------------------------------------------------------------------


def test_a_file_is_private_and_rotated(tmp_path: Path) -> None:
    path = tmp_path / "guard.log"

    def tell() -> None:
        for number in range(100):
            log.info("line %03d", number)

    assert text(tell, file=path, file_bytes=2_000, file_backups=2) == ""
    assert sorted(each.name for each in tmp_path.iterdir()) == ["guard.log", "guard.log.1", "guard.log.2"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert json.loads(path.read_text().splitlines()[-1])["event"] == "line 099"
    assert all(each.stat().st_size <= 2_000 for each in tmp_path.iterdir())


def test_a_file_that_cannot_be_opened_is_an_error_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        text(lambda: None, file=tmp_path / "missing" / "guard.log")


def test_a_reader_that_does_not_read_costs_lines_and_no_time() -> None:
    class Stuck:
        def __init__(self) -> None:
            self.go_on, self.entered, self.lines = threading.Event(), threading.Event(), list[str]()

        def write(self, line: str) -> None:
            self.entered.set()
            self.go_on.wait()
            self.lines.append(line)

        def close(self) -> None:
            self.lines.append("closed")

    target = Stuck()
    handler = QueuedHandler(target, most=2)
    record = logging.makeLogRecord({"msg": "x"})
    handler.emit(record)
    target.entered.wait()
    for _ in range(5):
        handler.emit(record)
    target.go_on.set()
    handler.close()
    assert target.lines.count("x") == 3
    assert json.loads(target.lines[1])["lines"] == 3
    assert target.lines[-1] == "closed"


def test_a_full_disk_costs_lines_only(tmp_path: Path) -> None:
    target = RotatingFile(tmp_path / "guard.log", 0, 0)
    handler = QueuedHandler(target)
    whole = target.write

    def full(line: str) -> None:
        raise OSError(28, "No space left on device")

    target.write = full  # type: ignore[method-assign]
    handler.emit(logging.makeLogRecord({"msg": "one"}))
    handler.flush()
    target.write = whole  # type: ignore[method-assign]
    handler.emit(logging.makeLogRecord({"msg": "two"}))
    handler.close()
    first, second = (tmp_path / "guard.log").read_text().splitlines()
    assert json.loads(first)["lines"] == 1
    assert second == "two"


def test_a_file_of_the_settings_is_meant_from_their_directory(tmp_path: Path) -> None:
    config = tmp_path / "pg-guard.yaml"
    config.write_text("policy: p.yaml\nlogging: {file: logs/guard.log, level: debug}\n", encoding="utf-8")
    assert load_settings(config).logging.file == tmp_path / "logs" / "guard.log"
