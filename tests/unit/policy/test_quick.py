"""libyaml and PyYAML's own parser tell the same of every file that is shipped, or the quick way is not taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pg_guard.policy import quick
from pg_guard.policy.document import MAX_DEPTH, read_document
from pg_guard.policy.shipped import shipped_dir

if TYPE_CHECKING:
    from pathlib import Path

FILES = [*sorted(shipped_dir("rules").glob("*/*.yaml")), *sorted(shipped_dir("policies").glob("*.yaml"))]


def both(text: str) -> None:
    careful, problems = read_document(text, "f.yaml")
    fast, quick_problems = read_document(text, "f.yaml", quick=True)
    assert quick_problems == problems
    assert (fast is None) is (careful is None)
    if fast is not None and careful is not None:
        assert repr(fast.data) == repr(careful.data)
        assert dict(fast.values) == dict(careful.values)
        assert dict(fast.keys) == dict(careful.keys)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_shipped_files_read_the_same(path: Path) -> None:
    both(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "- a",
        "a: 1\na: 2",
        "a: !!python/object:os.system {}",
        "a: &x [1]\nb: *x",
        "a: &x {b: *x}",
        "a: 1\n---\nb: 2",
        "a: on\nb: 0o17\nc: 010\nd: 1_000\ne: 12:30\nf: 2026-01-01\ng: ~\nh: .5\ni: 1e3\nj: true",
        "ü: é\nb: 'ß'  # ü\n𝒳: {y: z}",
        "a: |\n  x\n   y\n\nb: >\n  c\n  d\n",
        "a: 'x\n  y'",
        "1: a",
        "a:",
        "a: [b,,c]",
        "a: {b: c, d}",
        "{1?}",
        "a: |#b",
        "a: >-#b\n  c",
        "a: [b?c]",
        "a: b?",
        "\ta: b",
        "a: \tb",
        "a: !",
        "\ufeff\ufeffa: b",
        'a: "\\ud800"',
        "a: \u0007",
        "{a: 1}}",
        "a: " + "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1),
        "a: " + "[" * (MAX_DEPTH - 2) + "]" * (MAX_DEPTH - 2),
        "[" * 100_000,
    ],
)
def test_odd_texts_read_the_same(text: str) -> None:
    both(text)


@given(st.text(alphabet="ab1:- \n'\"[]{},#&*!|>?%.", max_size=24))
def test_any_text_reads_the_same(text: str) -> None:
    both(text)


def test_without_libyaml_everything_is_read_the_careful_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quick, "CParser", None)
    document, problems = read_document("a: 1", "f.yaml", quick=True)
    assert document is not None
    assert document.data == {"a": 1}
    assert problems == ()


def test_libyaml_is_there() -> None:
    assert yaml.__with_libyaml__
