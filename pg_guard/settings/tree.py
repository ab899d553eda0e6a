"""The deployment's settings. In: their values. Out: one validated tree. `pg_guard.settings.load` reads them from their sources.

Secrets are `SecretStr`: no print, log line or error shows them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import Field, PrivateAttr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from pg_guard.settings.asking import ModelSettings, ValidationSettings
from pg_guard.settings.audit import AuditSettings
from pg_guard.settings.calls import ResilienceSettings
from pg_guard.settings.databases import CacheSettings, DatabaseSettings
from pg_guard.settings.http import HttpSettings
from pg_guard.settings.observing import LoggingSettings, ObservabilitySettings
from pg_guard.settings.reload import ReloadSettings
from pg_guard.settings.security import SecuritySettings

__all__ = ["OVERLAY_PREFIX", "PREFIX", "Settings"]

PREFIX: Final = "PG_GUARD_"
OVERLAY_PREFIX: Final = "PG_GUARD_POLICY__"
"""Variables that set keys of policies, see `pg_guard.policy.overlay`."""


class Settings(BaseSettings):
    """The whole tree."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        env_file=".env",
        env_file_encoding="utf-8",
        extra="ignore",
        frozen=True,
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
    )

    service_name: Annotated[str, Field(pattern=r"^[\w .:/-]{1,100}$")] = "pg-guard"
    """What this deployment calls itself to MCP clients, in log lines, metrics and traces."""

    databases: dict[str, DatabaseSettings] = Field(default_factory=dict)
    """Databases by name."""
    policy: Path | None = None
    """Policy file of the databases that name none."""
    security: SecuritySettings = SecuritySettings()
    """What statements may do, instead of a policy file or beside one."""
    model: ModelSettings = ModelSettings()
    """The language model."""
    validation: ValidationSettings = ValidationSettings()
    """Checks of questions and answers."""
    cache: CacheSettings = CacheSettings()
    """Catalogs."""
    resilience: ResilienceSettings = ResilienceSettings()
    """Failures and overload."""
    http: HttpSettings = HttpSettings()
    """The HTTP transport."""
    logging: LoggingSettings = LoggingSettings()
    """The log."""
    observability: ObservabilitySettings = ObservabilitySettings()
    """Metrics, traces, health."""
    audit: AuditSettings = AuditSettings()
    """The audit log."""
    reload: ReloadSettings = ReloadSettings()
    """Reading policies, packs and settings again."""

    _overlay: Mapping[str, str] | None = PrivateAttr(default=None)
    _files: tuple[Path, ...] = PrivateAttr(default=())
    _origins: Mapping[tuple[str, ...], str] = PrivateAttr(default_factory=dict)
    _container: str = PrivateAttr(default="")

    @model_validator(mode="after")
    def _fits_together(self) -> Settings:
        if self.policy is not None and self.security.policy_file is not None:
            raise ValueError("policy and security.policy_file both give the policy file: give one of them")
        open_ones = [name for name in self.databases if self.policy_of(name) is None]
        if open_ones and not self.security.is_policy:
            raise ValueError(no_policy(open_ones))
        return self

    @property
    def overlay(self) -> Mapping[str, str]:
        """The variables of the environment that set keys of policies; `.env` has none."""
        return os.environ if self._overlay is None else self._overlay

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that were read: the settings file, `.env`, and files of secrets."""
        return self._files

    @property
    def origins(self) -> Mapping[tuple[str, ...], str]:
        """By key path, where a value comes from; what is not there is a default."""
        return self._origins

    @property
    def container(self) -> str:
        """How it was seen that this runs in a container, or ''."""
        return self._container

    def policy_of(self, name: str) -> Path | None:
        """The policy file of a database; None when `security` is its policy."""
        return self.databases[name].policy or self.policy or self.security.policy_file

    def role_of(self, name: str) -> str | None:
        """The role to change to for each statement on a database."""
        return self.databases[name].role or self.security.role

    def read_from(
        self,
        *,
        overlay: Mapping[str, str],
        files: tuple[Path, ...],
        origins: Mapping[tuple[str, ...], str],
        container: str,
    ) -> Self:
        """Note where the values come from, once, by whoever read them."""
        self._overlay, self._files, self._origins, self._container = overlay, files, origins, container
        return self


def no_policy(databases: list[str]) -> str:
    """What is said of databases without a policy."""
    return (
        f"no policy for the database {', '.join(databases)}: set policy or databases.<name>.policy to a file, or say in"
        " security what is blocked"
    )
