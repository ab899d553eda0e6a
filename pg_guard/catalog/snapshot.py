"""Catalog snapshots, version 1. In: a `Catalog` or a file. Out: deterministic JSON, or the same `Catalog` again.

One item per line, so that two snapshots can be compared with any diff; see `document` for the form of a value.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import secrets
from collections import Counter
from typing import TYPE_CHECKING, Any

from pg_guard.catalog.document import ShapeError, dump, load
from pg_guard.catalog.model import Catalog, Name
from pg_guard.errors import CatalogError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

__all__ = ["SCHEMA", "from_document", "read_snapshot", "to_document", "write_snapshot"]

SCHEMA = "pg-guard/catalog/v1"
_FAMILY = SCHEMA.rpartition("/")[0] + "/"
_REMEDY = "write a new one with: pg-guard catalog snapshot --dsn ... --output FILE"


def to_document(catalog: Catalog) -> dict[str, Any]:
    """The snapshot as JSON values; equal catalogs give equal documents."""
    return {"schema": SCHEMA, **dump(catalog)}


def from_document(document: Any) -> Catalog:
    """The catalog that `to_document` was given.

    Raises:
        CatalogError: The document is not a snapshot, of another version, or not of the right shape.
    """
    version = document.get("schema") if isinstance(document, dict) else None
    if not isinstance(version, str) or not version.startswith(_FAMILY):
        raise CatalogError(f"not a catalog snapshot: the key 'schema' does not say {SCHEMA}", hint=_REMEDY)
    if version != SCHEMA:
        raise CatalogError(f"this pg-guard reads {SCHEMA}, not {version!r}", hint=_REMEDY)
    try:
        catalog: Catalog = load(Catalog, {key: value for key, value in document.items() if key != "schema"})
    except ShapeError as exc:
        raise CatalogError(f"a damaged catalog snapshot: {exc}", hint=_REMEDY) from None
    _refuse_twins("relation", (relation.key for relation in catalog.relations))
    _refuse_twins("type", (type_.key for type_ in catalog.types))
    return catalog


def read_snapshot(path: Path) -> Catalog:
    """Read a snapshot file.

    Raises:
        CatalogError: The file is missing or unreadable, or is not a snapshot of this version.
    """
    try:
        if path.is_char_device() or path.is_block_device():  # some never end
            raise CatalogError(f"cannot read the catalog snapshot {path}: not a regular file")
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise CatalogError(f"there is no catalog snapshot at {path}", hint=_REMEDY) from None
    except OSError as exc:
        raise CatalogError(f"cannot read the catalog snapshot {path}: {exc.strerror}") from None
    except UnicodeDecodeError:
        raise CatalogError(f"{path}: not a catalog snapshot: it is not UTF-8 text", hint=_REMEDY) from None
    try:
        document = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as exc:
        place = f" (line {exc.lineno})" if isinstance(exc, json.JSONDecodeError) else ""
        raise CatalogError(f"{path}: not a catalog snapshot: it is not valid JSON{place}", hint=_REMEDY) from None
    try:
        return from_document(document)
    except CatalogError as exc:
        raise CatalogError(f"{path}: {exc.message}", hint=exc.hint) from None


def write_snapshot(catalog: Catalog, path: Path) -> None:
    """Write a snapshot, the same bytes for equal catalogs; a reader sees the old file or the new one, never a part.

    Raises:
        CatalogError: The file cannot be written.
    """
    target = path.resolve()
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        with draft.open("x", encoding="utf-8", newline="\n") as file:
            file.writelines(_lines(to_document(catalog)))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(target)
    except OSError as exc:
        raise CatalogError(f"cannot write the catalog snapshot {path}: {exc.strerror}") from None
    finally:
        with contextlib.suppress(OSError):
            draft.unlink()


def _refuse_twins(what: str, keys: Iterable[Name]) -> None:
    for name, count in Counter(keys).most_common(1):
        if count > 1:
            raise CatalogError(f"a damaged catalog snapshot: {count} times the {what} {name}", hint=_REMEDY)


def _lines(document: dict[str, Any]) -> Iterator[str]:
    order = ["schema", *(field.name for field in dataclasses.fields(Catalog))]
    keys = [key for key in order if key in document]
    yield "{\n"
    for key in keys:
        end = "\n" if key == keys[-1] else ",\n"
        value = document[key]
        if isinstance(value, list) and value:
            items = ",\n".join(_compact(item) for item in value)
            yield f"{_compact(key)}:[\n{items}\n]{end}"
        else:
            yield f"{_compact(key)}:{_compact(value)}{end}"
    yield "}\n"


def _compact(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands there twice")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
