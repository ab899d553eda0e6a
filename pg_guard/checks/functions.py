"""Functions. In: every function that the statement may call, and the types it casts to. Out: a finding for each not allowed.

A call is allowed when every overload that it may reach is allowed: by name, or because all of its capabilities are. So
an argument whose type is unknown can only make the answer stricter.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pg_guard.catalog import builtins
from pg_guard.catalog.model import Catalog, Function, Name
from pg_guard.checks.patterns import NameSet
from pg_guard.decision import Named

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pg_guard.checks.base import Subject
    from pg_guard.checks.tables import TableAccess
    from pg_guard.decision import Finding
    from pg_guard.facts.model import FunctionUse, TypeUse

__all__ = ["FunctionCheck", "FunctionRules", "Signature"]

_SYSTEM = ("pg_catalog", "information_schema")
# SQL spellings of type names, for signatures in policies.
_SPELLINGS = {
    "integer": "int4",
    "int": "int4",
    "bigint": "int8",
    "smallint": "int2",
    "boolean": "bool",
    "real": "float4",
    "decimal": "numeric",
    "double precision": "float8",
    "character varying": "varchar",
    "character": "bpchar",
    "char": "bpchar",
    "timestamp with time zone": "timestamptz",
    "timestamp without time zone": "timestamp",
    "time with time zone": "timetz",
    "time without time zone": "time",
}


@dataclass(frozen=True, slots=True)
class Signature:
    """``name(type, type)``: one overload."""

    names: NameSet
    args: tuple[str, ...]

    @classmethod
    def parse(cls, text: str, *, fold: bool) -> Signature:
        """Read a signature as a policy writes it."""
        name, _, rest = text.partition("(")
        inside = rest.rstrip().removesuffix(")").strip()
        args = tuple(_type_name(part) for part in inside.split(",")) if inside else ()
        return cls(NameSet([name.strip()], fold=fold), args)

    def matches(self, function: Function) -> bool:
        """Is this the overload that the signature names?"""
        given = tuple(arg.name for arg in function.args)
        return function.key in self.names and given == self.args


def _shipped(function: Function) -> bool:
    """Does it come with PostgreSQL, or with an extension that everybody knows?"""
    return not function.planted and (function.schema in _SYSTEM or function.extension in builtins.extensions())


def _known_to_all(subject: Subject, use: FunctionUse) -> bool:
    """Is it no secret that there is a function of this name, or did nobody write the name?"""
    if subject.names.catalog is None or use.via or use.position not in ("call", "attribute"):
        return True
    return any(_shipped(each) for each in subject.names.functions(use.schema, use.name))


def _type_name(text: str) -> str:
    text = re.sub(r"\s+", " ", text.strip().lower())
    array = text.endswith("[]")
    text = text.removesuffix("[]").strip()
    text = _SPELLINGS.get(text, text).rpartition(".")[2]
    return f"_{text}" if array else text


@dataclass(frozen=True)
class FunctionRules:
    """`functions`, compiled: what is allowed and denied by name, by signature and by capability."""

    allowlist: bool
    allow_names: NameSet
    allow_signatures: tuple[Signature, ...]
    allow_capabilities: frozenset[str]
    deny_names: NameSet
    deny_signatures: tuple[Signature, ...]
    deny_capabilities: frozenset[str]
    user_defined: bool

    def judge(self, function: Function, literals: dict[int, str], *, through_cast: bool = False) -> str:
        """Why this overload is not allowed, or '' when it is."""
        if function.key in self.deny_names or any(each.matches(function) for each in self.deny_signatures):
            return "is on the policy's list of denied functions"
        named = function.key in self.allow_names or any(each.matches(function) for each in self.allow_signatures)
        if not _shipped(function):
            if not named:
                return "is user-defined and not on the policy's list of allowed functions"
            return "" if self.user_defined else "is user-defined, and the policy allows none"
        capabilities = builtins.classify_function(function, literals, through_cast=through_cast)
        return self._judge_capabilities(capabilities, named)

    def judge_name(self, schema: str | None, name: str, literals: dict[int, str]) -> str:
        """The same without a catalog: a name of pg_catalog's is taken for it, since pg_catalog is searched first."""
        keys = [Name(schema or "pg_catalog", name)]
        if any(key in self.deny_names for key in keys) or any(
            key in each.names for each in self.deny_signatures for key in keys
        ):
            return "is on the policy's list of denied functions"
        named = any(key in self.allow_names for key in keys)
        capabilities = builtins.classify(name, literals=literals) if schema in (None, "pg_catalog") else None
        if capabilities is None:
            if not named:
                return "is not known to come with PostgreSQL and not on the policy's list of allowed functions"
            return "" if self.user_defined else "is user-defined, and the policy allows none"
        return self._judge_capabilities(capabilities, named)

    def _judge_capabilities(self, capabilities: frozenset[str] | None, named: bool) -> str:
        if capabilities is None:
            return "" if named else "is not classified, and what is unknown is refused"
        if hit := capabilities & self.deny_capabilities:
            return f"can do what the policy denies: {', '.join(sorted(hit))}"
        if named or not self.allowlist:
            return ""
        if missing := capabilities - self.allow_capabilities:
            return f"can do more than the policy allows: {', '.join(sorted(missing))}"
        return ""


