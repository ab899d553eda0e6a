"""One policy laid over another. In: two valid documents. Out: the merged document, and each loosening as a problem.

What the base states, the overlaying policy may only narrow; what the base leaves out, it leaves to it:

- lists of denials and requirements (``tables.deny``, ``columns.deny``, ``functions.deny``, ``where`` …) are joined;
  nothing can remove an entry of the base;
- allow lists may only repeat or narrow entries of the base, and then replace it; a relation named without wildcards
  under ``tables.allow`` marks a view as reviewed, so where the base denies anything only the base can name it so;
- limits may only fall, modes only become stricter, ``search_path`` may only leave out schemas;
- packs of both are in force; a second use of a pack adds to the first, one with a ``reason`` takes its place;
- changes of rules and exceptions carry their own reasons, so an overlaying policy may make them; of two policies that are
  extended by a third, neither lifts what the other holds;
- ``metadata`` and ``tests`` belong to the file itself: the base's tests are not taken over.

A section that allows more than its base must say why in a ``reason`` beside it, as in
``joins: {max_tables: 10, reason: quarter-end reports}``; then its values replace the base's. ``mode`` and
``search_path`` have no place for a reason and can never be loosened by extension.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from pg_guard.policy.coverage import covers_function, covers_table, is_exact
from pg_guard.policy.document import Document, KeyPath, format_path
from pg_guard.policy.model import Limits

if TYPE_CHECKING:
    from collections.abc import Callable

    from pg_guard.errors import Problem

__all__ = ["STRICTNESS", "UPPER_LIMITS", "amount", "narrow"]

# From loose to strict.
STRICTNESS: Final[dict[KeyPath, tuple[str, ...]]] = {
    ("mode",): ("monitor", "enforce"),
    ("tables", "default"): ("allow", "deny"),
    ("columns", "on_star"): ("omit", "deny"),
    ("joins", "cartesian"): ("allow", "warn", "deny"),
    ("functions", "mode"): ("denylist", "allowlist"),
    ("functions", "user_defined"): ("allow_listed", "deny"),
}
UPPER_LIMITS: Final[tuple[KeyPath, ...]] = (
    ("joins", "max_tables"),
    *(("limits", name) for name in Limits.model_fields if name != "reason"),
)
_JOINED_LISTS: Final[tuple[KeyPath, ...]] = (
    ("tables", "deny"),
    ("functions", "deny"),
    ("where",),
    ("row_filters",),
)
_RULE_EFFECTS: Final = ("off", "warn", "deny")
SECTIONS: Final = ("statements", "tables", "columns", "joins", "functions", "limits")
_FROM_TOP: Final[tuple[KeyPath, ...]] = (("schema",), ("metadata",), *((section, "reason") for section in SECTIONS))
_NOT_STATED: Final = object()


def _get(data: dict[str, Any], path: KeyPath) -> Any:
    value: Any = data
    for step in path:
        if not isinstance(value, dict) or step not in value:
            return _NOT_STATED
        value = value[step]
    return value


class _Merge:
    """The merged document in the making."""

    def __init__(self, base: Document, top: Document, *, siblings: bool) -> None:
        self.base, self.top, self.siblings = base, top, siblings
        self.data: dict[str, Any] = {}
        self.origins: dict[KeyPath, tuple[Document, KeyPath]] = {}
        self.problems: list[Problem] = []

    def put(self, path: KeyPath, value: Any, source: Document) -> None:
        """Set a value that stands at the same path of a source."""
        target: dict[Any, Any] = self.data
        for depth, step in enumerate(path[:-1], 1):
            target = target.setdefault(step, {})
            self.origins.setdefault(path[:depth], (source, path[:depth]))
        target[path[-1]] = value
        self.origins[path] = (source, path)

    def put_list(self, path: KeyPath, entries: list[tuple[Any, Document, int]]) -> None:
        """Set a list; each entry comes from an index of the list at the same path of its source. Repetitions go."""
        unique: dict[str, tuple[Any, Document, int]] = {}
        for entry in entries:
            unique.setdefault(json.dumps(entry[0], sort_keys=True), entry)
        self.put(path, [entry for entry, _, _ in unique.values()], entries[0][1] if entries else self.top)
        for index, (_, source, origin) in enumerate(unique.values()):
            self.origins[*path, index] = (source, (*path, origin))

    def take(self, path: KeyPath, source: Document) -> None:
        if (value := _get(source.data, path)) is not _NOT_STATED:
            self.put(path, value, source)

    def both(self, path: KeyPath) -> tuple[Any, Any] | None:
        """What base and overlaying policy state; when only one states it, that is taken, and None returned."""
        below, above = _get(self.base.data, path), _get(self.top.data, path)
        if below is not _NOT_STATED and above is not _NOT_STATED:
            return below, above
        self.take(path, self.base)
        self.take(path, self.top)
        return None

    def settle(self, path: KeyPath, narrower: bool, stated: object) -> None:
        """Take the overlaying value if it is narrower or has a reason; siblings keep the base's without a word."""
        if narrower or (not self.siblings and self.has_reason(path)):
            self.take(path, self.top)
            return
        self.take(path, self.base)
        if not self.siblings:
            self.loosens(path, stated)

    def has_reason(self, path: KeyPath) -> bool:
        return path[0] in SECTIONS and _get(self.top.data, (path[0], "reason")) not in (_NOT_STATED, None)

    def loosens(self, path: KeyPath, stated: object) -> None:
        base_file = self.base.place(path)[0].file
        if path[0] in SECTIONS:
            hint = f"narrow it, or say why with `reason:` in `{path[0]}`"
        else:
            hint = f"remove it, change it in {base_file}, or set it for one deployment by an environment variable"
        self.problems.append(self.top.problem(path, f"allows more than {base_file}, which says {stated}", hint=hint))

    # One method for each kind of key.

    def strictest(self, path: KeyPath, ranks: tuple[str, ...]) -> None:
        if (stated := self.both(path)) is not None:
            below, above = stated
            rank = {None: -1} | {word: index for index, word in enumerate(ranks)}
            self.settle(path, rank[above] >= rank[below], below)

    def lowest(self, path: KeyPath) -> None:
        if (stated := self.both(path)) is not None:
            below, above = stated
            self.settle(path, amount(path, above) <= amount(path, below), "no limit" if below is None else below)

    def joined_list(self, path: KeyPath) -> None:
        if (stated := self.both(path)) is not None:
            sides = zip((self.base, self.top), stated, strict=True)
            self.put_list(path, [(entry, side, index) for side, list_ in sides for index, entry in enumerate(list_)])

    def joined_map(self, path: KeyPath, *, replaceable: bool) -> None:
        if (stated := self.both(path)) is not None:
            below, above = stated
            self.put(path, {}, self.top)
            for key in below | above:
                here = (*path, key)
                if self.both(here) is not None:
                    self.settle(here, replaceable or below[key] == above[key], "otherwise")

    def packs(self) -> None:
        """Each use of a pack binds, also a second one of the same pack; one with a reason stands for those of the base."""
        path: KeyPath = ("packs",)
        if (stated := self.both(path)) is not None:
            below, above = stated
            replaced = set() if self.siblings else {entry["use"] for entry in above if entry.get("reason")}
            kept = [(entry, self.base, index) for index, entry in enumerate(below) if entry["use"] not in replaced]
            self.put_list(path, kept + [(entry, self.top, index) for index, entry in enumerate(above)])

    def rule_changes(self) -> None:
        """Each change carries its own reason, so the overlaying policy's counts; of siblings', what both bear."""
        path: KeyPath = ("rules",)
        if not self.siblings:
            self.joined_map(path, replaceable=True)
            return
        stated = [(side, _get_map(side.data, path)) for side in (self.base, self.top)]
        for key in dict.fromkeys(key for _, changes in stated for key in changes):
            having = [(side, changes[key]) for side, changes in stated if key in changes]
            without = [side for side, changes in stated if key not in changes]
            side, strictest = max(having, key=lambda each: _RULE_EFFECTS.index(each[1]["effect"]))
            # A sibling that uses the pack and leaves the rule as it is must not lose it by the other's change.
            if strictest["effect"] == "deny" or not any(_uses_pack_of(other, [key]) for other in without):
                self.put((*path, key), strictest, side)

    def exceptions(self) -> None:
        """As for `rule_changes`: a sibling's exception cannot lift what another one holds."""
        path: KeyPath = ("exceptions",)
        if not self.siblings:
            self.joined_list(path)
            return
        sides = (self.base, self.top)
        kept: list[tuple[Any, Document, int]] = []
        for side, other in zip(sides, reversed(sides), strict=True):
            kept += [
                (entry, side, index)
                for index, entry in enumerate(_get_list(side.data, path))
                if entry in _get_list(other.data, path) or not _uses_pack_of(other, entry["rules"])
            ]
        if kept:
            self.put_list(path, kept)

    def column_denials(self) -> None:
        path: KeyPath = ("columns", "deny")
        if (stated := self.both(path)) is not None:
            self.put(path, {}, self.top)
            for key in stated[0] | stated[1]:
                self.joined_list((*path, key))

    def allow_list(self, path: KeyPath, covers: Callable[[list[Any], Any], bool], *, free: bool = False) -> None:
        """An allow list: each entry must be covered by the base's list, unless the base's mode gives it no say."""
        if (stated := self.both(path)) is None or free:
            self.take(path, self.top)
            return
        below, above = stated
        if self.siblings:
            # Both bind: what one of them covers of the other is allowed by both.
            kept = [(entry, self.base, index) for index, entry in enumerate(below) if covers(above, entry)]
            kept += [(entry, self.top, index) for index, entry in enumerate(above) if covers(below, entry)]
            self.put_list(path, kept)
            return
        self.take(path, self.top)
        if not self.has_reason(path):
            for index, entry in enumerate(above):
                if not covers(below, entry):
                    self.loosens((*path, index), f"{format_path(path)}: {_listed(below)}")

    def reviewed_views(self) -> None:
        """A name without wildcards marks a view as reviewed, which opens what the other policy denies behind it."""
        path: KeyPath = ("tables", "allow")
        opened = [(index, entry) for index, entry in enumerate(_get_list(self.data, path)) if is_exact(entry)]
        if self.siblings:
            lists = [(side, _get_list(side.data, path)) for side in (self.base, self.top)]
            refused = {e for _, e in opened if any(_denies(side) and not covers_table(own, e) for side, own in lists)}
            kept = [
                (entry, side, index)
                for side, own in lists
                for index, entry in enumerate(own)
                if entry in _get_list(self.data, path) and entry not in refused
            ]
            if refused:
                self.put_list(path, kept)
            return
        known = _get_list(self.base.data, path)
        if not (_denies(self.base) or _refuses_functions(self.base)) or self.has_reason(path):
            return
        reported = {problem.path for problem in self.problems}
        for index, entry in opened:
            here = (*path, index)
            if not covers_table(known, entry) and format_path(here) not in reported:
                self.loosens(
                    here,
                    "a view that is named without wildcards counts as reviewed: it may use what is denied elsewhere",
                )

    def search_path(self) -> None:
        path: KeyPath = ("search_path",)
        if (stated := self.both(path)) is not None:
            below, above = stated
            remaining = iter(below or [])
            # Leaving schemas out keeps the order in which names are found.
            narrower = above == below or (bool(above) and all(schema in remaining for schema in above))
            self.take(path, self.top if narrower else self.base)
            if not narrower:
                self.loosens(path, _listed(below or []))


