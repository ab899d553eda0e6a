"""What could not be understood. In: notes of the extraction. Out: each as a finding, because the unknown is refused."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pg_guard.checks.base import Subject
    from pg_guard.decision import Finding

__all__ = ["check_notes"]

_JUNK = re.compile(r"\$\d+[A-Za-z_\x80-\U0010ffff]")


def check_notes(subject: Subject) -> Iterator[Finding]:
    """Turn every note of the extraction into a finding."""
    for location in subject.facts.parameters:
        # libpg_query accepts what PostgreSQL refuses since version 16: letters right behind the number.
        start = subject.sql.char(location)
        if _JUNK.match(subject.sql.text, start):
            yield subject.finding(
                "sql/syntax",
                "low",
                "There is trailing junk after a parameter.",
                "Put a blank behind the number.",
                location,
            )
    for note in dict.fromkeys(subject.facts.notes):
        severity = "low" if note.rule == "sql/unknown-name" else "medium"
        yield subject.finding(note.rule, severity, note.message, note.remediation, note.location, note.about)  # type: ignore[arg-type] # literals
