"""What MkDocs adds to docs/ while it builds the site. In: the shipped packs. Out: rules/: a page per rule, and their place.

The pages are made by the code that `pg-guard packs docs` runs, so that the repository holds each rule once, as YAML.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.structure.files import File

from pg_guard.packaging.docs import render_docs
from pg_guard.policy.packs import shipped_packs

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

ABOUT = Path(__file__).parent.parent / "rules" / "README.md"


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the index of each pack, and of the rules below it, into the navigation."""
    (section,) = (entry["Rules"] for entry in config.nav or () if "Rules" in entry)
    for pack in shipped_packs():
        pages = [f"rules/{pack.name}/{name}" for name in render_docs(pack) if name != "index.md"]
        section.append({pack.title: [f"rules/{pack.name}/index.md", *pages]})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of the packs and, as their front page, rules/README.md."""
    files.append(File.generated(config, "rules/index.md", content=ABOUT.read_text(encoding="utf-8")))
    for pack in shipped_packs():
        for name, text in render_docs(pack).items():
            files.append(File.generated(config, f"rules/{pack.name}/{name}", content=text))
    return files
