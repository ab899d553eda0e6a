"""Names of files in reports for programs. In: a path as the user gave it. Out: a relative path or a URI, safe to write.

Programs that read reports look for files below the directory in which the run was started, so that is what names are
relative to; a name that leads elsewhere stays absolute.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote_from_bytes

__all__ = ["relative_name", "uri_of"]


def relative_name(path: str) -> str | None:
    """`path` from the working directory, with ``/`` between its parts; None when it is not below it."""
    name = os.path.relpath(path)
    if name == os.pardir or name.startswith(os.pardir + os.sep) or Path(name).is_absolute():
        return None
    return name.replace(os.sep, "/")


def uri_of(path: str) -> tuple[str, bool]:
    """The URI of a file, and whether it is relative to the working directory.

    Every byte that is not plain in a URI is percent-encoded, those of names that are no UTF-8 too.
    """
    relative = relative_name(path)
    if relative is not None:
        # A colon in the first part would read as the scheme of an absolute URI; it is encoded like the rest.
        return quote_from_bytes(os.fsencode(relative), safe="/~"), True
    absolute = os.path.abspath(path)  # noqa: PTH100 - Path.resolve would follow links
    return "file://" + quote_from_bytes(os.fsencode(absolute), safe="/~"), False
