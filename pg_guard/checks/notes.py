"""What could not be understood. In: notes of the extraction. Out: each as a finding, because the unknown is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pg_guard.checks.base import Subject
    from pg_guard.decision import Finding

__all__ = ["check_notes"]


def check_notes(subject: Subject) -> Iterator[Finding]:
    for note in dict.fromkeys(subject.facts.notes):
        severity = "low" if note.rule == "sql/unknown-name" else "medium"
        yield subject.finding(note.rule, severity, note.message, note.remediation, note.location)  # type: ignore[arg-type] # literals
