"""YAML written again with its comments. In: a text. Out: the same data and comments, laid out in one way.

ruamel.yaml keeps comments, quotes and block scalars. Here it is told to keep each scalar as it was written (``010``
stays ``010``, whatever it means), and to break lines where this project's people would: before an item of a flow
collection that does not fit, never inside of quotes or of a folded block.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.emitter import RoundTripEmitter
from ruamel.yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    MappingEndEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
)
from ruamel.yaml.resolver import VersionedResolver

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["WIDTH", "write_again"]

WIDTH: Final = 120


class _PlainResolver(VersionedResolver):
    """Takes every plain scalar for text, so that none is written in another way."""

    @property
    def versioned_resolver(self) -> dict[Any, Any]:
        return {}


class _Emitter(RoundTripEmitter):
    """Looks ahead, to break a line before an item that would pass its end."""

    _true_width: int | None = None

    def need_more_events(self) -> bool:
        return not self.events or not isinstance(self.events[-1], StreamEndEvent)

    def write_single_quoted(self, text: str, split: bool = True) -> None:  # noqa: ARG002 - ruamel's own signature
        super().write_single_quoted(text, False)

    def write_double_quoted(self, text: str, split: bool = True) -> None:  # noqa: ARG002 - ruamel's own signature
        super().write_double_quoted(text, False)

    def write_folded(self, text: str, comment: Any) -> None:
        width, self.best_width = self.best_width, 1_000_000  # its lines stay as they are, long or short
        super().write_folded(text, comment)
        self.best_width = width

    def expect_flow_mapping_key(self) -> None:
        self._break_before(MappingEndEvent, super().expect_flow_mapping_key, items=2)

    def expect_flow_sequence_item(self) -> None:
        self._break_before(SequenceEndEvent, super().expect_flow_sequence_item, items=1)

    def write_indent(self) -> None:
        self._restore_width()
        super().write_indent()

    def _break_before(self, end: type[Any], write: Callable[[], None], items: int) -> None:
        if not isinstance(self.event, end):
            length = _length([self.event, *self.events], items)
            # The separator and a blank before the item; a comma or a bracket after it.
            if self.column + 2 + length + 1 > self.best_width:
                # The line counts as full until it is broken, which is the first thing that `write` looks at.
                self._true_width, self.best_width = self.best_width, -1
        write()
        self._restore_width()

    def _restore_width(self) -> None:
        if self._true_width is not None:
            self.best_width, self._true_width = self._true_width, None


def _length(events: list[Any], items: int) -> int:
    """About how many cells the next items take on one line."""
    length = depth = 0
    for event in events:
        if isinstance(event, ScalarEvent):
            length += len(event.value) + (2 if event.style in ("'", '"') else 0) + 2
        elif isinstance(event, AliasEvent):
            length += len(event.anchor) + 3
        elif isinstance(event, CollectionStartEvent):
            length += 1
            depth += 1
        elif isinstance(event, CollectionEndEvent):
            length += 1
            depth -= 1
        if depth <= 0:
            items -= 1
            if items == 0:
                break
        if length > WIDTH:
            break
    return length - 2


def write_again(text: str, order: Callable[[tuple[str | int, ...]], tuple[str, ...]]) -> str:
    """Write a text again.

    Args:
        text: YAML that can be read.
        order: The keys of the mapping at a key path in the order in which the format documents them; empty when the
            author chooses the keys. Only flow mappings are put in order here.

    Raises:
        Exception: Whatever ruamel.yaml raises on what it cannot read or write.
    """
    yaml = YAML()
    yaml.Resolver = _PlainResolver
    yaml.Emitter = _Emitter
    yaml.preserve_quotes = True
    yaml.allow_duplicate_keys = False
    yaml.width = WIDTH
    yaml.indent(mapping=2, sequence=4, offset=2)
    data = yaml.load(text)
    _sort_flow(data, (), order)
    stream = io.StringIO()
    yaml.dump(data, stream)
    return stream.getvalue()


def _sort_flow(
    node: Any, path: tuple[str | int, ...], order: Callable[[tuple[str | int, ...]], tuple[str, ...]]
) -> None:
    if isinstance(node, CommentedSeq):
        for index, item in enumerate(node):
            _sort_flow(item, (*path, index), order)
    elif isinstance(node, CommentedMap):
        for key, value in node.items():
            _sort_flow(value, (*path, str(key)), order)
        if node.fa.flow_style() and not _has_comments(node):
            keys = list(node)
            for key in sorted(keys, key=lambda key: _rank(key, order(path), keys)):
                node.move_to_end(key)
    if isinstance(node, (CommentedMap, CommentedSeq)) and node.fa.flow_style() and _has_comments(node):
        node.fa.set_block_style()  # in a flow collection, comments would be lost


def _rank(key: str, known: tuple[str, ...], keys: list[str]) -> tuple[int, int]:
    return (known.index(key), 0) if key in known else (len(known), keys.index(key))


def _has_comments(node: Any) -> bool:
    """Whether comments stand inside of a collection; one that follows it on its last line does not count."""
    if not isinstance(node, (CommentedMap, CommentedSeq)):
        return False
    inner = node.values() if isinstance(node, CommentedMap) else node
    return bool(node.ca.items or node.ca.end) or any(
        _has_comments(each) or (isinstance(each, (CommentedMap, CommentedSeq)) and bool(each.ca.comment))
        for each in inner
    )
