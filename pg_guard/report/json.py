"""Decisions for programs. In: a `Decision` or any document of plain values. Out: JSON text, the same every time.

The text is plain ASCII: it passes any encoding, and no character of an untrusted statement reaches a terminal as a
command. Keys stand in the order of the decision record, version 1.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pg_guard.decision import Decision

__all__ = ["dump", "render_decision"]


def dump(document: dict[str, Any]) -> str:
    """Write a document of plain JSON values, ended by a newline."""
    return json.dumps(document, indent=2, ensure_ascii=True, allow_nan=False) + "\n"


def render_decision(decision: Decision) -> str:
    """Write the decision record, version 1."""
    return dump(decision.to_dict())
