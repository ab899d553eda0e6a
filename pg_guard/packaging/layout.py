"""The lines of a YAML text. In: a text and the documented order of keys. Out: its comments, blanks and entries in place.

A comment on a line of its own belongs to the entry below it, when it is indented like it, and otherwise to what stands
above. Whatever moves takes its comments along.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple, TypeAlias

import yaml
from yaml.nodes import MappingNode, Node, SequenceNode
from yaml.tokens import (
    AliasToken,
    AnchorToken,
    BlockEntryToken,
    FlowMappingEndToken,
    FlowMappingStartToken,
    FlowSequenceEndToken,
    FlowSequenceStartToken,
    KeyToken,
    ScalarToken,
    Token,
)

__all__ = ["Comment", "KeyOrder", "Scan", "join_comments", "place_comments", "sort_entries"]

KeyOrder: TypeAlias = Callable[[tuple[str | int, ...]], tuple[str, ...]]
"""The keys of the mapping at a key path, in the documented order; empty when the author chooses the keys."""

_MOST_BLANK: Final = 1


class Comment(NamedTuple):
    """A comment, from its ``#`` to the end of the line; line and column count from 0."""

    line: int
    column: int
    text: str


class Scan:
    """What the tokens of a text say of its lines.

    Attributes:
        comments: All comments, in order.
        inner: Lines that begin inside of a scalar of several lines.
        verbatim: Those of them that belong to a block scalar, where every blank counts.
        columns: By line, the columns at which entries of block collections begin there.
        linked: Whether there are anchors or aliases.
        flow_ends: Texts of comments that stand behind an item of a flow collection.
    """

    def __init__(self, text: str) -> None:
        self.comments: list[Comment] = []
        self.inner: set[int] = set()
        self.verbatim: set[int] = set()
        self.columns: dict[int, list[int]] = {}
        self.linked = False
        self.flow_ends: list[str] = []
        flow, position = 0, 0
        for token in yaml.scan(text, Loader=yaml.SafeLoader):
            start, end = token.start_mark.index, token.end_mark.index
            self._find_comments(text, position, start, flow)
            position = max(position, end)
            flow += isinstance(token, (FlowSequenceStartToken, FlowMappingStartToken))
            flow -= isinstance(token, (FlowSequenceEndToken, FlowMappingEndToken))
            self._note(text, token, flow)
        self._find_comments(text, position, len(text), flow)

    def _note(self, text: str, token: Token, flow: int) -> None:
        line = token.start_mark.line
        if isinstance(token, (AliasToken, AnchorToken)):
            self.linked = True
        elif isinstance(token, (KeyToken, BlockEntryToken)) and not flow:
            self.columns.setdefault(line, []).append(token.start_mark.column)
        elif isinstance(token, ScalarToken):
            block = token.style in ("|", ">")
            last = token.end_mark.line - (1 if block and token.end_mark.column == 0 else 0)
            self.inner.update(range(line + 1, last + 1))
            if block:
                self.verbatim.update(range(line + 1, last + 1))
                start = token.start_mark.index
                head = text[start:].partition("\n")[0]
                if "#" in head:
                    offset = head.index("#")
                    self.comments.append(Comment(line, token.start_mark.column + offset, head[offset:].rstrip()))

    def _find_comments(self, text: str, start: int, end: int, flow: int) -> None:
        while (start := text.find("#", start, end)) >= 0:
            begin, stop = text.rfind("\n", 0, start) + 1, text.find("\n", start)
            stop = len(text) if stop < 0 else stop
            comment = Comment(text.count("\n", 0, start), start - begin, text[start:stop].rstrip())
            self.comments.append(comment)
            if flow and text[begin:start].strip():
                self.flow_ends.append(comment.text)
            start = stop


def join_comments(text: str, ends: list[str]) -> str:
    """Put comments that stood behind an item, and now stand below it, behind it again."""
    left = list(ends)
    lines = text.split("\n")
    for comment in Scan(text).comments if left else ():
        number = comment.line
        alone = not lines[number][: comment.column].strip()
        if comment.text in left:
            left.remove(comment.text)
            if alone and number and lines[number - 1].strip() and "#" not in lines[number - 1]:
                lines[number - 1] += f"  {comment.text}"
                lines[number] = "\0"
    return "\n".join(line for line in lines if line != "\0")


def place_comments(text: str, width: int) -> str:
    """Indent comments like what they belong to, and leave at most one blank line between others."""
    scan = Scan(text)
    lines = text.split("\n")
    own = {comment.line for comment in scan.comments if not lines[comment.line][: comment.column].strip()}
    at = {comment.line: comment for comment in scan.comments}
    result: list[str] = []
    blank = _MOST_BLANK  # none at the beginning
    open_entries: list[int] = []
    for number, line in enumerate(lines):
        if number in scan.verbatim:
            result.append(line)
            blank = 0
            continue
        if not line.strip():
            blank += 1
            if blank <= _MOST_BLANK:
                result.append("")
            continue
        blank = 0
        for column in scan.columns.get(number, ()):
            while open_entries and open_entries[-1] >= column:
                open_entries.pop()
            open_entries.append(column)
        if number in own:
            column = _own_column(at[number].column, _next_column(lines, number, own), open_entries)
            result.append(" " * column + at[number].text)
        elif number in at and len(line.rstrip()) > width:
            comment = at[number]
            result.append(f"{line[: comment.column].rstrip()}  {comment.text}")
        else:
            result.append(line.rstrip())
    while result and not result[-1]:
        result.pop()
    return "\n".join(result) + "\n"


