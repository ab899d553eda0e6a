"""Comparisons for people. In: the diff or the replay as a document. Out: text for a terminal, or Markdown.

The first line says how it ends. Statements of logs and corpora come from anywhere, so they are written by `visible`, and in
Markdown inside of code that they cannot leave.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final, Protocol

from pg_guard.report.layout import Page
from pg_guard.report.text import plural
from pg_guard.report.visible import one_line, visible

__all__ = ["render_diff", "render_replay"]

_MOST_ROWS: Final = 50
_MOST_GROUPS: Final = 20
_MOST_CHARACTERS: Final = 300
_MARKS: Final = {"loosening": "-", "tightening": "+", "neutral": "="}


class _Writer(Protocol):
    """What both forms can write."""

    def title(self, text: str) -> None: ...
    def heading(self, text: str) -> None: ...
    def row(self, mark: str, text: str, note: str = "") -> None: ...
    def sentence(self, text: str) -> None: ...
    def statement(self, origin: str, text: str) -> None: ...
    def text(self) -> str: ...


class _Terminal:
    def __init__(self, width: int, color: bool) -> None:
        self.page = Page(width, color)

    def title(self, text: str) -> None:
        self.page.add(text, style="bold")

    def heading(self, text: str) -> None:
        self.page.heading(text)

    def row(self, mark: str, text: str, note: str = "") -> None:
        self.page.add(text, indent=2, prefix=f"{mark} ")
        if note:
            self.page.add(note, indent=6)

    def sentence(self, text: str) -> None:
        self.page.add(text, indent=2)

    def statement(self, origin: str, text: str) -> None:
        self.page.add(f"{origin}: {one_line(text)}", indent=6)

    def text(self) -> str:
        return self.page.text()


class _Markdown:
    def __init__(self) -> None:
        self._lines: list[str] = []

    def title(self, text: str) -> None:
        self._lines += [f"**{_escape(text)}**", ""]

    def heading(self, text: str) -> None:
        if self._lines and self._lines[-1]:
            self._lines.append("")
        self._lines += [f"### {_escape(text)}", ""]

    def row(self, mark: str, text: str, note: str = "") -> None:  # noqa: ARG002 - a list has a mark of its own
        self._lines.append(f"- {_escape(text)}{f' – {_escape(note)}' if note else ''}")

    def sentence(self, text: str) -> None:
        self._lines += [_escape(text), ""]

    def statement(self, origin: str, text: str) -> None:
        code = one_line(text)
        fence = "`" * (max((len(run) for run in re.findall("`+", code)), default=0) + 1)
        self._lines.append(f"  - {_escape(origin)}: {fence} {code} {fence}")

    def text(self) -> str:
        return "\n".join(self._lines).rstrip() + "\n"


def _escape(text: str) -> str:
    """Text that Markdown takes as it is."""
    return re.sub(r"([\\`*_{}\[\]()<>#|~!@&])", r"\\\1", visible(one_line(text)))


def render_diff(document: dict[str, Any], *, width: int = 80, color: bool = False, markdown: bool = False) -> str:
    """Write a comparison of two policies or packs.

    Args:
        document: The diff document, version 1.
        width: Width in terminal cells.
        color: True writes terminal colours.
        markdown: True writes Markdown; width and colours have no say then.
    """
    out: _Writer = _Markdown() if markdown else _Terminal(width, color)
    old, new = document["old"], document["new"]
    word = "loosened" if document["loosened"] else "nothing is loosened"
    out.title(f"{word}: {old['name']} {old['version']} -> {new['name']} {new['version']} ({document['kind']})")
    _structure(out, document["structure"])
    _behaviour(out, document["behaviour"])
    if document["reach"] is not None:
        _reach(out, document["reach"])
    return out.text()


def _structure(out: _Writer, structure: dict[str, Any]) -> None:
    out.heading("What is written")
    counts = ", ".join(f"{structure[key]:,} {key}" for key in ("loosening", "tightening", "neutral"))
    out.sentence(f"{plural(len(structure['changes']), 'change')}: {counts}.")
    for direction in ("loosening", "tightening", "neutral"):
        rows = [change for change in structure["changes"] if change["direction"] == direction]
        for change in rows[:_MOST_ROWS]:
            out.row(_MARKS[direction], f"{direction}: {_change(change)}", change["why"])
        _more(out, len(rows), f"{direction} change")


def _change(change: dict[str, Any]) -> str:
    if change["kind"] == "changed":
        return f"{change['path']}: {_short(change['old'])} -> {_short(change['new'])}"
    value = change["new"] if change["kind"] == "added" else change["old"]
    return f"{change['path']} {change['kind']}: {_short(value)}"


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]} ..."


def _behaviour(out: _Writer, behaviour: dict[str, Any]) -> None:
    out.heading("On statements")
    if not behaviour["statements"]:
        out.sentence("No statement was given to show it on: neither has tests; add --corpus or --log.")
        return
    sources = ", ".join(behaviour["sources"])
    out.sentence(
        f"{plural(behaviour['statements'], 'statement')} of the tests{f' and of {sources}' if sources else ''}: "
        f"{behaviour['newly_allowed']:,} newly allowed, {behaviour['newly_denied']:,} newly denied, "
        f"{behaviour['same_allowed']:,} allowed and {behaviour['same_denied']:,} denied as before."
    )
    _groups(out, behaviour)


def _groups(out: _Writer, shifts: dict[str, Any]) -> None:
    for group in shifts["groups"][:_MOST_GROUPS]:
        rules = ", ".join(group["rules"]) or "no rule"
        if group["outcome"] == "newly_allowed":
            out.row("-", f"newly allowed: {group['count']:,}, which {rules} denied")
        else:
            out.row("+", f"newly denied: {group['count']:,}, by {rules}")
        for example in group["examples"][:3]:
            cut = example["statement"][:_MOST_CHARACTERS]
            more = " ..." if example["cut"] or len(cut) < len(example["statement"]) else ""
            out.statement(example["origin"], cut + more)
    _more(out, len(shifts["groups"]), "group", _MOST_GROUPS)
    if shifts["rules_changed"]:
        out.row("=", f"{plural(shifts['rules_changed'], 'statement')} denied as before, by other rules")


def _reach(out: _Writer, reach: dict[str, Any]) -> None:
    out.heading("What can be read")
    out.sentence(
        f"All {plural(reach['relations'], 'relation')} and {plural(reach['columns'], 'column')} of the catalog were decided: "
        f"{len(reach['readable']):,} more readable, {len(reach['unreadable']):,} less."
    )
    for mark, key in (("-", "readable"), ("+", "unreadable")):
        rows = _by_relation(reach[key])
        for text in rows[:_MOST_ROWS]:
            out.row(mark, text)
        _more(out, len(rows), "relation")


def _by_relation(moves: list[dict[str, Any]]) -> list[str]:
    grouped: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for move in moves:
        grouped.setdefault((move["relation"], move["direction"]), []).append(move)
    rows = []
    for (relation, direction), entries in grouped.items():
        columns = ", ".join(entry["column"] for entry in entries if entry["column"] is not None)
        whole = any(entry["column"] is None for entry in entries)
        rules = ", ".join(dict.fromkeys(rule for entry in entries for rule in entry["rules"]))
        if direction.startswith("condition"):
            rows.append(
                f"{relation}: {'a lesser' if direction == 'condition-less' else 'a further'} condition ({rules})"
            )
            continue
        what = f"{relation}{f': {columns}' if columns else ''}{' (and its rows)' if whole and columns else ''}"
        rows.append(f"{what} {'is readable now' if direction == 'readable' else 'is hidden now'} ({rules})")
    return rows


def _more(out: _Writer, count: int, noun: str, most: int = _MOST_ROWS) -> None:
    if count > most:
        out.row("...", f"and {plural(count - most, f'more {noun}')}; the JSON form holds them all")


def render_replay(document: dict[str, Any], *, width: int = 80, color: bool = False) -> str:
    """Write the outcome of a replay; arguments as for `render_diff`."""
    out = _Terminal(width, color)
    changed = document["newly_allowed"] + document["newly_denied"]
    outcome = f"{changed:,} changed" if changed else "same decisions"
    out.title(f"{outcome}: {plural(document['statements'], 'statement')} replayed (policy {document['policy']})")
    out.sentence(
        f"{document['newly_allowed']:,} newly allowed, {document['newly_denied']:,} newly denied, "
        f"{document['same_allowed']:,} allowed and {document['same_denied']:,} denied as before."
    )
    _groups(out, document)
    for reason, count in document["not_replayed"]["reasons"].items():
        out.sentence(f"Not replayed: {plural(count, 'record')}, because {reason}.")
    if invalid := document["invalid_lines"]["count"]:
        out.sentence(f"{plural(invalid, 'line')} without a decision record.")
    return out.text()
