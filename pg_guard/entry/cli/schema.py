"""`pg-guard schema`: the formats, for editors and programs. In: a name. Out: its JSON Schema, printed or in a file."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from pg_guard.entry.cli.options import CONTEXT_SETTINGS, example
from pg_guard.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["NAMES", "schema"]

NAMES: Final[Mapping[str, str]] = {
    "policy": "a policy file",
    "rule": "a rule file",
    "pack": "a rule pack's pack.yaml",
    "settings": "a settings file of `serve`",
    "decision": "what `check --format json` writes",
    "lint": "what `lint --format json` writes",
    "test": "what `test --format json` writes",
    "policy-validation": "what `policy validate --format json` writes",
    "config-show": "what `config show --format json` writes",
    "config-validation": "what `config validate --format json` writes",
    "grants": "what `grants --format json` writes",
    "audit-decision": "a line of the audit log, on a decision",
    "audit-outcome": "a line of the audit log, on what came of it",
}


@click.command(
    context_settings=CONTEXT_SETTINGS,
    epilog=example(
        "pg-guard schema",
        "pg-guard schema rule > rule-v1.schema.json",
        "pg-guard schema --dir .vscode/pg-guard",
    ),
)
@click.argument("name", required=False, type=click.Choice(list(NAMES)))
@click.option("-o", "--output", metavar="FILE", type=click.Path(), help="Write the schema to FILE.")
@click.option("--dir", "directory", metavar="DIR", type=click.Path(), help="Write NAME-v1.schema.json to DIR, or all.")
def schema(name: str | None, output: str | None, directory: str | None) -> int:
    """Print the JSON Schema of a format.

    NAME is one of policy, rule, pack, settings (files that you write), decision, lint, test, policy-validation,
    config-show, config-validation, grants, audit-decision, audit-outcome (documents that pg-guard writes). Without a name the
    formats are listed.

    Exit codes: 0 done, 2 wrong usage or a file that cannot be written.
    """
    if output and directory:
        raise UsageError("--output and --dir both say where to write", hint="give one of the two")
    if output and not name:
        raise UsageError("--output needs the name of a schema", hint="or write all of them with --dir DIR")
    if directory:
        _write_all(Path(directory), [name] if name else list(NAMES))
    elif name is None:
        width = max(map(len, NAMES))
        for each, what in NAMES.items():
            click.echo(f"{each:<{width}}  {what}")
    elif output:
        _write(Path(output), _text(name))
    else:
        click.echo(_text(name), nl=False)
    return 0


def _text(name: str) -> str:
    if name == "policy":
        from pg_guard.policy.schema import schema_text

        return schema_text()
    if name in ("rule", "pack"):
        from pg_guard.policy.rule_schema import pack_schema_text, rule_schema_text

        return rule_schema_text() if name == "rule" else pack_schema_text()
    from pg_guard.report import json
    from pg_guard.report.schemas import document_schema

    if name == "settings":
        from pg_guard.settings import settings_schema

        return json.dump(settings_schema())
    return json.dump(document_schema(name))


def _write_all(directory: Path, names: list[str]) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{directory}: {error.strerror or error}", hint="name a directory") from None
    for name in names:
        _write(directory / f"{name}-v1.schema.json", _text(name))


def _write(path: Path, text: str) -> None:
    if not path.absolute().parent.is_dir():
        raise UsageError(f"{path}: its directory does not exist", hint="create the directory first")
    if path.is_dir():
        raise UsageError(f"{path}: is a directory", hint="name a file, or use --dir")
    # A reader sees the old file or the new one, never a part.
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.absolute().parent, delete=False) as draft:
        draft.write(text)
    Path(draft.name).chmod(0o666 & ~_umask())
    Path(draft.name).replace(path)
    click.echo(f"Wrote {path}.", err=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
