"""Who reads whom. In: queries as they are entered and left, and the references in them. Out: what each part reads.

A reference counts for every part around it, and makes correlated each query between it and the query that its source is of.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pg_guard.facts.scopes import Level, Source, SourceColumn

__all__ = ["Frame", "Reads", "Sink", "sources_of"]

Sink: TypeAlias = "set[Source]"


class Frame:
    """A query that is being walked.

    Attributes:
        level: Its level; None for a set operation or VALUES.
        correlated: It reads a source of a query around it.
        having_aggregate: An aggregate stands in its HAVING.
        indexed: A condition of its WHERE is an equality on a column that leads an index.
    """

    __slots__ = ("correlated", "having_aggregate", "indexed", "level")

    def __init__(self, level: Level | None) -> None:
        self.level = level
        self.correlated = False
        self.having_aggregate = False
        self.indexed = False


class Reads:
    """The queries that a walk is inside of, and the parts whose sources it collects."""

    def __init__(self) -> None:
        self._frames: list[Frame] = []
        self._places: dict[Level, int] = {}
        self._sinks: list[Sink] = []

    @property
    def frame(self) -> Frame:
        """The innermost query."""
        return self._frames[-1]

    @contextmanager
    def inside(self, level: Level | None) -> Iterator[Frame]:
        """Walk a query; what stands between is read by it."""
        frame = Frame(level)
        if level is not None:
            self._places[level] = len(self._frames)
        self._frames.append(frame)
        try:
            yield frame
        finally:
            self._frames.pop()

    def begin(self) -> None:
        """Collect the sources that a part reads, until `end`."""
        self._sinks.append(set())

    def end(self) -> Sink:
        """What the part that was begun last reads; the parts around it read that, too."""
        found = self._sinks.pop()
        if self._sinks:
            self._sinks[-1] |= found
        return found

    def note(self, columns: Iterable[SourceColumn], row: Source | None = None) -> None:
        """A reference to columns, or to a whole row."""
        found = sources_of(columns)
        if row is not None:
            found.add(row)
        if self._sinks:
            self._sinks[-1] |= found
        for source in found:
            place = self._places.get(source.level) if source.level is not None else None
            if place is not None:
                for frame in self._frames[place + 1 :]:
                    frame.correlated = True


def sources_of(columns: Iterable[SourceColumn]) -> Sink:
    """The sources of columns; of merged ones, those of what they are made of."""
    found: Sink = set()
    stack = list(columns)
    while stack:
        column = stack.pop()
        found.add(column.source)
        stack.extend(column.merged)
    return found
