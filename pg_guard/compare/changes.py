"""What a change of a policy or a pack means. In: nothing. Out: `Change`, with the direction that it takes.

A narrowing that cannot be shown to be one counts as a loosening, as it does where one policy extends another.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, TypeAlias

__all__ = ["Change", "Direction"]

Direction: TypeAlias = Literal["loosening", "tightening", "neutral"]


class Change(NamedTuple):
    """One difference.

    Attributes:
        path: What it is about, as a key path of the policy or the id of a rule.
        kind: ``added``, ``removed`` or ``changed``.
        direction: ``loosening``: something may become allowed; ``tightening``: something may become denied, and nothing
            allowed; ``neutral``: no decision changes.
        old: What stood there, as plain JSON values; None where nothing did.
        new: What stands there now; None where nothing does.
        why: Why it has this direction, in one sentence.
    """

    path: str
    kind: Literal["added", "removed", "changed"]
    direction: Direction
    old: Any
    new: Any
    why: str

    def to_dict(self) -> dict[str, Any]:
        """The same as plain JSON values."""
        return self._asdict()