def _get_list(data: dict[str, Any], path: KeyPath) -> list[Any]:
    stated = _get(data, path)
    return [] if stated is _NOT_STATED else list(stated)


def _get_map(data: dict[str, Any], path: KeyPath) -> dict[str, Any]:
    stated = _get(data, path)
    return {} if stated is _NOT_STATED else dict(stated)


def _uses_pack_of(document: Document, rules: list[str]) -> bool:
    used = {entry["use"] for entry in _get_list(document.data, ("packs",))}
    return any(rule.partition("/")[0] in used for rule in rules)


def _denies(document: Document) -> bool:
    return any(_get(document.data, (section, "deny")) not in (_NOT_STATED, [], {}) for section in ("tables", "columns"))


def _refuses_functions(document: Document) -> bool:
    """Does the policy say which functions may be called? A reviewed view may call others."""
    stated = [_get(document.data, ("functions", key)) for key in ("mode", "allow", "deny")]
    return any(value not in (_NOT_STATED, [], {}) for value in stated)


def _with_mode(document: Document) -> Document:
    """A document whose ``functions.allow`` stands without a mode, with the mode that this means."""
    path: KeyPath = ("functions", "mode")
    if _get(document.data, ("functions", "allow")) is _NOT_STATED or _get(document.data, path) is not _NOT_STATED:
        return document
    data = document.data | {"functions": document.data["functions"] | {"mode": "allowlist"}}
    return replace(document, data=data)


