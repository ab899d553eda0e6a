"""The page of the commands. In: the click group of `pg-guard`. Out: Markdown with each command's usage and options.

What click would lay out is read from its parameters instead, so that the page does not change with click's version.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import click

from pg_guard.entry.reference.markdown import code, prose, table

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["command_lines"]


def command_lines(command: click.Command, name: str) -> Iterator[str]:
    """The lines of a command and of all commands below it."""
    yield from (f"## `{name}`", "")
    yield from _help(command)
    yield from ("```text", _usage(command, name), "```", "")
    options = [each for each in command.params if isinstance(each, click.Option) and not each.hidden]
    if options:
        yield from table(("option", "meaning"), ((_spellings(option), _meaning(option)) for option in options))
    if command.epilog:
        yield from _examples(command.epilog)
    if isinstance(command, click.Group):
        for child, below in command.commands.items():
            if not below.hidden:
                yield from command_lines(below, f"{name} {child}")


def _help(command: click.Command) -> Iterator[str]:
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        yield from (prose(paragraph), "")


def _usage(command: click.Command, name: str) -> str:
    words = [name, "[OPTIONS]"]
    for each in command.params:
        if isinstance(each, click.Argument):
            choices = each.type.choices if isinstance(each.type, click.Choice) else ()
            word = each.metavar or ("|".join(map(str, choices)) or (each.name or "").upper())
            word += "..." if each.nargs == -1 and not word.endswith("...") else ""
            words.append(word if each.required or word.startswith("[") else f"[{word}]")
    if isinstance(command, click.Group):
        words += ["COMMAND", "[ARGS]..."]
    return " ".join(words)


def _spellings(option: click.Option) -> str:
    value = ""
    if not option.is_flag and not option.count:
        choices = option.type.choices if isinstance(option.type, click.Choice) else ()
        value = " " + (option.metavar or ("|".join(map(str, choices)) or option.type.name.upper()))
    names = sorted((*option.opts, *option.secondary_opts), key=len, reverse=True)
    return ", ".join(code(each + (value if number == 0 else "")) for number, each in enumerate(names))


def _meaning(option: click.Option) -> str:
    parts = [prose(option.help or "")]
    if option.required:
        parts.append("Required.")
    if option.show_default and isinstance(option.default, (str, int, float)) and not option.is_flag:
        parts.append(f"{code(str(option.default))} when left out.")
    if option.multiple:
        parts.append("May be given several times.") if "several times" not in parts[0] else None
    if isinstance(option.envvar, str):
        parts.append(f"Also by {code(option.envvar)}.")
    return " ".join(parts)


def _examples(epilog: str) -> Iterator[str]:
    head, *lines = epilog.replace("\b", "").strip().splitlines()
    yield from (head, "", "```sh", *(line.strip() for line in lines), "```", "")