def _next_column(lines: list[str], number: int, own: set[int]) -> int:
    for following in range(number + 1, len(lines)):
        if lines[following].strip() and following not in own:
            return len(lines[following]) - len(lines[following].lstrip(" "))
    return 0


def _own_column(column: int, below: int, open_entries: list[int]) -> int:
    deeper = [entry for entry in open_entries if entry > below]
    if column <= below or not deeper:
        return below
    return max((entry for entry in deeper if entry <= column), default=deeper[0])


def sort_entries(text: str, order: KeyOrder) -> str:
    """Put the entries of block mappings in the documented order; keys that it does not know come last, as they were."""
    scan = Scan(text)
    if scan.linked:
        return text  # an alias must stay below its anchor
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(root, MappingNode) or root.flow_style:
        return text
    lines = text.split("\n")
    head = root.start_mark.line
    return "\n".join([*lines[:head], *_Sorter(lines, scan, order).mapping(root, (), head, len(lines) - 1), ""])


class _Sorter:
    """Writes the lines of nodes, sorted; a node's lines are told by the first and the one after the last."""

    def __init__(self, lines: list[str], scan: Scan, order: KeyOrder) -> None:
        self._lines, self._scan, self._order = lines, scan, order
        self._comments = {comment.line: comment.column for comment in scan.comments}

    def node(self, node: Node, path: tuple[str | int, ...], first: int, after: int) -> list[str]:
        if isinstance(node, MappingNode) and not node.flow_style:
            return self.mapping(node, path, first, after)
        if isinstance(node, SequenceNode) and not node.flow_style:
            return self.sequence(node, path, first, after)
        return self._lines[first:after]

    def sequence(self, node: SequenceNode, path: tuple[str | int, ...], first: int, after: int) -> list[str]:
        starts = [item.start_mark.line for item in node.value]
        result = self._lines[first : starts[0]]
        for index, item in enumerate(node.value):
            end = starts[index + 1] if index + 1 < len(starts) else after
            result += self.node(item, (*path, index), starts[index], end)
        return result

    def mapping(self, node: MappingNode, path: tuple[str | int, ...], first: int, after: int) -> list[str]:
        column = node.start_mark.column
        keys = [(key.value, key.start_mark.line) for key, _ in node.value]
        starts = [first, *(self._start(line, column, keys[index][1]) for index, (_, line) in enumerate(keys[1:]))]
        # What stands below the last entry and is indented like one stays at the end.
        starts.append(self._start(after, column, keys[-1][1]) if keys else after)
        entries: list[list[str]] = []
        for index, (key, value) in enumerate(node.value):
            end = starts[index + 1]
            line = key.start_mark.line
            inside = value.start_mark.line if value.start_mark.line == line else line + 1
            entries.append([*self._lines[starts[index] : inside], *self.node(value, (*path, key.value), inside, end)])
        known = self._order(path)
        ranks = {
            name: (known.index(name) if name in known else len(known), place) for place, (name, _) in enumerate(keys)
        }
        order = sorted(range(len(keys)), key=lambda index: ranks[keys[index][0]])
        if order == list(range(len(keys))):
            return self._joined(entries, starts[-1], after)
        if any(self._lines[line].lstrip(" -").startswith("? ") for _, line in keys):
            return self._joined(entries, starts[-1], after)
        dash = self._lines[keys[0][1]][:column]
        if "-" in dash:
            self._move_dash(entries, order[0], dash, column)
        return self._joined([entries[index] for index in order], starts[-1], after)

    def _joined(self, entries: list[list[str]], tail: int, after: int) -> list[str]:
        return [*(line for entry in entries for line in entry), *self._lines[tail:after]]

    def _move_dash(self, entries: list[list[str]], to: int, dash: str, column: int) -> None:
        """The first entry of a sequence's item stands beside its dash; another one does from now on."""
        offset = next(index for index, line in enumerate(entries[0]) if line.startswith(dash))
        entries[0][offset] = " " * column + entries[0][offset][column:]
        for index, line in enumerate(entries[to]):
            stripped = line.strip()
            if stripped and not stripped.startswith("#"):
                entries[to][index] = dash + line[column:]
                return
            entries[to][index] = (" " * dash.index("-") + stripped).rstrip()

    def _start(self, line: int, column: int, above: int) -> int:
        """The first line of an entry: that of the comments and blanks which belong to it."""
        while line - 1 > above and line - 1 not in self._scan.inner:
            text = self._lines[line - 1]
            if text.strip() and (self._comments.get(line - 1) != column or text.strip()[0] != "#"):
                break
            line -= 1
        return line
