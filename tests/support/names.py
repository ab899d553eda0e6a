"""A world in which looking up a name takes minutes. Out: words before a command; None where such a world cannot be made."""

from __future__ import annotations

import contextlib
import socket
import subprocess
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["silent_names"]

ADDRESS: Final = "127.0.0.53"


@contextlib.contextmanager
def silent_names(directory: Path, address: str = ADDRESS) -> Iterator[list[str] | None]:
    """Nobody answers where names are asked for.

    Args:
        directory: For a file.
        address: Of the server of names, one that this machine has.
    """
    file = directory / "resolv.conf"
    file.write_text(f"nameserver {address}\noptions timeout:30 attempts:5\n", encoding="utf-8")
    bind = f'mount --bind "{file}" "$(readlink -f /etc/resolv.conf)" && exec "$@"'
    words = ["unshare", "--mount", "--propagation", "private", "sh", "-c", bind, "sh"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        try:
            silent.bind((address, 53))
            able = subprocess.run([*words, "true"], capture_output=True, check=False).returncode == 0
        except OSError:
            able = False
        yield words if able else None
