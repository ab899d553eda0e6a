"""Databases, and the catalogs that names are resolved on. In: where they are. Out: how to reach them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr

from pg_guard.settings.section import Count, Seconds, Section

__all__ = ["CacheSettings", "DatabaseSettings"]


class DatabaseSettings(Section):
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
    pool_max: Count = 5
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


class CacheSettings(Section):
    """The catalogs that names are resolved on."""

    auto_refresh: bool = True
    """Read the catalogs again from time to time."""
    interval: Seconds = 300.0
    """Seconds between two readings."""
    startup_timeout: Seconds = 30.0
    """Seconds for the first reading of each database."""
