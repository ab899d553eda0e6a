"""The deployment's settings. In: flags, environment, `.env`, a YAML file. Out: one validated tree, or all errors at once.

Sources, each before the next: what a command was given, `PG_GUARD_…__…` in the environment, `.env` in the working directory,
the YAML file. Secrets are `SecretStr`: no print, log line or error shows them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, YamlConfigSettingsSource

from pg_guard.errors import PolicyError, Problem, UsageError

__all__ = [
    "AuditSettings",
    "CacheSettings",
    "CallSettings",
    "DatabaseSettings",
    "HttpSettings",
    "LoggingSettings",
    "ModelSettings",
    "OAuthSettings",
    "ObservabilitySettings",
    "ResilienceSettings",
    "Settings",
    "ValidationSettings",
    "load_settings",
]

PREFIX: Final = "PG_GUARD_"
_Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Count = Annotated[int, Field(ge=1)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class DatabaseSettings(_Section):
    """One database: how to reach it, and the policy that guards it."""

    dsn: SecretStr | None = None
    """Connection URI; it replaces the parts below."""
    host: str = "localhost"
    """Host, or directory of a socket."""
    port: Annotated[int, Field(ge=1, le=65_535)] = 5432
    """Port."""
    user: str | None = None
    """Role that connects."""
    password: SecretStr | None = None
    """Its password."""
    database: str | None = None
    """Database on the server; the entry's name when left out."""
    ssl_mode: Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] = "prefer"
    """As libpq's sslmode."""
    policy: Path | None = None
    """The policy file; `policy` of the whole when left out."""
    role: str | None = None
    """Role to change to for each statement."""
    description: str = ""
    """What the database holds, for the people and models that choose one."""
    pool_min: Annotated[int, Field(ge=0)] = 1
    """Connections that stay open."""
    pool_max: _Count = 5
    """Connections at most."""

    def uri(self, name: str) -> str:
        """The connection URI, with its password: for the driver alone."""
        from urllib.parse import quote

        if self.dsn is not None:
            return self.dsn.get_secret_value()
        login = quote(self.user, safe="") if self.user else ""
        if self.password is not None:
            login += ":" + quote(self.password.get_secret_value(), safe="")
        target = quote(self.database or name, safe="")
        query = f"sslmode={self.ssl_mode}"
        if self.host.startswith("/"):
            return (
                f"postgresql://{login + '@' if login else ''}/{target}?host={quote(self.host)}&port={self.port}&{query}"
            )
        return f"postgresql://{login + '@' if login else ''}{self.host}:{self.port}/{target}?{query}"


class ModelSettings(_Section):
    """The language model that writes SQL: any server that speaks OpenAI's protocol."""

    base_url: str | None = None
    """Address of the server; OpenAI's own when left out."""
    key: SecretStr | None = None
    """Key of the server; without one, `ask` uses MCP sampling where the client offers it."""
    name: str = "gpt-5-mini"
    """The model."""
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    """Sampling temperature; the server's own default when left out."""
    max_tokens: _Count = 2_000
    """Tokens of one answer at most."""
    timeout: _Seconds = 30.0
    """Seconds for one answer."""
    context_tokens: _Count = 6_000
    """Tokens that the description of the schema may take."""


class ValidationSettings(_Section):
    """How questions and answers are checked."""

    enabled: bool = True
    """Let the model judge whether a result answers the question."""
    confidence_threshold: Annotated[int, Field(ge=0, le=100)] = 60
    """Below this confidence an answer carries LOW_CONFIDENCE."""
    max_retries: Annotated[int, Field(ge=0, le=10)] = 2
    """Further tries after a refusal or a database error."""
    timeout: _Seconds = 15.0
    """Seconds for the judgement."""
    sample_rows: Annotated[int, Field(ge=1, le=1_000)] = 10
    """Rows that the judgement sees at most."""
    max_question_length: _Count = 4_000
    """Characters of a question at most."""
    total_timeout: _Seconds = 120.0
    """Seconds for one question, from its arrival to its answer."""


class CacheSettings(_Section):
    """The catalogs that names are resolved on."""

    auto_refresh: bool = True
    """Read the catalogs again from time to time."""
    interval: _Seconds = 300.0
    """Seconds between two readings."""
    startup_timeout: _Seconds = 30.0
    """Seconds for the first reading of each database."""


class CallSettings(_Section):
    """What happens when a model, or a database, fails."""

    concurrency: _Count = 20
    """Calls that run at a time."""
    retries: Annotated[int, Field(ge=0, le=10)] = 1
    """Further tries after a transient error: a lost connection, a time-out, a server that is busy. Never after a denial."""
    retry_delay: _Seconds = 0.2
    """Seconds before the first retry."""
    retry_max_delay: _Seconds = 5.0
    """Seconds before any retry at most."""
    backoff_factor: Annotated[float, Field(ge=1, le=10)] = 2.0
    """By which each delay grows."""
    breaker_threshold: _Count = 5
    """Failures in a row that open a circuit."""
    breaker_recovery: _Seconds = 30.0
    """Seconds until an open circuit lets a try through."""


