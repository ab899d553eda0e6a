"""Regular expressions. In: a constant pattern. Out: why matching it may take without end, or ''.

Only what is written into the pattern is judged: an unbounded repetition inside of an unbounded repetition, counted
repetitions whose product is large, and a back reference that is repeated.
"""

from __future__ import annotations

import re

__all__ = ["explosive"]

_COUNT = re.compile(r"\{(\d+)(?:(,)(\d*))?\}")
_MOST_STATES = 20_000
_UNBOUNDED = 10_000
_MOST_REFERRED = 1_000


def _quantifier(pattern: str, at: int) -> tuple[int, int]:
    """(repetitions, length) of the quantifier at a place; repetitions 1 when there is none."""
    if at >= len(pattern):
        return 1, 0
    if pattern[at] in "*+":
        return _UNBOUNDED, 1
    if pattern[at] == "?":
        return 1, 1
    if found := _COUNT.match(pattern, at):
        if found[2] and not found[3]:
            return _UNBOUNDED, len(found[0])
        return int(found[3] or found[1]), len(found[0])
    return 1, 0


class _Group:
    """What was read of one group: the largest repetition inside of it, and whether every branch has a fixed part."""

    __slots__ = ("all_fixed", "fixed", "inside")

    def __init__(self) -> None:
        self.inside = 1
        self.fixed = False
        self.all_fixed = True

    def close_branch(self) -> None:
        self.all_fixed = self.all_fixed and self.fixed
        self.fixed = False


def explosive(pattern: str) -> str:
    """Why a pattern of PostgreSQL's advanced regular expressions is refused, or '' when nothing is wrong with it.

    A repeated group with a part of its own in every branch, as the blank in ``( [a-z]+)*``, can match in one way only.
    """
    stack = [_Group()]
    index = references = loose = 0
    widest = 1
    while index < len(pattern):
        character = pattern[index]
        inside, is_fixed = 1, character not in "^$|"
        if character == "\\":
            is_reference = pattern[index + 1 : index + 2] in tuple("123456789")
            index += 2
            times, length = _quantifier(pattern, index)
            if is_reference and times >= _UNBOUNDED:
                return "it repeats a back reference without bound"
            references += is_reference
            if (references > 1 and loose > 1) or (references and widest > _MOST_REFERRED):
                return "its back references can be met in too many ways"
        elif character == "[":
            index = _skip_bracket(pattern, index)
            times, length = _quantifier(pattern, index)
        elif character == "(":
            stack.append(_Group())
            index += 1
            if pattern[index : index + 1] == "?":
                index += 2
            continue
        elif character == "|":
            stack[-1].close_branch()
            index += 1
            continue
        elif character == ")" and len(stack) > 1:
            group = stack.pop()
            group.close_branch()
            inside, is_fixed = group.inside, group.all_fixed
            index += 1
            times, length = _quantifier(pattern, index)
            loose += group.inside >= _UNBOUNDED
            if times != _UNBOUNDED and inside != _UNBOUNDED:
                widest = max(widest, times * inside)
            if times >= _UNBOUNDED and inside >= _UNBOUNDED and not group.all_fixed:
                return "it repeats a repetition without bound"
        else:
            index += 1
            times, length = _quantifier(pattern, index)
        product = times * inside
        if times != _UNBOUNDED and inside != _UNBOUNDED and product > _MOST_STATES:
            return f"it repeats up to {product} times"
        top = stack[-1]
        top.inside = max(top.inside, product)
        top.fixed = top.fixed or (is_fixed and not length)
        index += length
        # A second mark makes a quantifier lazy; it repeats nothing.
        if length and pattern[index : index + 1] == "?":
            index += 1
    return ""


def _skip_bracket(pattern: str, index: int) -> int:
    end = index + 1
    if pattern[end : end + 1] == "^":
        end += 1
    if pattern[end : end + 1] == "]":
        end += 1
    while end < len(pattern) and pattern[end] != "]":
        if pattern[end] == "[" and pattern[end + 1 : end + 2] in (":", ".", "="):
            close = pattern.find(pattern[end + 1] + "]", end + 2)
            end = close + 2 if close >= 0 else len(pattern)
        else:
            end += 2 if pattern[end] == "\\" else 1
    return end + 1
