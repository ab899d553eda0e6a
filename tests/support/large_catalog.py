"""A catalog of 5,000 tables. In: the tables of 60 businesses in `large_catalog.txt`. Out: a `Catalog`, always the same.

To the tables that somebody designed come those that grow by themselves: lookups and notes beside a table, copies for
history, archive, staging and backups, a warehouse of dimensions and facts, and sheets with 200 columns.
"""

from __future__ import annotations

import itertools
import random
import re
from collections import defaultdict
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

from pg_guard.catalog.model import Catalog, Column, ForeignKey, Name, Relation, Type

SIZE = 5_000
_COLUMN = re.compile(r"(?P<name>\w+)(?::(?P<type>\w+))?(?:>(?P<target>[\w.]+))?(?:=(?P<labels>[\w/-]+))?")
_TYPES = {
    "int": "int4", "bigint": "int8", "numeric": "numeric", "date": "date", "ts": "timestamptz", "bool": "bool", "time": "time",
}  # fmt: skip
_COPIES = (
    "{}_hist", "{}_history", "{}_archive", "{}_archive_2021", "{}_archive_2023", "stg_{}", "staging_{}", "tmp_{}", "{}_tmp",
    "{}_bak", "{}_backup_20240131", "{}_old", "{}_copy", "{}_copy2", "{}_test", "zz_{}", "{}_deleted", "{}_snapshot",
)  # fmt: skip
_COLUMNS_OF_ALL = (
    "created_at",
    "updated_at",
    "created_by",
    "version_no",
    "is_deleted",
    "remarks",
    "source_system",
    "external_ref",
)


class _Draft(NamedTuple):
    name: Name
    columns: tuple[tuple[str, str, str, tuple[str, ...]], ...]  # name, type, target, labels
    key: tuple[str, ...]
    comment: str


