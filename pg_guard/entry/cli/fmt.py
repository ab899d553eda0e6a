"""`pg-guard fmt`: one layout for policies, rules and packs. In: files. Out: the same files, laid out; comments kept."""

from __future__ import annotations

import click

from pg_guard.entry.cli.options import CONTEXT_SETTINGS, example
from pg_guard.errors import PgGuardError, PolicyError

__all__ = ["fmt"]


@click.command(
    context_settings=CONTEXT_SETTINGS,
    epilog=example("pg-guard fmt policies/ packs/", "pg-guard fmt --check --diff policy.yaml"),
)
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path())
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 when a file would change.")
@click.option("--diff", is_flag=True, help="Write nothing; show what would change, and exit as for --check.")
def fmt(paths: tuple[str, ...], check: bool, diff: bool) -> int:
    """Lay out policies, rules and pack manifests.

    Comments stay, keys come in the documented order, and what a file means never changes. In a directory, every YAML
    file whose schema is one of pg-guard's is taken.

    Exit codes: 0 done or nothing to do, 1 a file would change, 2 a missing file or a layout that cannot be kept, 3 a
    file that cannot be read as a policy, rule or pack.
    """
    from pg_guard.entry.cli.runner import redact
    from pg_guard.packaging.files import find_yaml_files, read_yaml, write_atomically
    from pg_guard.packaging.format import format_text
    from pg_guard.report.text import plural
    from pg_guard.report.visible import one_line

    files = find_yaml_files(paths)
    changed, failed, code = 0, 0, 0
    for path in files:
        try:
            raw = read_yaml(path)
            text = format_text(raw, path)
            if text.encode() == raw:
                continue
            changed += 1
            if diff:
                click.echo(redact(_difference(raw, text, path)), nl=False)
            elif check:
                click.echo(f"{one_line(path)}: would change")
            else:
                write_atomically(path, text.encode())
                click.echo(f"{one_line(path)}: changed")
        except PgGuardError as error:
            failed += 1
            code = max(code, error.exit_code)
            _report(error)
    done = "would change" if check or diff else "changed"
    parts = [plural(len(files), "file"), f"{changed:,} {done}", *([f"{failed:,} failed"] if failed else [])]
    click.echo(f"{parts[0]}: {', '.join(parts[1:])}", err=diff)
    return code or int((check or diff) and changed > 0)


def _difference(raw: bytes, text: str, path: str) -> str:
    import difflib

    from pg_guard.report.visible import visible

    old, new = (visible(each, keep="\n").splitlines(keepends=True) for each in (raw.decode("utf-8-sig"), text))
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
        for line in difflib.unified_diff(old, new, path, path)
    )


def _report(error: PgGuardError) -> None:
    from pg_guard.entry.cli.runner import problem_line, redact, report_error

    if isinstance(error, PolicyError):
        for problem in error.problems:
            click.echo(redact(problem_line(problem)), err=True)
    else:
        report_error(error)
