"""The policy's own names against the catalog. In: an `AuditSubject`. Out: findings for what matches nothing or holds nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pg_guard.advise.finding import AuditFinding, listed
from pg_guard.advise.quoting import printable
from pg_guard.catalog.model import Name
from pg_guard.checks.functions import Signature
from pg_guard.checks.patterns import NamePattern, NameSet
from pg_guard.policy.coverage import is_exact

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pg_guard.advise.subject import AuditSubject
    from pg_guard.catalog.model import Relation
    from pg_guard.decision import Severity

__all__ = ["audit_patterns"]


def audit_patterns(subject: AuditSubject) -> Iterator[AuditFinding]:
    """Yield a finding for each pattern that does nothing here, and for a mode that refuses nothing."""
    if subject.policy.mode == "monitor":
        yield AuditFinding(
            "audit/mode-monitor",
            "high",
            "policy mode",
            "The policy is in monitor mode: it records what it would refuse, and refuses nothing.",
            "mode: enforce",
            "yaml",
        )
    yield from _relations(subject)
    yield from _columns(subject)
    yield from _functions(subject)


def _matched(subject: AuditSubject, text: str, *, fold: bool) -> list[Relation]:
    schema, dot, name = text.partition(".")
    if dot and is_exact(text) and '"' not in text and (known := subject.catalog.relation_index.get(Name(schema, name))):
        return [known]  # most patterns name one relation, and need no look at all the others
    pattern = NamePattern(text, fold=fold)
    return [each for each in subject.catalog.relations if pattern.matches(each.key)]


def _relations(subject: AuditSubject) -> Iterator[AuditFinding]:
    policy = subject.policy
    uses: list[tuple[str, str, bool, Severity]] = []
    # A denial or a requirement with a typo protects nothing; an unused allowance only misleads.
    uses += [("tables.allow", text, False, "low") for text in policy.tables.allow]
    uses += [("tables.deny", text, True, "medium" if is_exact(text) else "low") for text in policy.tables.deny]
    uses += [("columns.deny", text, True, "medium" if is_exact(text) else "low") for text in policy.columns.deny]
    uses += [
        ("where", text, True, "medium" if is_exact(text) else "low") for each in policy.where for text in each.table
    ]
    uses += [("exceptions", text, True, "low") for each in policy.exceptions for text in each.tables]
    for key, text, fold, severity in dict.fromkeys(uses):
        if not _matched(subject, text, fold=fold):
            hint = ""
            if not fold and _matched(subject, text, fold=True):
                hint = " (patterns that allow match letter case exactly)"
            yield AuditFinding(
                "audit/pattern-unmatched",
                severity,
                f"{key} {printable(text)}",
                f"The pattern {printable(text)} under {key} matches no relation of the database{hint}.",
                f"Correct the name under {key}, or remove the pattern.",
            )


def _columns(subject: AuditSubject) -> Iterator[AuditFinding]:
    for table, columns in subject.policy.columns.deny.items():
        relations = _matched(subject, table, fold=True)
        if not relations:
            continue  # said already
        names = {column.name for relation in relations for column in relation.columns}
        unmatched = [text for text in columns if not _matches_column(text, names)]
        precise = [text for text in unmatched if is_exact(text) and is_exact(table)]
        for text in precise:
            yield AuditFinding(
                "audit/column-unmatched",
                "medium",
                f"columns.deny {printable(table)}: {printable(text)}",
                f"The pattern {printable(text)} matches no column of {printable(table)}.",
                "Correct the name under columns.deny, or remove the pattern.",
            )
        general = [text for text in unmatched if text not in precise]
        if general:
            yield AuditFinding(
                "audit/column-unmatched",
                "info",
                f"columns.deny {printable(table)}",
                f"No column of {printable(table)} is matched by {listed(general)}.",
                "Nothing, if they wait for new columns; else correct them under columns.deny.",
                objects=tuple(map(printable, general)),
            )


def _matches_column(text: str, names: set[str]) -> bool:
    # The check on statements takes the pattern for one of a name alone: a dot in it is any character.
    pattern = NamePattern(text if text.startswith('"') else text.replace(".", "?"), fold=True)
    return any(pattern.name.fullmatch(name) for name in names)


def _functions(subject: AuditSubject) -> Iterator[AuditFinding]:
    functions = subject.policy.functions
    entries: list[tuple[str, str, bool]] = []
    entries += [("functions.allow", each, False) for each in functions.allow if isinstance(each, str)]
    entries += [("functions.deny", each, True) for each in functions.deny if isinstance(each, str)]
    for key, text, fold in entries:
        if _matches_function(subject, text, fold=fold):
            continue
        allow = key == "functions.allow"
        yield AuditFinding(
            "audit/function-unmatched",
            "low" if allow else "info",
            f"{key} {printable(text)}",
            f"{printable(text)} under {key} matches no function of the database"
            + ("; whoever makes one of that name has it allowed." if allow else "."),
            f"Correct it under {key}, or remove it.",
        )
    user_defined = [
        text
        for text in _user_defined(subject, (each for each in functions.allow if isinstance(each, str)))
        if functions.user_defined == "deny"
    ]
    for text in user_defined:
        yield AuditFinding(
            "audit/function-unmatched",
            "low",
            f"functions.allow {printable(text)}",
            f"{printable(text)} is allowed by name, and functions.user_defined: deny refuses it all the same.",
            "functions: {user_defined: allow_listed}",
            "yaml",
        )


def _matches_function(subject: AuditSubject, text: str, *, fold: bool) -> bool:
    if "(" in text:
        signature = Signature.parse(text, fold=fold)
        return any(signature.matches(each) for each in subject.catalog.functions)
    names = NameSet([text], fold=fold)
    return any(each.key in names for each in subject.catalog.functions)


def _user_defined(subject: AuditSubject, texts: Iterable[str]) -> Iterator[str]:
    """Entries that name nothing but functions of users."""
    own = {(function.key, function.args) for function, _ in subject.functions}
    for text in texts:
        signature = Signature.parse(text, fold=False) if "(" in text else None
        names = NameSet([text], fold=False)
        found = [
            each
            for each in subject.catalog.functions
            if (signature.matches(each) if signature is not None else each.key in names)
        ]
        if found and all((each.key, each.args) in own for each in found):
            yield text