class ResilienceSettings(_Section):
    """What happens when something fails, or too much is asked at once."""

    model: CallSettings = CallSettings(concurrency=10, retries=2)
    """Calls of the language model."""
    database: CallSettings = CallSettings()
    """Statements, a circuit for each database."""
    queue_size: Annotated[int, Field(ge=0)] = 200
    """Requests that may wait; further ones are told that the server is busy."""
    queue_timeout: _Seconds = 30.0
    """Seconds that a request waits at most."""
    requests_per_minute: Annotated[int, Field(ge=0)] = 0
    """Requests that one principal may make in a minute; 0 for no limit."""
    redis_url: SecretStr | None = None
    """Where several replicas share rate limits and circuits; in memory when left out."""


class OAuthSettings(_Section):
    """Tokens of an authorization server (OAuth 2.1 resource server)."""

    issuer: str
    """The `iss` that tokens must have."""
    audience: str
    """The `aud` that tokens must have: this server's own address."""
    jwks_url: str | None = None
    """Where the issuer's keys are; found through its metadata when left out."""
    scopes: tuple[str, ...] = ()
    """Scopes that a token must have."""
    algorithms: tuple[Literal["RS256", "RS384", "RS512", "ES256", "ES384", "PS256", "EdDSA"], ...] = ("RS256", "ES256")
    """Signature algorithms that are accepted."""
    resource: str | None = None
    """Address of this server as clients use it, as in `https://guard.example/mcp`; `audience` when left out."""
    attributes: dict[str, str] = Field(default_factory=dict)
    """By attribute of the principal, the claim that it comes from, as in `tenant_id: org_tenant`."""


class HttpSettings(_Section):
    """The HTTP transport."""

    tokens: Path | None = None
    """File of bearer tokens, hashed, as `pg-guard token` writes it."""
    oauth: OAuthSettings | None = None
    """Accept tokens of an authorization server."""
    allowed_origins: tuple[str, ...] = ()
    """Origins of browsers that may connect; none when left out."""
    allowed_hosts: tuple[str, ...] = ()
    """Further values of the Host header beside the address that is bound, as in `guard.example:*`."""
    max_request_bytes: _Count = 1_000_000
    """Largest request."""
    allow_anonymous: bool = False
    """Accept requests without a token; only on a loopback address."""
    max_connections: _Count = 1_000
    """Connections, and requests, at a time; further ones are answered with 503."""
    max_sessions: _Count = 1_000
    """Sessions of clients of older protocols at a time."""
    session_idle: _Seconds = 1_800.0
    """Seconds after which a session without any request ends."""
    drain_timeout: Annotated[float, Field(ge=0, le=600)] = 5.0
    """Seconds that requests under way get to finish when the server is told to end; then they are cancelled."""


class AuditSettings(_Section):
    """The audit log: a record of every statement, durable before it runs, and a second line with what came of it."""

    sink: Literal["none", "file", "stdout", "postgresql"] = "none"
    """Where records go: nowhere, a file of JSON lines, standard output (over HTTP only), or a table in a database of its own."""
    path: Path | None = None
    """The file of the sink `file`; older parts lie beside it, as `audit.000000004711.jsonl` beside `audit.jsonl`."""
    fsync: Literal["always", "interval", "never"] = "always"
    """When the file reaches the disk: before a statement runs, from time to time, or when the system sees fit."""
    fsync_interval: _Seconds = 1.0
    """Seconds between two times with `fsync: interval`."""
    rotate_bytes: Annotated[int, Field(ge=0)] = 100_000_000
    """Size from which a new file is begun; 0 for never."""
    rotate_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 86_400.0
    """Age of a file's first line from which a new file is begun; 0 for never."""
    masking: Literal["none", "literals", "statement"] = "none"
    """What is replaced by keyed digests: nothing, the literals of statements, or statements as a whole."""
    key: SecretStr | None = None
    """Key of the digests, of 16 bytes or more."""
    key_file: Path | None = None
    """File that holds the key."""
    fail: Literal["closed", "open"] = "closed"
    """When a record cannot be written: refuse the statement with AUDIT_UNAVAILABLE, or run it with a warning in the log."""
    timeout: _Seconds = 5.0
    """Seconds that writing a record may take."""
    dsn: SecretStr | None = None
    """Connection URI of the sink `postgresql`: a database of its own, prepared by `pg-guard audit-store migrate`."""
    anchors: Path | None = None
    """File that the end of the log is noted in from time to time; kept elsewhere, it shows that an end was cut off."""
    anchor_every: _Count = 1_000
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


class LoggingSettings(_Section):
    """The server's log: one line for each event, on standard error or in a file. No line holds a secret."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """From which level on pg-guard's own lines are written."""
    libraries: Literal["debug", "info", "warning", "error"] = "warning"
    """The same for libraries; at `debug` and `info` these may tell what clients send, literals of statements included."""
    format: Literal["auto", "json", "console"] = "auto"
    """One JSON object a line, or a form for people; `auto` is the latter on a terminal."""
    statements: Literal["none", "masked", "full"] = "none"
    """What lines tell of statements: nothing, their text without literals and comments, or all of it."""
    file: Path | None = None
    """Write to this file instead of standard error; readable by its owner alone."""
    file_bytes: Annotated[int, Field(ge=0)] = 10_000_000
    """Size from which a new file is begun; 0 for never."""
    file_backups: Annotated[int, Field(ge=0, le=1_000)] = 5
    """Older files that are kept, as `guard.log.1`."""


class ObservabilitySettings(_Section):
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
    probe_timeout: _Seconds = 2.0
    """Seconds that a database may take to answer a probe."""


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