def _listed(entries: list[Any]) -> str:
    text = json.dumps(entries, ensure_ascii=False)
    return text if len(text) <= 120 else text[:117] + "..."


def amount(path: KeyPath, value: Any) -> float:
    """A limit as a number, whatever unit it is written in; no limit is infinite."""
    if value is None:
        return float("inf")
    if path[0] == "limits":
        return float(getattr(Limits.model_validate({str(path[1]): value}), str(path[1])))
    return float(value)


def narrow(base: Document, top: Document, *, siblings: bool = False) -> tuple[Document, list[Problem]]:
    """Lay a policy over the one that it extends.

    Args:
        base: The policy that is extended; valid.
        top: The policy that extends it; valid.
        siblings: Both are extended by a third: neither must be narrower, and what remains is what both allow.

    Returns:
        The merged document, each value with its own place; and the problems.
    """
    base, top = _with_mode(base), _with_mode(top)
    merge = _Merge(base, top, siblings=siblings)
    for path in _FROM_TOP:
        merge.take(path, base)
        merge.take(path, top)
    for path, ranks in STRICTNESS.items():
        merge.strictest(path, ranks)
    for path in UPPER_LIMITS:
        merge.lowest(path)
    for path in _JOINED_LISTS:
        merge.joined_list(path)
    merge.packs()
    merge.rule_changes()
    merge.exceptions()
    merge.joined_map(("columns", "mask"), replaceable=False)
    merge.joined_map(("principals",), replaceable=False)
    merge.column_denials()
    merge.allow_list(("statements", "allow"), lambda below, entry: entry in below)
    merge.allow_list(("tables", "allow"), covers_table, free=_get(base.data, ("tables", "default")) != "deny")
    merge.reviewed_views()
    merge.allow_list(("functions", "allow"), covers_function, free=_is_plain_denylist(base))
    merge.search_path()
    if not siblings:
        merge.take(("tests",), top)
    return Document(top.file, merge.data, top.values, top.keys, merge.origins), merge.problems


def _is_plain_denylist(base: Document) -> bool:
    mode, user_defined = (_get(base.data, ("functions", key)) for key in ("mode", "user_defined"))
    return bool(mode == "denylist" and user_defined != "allow_listed")
