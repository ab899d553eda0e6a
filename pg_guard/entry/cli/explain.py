"""`pg-guard explain`: why a statement was decided so. In: a statement and a policy. Out: clauses, facts, scopes; exit as check."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pg_guard.entry.cli.options import (
    CONTEXT_SETTINGS,
    catalog_options,
    example,
    load_guard,
    policy_option,
    principal_option,
    read_principal,
    terminal,
)

if TYPE_CHECKING:
    from pg_guard.decision import Decision

__all__ = ["explain"]


@click.command(
    context_settings=CONTEXT_SETTINGS,
    epilog=example(
        'pg-guard explain "SELECT salary FROM hr.employees" -p policy.yaml',
        "pg-guard explain query.sql -p policy.yaml --catalog shop.json",
        "pg-guard explain - -p policy.yaml --format html --output why.html",
    ),
)
@click.argument("sql", metavar="SQL|-|FILE")
@policy_option
@catalog_options
@principal_option
@click.option(
    "-f",
    "--format",
    "output_format",
    type=click.Choice(["text", "json", "html"]),
    default="text",
    show_default=True,
    help="How to write the explanation; html is one page without scripts.",
)
@click.option("-o", "--output", metavar="FILE", type=click.Path(), help="Write to FILE instead of standard output.")
def explain(
    sql: str,
    policy_path: str,
    catalog_path: str | None,
    dsn: str | None,
    principal: tuple[str, ...],
    output_format: str,
    output: str | None,
) -> int:
    """Tell why a statement is allowed or denied.

    Shows which clause of the policy and which rule decided, with their place in the file; the relations, columns,
    functions and conditions that the guard saw; what each alias resolves to; and how the two readings compare.

    SQL is the statement, - for standard input, or the name of an existing file.

    Exit codes: 0 allowed, 1 denied, 2 wrong usage, 3 invalid policy.
    """
    from pg_guard.entry.cli.outputs import check_output, write_output
    from pg_guard.entry.cli.statements import read_statement
    from pg_guard.policy.load import load_policy
    from pg_guard.report.explanation import explanation_document

    check_output(output)
    attributes = read_principal(principal)
    statement, name = read_statement(sql)
    guard = load_guard(policy_path, catalog_path, dsn)
    loaded = load_policy(policy_path)
    # The first decision of a process reads the classification of functions; the times shown are those of a server.
    guard.check(statement, principal=attributes)
    explanation = guard.explain(statement, principal=attributes)
    document = explanation_document(explanation, loaded.document, files=loaded.sources)
    decision = explanation.decision
    if output_format == "json":
        from pg_guard.report.json import dump

        text = dump(document)
    elif output_format == "html":
        from pg_guard.report.html import render_explanation_page

        text = render_explanation_page(decision, document, name=name)
    else:
        text = _text(decision, document, name, output)
    write_output(text, output)
    return 0 if decision.allowed else 1


def _text(decision: Decision, document: dict[str, object], name: str, output: str | None) -> str:
    from pg_guard.report.explanation_text import render_explanation

    width, color = terminal() if output is None else (80, False)
    return render_explanation(decision, document, width=width, color=color, name=name)
