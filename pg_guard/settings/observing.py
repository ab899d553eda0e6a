"""Logs, metrics, traces and health. In: what is told, and to whom. Out: settings of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr

from pg_guard.settings.section import Seconds, Section

__all__ = ["LoggingSettings", "ObservabilitySettings"]


class LoggingSettings(Section):
    """The server's log: one line for each event, on standard error or in a file. No line holds a secret."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """From which level on pg-guard's own lines are written."""
    libraries: Literal["debug", "info", "warning", "error"] = "warning"
    """The same for libraries; of what they quote from clients and servers nothing is told."""
    format: Literal["auto", "json", "console"] = "auto"
    """One JSON object a line, or a form for people; `auto` is the latter on a terminal."""
    statements: Literal["none", "masked", "full"] = "none"
    """What lines tell of statements and questions: nothing; statements without literals and comments, of questions the words that
    ask; or all of it."""
    file: Path | None = None
    """Write to this file instead of standard error; readable by its owner alone."""
    file_bytes: Annotated[int, Field(ge=0)] = 10_000_000
    """Size from which a new file is begun; 0 for never."""
    file_backups: Annotated[int, Field(ge=0, le=1_000)] = 5
    """Older files that are kept, as `guard.log.1`."""


class ObservabilitySettings(Section):
    """Metrics, traces, and the endpoints that tell how the server does."""

    listen: str | None = None
    """Address of a port of its own for them, as in `127.0.0.1:9187`; over HTTP they are beside `/mcp` in any case."""
    metrics: bool = True
    """Count and time, and answer `/metrics`."""
    public_metrics: bool = False
    """Answer `/metrics` to everybody who can reach the port; otherwise to loopback, and to who brings a token."""
    tracing: bool = True
    """Export OpenTelemetry traces where the `OTEL_…` variables name an exporter, and the extra `otel` is installed."""
    token: SecretStr | None = None
    """A bearer token that opens all of these endpoints, as for a scraper on another machine."""
    probe_timeout: Seconds = 2.0
    """Seconds that a database may take to answer a probe."""
