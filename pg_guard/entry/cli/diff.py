"""`pg-guard diff`: what changes between two policies or packs. In: both. Out: the changes; exit 1 on a loosening."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

import click

from pg_guard.entry.cli.options import (
    CONTEXT_SETTINGS,
    catalog_options,
    example,
    load_catalog,
    principal_option,
    read_principal,
    terminal,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pg_guard.compare.statements import Statement

__all__ = ["diff"]


@click.command(
    context_settings=CONTEXT_SETTINGS,
    epilog=example(
        "pg-guard diff policy.yaml new/policy.yaml --corpus queries/",
        "pg-guard diff old.yaml new.yaml --log decisions.jsonl --catalog shop.json",
        "pg-guard diff packs/ours-1.0 packs/ours-1.1 --format markdown",
    ),
)
@click.argument("old", type=click.Path())
@click.argument("new", type=click.Path())
@click.option(
    "--corpus",
    metavar="PATH",
    multiple=True,
    type=click.Path(),
    help="SQL files, YAML files with sql entries, or directories of them; may be given several times.",
)
@click.option(
    "--log",
    "log",
    metavar="FILE",
    type=click.Path(),
    help="A log of decision records (JSON lines); - is standard input.",
)
@catalog_options
@principal_option
@click.option("--allow-loosening", is_flag=True, help="Exit with 0 although something is loosened.")
@click.option(
    "-f",
    "--format",
    "output_format",
    type=click.Choice(["text", "json", "markdown"]),
    default="text",
    show_default=True,
    help="How to write the changes; markdown is for a comment on a pull request.",
)
def diff(
    old: str,
    new: str,
    corpus: tuple[str, ...],
    log: str | None,
    catalog_path: str | None,
    dsn: str | None,
    principal: tuple[str, ...],
    allow_loosening: bool,
    output_format: str,
) -> int:
    """Tell what changes from one policy to another.

    OLD and NEW are two policies, or the directories of two rule packs. Each change of a clause or a rule is a loosening,
    a tightening or neutral. The difference is shown on the tests of both, on a corpus, on a log, and with a catalog on
    every relation and column. The environment's overlay is left out. --principal is who asks where a statement does
    not say. OLD may hold exceptions that have expired since; NEW may not, as no guard would load it.

    Exit codes: 0 nothing is loosened, 1 something is, 2 wrong usage or an unreadable file, 3 an invalid policy or pack.
    """
    from pg_guard.entry.cli.comparing import compare_sides, load_sides
    from pg_guard.entry.cli.logs import LogStatements
    from pg_guard.entry.cli.statements import corpus_statements, find_corpus_files
    from pg_guard.report.comparison import render_diff
    from pg_guard.report.json import dump

    attributes = read_principal(principal)
    files = find_corpus_files(corpus) if corpus else []
    logged = LogStatements(log) if log is not None else None
    before, after = load_sides(old, new)
    catalog = load_catalog(catalog_path, dsn)
    statements: Iterator[Statement] = chain(corpus_statements(files), logged or ())
    sources = [*corpus, *([log] if log is not None else [])]
    document = compare_sides(
        before, after, catalog=catalog, statements=statements, sources=sources, principal=attributes
    )
    if output_format == "json":
        click.echo(dump(document), nl=False)
    else:
        width, color = terminal()
        text = render_diff(document, width=width, color=color, markdown=output_format == "markdown")
        click.echo(text, nl=False, color=color)
    if logged is not None and logged.report():
        return 2
    return 1 if document["loosened"] and not allow_loosening else 0
