"""The container as a process. In: arguments, variables. Out: a server that runs, and the address of its observed port."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2

from tests.support.examples import clean_environment
from tests.support.http_server import Served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

__all__ = ["ENTRYPOINT", "Container", "container", "variables"]

ENTRYPOINT = Path(__file__).resolve().parents[2] / "deploy" / "docker" / "entrypoint.sh"
_PORTS = (":8080", ":9187")


@dataclass
class Container:
    """A container that serves.

    Attributes:
        server: For clients.
        observed: Address of the port for probes and metrics, without a path.
        output: Lines of standard output.
    """

    server: Served
    observed: str = ""
    output: list[str] = field(default_factory=list)

    async def get(self, path: str, **headers: str) -> httpx2.Response:
        """Ask the observed port."""
        async with httpx2.AsyncClient(timeout=30) as client:
            return await client.get(self.observed + path, headers=headers)


def variables(**given: str) -> dict[str, str]:
    """The environment of a container: of this process's variables only what any program needs."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return clean_environment() | {"PATH": path, "PG_GUARD_ENV_FILE": ""} | given


@asynccontextmanager
async def container(words: Sequence[str], environment: Mapping[str, str]) -> AsyncIterator[Container]:
    """Start the script of the image with free ports in the place of its own, and end it.

    Args:
        words: Arguments, `serve` first.
        environment: Variables beside those of `variables`.
    """
    for port in _PORTS:
        words = [word.replace(port, ":0") for word in words]
    process = await asyncio.create_subprocess_exec(
        str(ENTRYPOINT), *words,
        cwd="/", env=variables(**environment), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    found = Container(Served(process, ""))
    serving = asyncio.Event()

    async def read_errors() -> None:
        assert process.stderr is not None
        async for line in process.stderr:
            text = line.decode().rstrip("\n")
            found.server.log.append(text)
            if text.startswith("pg-guard: observe "):
                found.observed = text.rpartition(" ")[2].removesuffix("/health").replace("0.0.0.0", "127.0.0.1")
            if text.startswith("pg-guard: serving "):
                found.server.url = text.rpartition(" ")[2].replace("0.0.0.0", "127.0.0.1")
                serving.set()
        serving.set()

    async def read_output() -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            found.output.append(line.decode())

    reading = [asyncio.create_task(read_errors()), asyncio.create_task(read_output())]
    try:
        await asyncio.wait_for(serving.wait(), 60)
        assert found.server.url, found.server.log
        yield found
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        await asyncio.gather(*reading)
