"""Where to listen. In: ``HOST:PORT`` as people write it. Out: an address, and a socket that is bound to it."""

from __future__ import annotations

import contextlib
import re
import socket
from typing import TYPE_CHECKING, NamedTuple

from pg_guard.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Address", "bound", "bracketed", "parse_address"]


class Address(NamedTuple):
    """Where to listen; port 0 is any free one."""

    host: str
    port: int


def parse_address(text: str, option: str = "--http") -> Address:
    """Read ``HOST:PORT``; an IPv6 address stands in brackets.

    Args:
        text: The address.
        option: Where it was given, for the error.

    Raises:
        UsageError: It is not of that form.
    """
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.%]+)\]|([^\s:/\[\]]+)):([0-9]{1,5})", text)
    if match is None or int(match[3]) > 65_535:
        raise UsageError(f"{option} {text}: not of the form HOST:PORT", hint=f"write {option} 127.0.0.1:8080")
    return Address(match[1] or match[2], int(match[3]))


@contextlib.contextmanager
def bound(address: Address, option: str = "--http") -> Iterator[socket.socket]:
    """A socket at the address, which does not listen yet.

    Raises:
        UsageError: There is no such host, or the address cannot be used.
    """
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise UsageError(
            f"{option} {bracketed(address.host)}:{address.port}: {(error.strerror or 'no such host').lower()}"
        ) from None
    with listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(where)
        except OSError as error:
            raise UsageError(
                f"{option} {bracketed(address.host)}:{address.port}: {(error.strerror or 'cannot be bound').lower()}",
                hint="choose another port, or an address of this machine",
            ) from None
        yield listener


def bracketed(host: str) -> str:
    """A host as it stands in front of a port."""
    return f"[{host}]" if ":" in host else host