@dataclass(frozen=True)
class FunctionCheck:
    """Refuses functions by PostgreSQL's own names, wherever a function can stand."""

    rules: FunctionRules
    tables: TableAccess

    def __call__(self, subject: Subject) -> Iterator[Finding]:
        """Yield a finding for each violation."""
        seen: set[tuple[str | None, str, int]] = set()
        for use in subject.facts.functions:
            key = (use.schema, use.name, use.location)
            if key in seen:
                continue
            reason = self._judge(use, subject.names.catalog)
            if reason:
                seen.add(key)
                yield self._finding(subject, use, reason)
        yield from self._check_operators(subject)
        for type_use in subject.facts.types:
            yield from self._check_type(subject, type_use)

    def _check_operators(self, subject: Subject) -> Iterator[Finding]:
        """PostgreSQL's own operators work on their arguments alone, so only a name on the list of denials meets them."""
        if not self.rules.deny_names:
            return
        for name, location in dict.fromkeys(subject.facts.operators):
            if name in self.rules.deny_names:
                yield subject.finding(
                    "functions/denied",
                    "high",
                    f'The function "{name.name}" (behind an operator) is on the policy\'s list of denied functions.',
                    "Write the query without the operator.",
                    location,
                )

    def _judge(self, use: FunctionUse, catalog: Catalog | None) -> str:
        literals = dict(use.literals)
        if catalog is None:
            return self.rules.judge_name(use.schema, use.name, literals)
        if use.via and any(self.tables.reviewed(step) for step in use.via):
            return ""
        if not use.candidates:
            return "does not exist in this database"
        for function in use.candidates:
            if reason := self.rules.judge(function, literals):
                return reason
        return ""

    @staticmethod
    def _finding(subject: Subject, use: FunctionUse, reason: str) -> Finding:
        name = f"{use.schema}.{use.name}" if use.schema and use.schema != "pg_catalog" else use.name
        where = {
            "operator": " (behind an operator)",
            "cast": " (behind a cast)",
            "type": " (behind a type)",
            "domain": " (behind a domain)",
            "attribute": " (written as a field)",
        }.get(use.position, "")
        if use.via:
            where += f" (reached through {use.via[0]})"
        about = (
            None
            if _known_to_all(subject, use)
            else Named("column" if use.position == "attribute" else "function", name)
        )
        if not use.candidates and subject.names.catalog is not None:
            return subject.finding(
                "functions/unknown",
                "medium",
                f'The function "{name}"{where} does not exist in this database.',
                "Use a function of PostgreSQL; check the spelling and the schema.",
                use.location,
                about,
            )
        return subject.finding(
            "functions/denied",
            "high",
            f'The function "{name}"{where} {reason}.',
            "Write the query without it; describe_policy lists what functions may do.",
            use.location,
            about,
        )

    def _check_type(self, subject: Subject, use: TypeUse) -> Iterator[Finding]:
        """A cast to a type of pg_catalog calls its input function; those of reg* types look names up in the catalog."""
        if use.name.schema != "pg_catalog" or use.system_column:
            return
        name = use.name.name.removeprefix("_")
        capabilities = (builtins.classify(f"{name}in", through_cast=True) or frozenset()) | builtins.casts_to(name)
        rules = self.rules
        refused = capabilities & rules.deny_capabilities
        if rules.allowlist:
            refused |= capabilities - rules.allow_capabilities
        if not refused or self._names_permitted(subject, name, use):
            return
        yield subject.finding(
            "functions/denied",
            "high",
            f'A cast to "{name}" can do more than the policy allows: {", ".join(sorted(refused))}.',
            "Leave the cast out.",
            use.location,
        )

    def _names_permitted(self, subject: Subject, type_name: str, use: TypeUse) -> bool:
        """``'orders'::regclass`` tells nothing that is hidden."""
        if type_name != "regclass" or use.constant is None or subject.names.catalog is None:
            return False
        parts = use.constant.split(".")
        if not all(re.fullmatch(r"[a-z_][a-z0-9_$]*", part) for part in parts) or len(parts) > 2:
            return False
        relation = subject.names.relation(parts[0] if len(parts) == 2 else None, parts[-1])
        return relation is not None and self.tables.permitted(relation.key)
