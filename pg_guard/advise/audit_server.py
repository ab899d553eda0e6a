"""Settings, extensions and languages. In: an `AuditSubject`. Out: findings for what weakens the layers below the guard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pg_guard.advise.finding import AuditFinding, listed
from pg_guard.advise.quoting import printable, sql_name
from pg_guard.advise.subject import load_dangers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pg_guard.advise.subject import AuditSubject
    from pg_guard.decision import Severity

__all__ = ["audit_extensions", "audit_search_path", "audit_settings"]


def audit_settings(subject: AuditSubject) -> Iterator[AuditFinding]:
    """Yield findings for what a new session of the role starts with."""
    settings = subject.around.settings
    role = sql_name(subject.around.role.name)

    def weak(id_: str, severity: Severity, name: str, message: str, remedy: str) -> AuditFinding:
        return AuditFinding(id_, severity, f"setting {name}", message, remedy, "sql")

    if settings.get("default_transaction_read_only") == "off":
        yield weak(
            "audit/setting-read-only",
            "low",
            "default_transaction_read_only",
            "Transactions of the role may write by default. pg-guard opens its own read-only; other clients do not.",
            f"ALTER ROLE {role} SET default_transaction_read_only = on;",
        )
    if settings.get("statement_timeout") == "0":
        seconds = subject.policy.limits.statement_timeout
        yield weak(
            "audit/setting-statement-timeout",
            "low",
            "statement_timeout",
            "Statements of the role may run without end where pg-guard does not end them.",
            f"ALTER ROLE {role} SET statement_timeout = '{max(1, round(seconds))}s';",
        )
    if settings.get("idle_in_transaction_session_timeout") == "0":
        yield weak(
            "audit/setting-idle-timeout",
            "low",
            "idle_in_transaction_session_timeout",
            "A session that was left in a transaction holds its locks and its snapshot without end.",
            f"ALTER ROLE {role} SET idle_in_transaction_session_timeout = '60s';",
        )
    if settings.get("row_security") == "off":
        yield weak(
            "audit/setting-row-security",
            "medium",
            "row_security",
            "Row security is off for the role: queries of tables with row policies fail, or return all rows to who may bypass.",
            f"ALTER ROLE {role} SET row_security = on;",
        )
    if settings.get("standard_conforming_strings") == "off":
        yield weak(
            "audit/setting-strings",
            "high",
            "standard_conforming_strings",
            "A backslash ends strings in another place than the SQL standard says, and than the guard reads them.",
            f"ALTER ROLE {role} SET standard_conforming_strings = on;",
        )
    if settings.get("password_encryption") == "md5":
        yield weak(
            "audit/setting-passwords",
            "medium",
            "password_encryption",
            "New passwords are kept as MD5 hashes, which are quickly guessed and can be replayed.",
            "ALTER SYSTEM SET password_encryption = 'scram-sha-256';",
        )
    if settings.get("log_statement") == "none":
        yield weak(
            "audit/setting-logging",
            "info",
            "log_statement",
            "The server's log does not hold the statements of the role; only the guard's own record says what ran.",
            f"ALTER ROLE {role} SET log_statement = 'all';",
        )
    if settings.get("session_preload_libraries"):
        yield weak(
            "audit/setting-preload",
            "info",
            "session_preload_libraries",
            f"Each session of the role loads {printable(settings['session_preload_libraries'])}.",
            f"ALTER ROLE {role} RESET session_preload_libraries;",
        )
    encrypted = subject.around.role.encrypted or subject.around.role.local
    if not encrypted or (settings.get("ssl") == "off" and not subject.around.role.local):
        yield AuditFinding(
            "audit/setting-encryption",
            "medium",
            "setting ssl",
            "The connection is not encrypted: statements, results and, with some methods, passwords can be read on the way.",
            "ALTER SYSTEM SET ssl = on;\n-- then connect with sslmode=verify-full",
            "sql",
        )


def audit_search_path(subject: AuditSubject) -> Iterator[AuditFinding]:
    """Yield a finding for each schema of the search_path in which everybody may create objects."""
    path = dict.fromkeys((*subject.reach.names.search_path, *subject.catalog.search_path))
    for schema in path:
        grant = subject.around.schemas.get(schema)
        if grant is not None and grant.public_create:
            yield AuditFinding(
                "audit/search-path-writable",
                "high",
                f"schema {printable(schema)}",
                "Names are looked up in it, and everybody may create objects there: a function or table can be planted that "
                "takes the place of another.",
                f"REVOKE CREATE ON SCHEMA {sql_name(schema)} FROM PUBLIC;",
                "sql",
            )


def audit_extensions(subject: AuditSubject) -> Iterator[AuditFinding]:
    """Yield findings for extensions and languages that reach outside of the database."""
    dangers = load_dangers()["extensions"]
    for name, version in subject.catalog.extensions:
        if danger := dangers.get(name):
            yield AuditFinding(
                "audit/extension-dangerous",
                danger.severity,
                f"extension {name} {printable(version)}",
                f"It {danger.why}. The guard refuses its functions unless the policy allows them.",
                f"DROP EXTENSION {sql_name(name)};",
                "sql",
            )
    for language in subject.around.untrusted_languages:
        own = [str(each.key) for each, _ in subject.functions if each.language == language]
        users = f"; written in it: {listed(own)}" if own else "; no function of the database is written in it"
        yield AuditFinding(
            "audit/language-untrusted",
            "high" if own else "medium",
            f"language {printable(language)}",
            f"Functions in it do what the server's account may{users}.",
            f"DROP LANGUAGE {sql_name(language)};",
            "sql",
            tuple(map(printable, own)),
        )
