"""Two policies, clause by clause. In: two effective policies. Out: each difference, with its direction.

The order of single values is that of `pg_guard.policy.narrow`, and allow lists are compared by `pg_guard.policy.coverage`;
so what counts as a loosening here is what an extending policy would have to give a reason for. Lists of denials and
requirements, which an extending policy can only add to, are compared entry by entry.
"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any, Final

from pg_guard.checks.patterns import NamePattern
from pg_guard.compare.changes import Change, Direction
from pg_guard.compare.patterns import covers_name, covers_pattern
from pg_guard.compare.rules import compare_rules_in_force
from pg_guard.policy.coverage import covers_function, covers_table, is_exact
from pg_guard.policy.document import format_path
from pg_guard.policy.narrow import STRICTNESS, UPPER_LIMITS, amount
from pg_guard.policy.values import split_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from pg_guard.catalog.model import Catalog
    from pg_guard.policy.document import KeyPath
    from pg_guard.policy.model import PackUse, Policy
    from pg_guard.policy.packs import Pack

__all__ = ["compare_policies"]

_SECTIONS: Final = ("statements", "tables", "columns", "joins", "functions", "limits")


def compare_policies(
    old: Policy,
    new: Policy,
    *,
    old_packs: Iterable[Pack] = (),
    new_packs: Iterable[Pack] = (),
    catalog: Catalog | None = None,
    today: datetime.date | None = None,
) -> list[Change]:
    """All differences between two effective policies.

    Args:
        old: The policy before.
        new: The policy after.
        old_packs: The packs that the old one uses, as they were loaded.
        new_packs: The packs that the new one uses.
        catalog: Tells which names are views, which `tables.allow` may mark as reviewed; without it, any name may be one.
        today: Exceptions that ended before this day lift nothing; today in UTC when left out.

    Returns:
        The differences, in the order of the policy's keys.
    """
    day = today or datetime.datetime.now(datetime.UTC).date()
    compared = _Compared(old, new, day, catalog)
    changes = list(compared.changes())
    changes += compare_rules_in_force(old, old_packs, new, new_packs)
    return changes


class _Compared:
    def __init__(self, old: Policy, new: Policy, today: datetime.date, catalog: Catalog | None) -> None:
        self.old, self.new, self.today, self.catalog = old, new, today, catalog
        self.before, self.after = old.to_dict(), new.to_dict()

    def changes(self) -> Iterator[Change]:
        yield from self.notes()
        for path, ranks in STRICTNESS.items():
            yield from self.strictness(path, ranks)
        yield from self.statements()
        yield from self.search_path()
        yield from self.tables()
        yield from self.columns()
        yield from self.requirements()
        yield from self.functions()
        for path in UPPER_LIMITS:
            yield from self.upper_limit(path)
        yield from self.pack_uses()
        yield from self.exceptions()
        yield from self.principals()

    # -- single values ---------------------------------------------------------------------------------------------

    def both(self, path: KeyPath) -> tuple[Any, Any]:
        before: Any = self.before
        after: Any = self.after
        for step in path:
            before, after = before[step], after[step]
        return before, after

    def notes(self) -> Iterator[Change]:
        paths: list[KeyPath] = [("metadata", key) for key in self.before["metadata"]]
        paths += [(section, "reason") for section in _SECTIONS]
        for path in paths:
            before, after = self.both(path)
            if before != after:
                yield _changed(path, "neutral", before, after, "It is a note for readers.")
        if self.before["tests"] != self.after["tests"]:
            before, after = (f"{len(tests)} tests" for tests in self.both(("tests",)))
            yield _changed(("tests",), "neutral", before, after, "Tests decide nothing.")

    def strictness(self, path: KeyPath, ranks: tuple[str, ...]) -> Iterator[Change]:
        before, after = self.both(path)
        rank = {None: -1} | {word: index for index, word in enumerate(ranks)}
        if before != after:
            stricter = rank[after] > rank[before]
            why = f"{after or 'unset'} is {'stricter' if stricter else 'less strict'} than {before or 'unset'}."
            yield _changed(path, "tightening" if stricter else "loosening", before, after, why)

    def upper_limit(self, path: KeyPath) -> Iterator[Change]:
        before, after = self.both(path)
        low, high = amount(path, after), amount(path, before)
        if low != high:
            why = "The limit is lower." if low < high else "The limit is higher, or gone."
            yield _changed(path, "tightening" if low < high else "loosening", before, after, why)

    def search_path(self) -> Iterator[Change]:
        before, after = self.both(("search_path",))
        if before != after:
            remaining = iter(before or [])
            narrower = bool(after) and all(schema in remaining for schema in after)
            why = "Schemas are left out, the order stays." if narrower else "Names may mean other relations."
            yield _changed(("search_path",), "tightening" if narrower else "loosening", before, after, why)

    # -- lists -----------------------------------------------------------------------------------------------------

    def denials(
        self,
        path: KeyPath,
        before: Sequence[Any],
        after: Sequence[Any],
        covered: Callable[[Any, Any], bool],
    ) -> Iterator[Change]:
        """Entries that deny or demand: to lose one loosens, unless the others say the same."""
        for entry in before:
            if entry not in after:
                kept = covered(after, entry)
                why = "Other entries still say as much." if kept else "What it denied or demanded is no longer."
                yield _removed(path, "neutral" if kept else "loosening", _plain(entry), why)
        for entry in after:
            if entry not in before:
                known = covered(before, entry)
                why = "Other entries said as much." if known else "More is denied or demanded."
                yield _added(path, "neutral" if known else "tightening", _plain(entry), why)

    def statements(self) -> Iterator[Change]:
        path: KeyPath = ("statements", "allow")
        before, after = self.both(path)
        for kind in before:
            if kind not in after:
                yield _removed(path, "tightening", kind, "Fewer kinds of statements may run.")
        for kind in after:
            if kind not in before:
                yield _added(path, "loosening", kind, "More kinds of statements may run.")

    def tables(self) -> Iterator[Change]:
        before, after = self.both(("tables", "deny"))
        yield from self.denials(("tables", "deny"), before, after, covers_pattern)
        before, after = self.both(("tables", "allow"))
        listed = (self.before["tables"]["default"] == "deny", self.after["tables"]["default"] == "deny")
        for entry in before:
            if entry not in after:
                matters = listed[0] or self.opens(entry)
                kept = covers_table(after, entry) and (listed[1] or not self.opens(entry))
                why = "Other entries still allow as much." if kept else "It allowed nothing that the default did not."
                if matters and not kept:
                    why = "What it allowed is no longer listed."
                yield _removed(("tables", "allow"), "tightening" if matters and not kept else "neutral", entry, why)
        for entry in after:
            if entry not in before:
                # Under a default of allow, only system schemas and reviewed views are opened by an entry.
                matters = (listed[0] and listed[1]) or self.opens(entry)
                known = covers_table(before, entry) and (listed[0] or not self.opens(entry))
                why = "Other entries allowed as much." if known else "It allows nothing that the old default did not."
                if matters and not known:
                    why = "It opens relations, or marks a view as reviewed."
                yield _added(("tables", "allow"), "loosening" if matters and not known else "neutral", entry, why)

    def opens(self, entry: str) -> bool:
        """Does an entry of `tables.allow` open more than a default of allow: a system schema, or a reviewed view?"""
        parts = split_name(entry)
        schema = parts[-2].strip('"') if len(parts) > 1 else ""
        if schema.startswith(("pg_", "information_schema")) or "?" in schema:
            return True
        if not is_exact(entry) or self.catalog is None:
            return is_exact(entry)
        pattern = NamePattern(entry, fold=False)
        return any(
            relation.kind in ("view", "matview") and pattern.matches(relation.key)
            for relation in self.catalog.relations
        )

    def columns(self) -> Iterator[Change]:
        before, after = ([(t, c) for t, cs in side["columns"]["deny"].items() for c in cs] for side in self.sides)
        yield from self.denials(("columns", "deny"), before, after, _covers_column)
        masked_before, masked_after = (
            [(t, c, how) for t, masks in side["columns"]["mask"].items() for c, how in masks.items()]
            for side in self.sides
        )
        yield from self.denials(
            ("columns", "mask"), masked_before, masked_after, lambda entries, entry: entry in entries
        )

    @property
    def sides(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return self.before, self.after

    def requirements(self) -> Iterator[Change]:
        before, after = (
            [
                (table, tuple(sorted(entry["columns"])), tuple(sorted(entry["equals"].items())))
                for entry in side["where"]
                for table in entry["table"]
            ]
            for side in self.sides
        )
        yield from self.denials(("where",), before, after, _covers_requirement)
        filters_before, filters_after = (
            [(table, entry["using"]) for entry in side["row_filters"] for table in entry["table"]]
            for side in self.sides
        )
        yield from self.denials(("row_filters",), filters_before, filters_after, _covers_filter)

    def functions(self) -> Iterator[Change]:
        before, after = (_entries(side["functions"]["deny"]) for side in self.sides)
        yield from self.denials(("functions", "deny"), before, after, _covers_denied_function)
        before, after = (_entries(side["functions"]["allow"]) for side in self.sides)
        for entry in before:
            if entry not in after:
                matters = self.listed(self.before, entry) and self.listed(self.after, entry)
                kept = covers_function(map(_written, after), _written(entry))
                why = "Other entries still allow as much." if kept else "What it allowed is no longer listed."
                direction: Direction = "tightening" if matters and not kept else "neutral"
                yield _removed(("functions", "allow"), direction, _plain(entry), why if matters else _NO_SAY)
        for entry in after:
            if entry not in before:
                matters = self.listed(self.before, entry) and self.listed(self.after, entry)
                known = covers_function(map(_written, before), _written(entry))
                why = "Other entries allowed as much." if known else "More functions may be called."
                direction = "loosening" if matters and not known else "neutral"
                yield _added(("functions", "allow"), direction, _plain(entry), why if matters else _NO_SAY)

    @staticmethod
    def listed(side: dict[str, Any], entry: tuple[str, str]) -> bool:
        """Has an entry of `functions.allow` a say? Under a denylist only names of the deployment's own functions have."""
        functions = side["functions"]
        if functions["mode"] == "allowlist":
            return True
        return entry[0] == "name" and functions["user_defined"] == "allow_listed"

    # -- packs, exceptions, principals ------------------------------------------------------------------------------

    def pack_uses(self) -> Iterator[Change]:
        before, after = ({use.use: use for use in side.packs} for side in (self.old, self.new))
        for name in sorted(before.keys() | after.keys()):
            path: KeyPath = ("packs", name)
            if name not in after:
                yield _removed(path, "neutral", name, "Its rules are compared one by one.")
            elif name not in before:
                yield _added(path, "neutral", name, "Its rules are compared one by one.")
            else:
                yield from self.pack_use(path, before[name], after[name])

    @staticmethod
    def pack_use(path: KeyPath, old: PackUse, new: PackUse) -> Iterator[Change]:
        for key in ("version", "path"):
            before, after = getattr(old, key), getattr(new, key)
            if before != after:
                yield _changed((*path, key), "neutral", before, after, "Its rules are compared one by one.")
        if old.signed_by != new.signed_by:
            tighter = old.signed_by is None
            why = "The pack must be signed now." if tighter else "Other packs than those of this key may be loaded."
            direction: Direction = "tightening" if tighter else "loosening"
            yield _changed((*path, "signed_by"), direction, old.signed_by, new.signed_by, why)

    def exceptions(self) -> Iterator[Change]:
        before, after = ({entry.id: entry for entry in side.exceptions} for side in (self.old, self.new))
        for name in sorted(before.keys() | after.keys()):
            old, new = before.get(name), after.get(name)
            path: KeyPath = ("exceptions", name)
            if old == new:
                continue
            lifted = old is not None and old.expires >= self.today
            if new is None and old is not None:
                why = "Its rules are back in force." if lifted else "It had ended."
                yield _removed(path, "tightening" if lifted else "neutral", old.model_dump(mode="json"), why)
            elif old is None and new is not None:
                yield _added(path, "loosening", new.model_dump(mode="json"), "It lifts findings of rules.")
            elif old is not None and new is not None:
                yield from self.exception(path, old.model_dump(mode="json"), new.model_dump(mode="json"), lifted)

    @staticmethod
    def exception(path: KeyPath, old: dict[str, Any], new: dict[str, Any], lifted: bool) -> Iterator[Change]:
        binding = {"rules", "tables", "expires"}
        if all(old[key] == new[key] for key in binding):
            yield _changed(path, "neutral", old, new, "What it lifts stays the same.")
            return
        tables = bool(old["tables"]) <= bool(new["tables"]) and (
            not old["tables"] or set(new["tables"]) <= set(old["tables"])
        )
        narrower = set(new["rules"]) <= set(old["rules"]) and tables and new["expires"] <= old["expires"] and lifted
        why = "It lifts less than it did." if narrower else "It may lift more than it did."
        yield _changed(path, "tightening" if narrower else "loosening", old, new, why)

    def principals(self) -> Iterator[Change]:
        before, after = self.both(("principals",))
        for name in sorted(before.keys() | after.keys()):
            path: KeyPath = ("principals", name)
            # An attribute that is known may meet a condition that would be refused without it.
            matters = any(_names_attribute(side) for side in self.sides)
            direction: Direction = "loosening" if matters else "neutral"
            why = "That conditions on attributes allow no more cannot be shown." if matters else _NO_ATTRIBUTE
            if name not in after:
                yield _removed(path, direction, before[name], why)
            elif name not in before:
                yield _added(path, direction, after[name], why)
            elif before[name] != after[name]:
                yield _changed(path, direction, before[name], after[name], why)


