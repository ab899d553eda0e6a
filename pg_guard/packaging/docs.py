"""A page for each rule. In: a `Pack`. Out: Markdown files, the same bytes for the same pack, ready for MkDocs.

What authors write is shown as text: it may hold Markdown's code (and under ``documentation`` all of Markdown), but no HTML
and no links to anything but web addresses, so a page of somebody else's pack runs nothing in a reader's browser.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pg_guard.packaging.describe import match_tree, signature_state

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pg_guard.policy.packs import Pack
    from pg_guard.policy.rules import RuleFile, RuleTest

__all__ = ["INDEX", "page_name", "render_docs"]

INDEX = "index.md"
_CODE = re.compile(r"(```.*?(?:```|\Z)|`[^`\n]*`)", re.DOTALL)
_LINK = re.compile(r"\](\(|\[|:)(?!\s*(?:https?://|#))")


def page_name(rule: RuleFile) -> str:
    """The name of a rule's page: that of its file."""
    return f"{rule.id.partition('/')[2]}_{rule.name.replace('-', '_')}.md"


def render_docs(pack: Pack) -> dict[str, str]:
    """The text of each page, by its name."""
    pages = {INDEX: _joined(_index(pack))}
    pages |= {page_name(rule): _joined(_page(pack, rule)) for rule in pack.rules}
    return pages


def _joined(lines: Iterator[str]) -> str:
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines).strip("\n")) + "\n"


def _index(pack: Pack) -> Iterator[str]:
    yield f"# {_text(pack.title)}"
    yield ""
    yield _text(pack.description)
    yield ""
    count = len(pack.rules)
    yield f"Pack `{pack.name}`, version {_text(pack.version)}, {count} rule{'' if count == 1 else 's'}."
    yield f"Digest `sha256:{pack.digest}`, {_text(signature_state(pack))}."
    yield ""
    yield from ("| rule | finds | effect | severity | status |", "|---|---|---|---|---|")
    for rule in pack.rules:
        cells = (f"[{rule.id}]({page_name(rule)})", _cell(rule.title), rule.effect, rule.severity, rule.status)
        yield f"| {' | '.join(cells)} |"


def _page(pack: Pack, rule: RuleFile) -> Iterator[str]:
    yield f"# {rule.id}: {_text(rule.title)}"
    yield ""
    yield f"Rule `{rule.name}` of the pack [{pack.name}]({INDEX}) {_text(pack.version)}."
    yield f"Effect: **{rule.effect}**. Severity: **{rule.severity}**. Status: {rule.status}."
    yield from ("", "## What it does", "", _text(rule.description), "", "It fires on:", "")
    yield from (
        f"{'    ' * depth}- {line if line.endswith(':') else _code(line)}" for depth, line in match_tree(rule.match)
    )
    unresolved = "the rule fires" if rule.unresolved == "fire" else "the rule is passed over"
    yield from ("", f"Where this cannot be told, because something is not known, {unresolved}.")
    if rule.parameters:
        yield from ("", "A policy can set:", "", "| parameter | default | meaning |", "|---|---|---|")
        for name, parameter in rule.parameters.items():
            default = parameter.default
            shown = ", ".join(map(str, default)) if isinstance(default, tuple) else str(default)
            yield f"| `{name}` | {_cell(shown)} | {_cell(parameter.description)} |"
    yield from ("", "## Why it matters", "", _text(rule.rationale))
    fires = [test for test in rule.tests if test.expect != "allow"]
    yield from ("", "## Examples refused" if rule.effect == "deny" else "## Examples warned of", "")
    yield from _examples(fires)
    yield from ("", "## Examples allowed", "")
    yield from _examples([test for test in rule.tests if test.expect == "allow"])
    yield from ("", "## False positives", "")
    yield from [f"- {_text(each)}" for each in rule.false_positives] or ["None are known."]
    yield from ("", "## How to repair", "", _text(rule.remediation))
    if rule.documentation:
        yield from ("", "## Notes", "", _text(rule.documentation, keep_lines=True))
    yield from ("", "## References", "")
    yield from [f"- <{_address(each)}>" for each in rule.references] or ["None."]
    yield from ("", "## Tags", "", ", ".join(f"`{tag}`" for tag in rule.tags) or "None.")


def _examples(tests: list[RuleTest]) -> Iterator[str]:
    if not tests:
        yield "None."
    for test in tests:
        notes = " (without a catalog)" if test.catalog == "none" else ""
        sql = test.sql.strip("\n")
        fence = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", sql)), default=0))
        yield from (f"{_text(test.name)}{notes}:", "", f"{fence}sql", sql, fence, "")


def _code(text: str) -> str:
    """A text of one line as code, whatever stands in it."""
    text = " ".join(text.split())
    fence = "`" * (1 + max((len(run) for run in re.findall(r"`+", text)), default=0))
    return f"{fence}{text}{fence}" if len(fence) == 1 else f"{fence} {text} {fence}"


def _text(text: str, *, keep_lines: bool = False) -> str:
    """An author's text as Markdown without HTML and without links to anything but web addresses."""
    if not keep_lines:
        text = " ".join(text.split())
    parts = _CODE.split(text.strip("\n"))
    # Every second part is code, which Markdown shows as it is.
    return "".join(part if number % 2 else _plain(part, keep_lines) for number, part in enumerate(parts))


def _plain(text: str, keep_lines: bool) -> str:
    text = re.sub(r"&(?=[#\w]+;)", "&amp;", text).replace("<", "&lt;")
    text = _LINK.sub(r"]\\\1", text)
    # A line that begins like a heading, a list or a block would change the page around it.
    return text if keep_lines else re.sub(r"^(?=[#>+|=-])", r"\\", text.replace("*", "\\*"))


def _cell(text: str) -> str:
    return _text(text).replace("|", "\\|")


def _address(address: str) -> str:
    return address.replace("<", "%3C").replace(">", "%3E")
