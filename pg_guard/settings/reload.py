"""Reloading while the server runs. In: when, and what must hold before. Out: settings of it."""

from __future__ import annotations

from pydantic import SecretStr

from pg_guard.settings.section import Seconds, Section

__all__ = ["ReloadSettings"]


class ReloadSettings(Section):
    """Policies, packs and settings that are read again while the server runs: at SIGHUP, by `POST /admin/reload`, when files
    change."""

    watch: bool = True
    """Reload when one of the files has changed; SIGHUP and `POST /admin/reload` work in any case."""
    interval: Seconds = 1.0
    """Seconds between two looks at the files; a change counts when it is still the same at the next one."""
    tests: bool = True
    """Put a policy in force only if its tests, and those of packs that do not come with pg-guard, pass on the database's catalog."""
    token: SecretStr | None = None
    """A bearer token for `POST /admin/reload`, and for nothing else; clients' tokens with the scope `admin` reload, too."""
    tests_timeout: Seconds = 60.0
    """Seconds that the tests of one database may take."""
