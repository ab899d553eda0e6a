"""Write the generated pages. In: a directory. Out: its Markdown files."""

from __future__ import annotations

import sys
from pathlib import Path

from pg_guard.entry.reference.pages import reference_pages

if __name__ == "__main__":
    directory = Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in reference_pages().items():
        (directory / name).write_text(text, encoding="utf-8")
