"""Show a place in a text. In: a text and a place in it. Out: numbered lines with the place underlined, cut to a width.

All measuring is in terminal cells: a wide CJK character takes two, a combining mark none, a tab reaches the next stop.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property

from rich.cells import cell_len

from pg_guard.decision import Span
from pg_guard.report.visible import visible

__all__ = ["ExcerptLine", "Source", "excerpt"]

TAB = 4
CUT = "..."
MIN_CELLS = 20
# A line may hold any number of characters that take no cell (combining marks); this bounds what is looked at.
MAX_CHARACTERS_AROUND = 400


@dataclass(frozen=True)
class Source:
    """A text with an index of its lines, so that a place is found without reading the text again."""

    text: str

    @cached_property
    def _starts(self) -> list[int]:
        starts = [0]
        position = self.text.find("\n")
        while position >= 0:
            starts.append(position + 1)
            position = self.text.find("\n", position + 1)
        return starts

    @property
    def line_count(self) -> int:
        """Number of lines; an empty text has one."""
        return len(self._starts)

    def span(self, start: int, end: int) -> Span:
        """The span of ``text[start:end]``, as `Span.of` gives it."""
        start = max(0, min(start, len(self.text)))
        end = max(start, min(end, len(self.text)))
        line = bisect_right(self._starts, start)
        return Span(start, end, line, start - self._starts[line - 1] + 1)

    def bounds(self, line: int) -> tuple[int, int]:
        """Offsets of the first character of `line` (from 1) and after its last, line ending left out."""
        start = self._starts[line - 1]
        end = self._starts[line] - 1 if line < len(self._starts) else len(self.text)
        return start, end - 1 if self.text[end - 1 : end] == "\r" and end > start else end


@dataclass(frozen=True, slots=True)
class ExcerptLine:
    """One line of an excerpt: its number (None for lines left out), what to print, and what to underline it with."""

    number: int | None
    text: str
    underline: str = ""


def excerpt(source: Source, span: Span, *, cells: int, context: int = 1, span_lines: int = 4) -> list[ExcerptLine]:
    """Return the lines around `span`.

    Args:
        source: The text.
        span: The place; an empty one is underlined by one mark.
        cells: Width of a line in terminal cells; a longer line is cut around the place.
        context: Lines shown before and after the place.
        span_lines: How many lines of a place over several lines are shown; the ones in the middle are left out.
    """
    cells = max(cells, MIN_CELLS)
    span = source.span(span.start, span.end)
    last_character = max(span.start, span.end - 1)
    first, last = span.line, source.span(last_character, last_character).line
    head, tail = last, last + 1
    if last - first + 1 > span_lines:
        head, tail = first + span_lines - 2, last
    lines = []
    for number in range(max(1, first - context), min(source.line_count, last + context) + 1):
        if head < number < tail:
            if number == head + 1:
                lines.append(ExcerptLine(None, f"{CUT} {tail - head - 1} more lines"))
            continue
        lines.append(_line(source, number, span, cells))
    return [line for line in lines if line.text.strip() or line.underline]


def _line(source: Source, number: int, span: Span, cells: int) -> ExcerptLine:
    begin, end = source.bounds(number)
    text = source.text[begin:end]
    marked = number >= span.line and begin <= max(span.start, span.end - 1)
    mark_from = min(max(span.start - begin, 0), len(text))
    mark_to = min(max(span.end - begin, mark_from), len(text))
    if marked and number != span.line:  # the indentation of a later line is no part of the place
        mark_from = len(text[:mark_to]) - len(text[:mark_to].lstrip())
    anchor = mark_from if marked else 0
    # Cut roughly by characters first: a line of a megabyte is never measured as a whole.
    low = max(0, anchor - MAX_CHARACTERS_AROUND)
    high = min(len(text), anchor + MAX_CHARACTERS_AROUND)
    pieces = _pieces(text[low:high])
    window = _window(pieces, anchor - low, max(mark_to - low, anchor - low + 1), cells, low > 0, high < len(text))
    prefix = CUT if low > 0 or window.start > 0 else ""
    suffix = CUT if high < len(text) or window.stop < len(pieces) else ""
    shown = prefix + "".join(pieces[window.start : window.stop]) + suffix
    if not marked or (number != span.line and mark_from == mark_to):
        return ExcerptLine(number, shown.rstrip())
    before = prefix + "".join(pieces[window.start : anchor - low])
    under = "".join(pieces[anchor - low : min(max(mark_to - low, anchor - low), window.stop)])
    underline = " " * cell_len(before) + "^" * max(1, cell_len(under.rstrip()))
    return ExcerptLine(number, shown.rstrip(), underline)


def _pieces(text: str) -> list[str]:
    """Each character as it is printed; a tab is the spaces to its next stop."""
    pieces = []
    column = 0
    for character in text:
        piece = " " * (TAB - column % TAB) if character == "\t" else visible(character)
        column += cell_len(piece)
        pieces.append(piece)
    return pieces


def _window(pieces: list[str], start: int, end: int, cells: int, cut_left: bool, cut_right: bool) -> range:
    """The pieces to print: all when they fit, else from somewhat before `start` to as far as the width allows."""
    widths = [cell_len(piece) for piece in pieces]
    if not cut_left and not cut_right and sum(widths) <= cells:
        return range(len(pieces))
    room = cells - 2 * len(CUT)
    wanted = sum(widths[start:end])
    # A third of the free room goes to what stands before the place, so that the reader sees what leads to it.
    before = max((room - wanted) // 3, min(room // 4, 8))
    low = start
    while low > 0 and before >= widths[low - 1]:
        low -= 1
        before -= widths[low]
    high, left = low, room
    while high < len(pieces) and left >= widths[high]:
        left -= widths[high]
        high += 1
    while low > 0 and left >= widths[low - 1]:
        low -= 1
        left -= widths[low]
    return range(low, high)
