"""What PostgreSQL's own functions can do. In: the name of a function, its argument types. Out: its capabilities.

The knowledge is data, `rules/functions/*.yaml`, written for auditors; `builtins_file` reads it. A call is allowed by
capabilities when *every* capability of *every* overload that it could resolve to is allowed, so that this module
returns unions and never guesses: None means that nobody has judged the function.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from pg_guard.catalog.builtins_file import Bound, Classification, Construct, Source, read_source
from pg_guard.errors import CatalogError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pg_guard.catalog.model import Function

__all__ = [
    "UNKNOWN_TYPE",
    "bounds",
    "casts_to",
    "classify",
    "classify_function",
    "construct",
    "extensions",
    "names",
    "reasons",
    "source",
]

UNKNOWN_TYPE = "unknown"
"""An argument type that could not be determined: it fits every overload."""


def classify(
    name: str,
    *,
    schema: str = "pg_catalog",
    extension: str = "",
    args: tuple[str, ...] | None = None,
    literals: Mapping[int, str] | None = None,
    through_cast: bool = False,
) -> frozenset[str] | None:
    """Capabilities of a function, or None when it is not classified.

    Args:
        name: As stored in pg_proc (case matters).
        schema: ``pg_catalog`` or ``information_schema``; ignored for functions of an extension.
        extension: The extension that owns it, or ''.
        args: Names of the argument types in pg_type, as in ``("int4", "_text")``, or `UNKNOWN_TYPE`. Without an exact
            fit, every overload with at least as many arguments counts; without one, all. None: all overloads.
        literals: Constant arguments by position, from 0; some calls are harmless with a known constant.
        through_cast: True when PostgreSQL calls it for a cast, a literal, a parameter or a result, that is, when the
            type stands in the statement; False for a call by name.

    Raises:
        CatalogError: The shipped files are damaged.
    """
    found = _lookup(name, schema, extension)
    if found is None:
        return None
    overloads, rules = found
    rule = rules.literals.get(name)
    if rule is not None and literals is not None:
        literal = literals.get(rule.argument - 1)
        if literal is not None and rule.holds(literal):
            return rule.capabilities
    capabilities: frozenset[str] = frozenset()
    for overload in _candidates(overloads, args):
        capabilities |= overload.through_cast if through_cast else overload.capabilities
    return capabilities


def classify_function(
    function: Function, literals: Mapping[int, str], *, through_cast: bool = False
) -> frozenset[str] | None:
    """Capabilities of one overload that PostgreSQL or an extension brings, or None when it is not classified.

    Args:
        function: The overload, from a catalog.
        literals: As for `classify`.
        through_cast: As for `classify`.
    """
    return classify(
        function.name,
        schema=function.schema,
        extension=function.extension,
        args=tuple(arg.name for arg in function.args),
        literals=literals,
        through_cast=through_cast,
    )


def reasons(name: str, *, schema: str = "pg_catalog", extension: str = "") -> tuple[str, ...]:
    """Why a function has its capabilities: one text per group that lists it; empty when it is not classified."""
    found = _lookup(name, schema, extension)
    return tuple(dict.fromkeys(overload.why for overload in found[0])) if found else ()


def bounds(name: str, *, schema: str = "pg_catalog", extension: str = "") -> tuple[Bound, ...]:
    """Arguments that set the size or the cost of a call; empty when none does."""
    found = _lookup(name, schema, extension)
    return found[1].bounds.get(name, ()) if found else ()


def casts_to(type_name: str, literal: str | None = None) -> frozenset[str]:
    """What a cast to a type of pg_catalog, or to an array of it, does beyond its input function; usually nothing.

    It holds for casts from any type, explicit or not: an integer becomes a regclass without any function, in
    ``ARRAY[pg_typeof(1), 1248]`` even without a word.

    Args:
        type_name: Name in pg_type, as in ``regclass`` or ``_regclass``.
        literal: The text that is cast when it is a constant; ``'integer'::regtype`` is harmless.
    """
    known = source("pg_catalog")
    rule = known.cast_literals.get(type_name)
    if rule is not None and literal is not None and rule.holds(literal):
        return rule.capabilities
    return known.casts_to.get(type_name.removeprefix("_"), frozenset())


def construct(name: str) -> Construct | None:
    """SQL syntax by its id in `rules/functions/sql_syntax.yaml`, as in ``at-time-zone``; None when unknown."""
    return source("pg_catalog").constructs.get(name)


def names(schema: str = "pg_catalog", extension: str = "") -> frozenset[str]:
    """All classified names of a schema or an extension."""
    return frozenset(source(extension or schema, extension=bool(extension)).functions)


@cache
def extensions() -> frozenset[str]:
    """Names of the extensions that are classified."""
    return frozenset(path.stem.removeprefix("extension_") for path in _directory().glob("extension_*.yaml"))


@cache
def source(name: str, *, extension: bool = False) -> Source:
    """All that is known of one source; read once, and empty when there are no files for it.

    Raises:
        CatalogError: The shipped files are missing or damaged.
    """
    if extension:
        # A database chooses the names of its extensions: only those found in the directory become a path.
        files = [_directory() / f"extension_{name}.yaml"] if name in extensions() else []
    elif name == "pg_catalog":
        files = [*sorted(_directory().glob("pg_catalog_*.yaml")), _directory() / "sql_syntax.yaml"]
    else:
        files = [_directory() / "information_schema.yaml"] if name == "information_schema" else []
    return read_source(files, name, extension=extension)


def _lookup(name: str, schema: str, extension: str) -> tuple[tuple[Classification, ...], Source] | None:
    places: list[Source] = []
    if extension:
        places.append(source(extension, extension=True))
    if extension in ("", "plpgsql"):
        # Every database has plpgsql, whose functions live in pg_catalog and are classified there. What another
        # extension installs into pg_catalog is its own.
        places.append(source(schema))
    for place in places:
        if overloads := place.functions.get(name):
            return overloads, place
    return None


def _candidates(
    overloads: tuple[Classification, ...], args: tuple[str, ...] | None
) -> tuple[Classification, ...] | list[Classification]:
    if args is None or len(overloads) == 1:
        return overloads
    if UNKNOWN_TYPE not in args and (exact := [overload for overload in overloads if overload.args == args]):
        return exact
    # Implicit conversions could lead anywhere, and default values allow for fewer arguments than an overload has.
    return [o for o in overloads if o.args is None or len(o.args) >= len(args)] or overloads


@cache
def _directory() -> Path:
    # The wheel holds the files inside the package; a checkout, next to it. `catalog` may not import `policy.shipped`.
    package = Path(__file__).resolve().parent.parent
    for directory in (package / "_shipped" / "rules" / "functions", package.parent / "rules" / "functions"):
        if directory.is_dir():
            return directory
    raise CatalogError("the classification of functions is missing (rules/functions)", hint="reinstall pg-guard")
