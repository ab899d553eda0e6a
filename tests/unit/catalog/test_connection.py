"""Failures to connect are told in one line, and no password is ever in it."""

from __future__ import annotations

import asyncio
import socket
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest

from pg_guard.catalog.connection import check_dsn, connection_error, redact_dsn, scrub
from pg_guard.catalog.introspect import read_catalog
from pg_guard.demo.embedded import start
from pg_guard.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PASSWORD = "Tr0ub4dor+3"


@pytest.fixture(scope="module")
async def guarded_dsn(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A server that asks for passwords; the URI is that of a role with `PASSWORD`."""
    with start(tmp_path_factory.mktemp("guarded")) as server:
        connection = await asyncpg.connect(server.dsn)
        await connection.execute(f"CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'; CREATE ROLE nobody_in NOLOGIN")
        hba = Path(await connection.fetchval("SHOW hba_file"))
        hba.write_text(  # noqa: ASYNC240 - a fixture, nothing else runs
            "local all postgres trust\nlocal postgres all scram-sha-256\n"
        )
        await connection.execute("SELECT pg_reload_conf()")
        await connection.close()
        yield f"postgresql://reader:{PASSWORD}@/postgres?host={server.socket_directory}&port=5432"


async def failure(dsn: str, seconds: float = 10) -> str:
    with pytest.raises(DatabaseError) as caught:
        await read_catalog(dsn, seconds)
    text = str(caught.value)
    shown = "".join(traceback.format_exception(caught.value))
    assert "\n" not in text
    assert PASSWORD not in shown
    return text


async def test_the_right_password_reads(guarded_dsn: str) -> None:
    assert (await read_catalog(guarded_dsn)).database == "postgres"


async def test_a_wrong_password(guarded_dsn: str) -> None:
    text = await failure(guarded_dsn.replace(PASSWORD, "wrong-" + PASSWORD))
    assert "refused the password of role reader" in text


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("/postgres?", "/nowhere?", "does not let role reader in to database nowhere"),
        ("reader:", "nobody_in:", "nobody_in"),
    ],
)
async def test_refused_by_the_servers_rules(guarded_dsn: str, old: str, new: str, expected: str) -> None:
    assert expected in await failure(guarded_dsn.replace(old, new, 1))


async def test_an_unknown_database(server_dsn: str) -> None:
    dsn = server_dsn.replace("postgres@/postgres", f"postgres:{PASSWORD}@/nowhere")
    assert "database nowhere does not exist" in await failure(dsn)


async def test_a_port_where_nothing_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        assert f"nothing answers at 127.0.0.1:{port}" in await failure(f"postgresql://u:{PASSWORD}@127.0.0.1:{port}/d")


async def test_a_socket_that_is_not_there(tmp_path: Path) -> None:
    assert "nothing answers at" in await failure(f"postgresql://u:{PASSWORD}@/d?host={tmp_path}")


async def test_a_server_that_never_answers() -> None:
    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await done.wait()
        writer.close()

    done = asyncio.Event()
    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        text = await failure(f"postgresql://u:{PASSWORD}@127.0.0.1:{port}/d?sslmode=disable", seconds=0.3)
        assert "in time" in text or "within 0.3 s" in text
    finally:
        done.set()
        server.close()
        await server.wait_closed()


async def test_a_server_that_is_something_else() -> None:
    async def other(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(other, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        await failure(f"postgresql://u:{PASSWORD}@127.0.0.1:{port}/d")
    finally:
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize(
    "dsn",
    [
        "",
        "  ",
        "shop",
        f"host=localhost password={PASSWORD}",
        f"mysql://u:{PASSWORD}@h/d",
        f"postgresql:/u:{PASSWORD}@h/d",
        f"postgresql://u:{PASSWORD}/x@h/d",
        f"postgresql://u:x@{PASSWORD}/y@h/d",
        f"postgresql://u:{PASSWORD}?x@h/d",
        f"postgresql://u:x@{PASSWORD}?y@h/d",
        f"postgresql://u:{PASSWORD}#x@h/d",
        f"postgresql://u:1#{PASSWORD}@h/d",
        f"postgresql://u:p@h:{PASSWORD}/d",
        f"postgresql://[u:{PASSWORD}@h/d",
    ],
)
async def test_a_dsn_that_cannot_be_used_is_refused_and_never_quoted(dsn: str) -> None:
    assert "connection string cannot be used" in await failure(dsn)
    assert PASSWORD not in redact_dsn(dsn)
    assert PASSWORD not in str(connection_error(OSError("no"), dsn))


@pytest.mark.parametrize(
    ("dsn", "shown"),
    [
        ("postgresql://u:secret@h:5432/d", "postgresql://u:***@h:5432/d"),
        ("postgres://u@h/d", "postgres://u@h/d"),
        ("postgresql://h/d", "postgresql://h/d"),
        ("postgresql://u:a%40b%2Fc@h1:1,h2:2/d", "postgresql://u:***@h1:1,h2:2/d"),
        ("postgresql:///d?host=/run/pg&port=1&user=u", "postgresql:///d?host=/run/pg&port=1&user=u"),
        (
            "postgresql://h/d?password=secret&sslpassword=secret&sslmode=require",
            "postgresql://:***@h/d?sslmode=require",
        ),
        ("postgresql://u@h/d?options=-csecret%3Dx", "postgresql://u@h/d"),
    ],
)
def test_a_dsn_is_shown_without_secrets(dsn: str, shown: str) -> None:
    assert redact_dsn(dsn) == shown
    check_dsn(dsn)


@pytest.mark.parametrize("dsn", ["postgresql://u:a%40b%2Fc@h/d", "postgresql://u@h/d?password=a%40b%2Fc"])
def test_every_spelling_of_the_password_is_removed(dsn: str) -> None:
    assert scrub("it was a@b/c or\na%40b%2Fc", dsn) == "it was *** or ***"


async def test_no_password_in_the_environment_leaks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    assert PASSWORD not in scrub(f"server says {PASSWORD}", "postgresql://h/d")
