"""Snapshots come back equal, byte for byte the same, and a damaged one is refused with a reason."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import pytest

from pg_guard.catalog.model import Catalog, Column, Function, Name, Relation
from pg_guard.catalog.snapshot import SCHEMA, from_document, to_document
from pg_guard.errors import CatalogError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_a_snapshot_comes_back_equal(objects: Catalog, tmp_path: Path) -> None:
    path = tmp_path / "catalog.json"
    objects.to_json(path)
    again = Catalog.from_json(path)
    assert again == objects
    assert again.digest == objects.digest
    assert from_document(to_document(objects)) == objects


def test_the_bytes_depend_on_the_catalog_only(objects: Catalog, tmp_path: Path) -> None:
    first, second = tmp_path / "a.json", tmp_path / "b.json"
    objects.to_json(first)
    Catalog.from_json(first).to_json(second)
    assert first.read_bytes() == second.read_bytes()
    assert json.loads(first.read_text())["schema"] == SCHEMA


def test_names_keep_their_schema_and_defaults_are_left_out() -> None:
    column = Column("a.b", Name("pg_catalog", "int4"))
    catalog = Catalog(relations=(Relation("x.y", "zé\n", "table", (column,), parents=(Name("x", "y.z"),)),))
    document = to_document(catalog)
    assert document["relations"] == [
        {
            "schema": "x.y",
            "name": "zé\n",
            "kind": "table",
            "columns": [{"name": "a.b", "type": "int4"}],
            "parents": [["x", "y.z"]],
        }
    ]
    assert from_document(json.loads(json.dumps(document))) == catalog


def test_an_empty_catalog_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "catalog.json"
    Catalog().to_json(path)
    assert Catalog.from_json(path) == Catalog()


def test_every_field_of_every_value_survives() -> None:
    function = Function("s", "f", (Name("s", "t"),), Name("s", "r"), outputs=(("o", Name("pg_catalog", "text")),))
    changed = dataclasses.replace(function, kind="window", defaults=3, strict=True, support=(Name("a", "b"),))
    for one in (function, changed):
        assert from_document(to_document(Catalog(functions=(one,)))).functions == (one,)


def test_writing_replaces_the_file_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "catalog.json"
    path.write_text("old")
    Catalog(database="new").to_json(path)
    assert Catalog.from_json(path).database == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_is_followed(tmp_path: Path) -> None:
    target, link = tmp_path / "real.json", tmp_path / "link.json"
    link.symlink_to(target)
    Catalog(database="x").to_json(link)
    assert link.is_symlink()
    assert Catalog.from_json(target).database == "x"


def test_writing_to_a_place_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="cannot write the catalog snapshot"):
        Catalog().to_json(tmp_path / "missing" / "catalog.json")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"\xff\xfe", "not UTF-8"),
        (b"[]", "not a catalog snapshot"),
        (b"null", "not a catalog snapshot"),
        (b"{}", "not a catalog snapshot"),
        (b'{"schema": 1}', "not a catalog snapshot"),
        (b'{"schema": "pg-guard/policy/v1"}', "not a catalog snapshot"),
        (b'{"schema": "pg-guard/catalog/v2"}', "reads pg-guard/catalog/v1, not 'pg-guard/catalog/v2'"),
        (b'{"schema": "pg-guard/catalog/v1", "schema": "pg-guard/catalog/v1"}', "not valid JSON"),
        (b'{"schema": "pg-guard/catalog/v1", "x": NaN}', "not valid JSON"),
        (b'{"schema": "pg-guard/catalog/v1", "server_version": ' + b"9" * 5000 + b"}", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
    ],
)
def test_files_that_are_no_snapshot(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "catalog.json"
    path.write_bytes(content)
    with pytest.raises(CatalogError, match=expected) as caught:
        Catalog.from_json(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_and_a_directory(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="there is no catalog snapshot at"):
        Catalog.from_json(tmp_path / "none.json")
    with pytest.raises(CatalogError, match="cannot read the catalog snapshot"):
        Catalog.from_json(tmp_path)


def _set(path: str, value: Any) -> Callable[[Any], None]:
    def change(document: Any) -> None:
        *parents, last = path.split(".")
        for key in parents:
            document = document[int(key) if key.isdigit() else key]
        document[int(last) if last.isdigit() else last] = value

    return change


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (_set("relations", {}), r"relations: expected a list"),
        (_set("relations.0", []), r"relations\[0\]: expected an object"),
        (_set("relations.0.kind", "tabel"), r"relations\[0\].kind: expected one of table"),
        (_set("relations.0.columns.0.name", 1), r"relations\[0\].columns\[0\].name: expected text"),
        (_set("relations.0.columns.0.type", ["a"]), r"columns\[0\].type: expected a name"),
        (_set("relations.0.columns.0.not_null", 1), r"not_null: expected true or false"),
        (_set("relations.0.rows", "many"), r"rows: expected a number"),
        (_set("relations.0.rows", True), r"rows: expected a number"),
        (_set("relations.0.surprise", 1), r"relations\[0\]: unknown key 'surprise'"),
        (_set("relations.0.columns.0", {"name": "x"}), r"the key 'type' is missing"),
        (_set("server_version", True), r"server_version: expected a whole number"),
        (_set("surprise", 1), r"unknown key 'surprise'"),
        (_set("extensions", [["only"]]), r"extensions\[0\]: expected a list of 2"),
        (_set("database", None), r"database: expected text"),
        (_set("database", "\ud800"), r"database: is not valid text"),
    ],
)
def test_a_wrong_shape_is_refused_with_its_path(change: Callable[[Any], None], expected: str) -> None:
    table = Relation("s", "t", "table", (Column("c", Name("s", "t")),))
    document = json.loads(json.dumps(to_document(Catalog(relations=(table,)))))
    assert from_document(document).relations == (table,)
    change(document)
    with pytest.raises(CatalogError, match=expected):
        from_document(document)


def test_a_relation_that_stands_twice_is_refused() -> None:
    table = Relation("s", "t", "table")
    with pytest.raises(CatalogError, match=r"2 times the relation s\.t"):
        from_document(to_document(Catalog(relations=(table, table))))
