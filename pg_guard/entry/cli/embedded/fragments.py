"""A text of SQL that stands in another file. In: its pieces and their places. Out: the place of each of its characters.

A piece is *exact* when its characters are the file's own, one by one; else it stands for a place as a whole, as the
placeholder of a template expression or an escape sequence does.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

__all__ = ["Fragment", "FragmentBuilder", "Piece", "Reading", "Unread"]


class Piece(NamedTuple):
    """Characters ``start`` to ``end`` of the fragment stand for ``host_start`` to ``host_end`` of the file."""

    start: int
    end: int
    host_start: int
    host_end: int
    placeholder: bool = False

    @property
    def exact(self) -> bool:
        """True when each character has its own place."""
        return not self.placeholder and self.end - self.start == self.host_end - self.host_start


@dataclass(frozen=True)
class Fragment:
    """SQL, and where it comes from.

    Attributes:
        text: The SQL.
        pieces: They cover the text in order, without gaps.
    """

    text: str
    pieces: tuple[Piece, ...]

    @classmethod
    def whole(cls, text: str, host_start: int = 0) -> Fragment:
        """A text that stands in the file as it is, from `host_start` on."""
        return cls(text, (Piece(0, len(text), host_start, host_start + len(text)),))

    @cached_property
    def _starts(self) -> list[int]:
        return [piece.start for piece in self.pieces]

    def place(self, start: int, end: int) -> tuple[int, int]:
        """The place in the file of ``text[start:end]``."""
        if not self.pieces:
            return 0, 0
        host_start = self._host(start, 0)
        host_end = host_start if end <= start else self._host(end - 1, 1)
        return host_start, max(host_start, host_end)

    def _host(self, offset: int, after: int) -> int:
        piece = self.pieces[max(0, bisect_right(self._starts, offset) - 1)]
        if piece.exact:
            return min(piece.host_start + offset - piece.start + after, piece.host_end)
        # Behind the end of the text, the place is the end of the last piece.
        return piece.host_end if after or offset >= piece.end else piece.host_start

    def copy(self, builder: FragmentBuilder, start: int, end: int) -> None:
        """Add ``text[start:end]`` to another fragment, each character with its place."""
        for piece in self.pieces:
            first, last = max(piece.start, start), min(piece.end, end)
            if first >= last:
                continue
            host_start, host_end = piece.host_start, piece.host_end
            if piece.exact:
                host_start, host_end = host_start + first - piece.start, host_start + last - piece.start
            builder.add(self.text[first:last], host_start, host_end, placeholder=piece.placeholder)

    def in_placeholder(self, start: int, end: int) -> bool:
        """True when ``text[start:end]`` holds or touches what a template will put there."""
        return any(
            piece.placeholder and piece.start < max(end, start + 1) and start < piece.end for piece in self.pieces
        )


class FragmentBuilder:
    """Puts a fragment together, piece by piece."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._pieces: list[Piece] = []
        self._length = 0

    def add(self, text: str, host_start: int, host_end: int | None = None, *, placeholder: bool = False) -> None:
        """Add `text`, which stands for ``host_start:host_end``; without an end it is the file's own text."""
        if not text:
            return
        end = host_start + len(text) if host_end is None else host_end
        piece = Piece(self._length, self._length + len(text), host_start, end, placeholder)
        last = self._pieces[-1] if self._pieces else None
        if last and last.exact and piece.exact and last.host_end == piece.host_start:
            self._pieces[-1] = Piece(last.start, piece.end, last.host_start, piece.host_end)
        else:
            self._pieces.append(piece)
        self._parts.append(text)
        self._length += len(text)

    def build(self) -> Fragment:
        """The fragment so far."""
        return Fragment("".join(self._parts), tuple(self._pieces))


class Unread(NamedTuple):
    """A place of the file that was not read, and why, in a few words."""

    start: int
    end: int
    reason: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reader found in a file.

    Attributes:
        fragments: The SQL, in the order of the file.
        unread: What it could not read.
    """

    fragments: tuple[Fragment, ...]
    unread: tuple[Unread, ...] = ()
