"""The quick way to read YAML. In: a text. Out: its nodes as libyaml sees them, or None where the careful way must be taken.

A pack has a file per rule, and PyYAML's own parser takes milliseconds for each. libyaml takes a tenth of that; it is asked
first for files of packs, and whatever it does not take without a word is read again by `pg_guard.policy.document`, which
tells every fault in its place.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import yaml
from yaml.events import AliasEvent, MappingStartEvent, ScalarEvent, SequenceStartEvent, StreamEndEvent
from yaml.events import CollectionEndEvent as End
from yaml.resolver import BaseResolver

if TYPE_CHECKING:
    from yaml.nodes import Node

__all__ = ["compose"]

_TOUCHED_BLOCK: Final = re.compile(r"[|>][-+0-9]*#")

try:
    from yaml.cyaml import CParser  # type: ignore[attr-defined]  # the stubs do not export it again
except ImportError:  # PyYAML was built without libyaml
    CParser = None  # type: ignore[assignment,misc] # asked for below


def compose(text: str, resolvers: Any, *, max_depth: int, max_nodes: int) -> Node | None:
    """The root node of a text of one document.

    Args:
        text: The text.
        resolvers: Which scalars are numbers and the like, as PyYAML's loaders have them.
        max_depth: Deepest nesting of nodes.
        max_nodes: Most nodes.

    Returns:
        The node; None when the text is not plain YAML of one document within the limits, or libyaml is not there.
    """
    # libyaml takes tabs between tokens, byte order marks, and comments that touch the sign of a block, which the careful
    # way refuses.
    if CParser is None or "\t" in text or "\ufeff" in text or _TOUCHED_BLOCK.search(text):
        return None

    class Loader(CParser, BaseResolver):
        yaml_implicit_resolvers = resolvers

        def __init__(self, stream: str) -> None:
            CParser.__init__(self, stream)
            BaseResolver.__init__(self)

    try:
        # Nodes are composed by recursion in C, so the depth is measured first, on the flat events.
        if not _is_within(CParser(text), max_depth, max_nodes):
            return None
        return Loader(text).get_single_node()
    except yaml.YAMLError:
        return None


def _is_within(parser: Any, max_depth: int, max_nodes: int) -> bool:
    depth = nodes = 0
    while not isinstance(event := parser.get_event(), StreamEndEvent):
        # Aliases may multiply, and the two parsers disagree about a tag that is nothing but "!".
        if isinstance(event, AliasEvent) or getattr(event, "tag", None) is not None:
            return False
        # Inside of braces and brackets, libyaml takes a question mark for a part of plain text.
        if isinstance(event, ScalarEvent) and not event.style and "?" in event.value:
            return False
        if isinstance(event, (MappingStartEvent, SequenceStartEvent)):
            depth += 1
        elif isinstance(event, End):
            depth -= 1
        nodes += isinstance(event, (MappingStartEvent, SequenceStartEvent, ScalarEvent))
        # A scalar in the deepest collection is one level below it.
        if depth >= max_depth or nodes > max_nodes:
            return False
    return True
