"""Where the data that comes with pg-guard lies. In: a kind, ``policies`` or ``rules``. Out: its directory."""

from __future__ import annotations

from pathlib import Path

from pg_guard.errors import UsageError

__all__ = ["shipped_dir"]

_PACKAGE = Path(__file__).resolve().parent.parent
_KINDS = ("policies", "rules")


def shipped_dir(kind: str) -> Path:
    """The directory of shipped policies or rules: inside of the installed package, else beside it in a checkout.

    Args:
        kind: ``policies`` or ``rules``.

    Raises:
        UsageError: The kind is unknown, or the installation lacks its directory.
    """
    if kind not in _KINDS:
        raise UsageError(f"nothing of the kind {kind!r} is shipped", hint=f"one of: {', '.join(_KINDS)}")
    for candidate in (_PACKAGE / "_shipped" / kind, _PACKAGE.parent / kind):
        if candidate.is_dir():
            return candidate
    raise UsageError(f"this installation has no shipped {kind}", hint="install pg-guard again")
