"""HEALTHCHECK of the image. In: the port of `serve --observe` as an argument. Out: exit 0 while requests can be answered, else 1.

`/health` says so while one database answers, at least. The address is this container's own; nothing is printed but the status.
"""

from __future__ import annotations

import http.client
import sys


def main(port: int) -> int:
    """Ask once."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=4)
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
    sys.exit(main(int(sys.argv[1])))
