"""Settings that a running server takes, and those that it keeps until it is started anew."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, SecretStr

from pg_guard.entry.mcp.candidates import RESTART, held
from pg_guard.settings import AuditSettings, HttpSettings, LoggingSettings, ObservabilitySettings, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

# Each setting that `Reloader` puts in force; a new one belongs here, or into RESTART, and is to be thought about.
LIVE = {
    "databases",
    "policy",
    "security",
    "model",
    "validation",
    "cache",
    "resilience.model",
    "resilience.database",
    "resilience.queue_size",
    "resilience.queue_timeout",
    "resilience.requests_per_minute",
    "logging.level",
    "logging.libraries",
    "logging.format",
    "logging.statements",
    "observability.public_metrics",
    "observability.token",
    "observability.probe_timeout",
    "reload",
}


def _names() -> Iterator[str]:
    settings = Settings()
    for section in Settings.model_fields:
        value = getattr(settings, section)
        if section in RESTART and isinstance(value, BaseModel):
            yield from (f"{section}.{each}" for each in RESTART[section] or type(value).model_fields)
        elif section in RESTART:
            yield section


def test_of_every_setting_it_is_known_whether_it_can_change() -> None:
    restart = set(_names())
    assert not restart & LIVE
    for section, field in Settings.model_fields.items():
        model = field.annotation
        parts = model.model_fields if isinstance(model, type) and issubclass(model, BaseModel) else ()
        names = {f"{section}.{part}" for part in parts}
        assert section in LIVE or section in restart or names <= LIVE | restart, section


def test_what_needs_a_restart_stays_and_is_named() -> None:
    before = Settings(
        service_name="one",
        http=HttpSettings(max_sessions=5, tokens=Path("a")),
        logging=LoggingSettings(level="info", file=Path("a.log")),
        audit=AuditSettings(sink="file", path=Path("a.jsonl")),
        observability=ObservabilitySettings(listen="127.0.0.1:1", token=SecretStr("old")),
    )
    now = Settings(
        service_name="two",
        http=HttpSettings(max_sessions=6, tokens=Path("a")),
        logging=LoggingSettings(level="debug", file=Path("b.log")),
        audit=AuditSettings(sink="none"),
        observability=ObservabilitySettings(listen="127.0.0.1:2", token=SecretStr("new")),
        policy=Path("p.yaml"),
    )
    found, names = held(before, now)
    assert names == (
        "service_name",
        "http.max_sessions",
        "audit.sink",
        "audit.path",
        "observability.listen",
        "logging.file",
    )
    assert (found.service_name, found.http, found.audit) == ("one", before.http, before.audit)
    assert found.observability == ObservabilitySettings(listen="127.0.0.1:1", token=SecretStr("new"))
    assert found.logging == LoggingSettings(level="debug", file=Path("a.log"))
    assert found.policy == Path("p.yaml")
    assert held(before, before) == (before, ())
