"""What the image installs. In: the environment that the tests ran in. Out: every package below pg-guard, with its version.

Run it with the Python of the image's minor version, as some packages need others on some versions only:
`.venv/bin/python deploy/docker/requirements.py >deploy/docker/requirements.txt`
"""

from __future__ import annotations

import platform
import sys
from importlib.metadata import distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

EXTRAS = ("otel", "redis")
"""What a server in a container may need beside pg-guard itself."""

NEWEST = {"python_full_version": ".".join((*platform.python_version_tuple()[:2], "99"))}
"""The image has the newest patch of its version, whatever this one is."""


def closure(name: str, extras: tuple[str, ...], found: dict[str, str], seen: set[tuple[str, str]]) -> None:
    """Add what a package needs to `found`, by name."""
    for extra in ("", *extras):
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        for line in distribution(name).requires or ():
            needed = Requirement(line)
            if needed.marker is not None and not needed.marker.evaluate({**NEWEST, "extra": extra}):
                continue
            if extra and (needed.marker is None or "extra" not in str(needed.marker)):
                continue
            key = canonicalize_name(needed.name)
            found[key] = distribution(key).version
            closure(key, tuple(sorted(needed.extras)), found, seen)


def text() -> str:
    """The file."""
    found: dict[str, str] = {}
    closure("pg-guard", EXTRAS, found, set())
    found.pop("pg-guard", None)
    lines = "".join(f"{name}=={version}\n" for name, version in sorted(found.items()))
    return f"# Written by deploy/docker/requirements.py: what the image installs beside pg-guard[{','.join(EXTRAS)}].\n{lines}"


if __name__ == "__main__":
    sys.stdout.write(text())
