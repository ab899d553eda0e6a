"""What a starter policy should say. In: a database's estate and the schemas that count. Out: a `Plan` with its evidence.

Everything is decided by names, types, comments and keys; the estimates of rows count in powers of ten only, so that the
same database gives the same plan after each ANALYZE.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pg_guard.advise.functions import list_functions
from pg_guard.advise.plan import Line, Plan, Requirement
from pg_guard.advise.quoting import column_pattern, is_plain, pattern, printable, some
from pg_guard.advise.reach import READABLE, Reach, is_user_schema
from pg_guard.advise.requirements import require_tenants
from pg_guard.advise.schemas import choose_schemas
from pg_guard.advise.sensitive import Hint, Vocabulary, load_vocabulary
from pg_guard.advise.subject import load_dangers
from pg_guard.errors import UsageError
from pg_guard.policy.model import Policy

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pg_guard.advise.surroundings import Estate
    from pg_guard.catalog.model import Catalog, Column, Relation

__all__ = ["LARGE", "survey"]

LARGE: Final = 1_000_000
"""Rows from which a table counts as large."""

_BASE: Final = ("table", "partitioned", "foreign")
_KIND_WORDS: Final = {
    "table": "table",
    "partitioned": "partitioned table",
    "foreign": "foreign table",
    "view": "view",
    "matview": "materialized view",
}
# Views over these hand on what PostgreSQL keeps for administrators.
_SYSTEM_SECRETS: Final = frozenset(
    {
        "pg_authid",
        "pg_shadow",
        "pg_user_mapping",
        "pg_user_mappings",
        "pg_subscription",
        "pg_statistic",
        "pg_statistic_ext_data",
        "pg_stats",
        "pg_stats_ext",
        "pg_stats_ext_exprs",
        "pg_stat_activity",
        "pg_largeobject",
        "pg_hba_file_rules",
        "pg_file_settings",
    }
)


def survey(estate: Estate, schemas: Sequence[str] = (), *, strict: bool = False) -> Plan:
    """Look at a database and decide what its starter policy says.

    Args:
        estate: The database.
        schemas: Schemas that the policy is for; all that the role may look into when empty.
        strict: As for `Plan`.

    Raises:
        UsageError: A schema does not exist or the role may not look into it, or there is nothing to write a policy for.
    """
    return _Surveyor(estate, tuple(dict.fromkeys(schemas)), strict).plan()


class _Surveyor:
    def __init__(self, estate: Estate, schemas: tuple[str, ...], strict: bool) -> None:
        self.estate = estate
        self.catalog: Catalog = estate.catalog
        self.strict = strict
        self.words: Vocabulary = load_vocabulary()
        self.by_name = bool(schemas)
        self.schemas = choose_schemas(estate, schemas)
        self.relations = [
            each
            for each in self.catalog.relations
            if each.kind in READABLE and each.schema in self.schemas and not self._of_extension(each)
        ]
        if not self.relations:
            named = ", ".join(printable(each) for each in self.schemas)
            raise UsageError(
                f"there is no table or view in {named}", hint="name other schemas with --schema, or create tables first"
            )
        self.deny: dict[str, Line] = {}
        self.columns: dict[str, dict[str, Line]] = {}

    def _of_extension(self, relation: Relation) -> str:
        row_type = self.catalog.type_index.get(relation.key)
        return row_type.extension if row_type is not None else ""

    def _close_extensions(self) -> None:
        """Deny what dangerous extensions put into the schemas; tables of others (reference data) stay."""
        dangers = load_dangers()
        for relation in self.catalog.relations:
            if relation.kind in READABLE and relation.schema in self.schemas:
                extension = self._of_extension(relation)
                danger = dangers["system"].get(relation.name) or dangers["extensions"].get(extension)
                if extension and danger is not None:
                    self._add(pattern(relation.key), f"of the extension {printable(extension)}: {danger.why}")

    def plan(self) -> Plan:
        closed = self._close_schemas()
        open_relations = [each for each in self.relations if each.schema not in closed]
        for relation in open_relations:
            self._look_at_relation(relation)
        for relation in open_relations:
            if pattern(relation.key) not in self._denied():
                self._look_at_columns(relation)
        self._follow_keys(open_relations)
        self._close_extensions()
        if self.strict:
            self._close_foreign(open_relations)
            self._close_parents(open_relations)
        plan = Plan(self.catalog.database, self.catalog.server_version // 10000, self.strict)
        plan = replace(plan, allow=self._allow(open_relations, closed), left_out=self._left_out())
        reach = self._close_views(plan, open_relations)
        permitted = [each for each in open_relations if reach.tables.permitted(each.key)]
        where, where_notes = self._requirements(permitted, reach)
        if self.strict:
            reach = self._close_views(plan, open_relations)  # tables that no requirement covers are denied now
        functions, function_notes = list_functions(self.estate, reach, self.schemas, strict=self.strict)
        path = [each for each in self.catalog.search_path if each in self.schemas and each not in closed]
        return replace(
            plan,
            allow=tuple(each for each in plan.allow if each.value not in self._denied()),
            search_path=tuple(path) if all(is_plain(each) for each in path) else (),
            deny=tuple(self.deny.values()),
            columns=self._column_lines(),
            notes=self._notes(open_relations, reach),
            where=where,
            where_notes=where_notes,
            functions=functions,
            function_notes=function_notes,
            large=self._large(permitted),
            max_tables=5 if self.strict else 8,
            rows=200 if self.strict else 1000,
            timeout="10s" if self.strict else "30s",
        )

    # -- relations -----------------------------------------------------------------------------------------------------

    def _denied(self) -> set[str]:
        return {value for value, line in self.deny.items() if line.active}

    def _add(self, value: str, why: str, *, active: bool = True) -> None:
        known = self.deny.get(value)
        if known is None or (active and not known.active):
            self.deny[value] = Line(value, why, active)

    def _close_schemas(self) -> set[str]:
        """Deny schemas whose name says that they hold nothing for analysts, unless the user named them."""
        if self.by_name:
            return set()
        hints = {schema: self.words.relation(schema) for schema in self.schemas}
        closed = {schema for schema, hint in hints.items() if hint is not None and hint.sure}
        used = {each.schema for each in self.relations}
        if not used - closed:
            return set()  # a policy that opens nothing helps nobody: their tables and columns are looked at instead
        for schema in sorted(closed & used):
            hint = hints[schema]
            assert hint is not None  # closed for a hint
            self._add(f"{column_pattern(schema)}.*", f"schema {hint.why}")
        return closed

    def _look_at_relation(self, relation: Relation) -> None:
        hint = self.words.relation(relation.name, relation.comment)
        if hint is not None and relation.partition_of is None:
            self._add(pattern(relation.key), hint.why, active=hint.sure)

    def _close_foreign(self, relations: Iterable[Relation]) -> None:
        for relation in relations:
            if relation.kind == "foreign":
                self._add(pattern(relation.key), "foreign table: reads another server")

    def _close_parents(self, relations: Iterable[Relation]) -> None:
        """A table that is allowed by its exact name counts as reviewed, and would show the rows of a denied child."""
        index = self.catalog.relation_index
        queue = [each for each in relations if pattern(each.key) in self._denied()]
        while queue:
            child = queue.pop()
            for parent in child.parents:
                if parent in index and pattern(parent) not in self._denied():
                    self._add(pattern(parent), f"shows the rows of {printable(str(child.key))}")
                    queue.append(index[parent])

    def _close_views(self, plan: Plan, relations: list[Relation]) -> Reach:
        """Deny what views show of what is denied, until nothing more is found; the reach of the policy that results."""
        views = [each for each in relations if each.kind in ("view", "matview")]
        while True:
            before = (len(self._denied()), sum(map(len, self.columns.values())))
            draft = replace(plan, deny=tuple(self.deny.values()), columns=self._column_lines())
            reach = Reach(Policy.model_validate(draft.document()), self.catalog)
            for view in views:
                self._look_at_view(view, reach)
            if before == (len(self._denied()), sum(map(len, self.columns.values()))):
                return reach

    def _look_at_view(self, view: Relation, reach: Reach) -> None:
        value = pattern(view.key)
        if value in self._denied():
            return
        kind = _KIND_WORDS[view.kind]
        leak = reach.view(view)
        secrets = sorted(
            {
                str(name)
                for use in reach.shape(view).relations
                for name in use.names
                if name.schema == "pg_catalog" and name.name in _SYSTEM_SECRETS
            }
        )
        if leak.relations or secrets:
            self._add(value, f"{kind}: reads {some([*map(str, leak.relations), *secrets])}")
        elif leak.conditions:
            chosen = some(f"{base.relation}.{base.column}" for base in leak.conditions)
            self._add(value, f"{kind}: chooses its rows by {chosen}")
        elif leak.columns and len(leak.columns) == len(view.columns):
            self._add(value, f"{kind}: every column shows what is denied")
        for name, bases in leak.columns if value not in self._denied() else ():
            shown = some(f"{base.relation}.{base.column}" for base in bases)
            self._add_column(view, name, f"{kind}: shows {shown}")

    def _allow(self, relations: list[Relation], closed: set[str]) -> tuple[Line, ...]:
        if not self.strict:
            return tuple(
                Line(f"{column_pattern(schema)}.*", _counted(each for each in relations if each.schema == schema))
                for schema in self.schemas
                if schema not in closed and any(each.schema == schema for each in relations)
            )
        lines = []
        for relation in relations:
            if relation.partition_of is None:
                kind = _KIND_WORDS[relation.kind]
                view = relation.kind in ("view", "matview")
                why = f"{kind}: a line without wildcard says that you have reviewed it" if view else kind
                lines.append(Line(pattern(relation.key), why, not view))
        return tuple(lines)

    def _left_out(self) -> tuple[str, ...]:
        others = sorted(
            {
                each.schema
                for each in self.catalog.relations
                if each.kind in READABLE and is_user_schema(each.schema) and each.schema not in self.schemas
            }
        )
        return tuple(
            f"{printable(schema)}: "
            + ("not named by --schema" if self.by_name else "the role that made this file has no USAGE on it")
            for schema in others
        )

    def _notes(self, relations: list[Relation], reach: Reach) -> tuple[str, ...]:
        notes = []
        for relation in relations:
            name, value = printable(str(relation.key)), pattern(relation.key)
            if relation.kind == "matview":
                notes.append(f"materialized view {name}: a copy of its rows, as old as its last refresh")
            if relation.kind == "foreign":
                server = self.estate.around.relations[relation.key].server
                notes.append(
                    f"foreign table {name}: reads the server {printable(server)} with the rights of whoever is mapped there"
                )
            if relation.kind == "partitioned" and relation.partition_of is None:
                count = len(reach.names.descendants(relation.key))
                notes.append(
                    f"partitioned table {name} ({count} partition{'s' * (count != 1)}): a line for one of them holds for all"
                )
            elif relation.kind == "table" and (children := reach.names.descendants(relation.key)):
                below = some(map(str, children))
                notes.append(
                    f"{name} shows the rows of {below}, which inherit from it: what is denied there is denied here"
                )
            open_view = relation.kind in ("view", "matview") and value not in self._denied()
            if open_view and (problem := reach.shape(relation).problem):
                notes.append(f"view {name}: could not be followed ({printable(problem)})")
        return tuple(notes)

    # -- columns -------------------------------------------------------------------------------------------------------

    def _look_at_columns(self, relation: Relation) -> None:
        if relation.kind not in _BASE:
            return
        index = self.catalog.relation_index
        inherited = {column.name for parent in relation.parents if parent in index for column in index[parent].columns}
        for column in relation.columns:
            hint = self._hint(column) if column.name not in inherited else None
            if hint is not None and (hint.sure or not self._is_key(relation, column)):
                self._add_column(relation, column.name, hint.why, active=hint.sure or self.strict)

    def _hint(self, column: Column) -> Hint | None:
        types, name = self.catalog.type_index, column.type
        for _ in range(32):  # domains over domains
            base = types.get(name)
            if base is None or base.kind != "domain" or base.base is None:
                break
            name = base.base
        return self.words.column(column, name.name if name != column.type else "")

    @staticmethod
    def _is_key(relation: Relation, column: Column) -> bool:
        """Keys are what queries join by; hiding one is never a mere suggestion."""
        return column.name in relation.primary_key or any(column.name in key.columns for key in relation.foreign_keys)

    def _add_column(self, relation: Relation, column: str, why: str, *, active: bool = True) -> None:
        lines = self.columns.setdefault(pattern(relation.key), {})
        value = column_pattern(column)
        known = lines.get(value)
        if known is None or (active and not known.active):
            lines[value] = Line(value, why, active)

    def _follow_keys(self, relations: list[Relation]) -> None:
        """A foreign key to a denied column holds copies of its values."""
        changed = True
        while changed:
            changed = False
            for relation in relations:
                for key in relation.foreign_keys:
                    for own, target in zip(key.columns, key.target_columns, strict=True):
                        line = self.columns.get(pattern(key.target), {}).get(column_pattern(target))
                        mine = self.columns.get(pattern(relation.key), {}).get(column_pattern(own))
                        if line is not None and line.active and (mine is None or not mine.active):
                            self._add_column(relation, own, f"refers to {printable(f'{key.target}.{target}')}")
                            changed = True

    def _column_lines(self) -> tuple[tuple[str, tuple[Line, ...]], ...]:
        denied = self._denied()
        return tuple(
            (relation, tuple(lines.values()))
            for relation, lines in sorted(self.columns.items())
            if relation not in denied
        )

    # -- tenants and load ----------------------------------------------------------------------------------------------

    def _requirements(self, permitted: list[Relation], reach: Reach) -> tuple[tuple[Requirement, ...], tuple[str, ...]]:
        found = require_tenants(permitted, self.words, reach, strict=self.strict)
        for line in found.deny:
            self._add(line.value, line.why, active=line.active)
        return found.where, found.notes

    def _large(self, permitted: list[Relation]) -> tuple[Line, ...]:
        lines = []
        for relation in permitted:
            if relation.kind not in ("table", "partitioned", "matview") or relation.partition_of is not None:
                continue
            rows = self._rows(relation)
            if rows >= LARGE:
                lines.append(Line(pattern(relation.key), _magnitude(rows), active=False))
        return tuple(lines)

    def _rows(self, relation: Relation) -> float:
        children = self.catalog.children_index.get(relation.key, ())
        index = self.catalog.relation_index
        own = max(relation.rows, 0.0)
        below = sum(self._rows(index[child]) for child in children if child in index and child != relation.key)
        return below if relation.kind == "partitioned" and below else own + below


def _counted(relations: Iterable[Relation]) -> str:
    counts: dict[str, int] = {}
    for relation in relations:
        if relation.partition_of is None:
            counts[relation.kind] = counts.get(relation.kind, 0) + 1
    parts = [
        f"{counts[kind]} {word}{'s' if counts[kind] > 1 else ''}"
        for kind, word in _KIND_WORDS.items()
        if kind in counts
    ]
    return ", ".join(parts) or "partitions only"


def _magnitude(rows: float) -> str:
    power = math.floor(math.log10(rows))
    words = {6: "1 million", 7: "10 million", 8: "100 million", 9: "1 billion"}
    return f"over {words[min(power, 9)]} rows"
