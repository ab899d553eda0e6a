"""`pg-guard config`: a deployment's settings. In: what `serve` takes. Out: the settings as they are, their problems, an example."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from pg_guard.entry.cli.options import CONTEXT_SETTINGS, config_option, dsn_option, example, format_option

if TYPE_CHECKING:
    from collections.abc import Callable

    from pg_guard.policy.load import LoadedPolicy
    from pg_guard.settings import Settings

__all__ = ["config"]

_SHOW = "pg-guard config show --config pg-guard.yaml"
_VALIDATE = "pg-guard config validate --config pg-guard.yaml"
_POLICY = "pg-guard config policy --config pg-guard.yaml > effective.yaml"
_EXAMPLE = "pg-guard config example > .env"


@click.group(context_settings=CONTEXT_SETTINGS, epilog=example(_VALIDATE, _SHOW, _POLICY, _EXAMPLE))
def config() -> None:
    """Show and validate the settings of a server."""


def _source_options(command: Callable[..., int]) -> Callable[..., int]:
    policy = click.option("-p", "--policy", "policy_path", metavar="FILE", type=click.Path(), help="The policy file.")
    return policy(dsn_option(config_option(command)))


@config.command(context_settings=CONTEXT_SETTINGS, epilog=example(_SHOW, f"{_SHOW} --all", f"{_SHOW} --format json"))
@_source_options
@click.option("--all", "with_defaults", is_flag=True, help="Show defaults as well.")
@format_option
def show(
    policy_path: str | None, dsn: str | None, config_path: str | None, with_defaults: bool, output_format: str
) -> int:
    """Show the settings and where each comes from.

    Secrets are shown as asterisks. Nothing is connected to.

    Exit codes: 0 shown, 2 wrong usage or a missing file, 3 invalid settings.
    """
    from pg_guard.entry.cli.configuring import as_document, as_lines
    from pg_guard.report import json

    settings = _read(policy_path, dsn, config_path)
    if output_format == "json":
        click.echo(json.dump(as_document(settings)), nl=False)
    else:
        for line in as_lines(settings, with_defaults=with_defaults):
            click.echo(line)
    return 0


@config.command(context_settings=CONTEXT_SETTINGS, epilog=example(_VALIDATE, f"{_VALIDATE} --format json"))
@_source_options
@format_option
def validate(policy_path: str | None, dsn: str | None, config_path: str | None, output_format: str) -> int:
    """Report every problem of settings and of the policies that they name.

    Nothing is connected to: `pg-guard wait` asks the databases, and `pg-guard policy validate` runs a policy's tests.

    Exit codes: 0 valid, 2 wrong usage or a missing file, 3 invalid settings or an invalid policy.
    """
    from pg_guard.entry.cli.configuring import warnings_of
    from pg_guard.entry.cli.runner import problem_line, redact
    from pg_guard.execute.deployed import deployed_policies
    from pg_guard.report import json
    from pg_guard.report.text import plural

    settings = _read(policy_path, dsn, config_path)
    policies = deployed_policies(settings)
    problems = warnings_of(policies)
    if output_format == "json":
        click.echo(json.dump(_report(policies)), nl=False)
        return 0
    for problem in problems:
        click.echo(redact(problem_line(problem)))
    for name, loaded in policies.items():
        metadata = loaded.policy.metadata
        click.echo(f"{name}: policy {metadata.name} {metadata.version}, digest {loaded.policy.digest[:12]}")
    if not policies:
        click.echo("no database is configured", err=True)
    click.echo(f"valid: {plural(len(policies), 'database')}, {plural(len(problems), 'warning')}")
    return 0


def _report(policies: dict[str, LoadedPolicy]) -> dict[str, Any]:
    return {
        "schema": "pg-guard/config/v1",
        "valid": True,
        "databases": {
            name: {
                "policy": loaded.policy.metadata.name,
                "version": str(loaded.policy.metadata.version),
                "digest": loaded.policy.digest,
                "sources": list(loaded.sources),
                "packs": {pack.name: pack.version for pack in loaded.packs},
                "warnings": [problem.message for problem in loaded.problems],
            }
            for name, loaded in policies.items()
        },
    }


@config.command("policy", context_settings=CONTEXT_SETTINGS, epilog=example(_POLICY))
@click.argument("database", required=False)
@_source_options
def show_policy(database: str | None, policy_path: str | None, dsn: str | None, config_path: str | None) -> int:
    """Print the policy that is in force for a database, as YAML.

    It is what its file, the files below, variables and `security` come to.

    Exit codes: 0 printed, 2 wrong usage or a missing file, 3 invalid settings or an invalid policy.
    """
    from pg_guard.entry.cli.configuring import policy_text
    from pg_guard.errors import UsageError
    from pg_guard.execute.deployed import deployed_policy

    settings = _read(policy_path, dsn, config_path)
    names = sorted(settings.databases)
    if database is None and len(names) == 1:
        database = names[0]
    if database is None or database not in settings.databases:
        what = "several databases are configured" if database is None and names else "there is no such database"
        raise UsageError(what, hint=f"name one of: {', '.join(names)}" if names else "configure databases")
    click.echo(policy_text(deployed_policy(settings, database)), nl=False)
    return 0


@config.command("example", context_settings=CONTEXT_SETTINGS, epilog=example(_EXAMPLE))
def show_example() -> int:
    """Print every setting as a variable with its default, to begin a .env file with."""
    from pg_guard.entry.cli.configuring import example_text

    click.echo(example_text(), nl=False)
    return 0


def _read(policy_path: str | None, dsn: str | None, config_path: str | None) -> Settings:
    from pg_guard.entry.cli.serve import read_settings

    return read_settings(policy_path, dsn, config_path)
