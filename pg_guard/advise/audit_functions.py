"""Functions as ways to protected data. In: an `AuditSubject`. Out: findings for bodies, definer rights and languages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pg_guard.advise.finding import AuditFinding, listed
from pg_guard.advise.functions import signature
from pg_guard.advise.quoting import printable, scalar, sql_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pg_guard.advise.reach import Reads
    from pg_guard.advise.subject import AuditSubject
    from pg_guard.advise.surroundings import FunctionGrant
    from pg_guard.catalog.model import Function

__all__ = ["audit_functions"]


def audit_functions(subject: AuditSubject) -> Iterator[AuditFinding]:
    """Yield findings for functions that did not come with PostgreSQL or an extension."""
    for function, reads in subject.functions:
        grant = subject.around.functions.get((function.key, function.args))
        yield from _reading(subject, function, reads, grant)
        if function.security_definer:
            yield from _definer(subject, function, reads, grant)


def _object(function: Function) -> str:
    arguments = ", ".join(each.name for each in function.args)
    return f"function {printable(f'{function.key}({arguments})')}"


def _sql(function: Function, grant: FunctionGrant | None) -> str:
    arguments = printable(grant.signature) if grant is not None else ""
    return f"{sql_name(function.schema)}.{sql_name(function.name)}({arguments})"


def _deny(function: Function) -> str:
    name = signature(function) or printable(str(function.key))
    return f"functions:\n  deny: [{scalar(name)}]"


def _reading(
    subject: AuditSubject, function: Function, reads: Reads, grant: FunctionGrant | None
) -> Iterator[AuditFinding]:
    allowed = subject.allowed(function)
    callable_ = grant is None or grant.execute
    if hidden := subject.reach.protected_reads(reads):
        if not (allowed or callable_):
            return
        outcome = (
            "The policy allows calls of it."
            if allowed
            else "The guard refuses it; whoever connects past the guard may call it."
        )
        yield AuditFinding(
            "audit/function-reads-protected",
            "high" if allowed else "low",
            _object(function),
            f"Its body reads {listed(hidden)}, which the policy denies. {outcome}",
            _deny(function) if allowed else f"REVOKE EXECUTE ON FUNCTION {_sql(function, grant)} FROM PUBLIC;",
            "yaml" if allowed else "sql",
            tuple(map(printable, hidden)),
        )
    elif allowed and (reads.dynamic or not reads.known) and function.kind != "aggregate":
        why = (
            "It runs SQL that it puts together" if reads.dynamic else f"It is written in {printable(function.language)}"
        )
        yield AuditFinding(
            "audit/function-unclear",
            "medium",
            _object(function),
            f"The policy allows it by name. {why}, so what it reads cannot be told.",
            _deny(function),
            "yaml",
        )


def _definer(
    subject: AuditSubject, function: Function, reads: Reads, grant: FunctionGrant | None
) -> Iterator[AuditFinding]:
    owner = printable(function.owner)
    if grant is not None and grant.public:
        hidden = subject.reach.protected_reads(reads)
        risky = bool(hidden) or subject.allowed(function)
        reading = f" and reads {listed(hidden)}" if hidden else ""
        yield AuditFinding(
            "audit/definer-public",
            "high" if risky else "medium",
            _object(function),
            f"Everybody may call it, and it runs with the rights of {owner}{reading}.",
            f"REVOKE EXECUTE ON FUNCTION {_sql(function, grant)} FROM PUBLIC;",
            "sql",
            tuple(map(printable, hidden)),
        )
    if grant is not None and not any(each.startswith("search_path=") for each in grant.settings):
        # A body of SQL-standard form was bound when it was made; names in it cannot be captured any more.
        if function.definition:
            return
        yield AuditFinding(
            "audit/definer-search-path",
            "medium",
            _object(function),
            f"It runs with the rights of {owner} and under its caller's search_path, so that objects of the caller can take "
            "the place of those that it names.",
            f"ALTER FUNCTION {_sql(function, grant)} SET search_path = pg_catalog, {sql_name(function.schema)}, pg_temp;",
            "sql",
        )
