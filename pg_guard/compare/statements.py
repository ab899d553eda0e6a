"""Statements to compare by. In: nothing. Out: `Statement`, a text with where it came from and who asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Statement"]


class Statement(NamedTuple):
    """One statement of a corpus, a log or a test.

    Attributes:
        sql: The text.
        origin: Where it stands, as in ``reports.sql:12``.
        principal: Attributes of who asks, or None.
    """

    sql: str
    origin: str
    principal: Mapping[str, Any] | None = None
