"""Functions and extensions of a database. In: its estate. Out: suggestions for `functions.allow`, and notes on the others."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pg_guard.advise.plan import Line
from pg_guard.advise.quoting import column_pattern, printable
from pg_guard.catalog import builtins

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pg_guard.advise.reach import Reach
    from pg_guard.advise.surroundings import Estate
    from pg_guard.catalog.model import Function

__all__ = ["list_functions", "signature"]

_PLAIN_TYPE: Final = re.compile(r"[a-z_][a-z0-9_$]*")
_TRIGGERS: Final = frozenset({"trigger", "event_trigger"})


def signature(function: Function) -> str | None:
    """An overload as a policy names it, or None when a type's name has no spelling there."""
    names = [arg.name for arg in function.args]
    if not all(_PLAIN_TYPE.fullmatch(name) for name in names):
        return None
    return f"{column_pattern(function.schema)}.{column_pattern(function.name)}({', '.join(names)})"


def list_functions(
    estate: Estate, reach: Reach, schemas: Iterable[str], *, strict: bool
) -> tuple[tuple[Line, ...], tuple[str, ...]]:
    """Suggest functions to allow, and say why others are not.

    Args:
        estate: The database.
        reach: What the policy denies.
        schemas: Schemas that the policy is for.
        strict: Suggest only what reads no table.
    """
    lines, notes = [], []
    wanted = frozenset(schemas)
    for function in estate.catalog.functions:
        if function.schema not in wanted or function.extension or function.kind == "procedure":
            continue
        if function.result.name in _TRIGGERS:
            continue
        name = signature(function)
        reasons = _against(estate, reach, function, strict=strict)
        shown = printable(name or str(function.key))
        if reasons or name is None:
            notes.append(f"{shown}: {'; '.join(reasons) or 'a type of its arguments has an odd name'}")
        else:
            lines.append(Line(name, _described(reach, function), active=False))
    return tuple(lines), (*notes, *_extensions(estate))


def _against(estate: Estate, reach: Reach, function: Function, *, strict: bool) -> list[str]:
    reads = reach.function(function)
    grant = estate.around.functions.get((function.key, function.args))
    reasons = []
    if function.security_definer:
        reasons.append(f"security definer, runs as {printable(function.owner)}")
    if hidden := reach.protected_reads(reads):
        reasons.append(f"reads {', '.join(printable(each) for each in hidden[:3])}")
    if reads.dynamic:
        reasons.append("runs SQL that it puts together")
    if not reads.known and function.kind != "aggregate":
        reasons.append(f"written in {printable(function.language)}, so what it does cannot be told")
    if grant is not None and not grant.trusted:
        reasons.append("written in an untrusted language")
    if function.volatility == "volatile" and function.kind == "function":
        reasons.append("volatile, so it may change something")
    if strict and reads.relations:
        reasons.append(f"reads {', '.join(sorted(printable(str(each)) for each in reads.relations)[:3])}")
    return list(dict.fromkeys(reasons))


def _described(reach: Reach, function: Function) -> str:
    words: list[str] = [function.language, function.volatility] if function.kind == "function" else [function.kind]
    relations = sorted(printable(str(each)) for each in reach.function(function).relations)
    words.append(f"reads {', '.join(relations[:3])}" if relations else "reads no table")
    return ", ".join(words)


def _extensions(estate: Estate) -> list[str]:
    known = builtins.extensions()
    notes = []
    for name, _version in estate.catalog.extensions:
        if name == "plpgsql":
            continue
        if name in known:
            notes.append(f"extension {name}: its functions are classified and fall under the capabilities above")
        else:
            notes.append(
                f"extension {printable(name)}: not known to pg-guard, so its functions are refused unless named"
            )
    return notes
