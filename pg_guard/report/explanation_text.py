"""An explained decision for a terminal. In: the explanation as a document. Out: text that is good in 60 columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rich.cells import cell_len

from pg_guard.report.excerpt import Source
from pg_guard.report.layout import Page
from pg_guard.report.text import outcome_line, plural, render_finding
from pg_guard.report.visible import one_line

if TYPE_CHECKING:
    from pg_guard.decision import Decision

__all__ = ["render_explanation"]

_MOST: Final = 30
_MOST_FINDINGS: Final = 25


def render_explanation(
    decision: Decision, document: dict[str, Any], *, width: int = 80, color: bool = False, name: str = ""
) -> str:
    """Write an explanation in full.

    Args:
        decision: The explained decision.
        document: What `explanation_document` made of it.
        width: Width in terminal cells; less than 40 counts as 40.
        color: True writes terminal colours.
        name: What the statement is called before a place; empty gives ``line 2, column 3``.
    """
    page = Page(width, color)
    page.raw(outcome_line(decision, width=page.width, color=color))
    source = Source(decision.statement)
    for finding, reason in list(zip(decision.findings, document["reasons"], strict=True))[:_MOST_FINDINGS]:
        page.blank()
        page.raw(render_finding(finding, source, width=page.width, color=color, name=name))
        _reason(page, reason)
    if (more := len(decision.findings) - _MOST_FINDINGS) > 0:
        page.blank()
        page.add(f"... and {plural(more, 'more finding')}; the JSON form holds them all")
    if document["checked"]:
        page.heading("What was checked")
        _checked(page, document["checked"])
    if document["facts"] is None:
        page.heading("What the guard saw")
        page.add("Nothing: the text was refused before it could be read.", indent=2)
    else:
        _facts(page, document["facts"])
        _scopes(page, document["scopes"])
        _readings(page, document["readings"])
    _origin(page, document)
    return page.text()


def _place(place: dict[str, int] | None) -> str:
    return f"{place['line']}:{place['column']}" if place else ""


def _places(places: list[dict[str, int]]) -> str:
    shown = ", ".join(_place(each) for each in places[:4])
    return f" at {shown}{' ...' if len(places) > 4 else ''}" if shown else ""


def _via(row: dict[str, Any]) -> str:
    return f", through {' > '.join(row['via'])}" if row["via"] else ""


def _reason(page: Page, reason: dict[str, Any]) -> None:
    if not reason["clauses"]:
        page.add(reason["note"], indent=2, prefix="= clause: ")
    for clause in reason["clauses"]:
        where = f" ({clause['file']}:{clause['line']}:{clause['column']})" if clause["line"] else ""
        where = where or (f" ({clause['file']})" if clause["file"] else "" if clause["stated"] else " (the default)")
        page.add(f"{clause['path']}{where}", indent=2, prefix="= clause: ")
        if clause["text"]:
            _clause_line(page, clause)
        page.add(clause["why"], indent=12)


def _clause_line(page: Page, clause: dict[str, Any]) -> None:
    """The line of the policy's file, cut to the width around the place."""
    number = str(clause["line"])
    room = max(page.width - 15 - len(number), 20)
    text, at = clause["text"], max(clause["column"] - 1, 0)
    start = 0
    if cell_len(text) > room:
        start = max(0, min(at - room // 3, len(text) - room))
    shown = one_line(text[start : start + room]) if start else one_line(text.lstrip()[:room])
    while cell_len(shown) > room:
        shown = shown[:-1]
    page.raw(f"{' ' * 12}{number} | {shown}\n")


def _checked(page: Page, rows: list[dict[str, Any]]) -> None:
    for row in rows:
        outcome = f"FIRED {', '.join(row['fired'])}" if row["fired"] else "nothing fired"
        where = f" ({row['file']}:{row['line']}:{row['column']})" if row["line"] else ""
        page.add(f"{row['clause']}{where}: {outcome}", indent=2)
        page.add(row["said"], indent=4)


def _facts(page: Page, facts: dict[str, Any]) -> None:
    page.heading("What the guard saw")
    kinds = [use["kind"] + (f" (depth {use['depth']})" if use["depth"] else "") for use in facts["statements"]]
    page.add(", ".join(kinds), indent=2, prefix="statement: ")
    _list(page, "relations", [_relation(row) for row in facts["relations"]])
    _list(page, "columns", [_column(row) for row in facts["columns"]])
    _list(page, "functions", [_function(row) for row in facts["functions"]])
    if facts["operators"]:
        page.add(", ".join(facts["operators"][:_MOST]), indent=2, prefix="functions behind operators: ")
    if facts["types"]:
        page.add(", ".join(facts["types"][:_MOST]), indent=2, prefix="types: ")
    _list(page, "conditions on each scan", [_scan(row) for row in facts["scans"]])
    joins = [
        f"{plural(row['tables'], 'relation')} joined{_places([row['span']] if row['span'] else [])}"
        for row in facts["joins"]
    ]
    _list(page, "joins", joins)
    if facts["parameters"]:
        page.add(f"{facts['parameters']}", indent=2, prefix="parameters: ")


def _list(page: Page, title: str, rows: list[str]) -> None:
    if rows:
        page.add(f"{title}:", indent=2)
        page.items(rows, indent=4, most=_MOST)


def _relation(row: dict[str, Any]) -> str:
    how = {"scan": "", "view": ", read by a view", "partition": ", a partition or its parent"}
    how |= {"inheritance": ", by inheritance", "type": ", by its type"}
    kind = row["kind"] if row["known"] else "unknown relation"
    return f"{' or '.join(row['names'])} ({kind}){how[row['how']]}{_via(row)}{_places(row['places'])}"


def _column(row: dict[str, Any]) -> str:
    how = ", by a star" if row["star"] else ", as part of a whole row" if row["whole_row"] else ""
    sure = "" if row["certain"] else ", perhaps"
    return f"{'/'.join(row['relations'])}.{row['name']}: {', '.join(row['uses'])}{how}{sure}{_via(row)}{_places(row['places'])}"


def _function(row: dict[str, Any]) -> str:
    able = "not classified" if row["capabilities"] is None else ", ".join(row["capabilities"])
    able = able if row["known"] else "unknown function"
    position = "" if row["position"] == "call" else f" by {row['position']}"
    return f"{row['name']}{position}: {able}{_via(row)}{_places(row['places'])}"


def _scan(row: dict[str, Any]) -> str:
    alias = f" as {row['alias']}" if row["alias"] else ""
    if row["held"]:
        state = f"{', '.join(row['held'])} held to constants"
    else:
        state = "restricted, no column held" if row["restricted"] else "no condition restricts it"
    return f"{' or '.join(row['relations'])}{alias}: {state}{_via(row)}"


def _scopes(page: Page, scopes: list[dict[str, Any]]) -> None:
    if not scopes:
        return
    page.heading("Scopes (each SELECT level)")
    for scope in scopes[:_MOST]:
        notes = [f"inside of scope {scope['inside']}"] if scope["inside"] else []
        notes += [word for word in ("grouped", "aggregated") if scope[word]]
        if scope["limited"]:
            notes.append(f"LIMIT {scope['limit']:,}" if scope["limit"] is not None else "limited")
        page.add(f"{scope['scope']}. {', '.join([scope['role'], *notes])}", indent=2, hang=4)
        for source in scope["sources"]:
            targets = " or ".join(source["resolves_to"]) or source["kind"]
            columns = "columns unknown" if source["columns"] is None else plural(len(source["columns"]), "column")
            page.add(f"{source['alias'] or '(no alias)'} = {targets}, {columns}{_via(source)}", indent=5)
        outputs = [
            row["name"] + (f" <- {', '.join(row['from'][:3])}" if row["from"] else "") for row in scope["outputs"]
        ]
        if outputs:
            more = f" and {len(outputs) - 12} more" if len(outputs) > 12 else ""
            page.add("; ".join(outputs[:12]) + more, indent=5, prefix="gives ")
    if len(scopes) > _MOST:
        page.add(f"... and {plural(len(scopes) - _MOST, 'more scope')}; the JSON form holds them all", indent=2)


def _readings(page: Page, readings: dict[str, Any]) -> None:
    page.heading("The two readings")
    said = {
        "names": "PostgreSQL's grammar and sqlglot were compared by relations, columns and statement kinds",
        "tokens": "sqlglot does not know this grammar; the tokens of both scanners were compared",
        "nothing": "not compared: this kind of statement is decided by PostgreSQL's grammar alone",
    }[readings["compared"]]
    agree = "" if readings["compared"] == "nothing" else ": they agree" if readings["agree"] else ": they DIFFER"
    page.add(f"{said}{agree}.", indent=2)
    for title, side in (("PostgreSQL", readings["postgresql"]), ("sqlglot", readings["sqlglot"])):
        if side is not None and (side["relations"] or side["columns"]):
            relations, columns = ", ".join(side["relations"][:_MOST]), ", ".join(side["columns"][:_MOST])
            page.add(f"{title}: relations {relations or 'none'}; columns {columns or 'none'}", indent=2)


def _origin(page: Page, document: dict[str, Any]) -> None:
    decision = document["decision"]
    page.heading("Made of")
    page.add(decision["policy"], indent=2, prefix="policy: ")
    if document["policy_files"]:
        page.add(", ".join(document["policy_files"]), indent=2, prefix="files: ")
    for key, digest in decision["digests"].items():
        page.add(f"{str(digest)[:16]}...", indent=2, prefix=f"{one_line(key)} sha256: ")
    times = document["timings_us"]
    shown = ", ".join(f"{stage} {time / 1000:,.2f} ms" for stage, time in times.items())
    page.add(shown, indent=2, prefix="time: ")
