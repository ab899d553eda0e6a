"""What is probably not meant. In: a valid, merged policy and, if known, a catalog's names. Out: warnings."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeAlias

from pg_guard.checks.written import column_parameters
from pg_guard.policy.coverage import is_exact
from pg_guard.policy.model import CapabilityPattern, Functions, Policy
from pg_guard.policy.values import is_match_all, split_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from pg_guard.catalog.model import Catalog
    from pg_guard.errors import Problem
    from pg_guard.policy.document import Document, KeyPath
    from pg_guard.policy.packs import Pack

__all__ = ["find_unmatched", "find_warnings"]

LONG_SECONDS: Final = 3600.0


Warning_: TypeAlias = tuple["KeyPath", str | None, str, str]
"""Key path, the value if the sentence begins with it, the rest of the sentence, and a hint."""


def find_warnings(document: Document, policy: Policy) -> list[Problem]:
    """Warnings for clauses that match everything, match nothing or cannot have an effect."""
    return [_problem(document, warning) for check in _CHECKS for warning in check(policy)]


def find_unmatched(document: Document, policy: Policy, packs: Iterable[Pack], catalog: Catalog) -> list[Problem]:
    """Warnings for patterns that match no relation of the catalog, and for parameters of packs that name none of its columns.

    Letter case and quotes are not looked at, so that only a pattern is named which nothing could match.
    """
    relations = [(relation.schema.lower(), relation.name.lower()) for relation in catalog.relations]
    patterns: list[tuple[KeyPath, str]] = []
    for key in ("allow", "deny"):
        patterns += [(("tables", key, index), pattern) for index, pattern in enumerate(getattr(policy.tables, key))]
    patterns += [(("columns", "deny", pattern), pattern) for pattern in policy.columns.deny]
    for index, requirement in enumerate(policy.where):
        patterns += [(("where", index, "table", place), pattern) for place, pattern in enumerate(requirement.table)]
    for index, exception in enumerate(policy.exceptions):
        patterns += [
            (("exceptions", index, "tables", place), pattern) for place, pattern in enumerate(exception.tables)
        ]
    hint = "correct the name, or remove the pattern"
    found = [
        _problem(document, (path, pattern, "matches no relation of the catalog", hint))
        for path, pattern in patterns
        if not _matches_any(pattern, relations)
    ]
    columns = [
        (name,) for name in dict.fromkeys(each.name.lower() for one in catalog.relations for each in one.columns)
    ]
    hint = "correct the name: the rules that use it find nothing by it"
    return found + [
        _problem(document, (path, name, "matches no column of the catalog", hint))
        for path, name in _named_columns(policy, packs)
        if not _matches_any(name, columns)
    ]


def _named_columns(policy: Policy, packs: Iterable[Pack]) -> Iterator[tuple[KeyPath, str]]:
    """What a policy gives for parameters of packs that stand for names of columns."""
    parameters = {pack.name: column_parameters(rule.match for rule in pack.rules) for pack in packs}
    for index, use in enumerate(policy.packs):
        for name, value in use.parameters.items():
            if name not in parameters.get(use.use, ()):
                continue
            path = ("packs", index, "parameters", name)
            if isinstance(value, str):
                yield path, value
            elif isinstance(value, tuple):
                yield from (((*path, place), each) for place, each in enumerate(value))


def _matches_any(pattern: str, names: Sequence[tuple[str, ...]]) -> bool:
    # Of a name in quotes only the outer pair goes: the name itself may end with one.
    parts = [(part[1:-1] if part.startswith('"') else part).replace('""', '"').lower() for part in split_name(pattern)]
    forms = [re.compile(".*".join(map(re.escape, part.split("*"))).replace(r"\?", "."), re.DOTALL) for part in parts]
    return any(
        all(form.fullmatch(text) for form, text in zip(forms, name[-len(forms) :], strict=True)) for name in names
    )


def _problem(document: Document, warning: Warning_) -> Problem:
    path, value, message, hint = warning
    if value is not None:
        message = f"{'the value' if document.place(path)[0].secret else repr(value)} {message}"
    return document.problem(path, message, hint=hint, level="warning")


def _statements(policy: Policy) -> Iterator[Warning_]:
    if not policy.statements.allow:
        yield ("statements", "allow"), None, "is empty, so every statement is refused", "write for example [select]"


def _tables(policy: Policy) -> Iterator[Warning_]:
    tables = policy.tables
    for index, pattern in enumerate(tables.deny):
        if is_match_all(pattern):
            yield (
                ("tables", "deny", index),
                pattern,
                "denies every relation",
                "name the relations, or write default: deny",
            )
    for index, pattern in enumerate(tables.allow):
        if tables.default == "deny" and is_match_all(pattern):
            yield (
                ("tables", "allow", index),
                pattern,
                "allows every relation",
                "write default: allow and list denials",
            )
        if pattern in tables.deny:
            yield ("tables", "allow", index), pattern, "is denied too, and deny wins", "remove one of the two"
    if tables.default == "deny" and not tables.allow:
        yield (
            ("tables",),
            None,
            "default: deny without an allow list refuses every relation",
            "list relations under allow",
        )
    if tables.default == "allow":
        for index, pattern in enumerate(tables.allow):
            schema = split_name(pattern)[0].strip('"')
            if not is_exact(pattern) and not schema.startswith(("pg_", "information_schema")):
                yield ("tables", "allow", index), pattern, "permits nothing more while default is allow", "remove it"


def _columns(policy: Policy) -> Iterator[Warning_]:
    for table, patterns in policy.columns.deny.items():
        for index, pattern in enumerate(patterns):
            if is_match_all(pattern):
                path = ("columns", "deny", table, index)
                yield path, pattern, "denies every column", "deny the relation under tables.deny"


def _functions(policy: Policy) -> Iterator[Warning_]:
    functions = policy.functions
    for index, pattern in enumerate(functions.deny):
        if isinstance(pattern, str) and is_match_all(pattern):
            yield ("functions", "deny", index), pattern, "denies every function", "name the functions"
    if functions.mode == "denylist":
        if not functions.deny:
            yield ("functions",), None, "a denylist without entries permits every built-in function", _USE_ALLOWLIST
        return
    for index, pattern in enumerate(functions.allow):
        if isinstance(pattern, str) and is_match_all(pattern):
            yield ("functions", "allow", index), pattern, "allows every function", "allow capabilities and names"
    if not any(isinstance(pattern, CapabilityPattern) or is_match_all(pattern) for pattern in functions.allow):
        message = "allows no capability, so functions such as count() and lower() are refused unless named"
        yield ("functions", "allow"), None, message, "add {capability: [pure, aggregate, window, clock, type-io]}"


_USE_ALLOWLIST: Final = f"use mode: {Functions().mode}, or list denials"


def _limits(policy: Policy) -> Iterator[Warning_]:
    if policy.limits.statement_timeout > LONG_SECONDS:
        message = f"is {policy.limits.statement_timeout:,.0f} seconds, more than an hour"
        yield (
            ("limits", "statement_timeout"),
            None,
            message,
            "a bare number is in seconds; write a unit, as in 30s or 500ms",
        )


def _exceptions(policy: Policy) -> Iterator[Warning_]:
    for index, exception in enumerate(policy.exceptions):
        for place, rule in enumerate(exception.rules):
            change = policy.rules.get(rule)
            if change is not None and change.effect != "deny":
                message = f"lifts nothing: the rule is {'off' if change.effect == 'off' else 'a warning'} already"
                yield ("exceptions", index, "rules", place), rule, message, "remove one of the two"
        if any(is_match_all(pattern) for pattern in exception.tables):
            yield ("exceptions", index, "tables"), None, "covers every relation", "leave `tables` out, or name them"


_CHECKS: Final[tuple[Callable[[Policy], Iterator[Warning_]], ...]] = (
    _statements,
    _tables,
    _columns,
    _functions,
    _limits,
    _exceptions,
)
