"""The policy of a soak, in versions. In: a directory. Out: a file; every other version forbids the table ``reviews``."""

from __future__ import annotations

from pathlib import Path
from typing import Final

__all__ = ["Policy"]

ROOT: Final = Path(__file__).resolve().parents[2]
CHANGES: Final = (
    ("statement_timeout: 10s", "statement_timeout: 3s"),
    ("rows: 500", "rows: 2000"),
    ("  user_defined: allow_listed", "    - pg_catalog.pg_sleep(double precision)\n  user_defined: allow_listed"),
)


class Policy:
    """The demo's, with short time-outs, and a function that takes as long as it is told.

    Attributes:
        path: Where it stands.
        version: The number of the version that stands there.
    """

    def __init__(self, directory: Path) -> None:
        self.path = directory / "policy.yaml"
        self.version = 0
        self.write(0)

    @property
    def denies_reviews(self) -> bool:
        """Whether this version forbids them."""
        return self.version % 2 == 1

    def write(self, version: int) -> None:
        """Replace the file by another version."""
        self.version = version
        text = (ROOT / "policies" / "demo.yaml").read_text(encoding="utf-8").partition("\ntests:")[0]
        denied = [('deny: ["hr.*"', 'deny: ["reviews", "hr.*"')] if self.denies_reviews else []
        for old, new in (*CHANGES, *denied, ("version: 1.0.0", f"version: 1.0.{version}")):
            assert old in text
            text = text.replace(old, new)
        fresh = self.path.with_suffix(".new")
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(self.path)
