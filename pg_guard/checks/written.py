"""What a rule writes under ``match``. In: plain data and the values of parameters. Out: a `Match`, or each fault with its key path.

any: [match, …] | all: [match, …] | not: match | fact: {attribute: value, …}
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from pg_guard.checks.globs import Glob, NameGlob
from pg_guard.checks.matching import All, AnyOf, Condition, NotOf, conditions
from pg_guard.checks.patterns import split_pattern
from pg_guard.checks.vocabulary import VOCABULARY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from pg_guard.checks.matching import Match
    from pg_guard.checks.terms import Attribute, Fact

__all__ = ["Fault", "ParameterValue", "column_parameters", "fields", "read_match", "unused_parameters"]

ParameterValue: TypeAlias = bool | int | float | str | tuple[str, ...]

_PARAMETER: Final = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)")
_COMBINED: Final = ("any", "all", "not")
_Path: TypeAlias = tuple[str | int, ...]


class Fault(NamedTuple):
    """Something that is wrong; `key` says that the key itself is meant, not its value."""

    path: _Path
    message: str
    hint: str = ""
    key: bool = False


def read_match(
    data: Any, parameters: Mapping[str, ParameterValue], path: _Path = ("match",)
) -> tuple[Match | None, tuple[Fault, ...]]:
    """Compile what a rule writes.

    Args:
        data: The value of ``match``, as YAML gives it.
        parameters: What ``$name`` stands for.
        path: Where the value stands, for faults.

    Returns:
        The match, or None when there are faults; and the faults.
    """
    reader = _Reader(parameters)
    match = reader.read(data, path)
    return (None if reader.faults else match), tuple(reader.faults)


def unused_parameters(data: Any, names: Iterable[str]) -> tuple[str, ...]:
    """The names of parameters that a match does not use."""
    used = {name for name, _ in _uses(data)}
    return tuple(name for name in names if name not in used)


def column_parameters(matches: Iterable[Any]) -> frozenset[str]:
    """The names of parameters that stand for names of columns wherever the matches, as YAML gives them, use them."""
    uses = [use for data in matches for use in _uses(data)]
    return frozenset(name for name, _ in uses) - {name for name, path in uses if not _holds_columns(path)}


def _holds_columns(path: tuple[str, ...]) -> bool:
    return path[-1].endswith("_column") or path[-2:] == ("column", "name")


def _uses(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Where parameters stand in a match: their names, with the keys that lead there."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _uses(each, (*path, str(key)))
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _uses(each, path)
    elif isinstance(value, str) and (found := _PARAMETER.fullmatch(value)):
        yield found[1], path


class _Reader:
    def __init__(self, parameters: Mapping[str, ParameterValue]) -> None:
        self._parameters = parameters
        self.faults: list[Fault] = []

    def fault(self, path: _Path, message: str, hint: str = "", *, key: bool = False) -> None:
        self.faults.append(Fault(path, message, hint, key))

    def read(self, data: Any, path: _Path) -> Match | None:
        if not isinstance(data, dict) or not data:
            self.fault(path, "is not a condition", "write for example relation: {name: pg_catalog.pg_authid}")
            return None
        word, *others = data
        for other in others:
            hint = "put each condition in a list entry of its own, under any: or all:"
            self.fault((*path, other), f"a second condition beside {word!r}", hint, key=True)
        here = (*path, word)
        if word == "not":
            item = self.read(data[word], here)
            return NotOf(item) if item is not None else None
        if word in _COMBINED:
            items = self._items(data[word], here)
            return AnyOf(items) if word == "any" else All(items)
        fact = VOCABULARY.get(word)
        if fact is None:
            hint = _meant(word, (*_COMBINED, *VOCABULARY))
            self.fault(here, f"unknown fact {word!r}", hint, key=True)
            return None
        return self._condition(fact, data[word], here)

    def _items(self, data: Any, path: _Path) -> tuple[Match, ...]:
        if not isinstance(data, list) or not data:
            self.fault(path, "is not a list of conditions", "write - before each condition")
            return ()
        items = (self.read(item, (*path, index)) for index, item in enumerate(data))
        return tuple(item for item in items if item is not None)

    def _condition(self, fact: Fact, data: Any, path: _Path) -> Condition | None:
        if data is None:
            data = {}
        if not isinstance(data, dict):
            self.fault(path, "is not a mapping of attributes", f"write {fact.name}: {{{fact.shown}: …}}")
            return None
        tests: dict[str, Callable[[Any], bool]] = {}
        for name, value in data.items():
            here = (*path, name)
            attribute = fact.attribute(name)
            if attribute is None:
                hint = _meant(name, [each.name for each in fact.attributes])
                self.fault(here, f"{fact.name} has no attribute {name!r}", hint, key=True)
            elif attribute.needs and attribute.needs not in data:
                self.fault(here, f"needs {attribute.needs!r} beside it", f"add {attribute.needs}: …", key=True)
            elif (test := self._test(attribute, value, here)) is not None:
                tests[name] = test
        return Condition(fact, tests)

    def _test(self, attribute: Attribute, written: Any, path: _Path) -> Callable[[Any], bool] | None:
        values = self._values(written, path)
        if values is None:
            return None
        if attribute.kind == "flag":
            return self._flag(values, path)
        if attribute.kind in ("over", "under"):
            return self._bound(attribute, values, path)
        return self._texts(attribute, values)

    def _values(self, written: Any, path: _Path) -> list[tuple[Any, _Path]] | None:
        """Each value with its place, parameters filled in."""
        many = isinstance(written, (list, tuple))
        entries = [((*path, index), each) for index, each in enumerate(written)] if many else [(path, written)]
        if not entries:
            self.fault(path, "lists nothing, so it matches nothing", "give a value")
            return None
        values: list[tuple[Any, _Path]] = []
        for place, entry in entries:
            found = _PARAMETER.fullmatch(entry) if isinstance(entry, str) else None
            if found is None:
                values.append((entry, place))
            elif found[1] not in self._parameters:
                hint = _meant(found[1], self._parameters) or "declare it under parameters:"
                self.fault(place, f"unknown parameter {entry!r}", hint)
                return None
            else:
                stands_for = self._parameters[found[1]]
                values += [(each, place) for each in (stands_for if isinstance(stands_for, tuple) else (stands_for,))]
        return values

    def _flag(self, values: list[tuple[Any, _Path]], path: _Path) -> Callable[[Any], bool] | None:
        if len(values) != 1 or not isinstance(values[0][0], bool):
            self.fault(path, "is not true or false")
            return None
        wanted = values[0][0]
        return lambda value: value is wanted

    def _bound(
        self, attribute: Attribute, values: list[tuple[Any, _Path]], path: _Path
    ) -> Callable[[Any], bool] | None:
        bound = values[0][0]
        if len(values) != 1 or isinstance(bound, bool) or not isinstance(bound, (int, float)) or bound != bound:
            self.fault(path, "is not a number")
            return None
        if attribute.kind == "over":
            return lambda value: value > bound
        return lambda value: value < bound

    def _texts(self, attribute: Attribute, values: list[tuple[Any, _Path]]) -> Callable[[Any], bool] | None:
        texts: list[str] = []
        for value, place in values:
            if not isinstance(value, str):
                self.fault(place, "is not text", "put it in quotes" if isinstance(value, (int, float)) else "")
            elif attribute.words and value not in attribute.words:
                hint = _meant(value, attribute.words)
                self.fault(place, f"{value!r} is not a word of {attribute.name}", hint)
            elif fault := _pattern_fault(attribute, value):
                self.fault(place, f"{value!r} {fault}")
            else:
                texts.append(value)
        if len(texts) < len(values):
            return None
        if attribute.words or attribute.kind == "symbol":
            return frozenset(texts).__contains__
        return _name_test(texts) if attribute.kind == "name" else _text_test(texts)


def _pattern_fault(attribute: Attribute, text: str) -> str:
    if attribute.words or attribute.kind == "symbol":
        return "" if text else "is empty, so it matches nothing"
    if attribute.kind != "name":
        return ""
    if text.count('"') % 2:
        return "has a double quote that is not closed"
    schema, name = split_pattern(text)
    if not name or schema == "" or text.replace('""', "").count('"') > 4:
        return "has an empty part"
    return "has more than two parts; write schema.name" if (schema or "") + "." + name not in (text, "." + text) else ""


def _name_test(texts: list[str]) -> Callable[[Any], bool]:
    globs = [NameGlob(text) for text in texts]
    return lambda value: any(glob.matches(value) for glob in globs)


def _text_test(texts: list[str]) -> Callable[[Any], bool]:
    globs = [Glob(text) for text in texts]
    exact = frozenset(glob.exact for glob in globs if glob.exact is not None)
    open_ = [glob for glob in globs if glob.exact is None]
    return lambda value: value.casefold() in exact or any(glob.matches(value) for glob in open_)


def _meant(word: object, known: Iterable[str]) -> str:
    known = list(known)
    close = difflib.get_close_matches(str(word), known, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"one of: {', '.join(known)}" if known else ""


def fields(match: Match) -> frozenset[str]:
    """The names that a rule's message can use: attributes of its facts, amounts without ``_over``, and the facts themselves."""
    known: set[str] = set()
    for condition in conditions(match):
        known.add(condition.fact.name)
        known.update(each.name for each in condition.fact.attributes)
        known.update(each.name.removesuffix("_over") for each in condition.fact.attributes if each.kind == "over")
    return frozenset(known)
