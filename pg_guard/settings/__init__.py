"""The deployment's settings: one tree, from flags, the environment, `.env` and a YAML file."""

from pg_guard.settings.asking import ModelSettings, ValidationSettings
from pg_guard.settings.audit import AuditSettings
from pg_guard.settings.calls import CallSettings, ResilienceSettings
from pg_guard.settings.databases import CacheSettings, DatabaseSettings
from pg_guard.settings.http import HttpSettings, OAuthSettings
from pg_guard.settings.load import dotenv_variables, load_settings
from pg_guard.settings.observing import LoggingSettings, ObservabilitySettings
from pg_guard.settings.reload import ReloadSettings
from pg_guard.settings.schema import settings_schema
from pg_guard.settings.security import SecuritySettings
from pg_guard.settings.sources import read_secret
from pg_guard.settings.tree import PREFIX, Settings

__all__ = [
    "PREFIX",
    "AuditSettings",
    "CacheSettings",
    "CallSettings",
    "DatabaseSettings",
    "HttpSettings",
    "LoggingSettings",
    "ModelSettings",
    "OAuthSettings",
    "ObservabilitySettings",
    "ReloadSettings",
    "ResilienceSettings",
    "SecuritySettings",
    "Settings",
    "ValidationSettings",
    "dotenv_variables",
    "load_settings",
    "read_secret",
    "settings_schema",
]
