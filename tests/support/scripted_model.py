"""A small server on loopback that speaks OpenAI's chat protocol, with answers, delays and failures by script.

    with ScriptedModel([Say("SELECT 1"), Fail(429), Hang(5), Cut()]) as server:
        settings = ModelSettings(base_url=server.url, key="k")

Each request takes the next entry; the last one is repeated. `server.requests` holds what was asked.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from typing import Any

from tests.support.loopback import LoopbackServer, QuietHandler

__all__ = ["Cut", "Fail", "Garbage", "Hang", "Say", "ScriptedModel", "Step"]


@dataclass(frozen=True)
class Say:
    """Answer with this text."""

    text: str


@dataclass(frozen=True)
class Fail:
    """Answer with a status; the body repeats the key, as a careless server would."""

    status: int


@dataclass(frozen=True)
class Hang:
    """Answer after a while."""

    seconds: float
    text: str = "SELECT 1"


@dataclass(frozen=True)
class Cut:
    """Close the connection without an answer."""


@dataclass(frozen=True)
class Garbage:
    """Answer with bytes that are not of the protocol."""

    body: bytes = b"<html>no</html>"


Step = Say | Fail | Hang | Cut | Garbage


class ScriptedModel(LoopbackServer):
    """The server; use it as a context manager."""

    def __init__(self, script: list[Step]) -> None:
        self.script = list(script)
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        outer = self

        class Handler(QuietHandler):
            protocol_version = "HTTP/1.1"
            # Otherwise the body waits 40 ms for the client to confirm the headers.
            disable_nagle_algorithm = True

            def do_POST(self) -> None:  # noqa: N802 - as the base class calls it
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                step = outer._next(json.loads(body), self.headers.get("authorization", ""))
                outer._play(self, step)

        super().__init__(Handler)

    @property
    def url(self) -> str:
        """The base URL for clients."""
        return f"{self.origin}/v1"

    def prompts(self) -> list[str]:
        """All text of each request."""
        return ["\n".join(str(each["content"]) for each in request["messages"]) for request in self.requests]

    def _next(self, request: dict[str, Any], key: str) -> Step:
        with self._lock:
            self.requests.append(request)
            self.keys.append(key)
            return self.script.pop(0) if len(self.script) > 1 else self.script[0]

    def _play(self, handler: QuietHandler, step: Step) -> None:
        if isinstance(step, Cut):
            handler.close_connection = True
            handler.connection.close()
            return
        if isinstance(step, Hang):
            self._stopped.wait(step.seconds)
        status, body = 200, b""
        if isinstance(step, Fail):
            status = step.status
            body = json.dumps({"error": {"message": f"refused {handler.headers.get('authorization')}"}}).encode()
        elif isinstance(step, Garbage):
            body = step.body
        else:
            body = json.dumps(_completion(step.text)).encode()
        handler.answer(status, body)

    def __exit__(self, *error: object) -> None:
        self._stopped.set()
        super().__exit__(*error)


def _completion(text: str) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 0,
        "model": "scripted",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
    }
