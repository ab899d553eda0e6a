"""The reference of what rules can ask about. In: `pg_guard.checks.vocabulary`. Out: ``docs/facts.md``.

``python -m pg_guard.policy.vocabulary_page docs/facts.md`` writes the page; a test keeps it current.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pg_guard.checks.vocabulary import VOCABULARY

if TYPE_CHECKING:
    from pg_guard.checks.terms import Attribute, Fact, Kind

__all__ = ["vocabulary_page"]

_HEAD: Final = """\
<!-- Written by: python -m pg_guard.policy.vocabulary_page docs/facts.md -->

# Facts that rules can ask about

A rule's `match` is `any: […]`, `all: […]`, `not: …` or one condition `fact: {attribute: value, …}`:

```yaml
match:
  all:
    - column: {name: ["*ssn*", "*iban*"], use: output}
    - not: {query: {top: true, limited: true}}
```

- A condition holds for **one record** of its fact: all of its attributes must hold on the same record. The conditions of
  `all` may hold on different records. A condition without attributes, as in `parameter: {}`, holds when there is a record.
- Texts take one value or a list. `*` stands for any characters and `?` for one; letter case is ignored; text in double
  quotes inside of the value (`'"a*"'`) is taken as it stands. Names are `schema.name` or, in any schema, `name`.
- `$name` stands for a parameter of the rule, which a policy can set.
- **What is not known is neither true nor false.** A condition is unknown on a record when an attribute of it cannot be
  told, as the type of a column without a catalog, and no other attribute fails; `not` of unknown is unknown. A rule whose
  match is unknown fires, unless it is a warning that says `unresolved: skip`.
- An attribute that the record does not have (the column of a constant) meets no condition.
- In `message` and `remediation`, `{attribute}` is that of the record that the rule fired on, and `{fact}` its name.
"""

_KINDS: Final[dict[Kind, str]] = {
    "name": "name",
    "text": "text",
    "symbol": "text without wildcards",
    "flag": "true or false",
    "over": "number",
    "under": "number",
}


def vocabulary_page() -> str:
    """The page, in Markdown."""
    return "\n".join([_HEAD, *(_section(fact) for fact in VOCABULARY.values())])


def _section(fact: Fact) -> str:
    rows = [f"| `{each.name}` | {_kind(each)} | {_cell(_description(each))} |" for each in fact.attributes]
    return "\n".join(
        [f"## `{fact.name}`", "", fact.description, "", "| attribute | value | meaning |", "|---|---|---|", *rows, ""]
    )


def _kind(attribute: Attribute) -> str:
    return "a word" if attribute.words else _KINDS[attribute.kind]


def _description(attribute: Attribute) -> str:
    text = attribute.description
    words = [word for word in attribute.words if word not in text]
    if words:
        text += f" One of: {', '.join(attribute.words)}."
    if attribute.needs:
        text += f" Needs `{attribute.needs}` beside it."
    return text


def _cell(text: str) -> str:
    # Operators and stars are text here, not Markdown.
    return text.replace("|", "\\|").replace("*", "\\*").replace("~~", "\\~\\~").replace("<", "&lt;")


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(vocabulary_page(), encoding="utf-8")
