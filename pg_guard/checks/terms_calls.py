"""Facts on what a statement calls. In: its functions and operators. Out: their attributes for rules."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

from pg_guard.catalog import builtins
from pg_guard.catalog.capabilities import CAPABILITIES
from pg_guard.catalog.model import Name
from pg_guard.checks.terms import UNKNOWN, Attribute, Fact, Value, View, one_of
from pg_guard.checks.terms_names import CLAUSES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pg_guard.catalog.model import Function
    from pg_guard.facts.model import FunctionUse

__all__ = ["FACTS", "UNCLASSIFIED"]

UNCLASSIFIED: Final = "unclassified"
"""The capability of functions that nobody has judged: the deployment's own, and those of unknown extensions."""

_SYSTEM: Final = ("pg_catalog", "information_schema")
_OWN: Final = frozenset({UNCLASSIFIED})
# Extensions that can be installed in one schema only.
_FIXED_SCHEMAS: Final = {"postgis_topology": "topology"}
_POSITIONS: Final = ("call", "syntax", "operator", "cast", "attribute", "domain", "sample", "type", "sort")


def _ships(function: Function) -> bool:
    return not function.planted and (function.schema in _SYSTEM or function.extension in builtins.extensions())


def _is_builtin(use: FunctionUse) -> bool:
    """Is it PostgreSQL's own by its name alone? pg_catalog is searched first."""
    if use.schema == "information_schema":
        return builtins.classify(use.name, schema=use.schema) is not None
    return use.schema in (None, "pg_catalog") and builtins.classify(use.name) is not None


@cache
def _of_extensions() -> Mapping[str, tuple[str, ...]]:
    """By the name of a function, the classified extensions that have one."""
    found: dict[str, tuple[str, ...]] = {}
    for extension in sorted(builtins.extensions()):
        for name in builtins.names(extension=extension):
            found[name] = (*found.get(name, ()), extension)
    return found


def _extensions(view: View, use: FunctionUse) -> tuple[str, ...]:
    """Classified extensions that may own a function of this name, in whatever schema they were installed."""
    found = _of_extensions().get(use.name, ())
    schemas = (use.schema,) if use.schema is not None else view.names.path
    return tuple(each for each in found if _FIXED_SCHEMAS.get(each) in (None, *schemas))


def _comes_with_postgresql(view: View, use: FunctionUse) -> bool:
    return _is_builtin(use) or bool(_extensions(view, use))


def _calls(view: View) -> Iterable[FunctionUse]:
    """Without a catalog ``(x).f`` is the field f, as x.f is the column, unless PostgreSQL has a function of that name."""
    if view.catalog is not None:
        return view.facts.functions
    return [use for use in view.facts.functions if use.position != "attribute" or _comes_with_postgresql(view, use)]


def _name(view: View, use: FunctionUse) -> Value:
    if use.candidates:
        return one_of(function.key for function in use.candidates)
    if use.schema is not None:
        return Name(use.schema, use.name)
    if _is_builtin(use) and view.names.path[:1] == ("pg_catalog",):
        return Name("pg_catalog", use.name)
    return one_of(Name(schema, use.name) for schema in view.names.path)


def _schema(view: View, use: FunctionUse) -> Value:
    name = _name(view, use)
    return name.schema if isinstance(name, Name) else one_of(each.schema for each in name.values)


def _capabilities(view: View, use: FunctionUse) -> Value:
    literals = dict(use.literals)
    if not use.candidates:
        return _by_name(view, use, literals)
    found = []
    for function in use.candidates:
        if not _ships(function):
            found.append(_OWN)
            continue
        capabilities = builtins.classify_function(function, literals)
        if capabilities is None:
            return UNKNOWN
        found.append(capabilities)
    return one_of(found)


def _by_name(view: View, use: FunctionUse, literals: dict[int, str]) -> Value:
    """Without a catalog: of every overload that takes so many arguments, in each place where the name is known."""
    args = (builtins.UNKNOWN_TYPE,) * use.arguments
    if _is_builtin(use):
        return builtins.classify(use.name, schema=use.schema or "pg_catalog", args=args, literals=literals) or None
    extensions = _extensions(view, use)
    if not extensions:
        return _OWN
    found = (builtins.classify(use.name, extension=each, args=args, literals=literals) for each in extensions)
    return frozenset().union(*(each or () for each in found)) or None


def _of_candidates(read: Any) -> Any:
    """An attribute of the function that is called: unknown where none is known or where overloads differ."""

    def get(_view: View, use: FunctionUse) -> Value:
        return one_of(read(function) for function in use.candidates)

    return get


def _user_defined(view: View, use: FunctionUse) -> Value:
    if not use.candidates:
        return not _comes_with_postgresql(view, use)
    return one_of(not _ships(function) for function in use.candidates)


def _literals(_view: View, use: FunctionUse) -> Value:
    # An argument that is computed may come to any text, as 'ro' || 'le' is 'role'; so may a parameter, which stands as "$".
    texts = frozenset[Any](UNKNOWN if text == "$" else text for _, text in use.literals)
    return (texts if use.literals_only else texts | {UNKNOWN}) or None


_FUNCTION = Fact(
    "function",
    "A function that the statement may call: by name, by special syntax, behind an operator, a cast or a sort.",
    _calls,
    (
        Attribute("name", "name", "Its name, as PostgreSQL stores it.", _name),
        Attribute(
            "capability",
            "text",
            "What it can do (pg_guard.catalog.capabilities); `unclassified` for the deployment's own functions.",
            _capabilities,
            words=(*sorted(CAPABILITIES), UNCLASSIFIED),
        ),
        Attribute("schema", "text", "Its schema.", _schema),
        Attribute("position", "text", "How it is called.", lambda _view, use: use.position, words=_POSITIONS),
        Attribute(
            "use",
            "text",
            "The clause that calls it.",
            lambda _view, use: use.use,
            words=CLAUSES,
        ),
        Attribute("user_defined", "flag", "It does not come with PostgreSQL or a known extension.", _user_defined),
        Attribute(
            "kind",
            "text",
            "What it is; unknown without a catalog.",
            _of_candidates(lambda function: function.kind),
            words=("function", "aggregate", "window", "procedure"),
        ),
        Attribute(
            "extension",
            "text",
            "The extension that owns it.",
            _of_candidates(lambda function: function.extension or None),
        ),
        Attribute("literal", "text", "The text of an argument; unknown for one that is not a constant.", _literals),
        Attribute(
            "security_definer",
            "flag",
            "It runs with its owner's rights; unknown without a catalog.",
            _of_candidates(lambda function: function.security_definer),
        ),
        Attribute(
            "volatility",
            "text",
            "immutable, stable or volatile; unknown without a catalog.",
            _of_candidates(lambda function: function.volatility),
            words=("immutable", "stable", "volatile"),
        ),
        Attribute("via", "name", "A view or another object on the way to it.", lambda _view, use: frozenset(use.via)),
    ),
)

FACTS: Final[tuple[Fact, ...]] = (_FUNCTION,)