_NO_ATTRIBUTE: Final = "No condition names an attribute."
_NO_SAY: Final = "Under a denylist it has no say."


def _names_attribute(side: dict[str, Any]) -> bool:
    """Does a condition of a policy depend on who asks?"""
    values = [value for entry in side["where"] for value in entry["equals"].values()]
    return bool(side["row_filters"]) or any(isinstance(value, str) and value.startswith(":") for value in values)


def _covers_column(entries: list[tuple[str, str]], entry: tuple[str, str]) -> bool:
    return any(covers_pattern([table], entry[0]) and covers_name(column, entry[1]) for table, column in entries)


def _covers_requirement(entries: list[tuple[Any, ...]], entry: tuple[Any, ...]) -> bool:
    table, columns, equals = entry
    return any(
        covers_pattern([other], table)
        and set(columns) <= {*others, *(column for column, _ in values)}
        and bool(columns or equals) == bool(others or values)
        and set(equals) <= set(values)
        for other, others, values in entries
    )


def _covers_filter(entries: list[tuple[str, str]], entry: tuple[str, str]) -> bool:
    return any(covers_pattern([table], entry[0]) and using == entry[1] for table, using in entries)


def _entries(stated: list[Any]) -> list[tuple[str, str]]:
    """Entries of a list of functions, one capability each."""
    found = []
    for entry in stated:
        if isinstance(entry, dict):
            found += [("capability", word) for word in entry["capability"]]
        else:
            found.append(("name", entry))
    return found


def _written(entry: tuple[str, str]) -> Any:
    return {"capability": [entry[1]]} if entry[0] == "capability" else entry[1]


def _covers_denied_function(entries: list[tuple[str, str]], entry: tuple[str, str]) -> bool:
    if entry[0] == "capability":
        return entry in entries
    name = entry[1].partition("(")[0].rstrip()
    names = [each for kind, each in entries if kind == "name"]
    return entry[1] in names or covers_pattern([each for each in names if "(" not in each], name)


def _plain(entry: Any) -> Any:
    if not isinstance(entry, tuple):
        return entry
    if len(entry) == 2 and entry[0] == "capability":
        return {"capability": entry[1]}
    if len(entry) == 2 and entry[0] == "name":
        return entry[1]
    return [_plain(each) for each in entry]


def _changed(path: KeyPath, direction: Direction, old: Any, new: Any, why: str) -> Change:
    return Change(format_path(path), "changed", direction, old, new, why)


def _added(path: KeyPath, direction: Direction, new: Any, why: str) -> Change:
    return Change(format_path(path), "added", direction, None, new, why)


def _removed(path: KeyPath, direction: Direction, old: Any, why: str) -> Change:
    return Change(format_path(path), "removed", direction, old, None, why)
