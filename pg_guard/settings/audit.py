"""The audit log. In: where records go, and what they hide. Out: settings that fit together."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, model_validator

from pg_guard.settings.section import Count, Seconds, Section

__all__ = ["AuditSettings"]


class AuditSettings(Section):
    """The audit log: a record of every statement, durable before it runs, and a second line with what came of it."""

    sink: Literal["none", "file", "stdout", "postgresql", "opentelemetry"] = "none"
    """Where records go: nowhere, a file of JSON lines, standard output (over HTTP only), a table in a database of its own, or a
    collector of OpenTelemetry logs, by the `OTEL_EXPORTER_OTLP_…` variables and the extra `otel`."""
    path: Path | None = None
    """The file of the sink `file`; older parts lie beside it, as `audit.000000004711.jsonl` beside `audit.jsonl`."""
    fsync: Literal["always", "interval", "never"] = "always"
    """When the file reaches the disk: before a statement runs, from time to time, or when the system sees fit."""
    fsync_interval: Seconds = 1.0
    """Seconds between two times with `fsync: interval`."""
    rotate_bytes: Annotated[int, Field(ge=0)] = 100_000_000
    """Size from which a new file is begun; 0 for never."""
    rotate_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 86_400.0
    """Age of a file's first line from which a new file is begun; 0 for never."""
    keep_parts: Annotated[int, Field(ge=0)] = 0
    """Older parts that are kept, one at least; 0 for all."""
    keep_days: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """Days that older parts are kept, by their last line; the newest always is. 0 for ever."""
    masking: Literal["none", "literals", "statement"] = "none"
    """What is replaced by keyed digests: nothing, the literals of statements, or statements as a whole."""
    key: SecretStr | None = None
    """Key of the digests, of 16 bytes or more."""
    key_file: Path | None = None
    """File that holds the key."""
    fail: Literal["closed", "open"] = "closed"
    """When a record cannot be written: refuse the statement with AUDIT_UNAVAILABLE, or run it with a warning in the log."""
    timeout: Seconds = 5.0
    """Seconds that writing a record may take."""
    dsn: SecretStr | None = None
    """Connection URI of the sink `postgresql`: a database of its own, prepared by `pg-guard audit-store migrate`."""
    anchors: Path | None = None
    """File that the end of the log is noted in from time to time; kept elsewhere, it shows that an end was cut off."""
    anchor_every: Count = 1_000
    """Lines between two anchors; files that are completed and a server that stops leave one as well."""

    @model_validator(mode="after")
    def _is_complete(self) -> AuditSettings:
        if self.sink == "file" and self.path is None:
            raise ValueError("the sink file needs audit.path")
        if self.sink == "postgresql" and self.dsn is None:
            raise ValueError("the sink postgresql needs audit.dsn")
        if self.key is not None and self.key_file is not None:
            raise ValueError("audit.key and audit.key_file both give the key: give one of them")
        if self.masking != "none" and self.key is None and self.key_file is None:
            raise ValueError(f"masking {self.masking} needs audit.key_file or audit.key")
        return self
