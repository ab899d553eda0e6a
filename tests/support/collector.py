"""An OpenTelemetry collector on a loopback port, as far as logs go. In: OTLP over HTTP. Out: the requests, as objects and as a file.

    with LogCollector() as collector:
        ...
    collector.bodies()

`collector.export(path)` writes what came as the file exporter of a real collector does: a request a line, in OTLP JSON.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["LogCollector", "rejecting"]

_PROTOBUF = "application/x-protobuf"


def rejecting(count: int) -> tuple[int, str, bytes]:
    """An answer that says that some records were not taken."""
    answer = ExportLogsServiceResponse()
    answer.partial_success.rejected_log_records = count
    return 200, _PROTOBUF, answer.SerializeToString()


class LogCollector:
    """Takes logs.

    Args:
        port: The port; any free one when left out.

    Attributes:
        answer: Status, content type and body of the next answers; what is refused is not kept.
        requests: What it took.
        headers: Of each request, whether it was taken or not.
        hang: Requests wait until this is cleared.
        keep_refused: Keep what is answered with an error, as a collector does whose answer is lost.
    """

    def __init__(self, port: int = 0) -> None:
        self.answer: tuple[int, str, bytes] = (200, _PROTOBUF, b"")
        self.requests: list[ExportLogsServiceRequest] = []
        self.headers: list[dict[str, str]] = []
        self.keep_refused = False
        self.release = threading.Event()
        self.release.set()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                data = self.rfile.read(int(self.headers["content-length"]))
                outer.headers.append({name.lower(): value for name, value in self.headers.items()})
                outer.release.wait(60)
                status, kind, body = outer.answer
                if self.path == "/v1/logs" and (status == 200 or outer.keep_refused):
                    if self.headers.get("content-encoding") == "gzip":
                        data = gzip.decompress(data)
                    outer.requests.append(ExportLogsServiceRequest.FromString(data))
                with contextlib.suppress(OSError):
                    self.send_response(status if self.path == "/v1/logs" else 404)
                    self.send_header("content-type", kind)
                    self.send_header("content-length", str(len(body)))
                    if 300 <= status < 400:
                        self.send_header("location", "http://127.0.0.1:9/sign-in")
                    self.end_headers()
                    self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.release.set()
        self._server.shutdown()
        self._server.server_close()

    def records(self) -> list[Any]:
        """All records, in the order of their arrival."""
        return [
            record
            for request in self.requests
            for resource in request.resource_logs
            for scope in resource.scope_logs
            for record in scope.log_records
        ]

    def bodies(self) -> list[dict[str, Any]]:
        """The audit lines in them."""
        return [json.loads(record.body.string_value) for record in self.records()]

    def export(self, path: Path) -> Path:
        """Write all requests to a file, as the file exporter of a collector does."""
        lines = [json.dumps(MessageToDict(request), separators=(",", ":")) for request in self.requests]
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return path
