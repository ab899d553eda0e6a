"""What a statement does when nothing guards it. In: an attack of the corpus. Out: the effects that were seen.

The attack runs as a superuser by the simple protocol, in a transaction that is rolled back, on a copy of the sample
database with testbed.sql on top. What acts only at commit, or cannot run in a transaction, runs once more without one;
the copy is then made anew. An oracle is run on two copies that differ in hidden values only, and has to tell them apart.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pg_guard.demo.data import CANARIES
from pg_guard.demo.database import with_database
from tests.corpus.simple_client import Client, Reply

if TYPE_CHECKING:
    from tests.corpus.loading import Case

__all__ = ["TEMPLATE", "Effects", "Ground"]

HERE = Path(__file__).parent
TEMPLATE = "unguarded"
WORK = "unguarded_work"
# Copies with other hidden values: of the columns and tables that demo.yaml hides, and of the tenants other than 1.
TWINS = {"hidden": "unguarded_hidden", "tenant": "unguarded_tenant"}

MILLISECONDS = 3000
# An endless statement shows itself at any limit; a short one keeps the tests short.
MILLISECONDS_OF_LOAD = 150
BYTES_OF_LOAD = 8_000_000
_OUT_OF_RESOURCES = {"57014", "53200", "54000"}

# A password's hash, which has no canary, gives itself away by its prefix.
_SECRETS = re.compile(rf"{CANARIES.pattern}|SCRAM-SHA-256\$", re.IGNORECASE)
# Lines of the planted file, of the account list, and names in the data directory.
_FILES = re.compile(
    r"canary-file|canary_file|43414e4152592d66696c65|root:x:0|726f6f743a783a30|pg_filenode\.map", re.IGNORECASE
)

_OWN_DATABASE = re.compile(r'\bbed(?="?\s*\.)')

_SESSION = """
SELECT current_user, session_user,
  (SELECT string_agg(name || '=' || coalesce(setting, ''), ';' ORDER BY name) FROM pg_settings WHERE name NOT LIKE 'plpgsql.%'),
  coalesce(current_setting('pwned.x', true), ''),
  (SELECT string_agg(c, ',') FROM pg_listening_channels() c),
  (SELECT string_agg(name, ',') FROM pg_prepared_statements), (SELECT string_agg(name, ',') FROM pg_cursors WHERE name <> ''),
  pg_my_temp_schema(), (SELECT string_agg(l.file_name, ',') FROM pg_get_loaded_modules() l WHERE l.file_name NOT LIKE 'plpgsql%'),
  (SELECT string_agg(locktype || mode, ',') FROM pg_locks
    WHERE pid = pg_backend_pid() AND locktype <> 'virtualxid' AND mode <> 'AccessShareLock')
"""
_SERVER = """
SELECT (SELECT string_agg(schemaname || sequencename || coalesce(last_value, 0), ',' ORDER BY 1) FROM pg_sequences),
  (SELECT string_agg(datname || coalesce(stats_reset::text, ''), ',' ORDER BY datname) FROM pg_stat_database),
  (SELECT stats_reset FROM pg_stat_bgwriter), (SELECT stats_reset FROM pg_stat_wal), (SELECT max(stats_reset) FROM pg_stat_io),
  (SELECT max(stats_reset) FROM pg_stat_slru), (SELECT stats_reset FROM pg_stat_archiver),
  (SELECT stats_reset FROM pg_stat_checkpointer), (SELECT max(stats_reset) FROM pg_stat_recovery_prefetch),
  (SELECT string_agg(slot_name, ',') FROM pg_replication_slots), (SELECT string_agg(roname, ',') FROM pg_replication_origin),
  (SELECT string_agg(datname, ',' ORDER BY datname) FROM pg_database),
  (SELECT string_agg(rolname, ',' ORDER BY rolname) FROM pg_roles),
  (SELECT sum(hashtext(relname || relfilenode)::bigint) FROM pg_class),
  (SELECT count(*) FROM pg_proc), (SELECT count(*) FROM pg_largeobject_metadata),
  (SELECT string_agg(f, ',' ORDER BY f) FROM pg_ls_dir('.') f WHERE f LIKE 'pwned%'), (SELECT count(*) FROM pg_ls_dir('pg_snapshots')),
  pg_read_file('postgresql.auto.conf'), pg_conf_load_time(), (SELECT checkpoint_lsn FROM pg_control_checkpoint()),
  pg_walfile_name(pg_current_wal_lsn())
