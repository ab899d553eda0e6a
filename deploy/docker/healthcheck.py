"""HEALTHCHECK of the image. In: ports, of `serve --observe` or `--http`. Out: exit 0 while requests can be answered, else 1.

`/health` says so while one database answers, at least. The address is this container's own; nothing is printed but the status.
"""

from __future__ import annotations

import http.client
import sys


def healthy(port: int) -> bool:
    """Ask a port once."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=4)
    try:
        connection.request("GET", "/health")
        response = connection.getresponse()
        body = response.read(1_000).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        sys.stdout.write(f"{port}: {type(error).__name__}\n")
        return False
    finally:
        connection.close()
    sys.stdout.write(f"{port}: {body}\n")
    return response.status == http.HTTPStatus.OK


if __name__ == "__main__":
    sys.exit(0 if any(healthy(int(port)) for port in sys.argv[1:]) else 1)
