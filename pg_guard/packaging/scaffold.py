"""A new rule to fill in. In: a pack's directory and a name. Out: a rule file that loads, whose tests fail until they are written."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pg_guard.errors import PolicyError, UsageError
from pg_guard.packaging.files import write_atomically
from pg_guard.policy.document import read_document
from pg_guard.policy.opened import MANIFEST, open_pack
from pg_guard.policy.rules import parse_rule

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["new_rule"]

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_FIRST_NUMBER: Final = 101
_LAST_NUMBER: Final = 99_999
_ID: Final = re.compile(rb"^[\"']?id[\"']?\s*:\s*[\"']?[a-z0-9-]+/PG([0-9]{3,5})\b", re.MULTILINE)
_FILE: Final = re.compile(r"(?:.*/)?PG([0-9]{3,5})_")

_OWN_SCHEMA: Final = "../../pg_guard/policy/rule-v1.schema.json"
_SCHEMA: Final = "rule-v1.schema.json"

_TEMPLATE: Final = """\
# yaml-language-server: $schema={schema}
schema: pg-guard/rule/v1
id: {pack}/PG{number}
name: {name}
title: {title}
status: experimental
severity: medium
# What the rule finds, in a sentence or two.
description: To be written.
# Why that is bad: what an attacker gains, or what goes wrong.
rationale: To be written.
# Pages that tell more, as in https://www.postgresql.org/docs/current/catalog-pg-authid.html
references: []
# Words to find the rule by, as in attack.t1003 or cwe.522.
tags: []
# Honest statements that the rule finds, too, and what to do about them.
false_positives: []
# Conditions on facts, under any, all and not; one condition stands alone. All attributes of a condition hold at once.
match:
  relation: {{name: to_be_written}}
effect: deny
message: "{{relation}} must not be read: to be written."
remediation: To be written.
# At least one statement that the rule finds and one that looks alike and is fine. `pg-guard test` runs them.
tests:
  - name: to be written, a statement that the rule finds
    sql: SELECT 'write here what the rule must find'
    expect: deny
  - name: to be written, a statement that looks alike and is fine
    sql: SELECT * FROM to_be_written
    expect: allow
"""


def new_rule(pack: str | os.PathLike[str], name: str) -> Path:
    """Write a rule with the next free number.

    Args:
        pack: The pack's directory.
        name: The rule's name: words in small letters, joined by hyphens.

    Returns:
        The new file. The pack's manifest does not list it yet.

    Raises:
        UsageError: The name cannot be one, a rule has it already, or the file cannot be written.
        PolicyError: The pack's manifest cannot be read.
    """
    if not _NAME.fullmatch(name) or len(name) > 80:
        raise UsageError(f"{name!r} is not a rule's name", hint="words in small letters with hyphens, as in hash-read")
    opened = open_pack(pack, verify=False)
    if not opened.place.is_dir():
        raise UsageError(f"{opened.place}: a bundle is not written to", hint="give the directory of the pack")
    document, problems = read_document(opened.files[MANIFEST], str(opened.place / MANIFEST))
    if document is None or problems:
        raise PolicyError(problems, subject="the pack is")
    pack_name = document.data.get("name")
    if not isinstance(pack_name, str) or not re.fullmatch(r"[a-z][a-z0-9-]*", pack_name):
        raise PolicyError(
            (document.problem(("name",), "the pack has no name", hint="write for example name: acme"),),
            subject="the pack is",
        )
    listed = document.data.get("files")
    number = _next_number(opened.files, listed if isinstance(listed, dict) else {})
    words = name.replace("-", "_")
    for path in opened.files:
        if path.rpartition("/")[2].partition("_")[2] == f"{words}.yaml":
            raise UsageError(f"{opened.place / path}: a rule has this name already", hint="give another name")
    file = opened.place / f"PG{number}_{words}.yaml"
    if file.exists() or file.is_symlink():
        raise UsageError(f"{file}: exists already", hint="give another name")
    title = name.replace("-", " ").capitalize()
    text = _TEMPLATE.format(
        schema=_OWN_SCHEMA if (opened.place / _OWN_SCHEMA).is_file() else _SCHEMA,
        pack=pack_name,
        number=number,
        name=name,
        title=title if title.lower() not in ("null", "true", "false") else f"Use of {title.lower()}",
    )
    parse_rule(text, str(file))  # a scaffold that does not load would be a defect of this module
    write_atomically(str(file), text.encode())
    return file


def _next_number(files: Mapping[str, bytes], listed: Mapping[str, object]) -> int:
    """One more than the highest number that a file, a rule or the manifest has."""
    used = [int(match[1]) for name in (*files, *listed) if (match := _FILE.match(name))]
    used += [int(number) for raw in files.values() for number in _ID.findall(raw)]
    number = max(used, default=_FIRST_NUMBER - 1) + 1
    if number > _LAST_NUMBER:
        raise UsageError("the pack has no free number left", hint="begin another pack")
    return number
