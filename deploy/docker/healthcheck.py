"""HEALTHCHECK of the image. In: the port of `serve --observe`. Out: exit 0 while requests can be answered, else 1.

`/health` says so while one database answers, at least. The address is this container's own; nothing is printed but the status.
"""

from __future__ import annotations

import http.client
import os
import sys

DEFAULT_PORT = "9187"


def main() -> int:
    """Ask once."""
    connection = http.client.HTTPConnection(
        "127.0.0.1", int(os.environ.get("PG_GUARD_HEALTH_PORT", DEFAULT_PORT)), timeout=4
    )
    try:
        connection.request("GET", "/health")
        response = connection.getresponse()
        body = response.read(1_000).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        body, healthy = type(error).__name__, False
    else:
        healthy = response.status == http.HTTPStatus.OK
    finally:
        connection.close()
    sys.stdout.write(body + "\n")
    return 0 if healthy else 1


if __name__ == "__main__":
    sys.exit(main())
