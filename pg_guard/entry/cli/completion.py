"""`pg-guard completion`: shell completion. In: the name of a shell. Out: the script that the shell evaluates."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from pg_guard.entry.cli.options import CONTEXT_SETTINGS, example

__all__ = ["completion"]


@click.command(
    context_settings=CONTEXT_SETTINGS,
    epilog=example(
        'eval "$(pg-guard completion bash)"',
        "pg-guard completion fish > ~/.config/fish/completions/pg-guard.fish",
    ),
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> int:
    """Print the completion script for bash, zsh or fish."""
    shell_class = get_completion_class(shell)
    assert shell_class is not None  # the choice above names what click has
    script = shell_class(ctx.find_root().command, {}, "pg-guard", "_PG_GUARD_COMPLETE").source()
    click.echo(script)
    return 0
