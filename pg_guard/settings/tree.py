"""The deployment's settings. In: flags, environment, `.env`, a YAML file. Out: one validated tree, or all errors at once.

Sources, each before the next: what a command was given, `PG_GUARD_…__…` in the environment, `.env` in the working directory,
the YAML file. Secrets are `SecretStr`: no print, log line or error shows them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, YamlConfigSettingsSource

from pg_guard.errors import PolicyError, Problem, UsageError
from pg_guard.settings.asking import ModelSettings, ValidationSettings
from pg_guard.settings.audit import AuditSettings
from pg_guard.settings.calls import ResilienceSettings
from pg_guard.settings.databases import CacheSettings, DatabaseSettings
from pg_guard.settings.http import HttpSettings
from pg_guard.settings.observing import LoggingSettings, ObservabilitySettings

__all__ = ["PREFIX", "Settings", "load_settings"]

PREFIX: Final = "PG_GUARD_"


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

    databases: dict[str, DatabaseSettings] = Field(default_factory=dict)
    """Databases by name."""
    policy: Path | None = None
    """Policy file of the databases that name none."""
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

    @model_validator(mode="after")
    def _every_database_has_a_policy(self) -> Settings:
        open_ones = [name for name, each in self.databases.items() if each.policy is None and self.policy is None]
        if open_ones:
            raise ValueError(
                f"no policy for the database {', '.join(open_ones)}: set policy, or databases.<name>.policy"
            )
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - secrets from files are not read yet
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order of the sources; the YAML file comes last."""
        return (init_settings, env_settings, dotenv_settings, YamlConfigSettingsSource(settings_cls))


def load_settings(path: str | Path | None = None, **given: Any) -> Settings:
    """Read the settings.

    Args:
        path: The YAML file, if there is one. With it, relative paths (from every source) are meant from its directory.
        given: What flags say, by section.

    Raises:
        UsageError: The file cannot be read.
        PolicyError: A value is wrong; all problems are in it, without any secret.
    """
    file = Path(path) if path is not None else None
    if file is not None and not file.is_file():
        raise UsageError(f"{file}: there is no such settings file", hint="give an existing YAML file")

    class FromFile(Settings):
        model_config = SettingsConfigDict(yaml_file=file, yaml_file_encoding="utf-8")

    try:
        settings = FromFile(**given)
    except ValidationError as error:
        raise PolicyError(
            tuple(
                Problem(
                    each["msg"].removeprefix("Value error, "),
                    str(file or "settings"),
                    path=".".join(map(str, each["loc"])),
                )
                for each in error.errors(include_url=False, include_input=False)
            )
        ) from None
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{file or 'settings'}: cannot be read ({type(error).__name__})", hint="check that it is YAML in UTF-8"
        ) from None
    return settings if file is None else _from(file.resolve().parent, settings)


def _from(directory: Path, settings: Settings) -> Settings:
    """The same with paths that are meant from a directory."""

    def place(path: Path | None) -> Path | None:
        return path if path is None else directory / path

    databases = {
        name: each.model_copy(update={"policy": place(each.policy)}) for name, each in settings.databases.items()
    }
    http = settings.http.model_copy(update={"tokens": place(settings.http.tokens)})
    audit = settings.audit
    audit = audit.model_copy(update={name: place(getattr(audit, name)) for name in ("path", "key_file", "anchors")})
    return settings.model_copy(
        update={
            "databases": databases,
            "policy": place(settings.policy),
            "http": http,
            "audit": audit,
            "logging": settings.logging.model_copy(update={"file": place(settings.logging.file)}),
        }
    )
