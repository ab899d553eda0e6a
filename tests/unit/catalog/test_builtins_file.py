"""A damaged classification is refused when it is read, with the file and what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pg_guard.catalog.builtins_file import read_source
from pg_guard.errors import CatalogError

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "schema: pg-guard/functions/v1\nsource: pg_catalog\n"
LOWER = "groups: [{capabilities: [pure], why: Text., names: lower}]\n"


def _read(tmp_path: Path, text: str, name: str = "pg_catalog") -> None:
    path = tmp_path / "functions.yaml"
    path.write_text(text)
    read_source([path], name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "cannot be read"),
        ("- lower", "is not a classification"),
        ("schema: pg-guard/functions/v2\nsource: pg_catalog\n", "is not a classification"),
        ("schema: pg-guard/functions/v1\nsource: hstore\n", "does not belong to pg_catalog"),
        ("schema: pg-guard/functions/v1\nextension: pg_catalog\n", "does not belong to pg_catalog"),
        (HEAD + "grups: []\n", "unknown key grups"),
        (HEAD + "groups: [{capabilities: [pure], why: x, name: lower}]\n", "unknown key name"),
        (HEAD + "groups: [{capabilities: [pur], why: x, names: lower}]\n", "unknown capability pur"),
        (HEAD + "groups: [{capabilities: [], why: x, names: lower}]\n", "without capabilities"),
        (HEAD + "groups: [{capabilities: [pure], names: lower}]\n", "without a reason"),
        (HEAD + "groups: [{capabilities: [pure], why: x, names: lower lower}]\n", "lower is classified twice"),
        (HEAD + "groups: [{capabilities: [pure], why: x, overloads: [age]}]\n", "age is not of the form"),
        (HEAD + "groups: [{capabilities: [pure], why: x, overloads: [a(b), a(b)]}]\n", "is classified twice"),
        (HEAD + "groups: [{capabilities: [pure], why: x, names: a, overloads: [a(b)]}]\n", "is classified twice"),
        (HEAD + LOWER + "bounds: [{names: lower, kind: rowz, argument: 1}]\n", "unknown kind"),
        (HEAD + LOWER + "bounds: [{names: lower, kind: rows, argument: 0}]\n", "unknown kind or no argument"),
        (HEAD + LOWER + "bounds: [{names: upper, kind: rows, argument: 1}]\n", "upper has notes"),
        (HEAD + LOWER + "bounds: [{names: lower, kind: rows}]\n", "documented form"),
        (HEAD + LOWER + "versions: {upper: '14'}\n", "upper has notes"),
        (
            HEAD + LOWER + "literals: [{names: lower, argument: 1, capabilities: [x], why: y, values: []}]\n",
            "capability x",
        ),
        (HEAD + "casts_to: {regclass: [x]}\n", "unknown capability x"),
        (HEAD + "syntax: [{construct: a, written: A}]\n", "says nothing"),
        (
            HEAD
            + "syntax: [{construct: a, written: A, capabilities: [pure]}, {construct: a, written: A, calls: [b]}]\n",
            "twice",
        ),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(CatalogError, match=message):
        _read(tmp_path, text)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="cannot be read"):
        read_source([tmp_path / "missing.yaml"], "pg_catalog")


def test_a_name_may_not_stand_in_two_files(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(HEAD + LOWER)
    with pytest.raises(CatalogError, match=r"b\.yaml: lower is classified twice"):
        read_source(sorted(tmp_path.iterdir()), "pg_catalog")


def test_a_sound_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "hstore.yaml"
    path.write_text(LOWER.join(["schema: pg-guard/functions/v1\nextension: hstore\n", ""]))
    source = read_source([path], "hstore", extension=True)
    assert source.functions["lower"][0].capabilities == {"pure"}
    assert source.functions["lower"][0].through_cast == {"pure"}
