"""`pg-guard replay`: decide recorded statements again. In: a log and a policy. Out: what changes; exit 1 on what was asked."""

from __future__ import annotations

import click

from pg_guard.entry.cli.options import (
    CONTEXT_SETTINGS,
    catalog_options,
    example,
    format_option,
    load_guard,
    policy_option,
    principal_option,
    read_principal,
    terminal,
)

__all__ = ["replay"]


@click.command(
    context_settings=CONTEXT_SETTINGS,
    epilog=example(
        "pg-guard replay decisions.jsonl --policy new.yaml --catalog shop.json",
        "zcat decisions.jsonl.gz | pg-guard replay - -p new.yaml --fail-on loosening",
    ),
)
@click.argument("log", type=click.Path())
@policy_option
@catalog_options
@principal_option
@click.option("--database", metavar="NAME", help="Of an audit log, only the statements of this database.")
@format_option
@click.option(
    "--fail-on",
    type=click.Choice(["change", "loosening", "none"]),
    default="change",
    show_default=True,
    help="What ends with 1: any other decision, only statements that are newly allowed, or nothing.",
)
def replay(
    log: str,
    policy_path: str,
    catalog_path: str | None,
    dsn: str | None,
    principal: tuple[str, ...],
    database: str | None,
    output_format: str,
    fail_on: str,
) -> int:
    """Decide the statements of a log again.

    LOG holds decision records, or lines of an audit log, one JSON object a line; - is standard input. It is read line by
    line, so its size does not matter. A last line that is torn is left out with a warning. --principal is who asks where a
    record does not say.

    Exit codes: 0 same decisions, 1 other ones, 2 wrong usage or lines that are no records, 3 invalid policy.
    """
    from pg_guard.compare.replay import replay as decide_again
    from pg_guard.entry.cli.logs import read_records, report_faults, require_log
    from pg_guard.entry.cli.progress import Progress
    from pg_guard.report.comparison import render_replay
    from pg_guard.report.json import dump

    attributes = read_principal(principal)
    require_log(log)
    guard = load_guard(policy_path, catalog_path, dsn)
    records = read_records(log, database=database)
    found = decide_again(records, guard, principal=attributes, progress=Progress("records replayed"))
    metadata = guard.policy.metadata
    document = {
        "schema": "pg-guard/replay/v1",
        "log": log,
        "policy": f"{metadata.name} {metadata.version}",
        "digest": guard.policy.digest,
        **found.to_dict(),
    }
    if output_format == "json":
        click.echo(dump(document), nl=False)
    else:
        width, color = terminal()
        click.echo(render_replay(document, width=width, color=color), nl=False, color=color)
    report_faults(log, found.faults, found.fault_count, found.torn)
    if found.fault_count:
        return 2
    failed = found.shifts.changed if fail_on == "change" else fail_on == "loosening" and found.shifts.loosened
    return 1 if failed else 0
