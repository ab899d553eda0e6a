"""Whether this runs in a container. In: the environment and the file system. Out: what shows it, and defaults that fit there better.

Nothing else depends on it: no check and no limit is different in a container, and what was chosen is printed.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["container_defaults", "container_sign"]

_VARIABLES: Final = ("KUBERNETES_SERVICE_HOST", "container")
_FILES: Final = (".dockerenv", "run/.containerenv")


def container_sign(environ: Mapping[str, str], root: Path = Path("/")) -> str:
    """What shows that this runs in a container, or ''.

    Args:
        environ: The environment.
        root: The root of the file system.
    """
    for name in _VARIABLES:
        if environ.get(name):
            return f"${name} is set"
    for name in _FILES:
        if (root / name).exists():
            return f"/{name} is there"
    return ""


def container_defaults() -> dict[str, Any]:
    """Defaults that fit a container: its log is read by machines, also where it has a terminal."""
    return {"logging": {"format": "json"}}
