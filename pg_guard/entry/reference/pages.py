"""The generated pages of the reference. In: the models, the commands, the shipped rules. Out: Markdown by file name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pg_guard.checks.vocabulary import VOCABULARY
from pg_guard.entry.cli.main import cli
from pg_guard.entry.reference.commands import command_lines
from pg_guard.entry.reference.errors import error_lines
from pg_guard.entry.reference.markdown import code, prose, table
from pg_guard.entry.reference.schemas import key_table, model_of
from pg_guard.entry.reference.tools import tool_lines
from pg_guard.policy.packs import shipped_packs
from pg_guard.policy.rule_schema import pack_schema, rule_schema
from pg_guard.policy.schema import policy_schema
from pg_guard.settings import PREFIX, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["reference_pages"]

_HEAD: Final = "<!-- Written by: python -m pg_guard.entry.reference docs/reference -->"
_HOW: Final = {"one": "", "list": "A list; each entry has:", "map": "By name; each entry has:"}


def reference_pages() -> dict[str, str]:
    """The text of each page, by its file name; the same code gives the same bytes."""
    pages: dict[str, Callable[[], Iterable[str]]] = {
        "commands.md": _commands,
        "policy.md": _policy,
        "rule-files.md": _rule_files,
        "rules.md": _rules,
        "settings.md": _settings,
        "errors.md": error_lines,
        "mcp.md": tool_lines,
    }
    return {name: "\n".join([_HEAD, "", *lines()]).rstrip("\n") + "\n" for name, lines in pages.items()}


def _commands() -> Iterator[str]:
    yield from ("# Commands and their options", "")
    yield prose(
        "What each command's `--help` says. [Reference](../reference.md) tells more about formats, and about what"
        " the exit codes mean."
    )
    yield ""
    yield from command_lines(cli, "pg-guard")


def _policy() -> Iterator[str]:
    yield from ("# Keys of a policy", "")
    yield from _document(policy_schema())
    yield from ("## Capabilities", "")
    yield "What a function can do, in the words of `functions` and of rules:"
    words = policy_schema()["$defs"]["CapabilityPattern"]["properties"]["capability"]["anyOf"][0]["enum"]
    yield from (", ".join(map(code, words)) + ".", "")


def _rule_files() -> Iterator[str]:
    yield from ("# Keys of rules and packs", "")
    yield "A rule is a YAML file; a pack is a directory of them with a `pack.yaml`. What stands under `match` is the"
    yield from ("matter of [Facts that rules can ask about](../facts.md).", "")
    yield from ("## A rule", "")
    schema = rule_schema()
    # The vocabulary has a page of its own.
    definitions = {name: form for name, form in schema["$defs"].items() if name not in {*VOCABULARY, "match"}}
    yield from _document({**schema, "$defs": {**definitions, "match": {"title": "match"}}})
    yield from ("## `pack.yaml`", "")
    yield from _document(pack_schema())


def _document(schema: dict[str, Any]) -> Iterator[str]:
    """The keys of a format: a table of those at the top, then a section for each that holds more."""
    definitions = schema.get("$defs", {})
    yield from (prose(schema["description"]), "")
    yield from key_table(schema, definitions)
    for name, form in schema["properties"].items():
        if found := model_of(form, definitions):
            how, model = found
            yield from (f"## {code(name)}", "", prose(model["description"]), "")
            if _HOW[how]:
                yield from (_HOW[how], "")
            yield from key_table(model, definitions)


def _rules() -> Iterator[str]:
    packs = shipped_packs()
    count = sum(len(pack.rules) for pack in packs)
    yield from ("# Rules of the shipped packs", "")
    yield f"{count} rules in {len(packs)} packs. `pg-guard packs show core/PG101` shows one; on the site each has a page"
    yield "of its own, and `pg-guard packs docs PACK` writes these pages for any pack. Findings of the guard itself have"
    yield from ("ids without a number, which [Reference](../reference.md#rule-ids) lists.", "")
    for pack in packs:
        yield from (f"## {code(pack.name)}", "", prose(pack.description), "")
        rows = ((code(rule.id), prose(rule.title), rule.effect, rule.severity) for rule in pack.rules)
        yield from table(("rule", "finds", "effect", "severity"), rows)


def _settings() -> Iterator[str]:
    schema = Settings.model_json_schema()
    definitions = schema["$defs"]
    yield from ("# Settings of the server", "")
    yield "`pg-guard serve --config FILE` reads them from a YAML file. Each can also come from the environment, which wins"
    yield f"over the file: {code(PREFIX)} and the key path in capitals, joined by two underscores."
    yield from ("", "```sh", f"export {PREFIX}VALIDATION__MAX_RETRIES=1", "```", "")
    yield from key_table(schema, definitions)
    yield from _sections(schema, definitions, "")


def _sections(schema: dict[str, Any], definitions: dict[str, Any], path: str) -> Iterator[str]:
    for name, form in schema["properties"].items():
        if found := model_of(form, definitions):
            how, model = found
            model = _with_defaults(model, form.get("default"))
            inner = f"{path}{name}." if how == "one" else f"{path}{name}.<name>."
            yield from (f"## {code(inner.removesuffix('.'))}", "", prose(model["description"]), "")
            yield from key_table(model, definitions)
            yield from _sections(model, definitions, inner)


def _with_defaults(model: dict[str, Any], given: object) -> dict[str, Any]:
    """A model's schema with the defaults that hold where it stands."""
    if not isinstance(given, dict):
        return model
    properties = {
        name: {**form, "default": given[name]} if name in given else form for name, form in model["properties"].items()
    }
    return {**model, "properties": properties}
