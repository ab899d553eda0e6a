"""Reads the classification of functions. In: the YAML files of one source (pg_catalog, an extension). Out: a `Source`.

A file holds groups; a group gives capabilities to names, or to single overloads where those of a name differ::

    schema: pg-guard/functions/v1
    source: pg_catalog            # or information_schema, or "extension: postgis"
    versions: {pg_start_backup: "14"}          # names that the newest version no longer has
    groups:
      - capabilities: [pure]
        through_cast: [type-io]   # optional: what counts when PostgreSQL calls it for a cast, a literal or a result
        why: Work on their arguments alone.
        names: lower upper        # separated by blanks, or a list
        overloads: ["age(xid)"]   # argument types as in pg_type; a name stands in `names` or in `overloads`
    bounds:                       # calls whose size is set by an argument, for the load checks: see `Bound`
      - {names: repeat, kind: times, argument: 2, base: 1}
    literals:                     # a literal argument that makes a call harmless: see `LiteralRule`
      - {names: current_setting, argument: 1, capabilities: [session-info], why: …, values: [TimeZone]}
    casts_to: {regclass: [catalog-read]}       # what a cast to a type does beyond its input function
    cast_literals: {regtype: {capabilities: [type-io], why: …, values: [integer]}}
    syntax:                       # what SQL syntax calls: see `Construct`
      - {construct: extract, written: EXTRACT(field FROM x), calls: [extract]}
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from pg_guard.catalog.capabilities import CAPABILITIES
from pg_guard.errors import CatalogError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["BOUND_KINDS", "Bound", "Classification", "Construct", "LiteralRule", "Source", "read_source"]

SCHEMA = "pg-guard/functions/v1"

BOUND_KINDS = frozenset(
    {"rows", "times", "length", "elements", "cell-size", "bytes", "magnitude", "format-width", "iterations", "pattern"}
)

_TOP_KEYS = frozenset(
    {
        *("schema", "source", "extension", "versions", "groups"),
        *("bounds", "literals", "casts_to", "cast_literals", "syntax"),
    }
)
_GROUP_KEYS = frozenset({"capabilities", "through_cast", "why", "names", "overloads"})
_OVERLOAD = re.compile(r"([^\s()]+)\(([^()]*)\)")

# The compiled loader is about eight times as fast; PyYAML has it wherever libyaml was present when it was built.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Classification:
    """What one function, or one overload, can do.

    Attributes:
        capabilities: Words of `pg_guard.catalog.capabilities`.
        through_cast: The same when PostgreSQL calls it for a cast, a literal, a parameter or a result, where the type
            stands in the statement.
        why: One or two sentences for people.
        args: Argument types as in pg_type, or None when it holds for every overload of the name.
    """

    capabilities: frozenset[str]
    through_cast: frozenset[str]
    why: str
    args: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Bound:
    """An argument that sets the size or the cost of a call; positions count from 1, 0 means none.

    Attributes:
        kind: ``rows`` (a series from `base` to `argument` by `step`, or `argument` rows), ``times`` (`base` is
            repeated), ``length`` (characters of the result), ``elements`` (an array or a product of dimensions),
            ``cell-size`` (`base` is cut into pieces of that size: the smaller, the more), ``bytes``,
            ``magnitude`` (a number whose result has that many digits), ``format-width`` (a format string that can ask
            for a width), ``iterations`` (work factor), ``pattern`` (a regular expression).
        argument: Position of the argument that sets the size.
        base: Position of what it counts from or multiplies.
        step: Position of the step of a series.
    """

    kind: str
    argument: int
    base: int = 0
    step: int = 0


@dataclass(frozen=True, slots=True)
class LiteralRule:
    """A call, or a cast, is as harmless as `capabilities` say when its argument is a literal among `values`.

    Attributes:
        argument: Position of the argument, from 1; 0 for a cast.
        values: Lower-case texts with single blanks.
    """

    argument: int
    values: frozenset[str]
    capabilities: frozenset[str]
    why: str

    def holds(self, literal: str) -> bool:
        """Whether a literal is one of the values; case and runs of blanks do not matter."""
        return " ".join(literal.lower().split()) in self.values


@dataclass(frozen=True, slots=True)
class Construct:
    """SQL syntax that computes something.

    Attributes:
        construct: Its id, as in ``at-time-zone``.
        written: How it looks in SQL.
        calls: Functions of pg_catalog behind it; one of them, by the types of the arguments.
        capabilities: What it does by itself, without a function of pg_proc.
    """

    construct: str
    written: str
    calls: tuple[str, ...]
    capabilities: frozenset[str]


@dataclass(slots=True)
class Source:
    """Everything that the files of one source say; filled while reading, then only read."""

    functions: dict[str, tuple[Classification, ...]] = field(default_factory=dict)
    bounds: dict[str, tuple[Bound, ...]] = field(default_factory=dict)
    literals: dict[str, LiteralRule] = field(default_factory=dict)
    casts_to: dict[str, frozenset[str]] = field(default_factory=dict)
    cast_literals: dict[str, LiteralRule] = field(default_factory=dict)
    constructs: dict[str, Construct] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)


def read_source(files: Iterable[Path], name: str, *, extension: bool = False) -> Source:
    """Read and validate all files of one source.

    Args:
        files: YAML files, each of which must name this source.
        name: ``pg_catalog``, ``information_schema`` or the name of an extension.
        extension: True when `name` is an extension.

    Raises:
        CatalogError: A file cannot be read, has an unknown key, capability or kind, or classifies a name twice.
    """
    source = Source()
    for path in files:
        try:
            document = yaml.load(path.read_bytes(), Loader=_Loader)  # noqa: S506 - a safe loader, chosen above
        except (OSError, yaml.YAMLError) as error:
            raise CatalogError(f"{path.name}: cannot be read: {error}", hint="reinstall pg-guard") from error
        try:
            _read_document(source, document, path.name, name, extension=extension)
        except (AttributeError, KeyError, TypeError) as error:
            raise CatalogError(f"{path.name}: is not of the documented form: {error}") from error
    for known in (source.bounds, source.literals, source.versions):
        for function in known:
            if function not in source.functions:
                raise CatalogError(f"{name}: {function} has notes but no classification")
    return source


def _read_document(source: Source, document: Any, file: str, name: str, *, extension: bool) -> None:
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise CatalogError(f"{file}: is not a classification of functions", hint=f"its first key is `schema: {SCHEMA}`")
    if unknown := set(document) - _TOP_KEYS:
        raise CatalogError(f"{file}: unknown key {min(unknown)}")
    if document.get("extension" if extension else "source") != name:
        raise CatalogError(f"{file}: does not belong to {name}")
    for group in document.get("groups") or ():
        _read_group(source, group, file)
    for item in document.get("bounds") or ():
        bound = Bound(item["kind"], item["argument"], item.get("base", 0), item.get("step", 0))
        if bound.kind not in BOUND_KINDS or bound.argument < 1:
            raise CatalogError(f"{file}: bound of {item['names']} has an unknown kind or no argument")
        for function in _words(item["names"]):
            source.bounds[function] = (*source.bounds.get(function, ()), bound)
    for item in document.get("literals") or ():
        rule = _literal_rule(item, item["argument"], file)
        for function in _words(item["names"]):
            source.literals[function] = rule
    for type_name, words in (document.get("casts_to") or {}).items():
        source.casts_to[type_name] = _capabilities(words, file)
    for type_name, item in (document.get("cast_literals") or {}).items():
        source.cast_literals[type_name] = _literal_rule(item, 0, file)
    for item in document.get("syntax") or ():
        capabilities = _capabilities(item.get("capabilities", ()), file)
        construct = Construct(item["construct"], item["written"], tuple(item.get("calls", ())), capabilities)
        if construct.construct in source.constructs or not (construct.calls or construct.capabilities):
            raise CatalogError(f"{file}: {construct.construct} stands twice, or says nothing")
        source.constructs[construct.construct] = construct
    source.versions.update(document.get("versions") or {})


def _read_group(source: Source, group: dict[str, Any], file: str) -> None:
    if unknown := set(group) - _GROUP_KEYS:
        raise CatalogError(f"{file}: unknown key {min(unknown)} in a group")
    capabilities = _capabilities(group.get("capabilities", ()), file)
    why = group.get("why", "")
    if not capabilities or not why:
        raise CatalogError(f"{file}: a group without capabilities or without a reason: {group.get('names', '')!s:.60}")
    through_cast = _capabilities(group["through_cast"], file) if "through_cast" in group else capabilities
    for_all = Classification(capabilities, through_cast, why)
    for name in _words(group.get("names", ())):
        if name in source.functions:
            raise CatalogError(f"{file}: {name} is classified twice", hint="list its overloads where they differ")
        source.functions[name] = (for_all,)
    for overload in group.get("overloads", ()):
        match = _OVERLOAD.fullmatch(overload)
        if match is None:
            raise CatalogError(f"{file}: {overload} is not of the form name(type, type)")
        name, args = match[1], tuple(arg.strip() for arg in match[2].split(",") if arg.strip())
        others = source.functions.get(name, ())
        if any(other.args is None or other.args == args for other in others):
            raise CatalogError(f"{file}: {overload} is classified twice")
        source.functions[name] = (*others, Classification(capabilities, through_cast, why, args))


def _literal_rule(item: dict[str, Any], argument: int, file: str) -> LiteralRule:
    values = frozenset(str(value).lower() for value in item["values"])
    return LiteralRule(argument, values, _capabilities(item["capabilities"], file), item["why"])


def _words(value: Any) -> list[str]:
    """Names written as one string separated by blanks (quick to read in, and to audit) or as a list."""
    return value.split() if isinstance(value, str) else list(value)


def _capabilities(words: Iterable[str], file: str) -> frozenset[str]:
    capabilities = frozenset(words)
    if unknown := capabilities - CAPABILITIES:
        raise CatalogError(f"{file}: unknown capability {min(unknown)}", hint=f"one of {sorted(CAPABILITIES)}")
    return capabilities