"""
_TRANSACTION = "SELECT now(), txid_current_if_assigned()"
_WAL = "SELECT wal_records FROM pg_stat_get_backend_wal(pg_backend_pid())"


@dataclass
class Effects:
    """What was seen.

    Attributes:
        reply: The answer of the first run.
        seen: Kinds of effect as a case's ``works`` names them.
        remarks: How each was seen, for the message of a failed test.
    """

    reply: Reply
    seen: set[str] = field(default_factory=set)
    remarks: list[str] = field(default_factory=list)

    def add(self, kind: str, remark: str) -> None:
        self.seen.add(kind)
        self.remarks.append(f"{kind}: {remark}")


class Ground:
    """The databases on which attacks run; a context manager.

    Args:
        dsn: URI of the server for a superuser. The database `TEMPLATE` has to exist there, without connections: the
            sample database with testbed.sql.
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._admin = Client(dsn)
        self._dirty = True
        self._bystander: Client | None = None
        data = Path(self._admin.run("SHOW data_directory").rows[0][0] or "")
        self._data = data
        self._do("COPY (SELECT 'CANARY-file') TO '" + str(data / "canary_file.txt").replace("'", "''") + "'")
        self._do("DROP ROLE IF EXISTS canary_login; CREATE ROLE canary_login LOGIN PASSWORD 'CANARY-login'")
        for kind, name in TWINS.items():
            self._copy(name)
            with Client(with_database(dsn, name)) as twin:
                # One run: an error leaves nothing of it.
                reply = twin.run((HERE / "twins" / f"{kind}.sql").read_text(encoding="utf-8"))
                if reply.error:
                    raise RuntimeError(f"twins/{kind}.sql: {reply.error}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._bystander is not None:
            self._bystander.__exit__()
        self._admin.__exit__()

    def observe(self, case: Case) -> Effects:
        """Run one attack; never raises on what the statement does."""
        self._renew()
        effects = self._in_transaction(case)
        if case.works in ("write", "session") and case.works not in effects.seen:
            self._at_commit(case, effects)
        if case.works == "oracle" and "escaped" not in effects.remarks:
            self._compare(case, effects)
        if case.works == "file" and "file" not in effects.seen:
            self._rewrite_file(case, effects)
        for path in self._data.glob("pwned*"):
            path.unlink()
        return effects

    def _in_transaction(self, case: Case) -> Effects:
        with self._connect(WORK, case) as client:
            server, session = client.run(_SERVER).rows, client.run(_SESSION).rows
            records = client.run(_WAL).rows
            client.run("BEGIN")
            begun = client.run(_TRANSACTION).rows
            reply = client.run(_text(case))
            effects = Effects(reply)
            _read_reply(effects)
            if reply.lost or not client.alive:
                effects.add("session", "the connection ended")
                return effects
            if not client.failed:
                now = client.run(_TRANSACTION).rows
                if not now:
                    effects.remarks.append("no answer after the statement")
                elif not client.in_transaction or now[0][0] != begun[0][0]:
                    effects.add("session", "the transaction ended")
                    effects.add("write", "the statement left the transaction")
                    self._dirty = True
                elif now != begun:
                    effects.add("write", "a transaction id was assigned")
                _compare_session(effects, session, client.run(_SESSION).rows)
            client.run("ROLLBACK")
            _compare_session(effects, session, client.run(_SESSION).rows)
            client.run("SELECT pg_stat_force_next_flush()")
            if client.run(_SERVER).rows != server:
                effects.add("write", "the server is not as it was")
                self._dirty = True
            if case.group == "wal" and client.run(_WAL).rows != records:
                effects.add("write", "WAL was written")
        if self._bystander is not None and self._bystander.run("SELECT 'CANARY-query'").lost:
            effects.add("session", "another session was ended")
            self._bystander.__exit__()
            self._bystander = None
        return effects

    def _at_commit(self, case: Case, effects: Effects) -> None:
        self._dirty = True
        with self._connect(WORK, case) as listener, self._connect(WORK, case) as client:
            listener.run("LISTEN pwned")
            server, session = client.run(_SERVER).rows, client.run(_SESSION).rows
            reply = client.run(_text(case))
            if reply.lost:
                effects.add("session", "the connection ended")
                return
            if not reply.error and client.in_transaction:
                effects.add("session", "a transaction was left open")
                client.run("COMMIT")
            listener.run("SELECT 1")
            if listener.notifications():
                effects.add("write", "a notification arrived")
            _compare_session(effects, session, client.run(_SESSION).rows)
            client.run("SELECT pg_stat_force_next_flush()")
            if client.run(_SERVER).rows != server:
                effects.add("write", "the server is not as it was")
            if reply.error:
                effects.remarks.append(f"at commit: {reply.error}")
            if case.group == "random-seed":
                # The next number of two sessions is the same only when both were given the same seed.
                first = client.run("SELECT random()").rows
                with self._connect(WORK, case) as other:
                    other.run(_text(case))
                    if other.run("SELECT random()").rows == first:
                        effects.add("session", "the seed was set")
        self._do("ALTER SYSTEM RESET ALL")

    def _compare(self, case: Case, effects: Effects) -> None:
        twin = TWINS["tenant" if case.policy.startswith("tenant") else "hidden"]
        answers = []
        for database in (WORK, WORK, twin):
            with self._connect(database, case) as client:
                client.run("BEGIN")
                reply = client.run(_text(case))
                # Without ORDER BY the order of rows is the planner's choice, and tells nothing.
                rows = reply.rows if "order by" in case.sql.lower() else sorted(map(repr, reply.rows))
                answers.append((rows, reply.notices, reply.error))
        if answers[0] != answers[1]:
            effects.remarks.append("two runs on the same data differ: that cannot show an oracle")
        elif answers[0] != answers[2]:
            effects.add("oracle", "another hidden value gives another answer")

    def _rewrite_file(self, case: Case, effects: Effects) -> None:
        path = self._data / "canary_file.txt"
        before = path.read_bytes()
        path.write_bytes(before * 3)
        with self._connect(WORK, case) as client:
            if client.run(_text(case)).rows != effects.reply.rows:
                effects.add("file", "another content of the file gives another answer")
        path.write_bytes(before)

    def _connect(self, database: str, case: Case) -> Client:
        limit = MILLISECONDS_OF_LOAD if case.works == "load" else MILLISECONDS
        options = f"-c%20statement_timeout%3D{limit}%20-c%20temp_file_limit%3D200MB"
        dsn = with_database(self._dsn, database)
        return Client(f"{dsn}{'&' if '?' in dsn else '?'}options={options}")

    def _renew(self) -> None:
        if self._dirty:
            if self._bystander is not None:
                self._bystander.__exit__()
                self._bystander = None
            self._do("DROP DATABASE IF EXISTS pwned; DROP ROLE IF EXISTS pwned")
            self._do("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE NOT active")
            self._copy(WORK)
            self._dirty = False
        if self._bystander is None:
            dsn = with_database(self._dsn, WORK)
            self._bystander = Client(f"{dsn}{'&' if '?' in dsn else '?'}application_name=bystander")
            self._bystander.run("SELECT 'CANARY-query'")

    def _copy(self, name: str) -> None:
        self._do(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        self._do(f'CREATE DATABASE "{name}" TEMPLATE "{TEMPLATE}"')
        self._do(f"ALTER DATABASE \"{name}\" SET app.secret = 'CANARY-setting'")

    def _do(self, text: str) -> None:
        # DROP and CREATE DATABASE cannot share one text.
        for statement in text.split("; "):
            reply = self._admin.run(statement)
            if reply.error:
                raise RuntimeError(f"{statement}: {reply.error}")


def _text(case: Case) -> str:
    # The corpus calls its own database "bed"; PostgreSQL accepts no other name in front of a schema.
    return _OWN_DATABASE.sub(WORK, case.sql)


def _read_reply(effects: Effects) -> None:
    reply = effects.reply
    if found := _SECRETS.search(reply.text):
        effects.add("leak", f"the answer holds {found[0]!r}")
    if found := _FILES.search(reply.text):
        effects.add("file", f"the answer holds {found[0]!r}")
    if reply.sqlstate in _OUT_OF_RESOURCES:
        effects.add("load", reply.error.strip())
        if "user request" in reply.error:
            effects.add("session", "the statement was cancelled")
    elif reply.size > BYTES_OF_LOAD:
        effects.add("load", f"{reply.size} bytes")
    if reply.error:
        effects.add("error", reply.error.strip())


def _compare_session(effects: Effects, before: object, after: object) -> None:
    if before != after and "session" not in effects.seen:
        effects.add("session", "the session is not as it was")
