"""Rules and packs in words. In: a `RuleFile` or a `Pack`. Out: lines of plain text, for people who audit them.

Everything that an author wrote is made safe for a terminal by whoever prints it.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pg_guard.policy.packs import Pack
    from pg_guard.policy.rules import RuleFile

__all__ = ["match_tree", "pack_lines", "rule_lines", "signature_state"]

_GROUPS: Final = {"any": "any of", "all": "all of", "not": "not"}
_INDENT: Final = "  "


def match_tree(match: Mapping[str, Any], depth: int = 0) -> Iterator[tuple[int, str]]:
    """What a rule matches: a depth and a line for each group and each condition."""
    for word, inner in match.items():
        if word in _GROUPS:
            yield depth, f"{_GROUPS[word]}:"
            for each in inner if isinstance(inner, (list, tuple)) else [inner]:
                yield from match_tree(each, depth + 1)
        else:
            yield depth, f"{word}{_attributes(inner)}"


def _attributes(attributes: object) -> str:
    if not isinstance(attributes, Mapping) or not attributes:
        return ""
    return ", where " + " and ".join(f"{name} {_value(name, value)}" for name, value in attributes.items())


def _value(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "is true" if value else "is false"
    if isinstance(value, (int, float)):
        return f"{value:,}" if name.endswith(("_over", "_under")) else f"is {value}"
    if isinstance(value, (list, tuple)):
        texts = [str(each) for each in value]
        return f"is {texts[0]}" if len(texts) == 1 else f"is one of {', '.join(texts)}"
    return f"is {value}"


def signature_state(pack: Pack) -> str:
    """Who signed a pack, in words; the key is the one that the signature names."""
    return f"signed by {pack.signed_by}" if pack.signed_by else "not signed"


def pack_lines(pack: Pack, width: int) -> Iterator[str]:
    """A pack, and one line for each of its rules."""
    yield f"{pack.name} {pack.version}: {pack.title}"
    if pack.description:
        yield from _wrapped(pack.description, width, _INDENT)
    yield ""
    for label, value in (
        ("place", str(pack.path)),
        ("owner", pack.owner),
        ("licence", pack.licence),
        ("requires", f"pg-guard {pack.requires}" if pack.requires else ""),
        ("digest", f"sha256:{pack.digest}"),
        ("signature", signature_state(pack)),
    ):
        if value:
            yield f"{label + ':':<11}{value}"
    yield ""
    yield f"{len(pack.rules)} rule{'' if len(pack.rules) == 1 else 's'}:"
    for rule in pack.rules:
        yield f"  {rule.id}  {rule.effect:<4}  {rule.severity:<8}  {rule.title}"


def rule_lines(rule: RuleFile, width: int) -> Iterator[str]:
    """A rule with all that its file holds."""
    yield f"{rule.id} {rule.name}: {rule.title}"
    yield f"{rule.effect}, {rule.severity}, {rule.status}"
    yield from _section("What it does", rule.description, width)
    yield from _section("Why it matters", rule.rationale, width)
    yield from ("", "Fires on")
    for depth, line in match_tree(rule.match):
        yield from _wrapped(line, width, _INDENT * (depth + 1), _INDENT)
    unresolved = "fires" if rule.unresolved == "fire" else "is passed over"
    yield f"{_INDENT}(where this cannot be told, the rule {unresolved})"
    if rule.parameters:
        yield from ("", "Parameters")
        for name, parameter in rule.parameters.items():
            told = f": {parameter.description}" if parameter.description else ""
            default = parameter.default
            shown = ", ".join(map(str, default)) if isinstance(default, tuple) else str(default)
            yield from _wrapped(f"${name} = {shown}{told}", width, _INDENT, _INDENT)
    yield from _section("Message", rule.message, width)
    yield from _section("How to repair", rule.remediation, width)
    for title, items in (
        ("False positives", rule.false_positives),
        ("References", rule.references),
        ("Tags", (", ".join(rule.tags),) if rule.tags else ()),
    ):
        if items:
            yield from ("", title)
            for item in items:
                yield from _wrapped(item, width, _INDENT, _INDENT)
    if rule.documentation:
        yield from ("", "Notes")
        yield from (f"{_INDENT}{line}".rstrip() for line in rule.documentation.splitlines())
    yield from ("", f"Tests ({len(rule.tests)})")
    for test in rule.tests:
        notes = [*([] if test.catalog == "demo" else ["no catalog"])]
        notes += [f"runs on PostgreSQL {test.works_on}"] if test.works_on else []
        told = f" ({', '.join(notes)})" if notes else ""
        yield f"{_INDENT}{test.expect:<6}{test.name}{told}"
        yield from (f"{_INDENT * 4}{line}" for line in test.sql.strip().splitlines())


def _section(title: str, text: str, width: int) -> Iterator[str]:
    yield ""
    yield title
    yield from _wrapped(text, width, _INDENT)


def _wrapped(text: str, width: int, indent: str, hang: str = "") -> list[str]:
    return textwrap.wrap(
        " ".join(text.split()),
        max(width, 40),
        initial_indent=indent,
        subsequent_indent=indent + hang,
        break_long_words=False,
        break_on_hyphens=False,
    )