def _read() -> list[_Draft]:
    drafts, schema = [], ""
    for line in Path(__file__).with_suffix(".txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("=="):
            schema = line.removeprefix("==").strip()
        elif line.strip() and not line.startswith("#"):
            name, _, rest = line.partition(": ")
            body, _, comment = rest.partition(" -- ")
            keyed, several, _ = body.partition(";")
            columns = tuple(
                (
                    each["name"],
                    each["type"] or "",
                    each["target"] or "",
                    tuple((each["labels"] or "").replace("_", " ").split("/")),
                )
                for each in _COLUMN.finditer(body)
            )
            key = tuple(each["name"] for each in _COLUMN.finditer(keyed)) if several else (columns[0][0],)
            drafts.append(_Draft(Name(schema, name), columns, key, comment.strip()))
    return drafts


def _type_of(name: str) -> str:
    low = name.lower()
    if low.endswith(("_id", "id", "_no", "_nr")):
        return "int8"
    if low.endswith(("_at", "_ts")):
        return "timestamptz"
    if low.endswith(("_on", "_date", "_dt", "_until")):
        return "date"
    if any(
        word in low
        for word in ("amount", "price", "total", "_amt", "_pct", "balance", "cost", "fee", "rate", "salary", "_kg")
    ):
        return "numeric"
    return "bool" if low.startswith("is_") else "text"


def _relation(draft: _Draft, keys: dict[Name, str], types: dict[Name, Type], rows: random.Random) -> Relation:
    columns, foreign = [], []
    for name, type_, target, labels in draft.columns:
        kind = Name("pg_catalog", _TYPES[type_] if type_ else _type_of(name))
        if labels[0]:
            kind = Name(draft.name.schema, f"{draft.name.name}_{name}".lower())
            types[kind] = Type(kind.schema, kind.name, "enum", "E", labels=labels)
        if target:
            schema, _, table = target.rpartition(".")
            aim = Name(schema or draft.name.schema, table)
            foreign.append(ForeignKey((name,), aim, (keys[aim],)))
        columns.append(Column(name, kind, not_null=name in draft.key))
    return Relation(
        draft.name.schema, draft.name.name, "table", (*columns, *_grown(draft, rows)), comment=draft.comment,
        primary_key=draft.key, foreign_keys=tuple(foreign), indexes=(draft.key, *(key.columns for key in foreign)),
        rows=float(rows.randrange(10, 5_000_000)),
    )  # fmt: skip


def _grown(draft: _Draft, rows: random.Random) -> list[Column]:
    """Columns that every application adds, a part of them in each table."""
    have = {name for name, *_ in draft.columns}
    return [
        Column(name, Name("pg_catalog", _type_of(name)))
        for name in _COLUMNS_OF_ALL
        if name not in have and rows.random() < 0.5
    ]


def _beside(table: Relation) -> list[Relation]:
    """A lookup, notes, files and labels of a table, each with a foreign key."""
    bigint, text, name = Name("pg_catalog", "int8"), Name("pg_catalog", "text"), table.name
    if len(table.primary_key) != 1:
        return []
    key = table.primary_key[0]
    aim = (ForeignKey((key,), table.key, (key,)),)
    kinds = {
        "notes": ("note_text", "written_by"), "attachments": ("file_name", "mime_type"),
        "audit": ("changed_by", "old_value", "new_value"),
        "tags": ("tag",), "translations": ("language_code", "translated_text"), "external_ids": ("system_name", "external_key"),
        "custom_fields": ("field_name", "field_value"),
    }  # fmt: skip
    return [
        Relation(
            table.schema, f"{name}_{kind}", "table",
            (Column("row_no", bigint, not_null=True), Column(key, bigint), *(Column(each, text) for each in columns)),
            primary_key=("row_no",), foreign_keys=aim, indexes=(("row_no",), (key,)), rows=1000.0,
        )
        for kind, columns in kinds.items()
    ]  # fmt: skip


def _wide(number: int, base: list[Relation]) -> Relation:
    """A sheet of the reporting department: columns of many tables side by side."""
    text = Name("pg_catalog", "text")
    some = base[number * 17 % len(base)]
    others = [base[(number * 17 + step * 5) % len(base)] for step in range(60)]
    pairs = ((each.name.lower(), column.name.lower()) for each in others for column in each.columns)
    names = dict.fromkeys(f"{table}_{column}"[:60] for table, column in pairs)
    columns = tuple(Column(name, text) for name in itertools.islice(names, 199))
    return Relation(
        "reporting",
        f"rpt_{some.schema}_{some.name.lower()}_flat",
        "table",
        (Column("row_id", text), *columns),
        rows=9e6,
    )


@cache
def large_catalog() -> Catalog:
    """The catalog; the relations are in the order of their names."""
    drafts, chance = _read(), random.Random("large catalog")
    keys = {draft.name: draft.key[0] for draft in drafts}
    types: dict[Name, Type] = {}
    base = [_relation(draft, keys, types, chance) for draft in drafts]
    found = {table.key: table for table in base}
    for table in [*(_wide(number, base) for number in range(12)), *_warehouse(base)]:
        found.setdefault(table.key, table)
    more: dict[int, list[Relation]] = defaultdict(list)
    for table in base:
        beside = _beside(table)
        chance.shuffle(beside)
        names = chance.sample(_COPIES, len(_COPIES))
        copies = [
            replace(table, name=form.format(table.name), comment="", foreign_keys=(), primary_key=(), indexes=())
            for form in names
        ]
        # A history keeps its keys, and a copy now and then its comment.
        copies[0] = replace(copies[0], foreign_keys=table.foreign_keys, comment=table.comment)
        for turn, extra in enumerate(itertools.chain(*zip(beside[:5], copies[:5], strict=False), copies[5:])):
            more[turn].append(extra)
    for extra in itertools.chain.from_iterable(more[turn] for turn in sorted(more)):
        if len(found) == SIZE:
            break
        found.setdefault(extra.key, extra)
    relations = tuple(found[key] for key in sorted(found))
    builtin = sorted({*_TYPES.values(), "text"})
    return Catalog(
        database="large",
        server_version=180000,
        search_path=("public",),
        schemas=tuple(sorted({"pg_catalog", *(table.schema for table in relations)})),
        relations=relations,
        types=(*(Type("pg_catalog", name) for name in builtin), *(types[key] for key in sorted(types))),
    )


def _warehouse(base: list[Relation]) -> list[Relation]:
    """Dimensions and facts that are loaded from every fifth table."""
    return [
        replace(
            table, schema="dwh", name=f"{'fact' if len(table.foreign_keys) > 1 else 'dim'}_{table.schema}_{table.name.lower()}",
            comment="", foreign_keys=(), indexes=(),
        )
        for table in base[::5]
    ]  # fmt: skip
