"""The site of the documentation: it builds without a warning, holds every rule, and loads nothing from elsewhere."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from pg_guard.packaging.docs import page_name
from pg_guard.policy.packs import shipped_packs

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
needs_mkdocs = pytest.mark.skipif(
    importlib.util.find_spec("material") is None,
    reason="the site is built only where the extra `docs` is installed: pip install -e '.[docs]'",
)


def named(entries: object) -> Iterator[str]:
    """The pages of the navigation."""
    if isinstance(entries, str):
        yield entries
    for entry in entries if isinstance(entries, list) else entries.values() if isinstance(entries, dict) else ():
        yield from named(entry)


def test_every_page_is_in_the_navigation() -> None:
    navigation = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]
    written = {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")}
    assert set(named(navigation)) == {*written, "rules/index.md"}


@needs_mkdocs
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", tmp_path / "site"],
        cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    pages = {path.relative_to(tmp_path / "site"): path.read_text("utf-8") for path in tmp_path.rglob("*.html")}
    for pack in shipped_packs():
        for rule in pack.rules:
            assert Path("rules", pack.name, page_name(rule).removesuffix(".md"), "index.html") in pages
    for path, page in pages.items():
        # Scripts, styles, fonts and pictures; links that a reader follows are another matter.
        assert re.findall(r'<(?:script|img|iframe)[^>]+src="?(?:https?:)?//[^>]*', page) == [], path
        assert re.findall(r'<link[^>]+rel="?(?:stylesheet|preconnect)"?[^>]+href="?(?:https?:)?//', page) == [], path
