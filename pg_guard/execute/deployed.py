"""Which policy guards a database of the settings. In: settings and a name. Out: the loaded policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pg_guard.errors import PolicyError, Problem
from pg_guard.policy.deployment import DeploymentClauses, load_deployment

if TYPE_CHECKING:
    from pg_guard.policy.load import LoadedPolicy
    from pg_guard.settings import SecuritySettings, Settings

__all__ = ["deployed_policies", "deployed_policy"]


def deployed_policy(settings: Settings, name: str) -> LoadedPolicy:
    """Load the policy of a database, as the files are now, narrowed by what `security` says.

    Args:
        settings: The deployment's settings.
        name: One of `settings.databases`.

    Returns:
        The policy; its `sources` are the files and variables that it was made of.

    Raises:
        UsageError: A file cannot be read.
        PolicyError: The policy is not valid; all problems are in it.
    """
    file = settings.policy_of(name)
    return load_deployment(_clauses(settings.security), file, environ=settings.overlay)


def deployed_policies(settings: Settings) -> dict[str, LoadedPolicy]:
    """The policies of all databases, by the databases' names.

    Raises:
        UsageError: A file cannot be read.
        PolicyError: At least one policy is not valid; the problems of all are in it, each once.
    """
    policies: dict[str, LoadedPolicy] = {}
    problems: dict[Problem, None] = {}
    for name in settings.databases:
        try:
            policies[name] = deployed_policy(settings, name)
        except PolicyError as error:
            problems |= dict.fromkeys(error.problems)
    if problems:
        raise PolicyError(tuple(problems))
    return policies


def _clauses(security: SecuritySettings) -> DeploymentClauses:
    required = security.require_where_clause
    return DeploymentClauses(
        blocked_tables=security.blocked_tables,
        blocked_columns=security.blocked_columns,
        require_where=(("*",) if required else ()) if isinstance(required, bool) else required,
        max_join_tables=security.max_join_tables,
        allow_explain=security.allow_explain,
        blocked_functions=security.blocked_functions,
        timeout=security.timeout,
        max_rows=security.max_rows,
        search_path=security.search_path,
    )
