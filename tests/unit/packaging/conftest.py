"""A small pack to sign, bundle and spoil."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pg_guard.policy.packs import write_manifest

if TYPE_CHECKING:
    from pathlib import Path

RULE = """\
schema: pg-guard/rule/v1
id: acme/PG{number}
name: {name}
title: Read of {name}
severity: high
description: The statement reads {name}.
rationale: It is nobody's business.
references: ["https://example.com/why"]
tags: [cwe.200]
false_positives: [audits]
match:
  any:
    - relation: {{name: [{name}, hr.*], how: scan}}
    - not: {{all: [{{statement: {{kind: select}}}}]}}
effect: deny
message: "{name} was read"
remediation: Leave it out.
tests:
  - {{name: direct, sql: SELECT * FROM {name}, expect: deny}}
  - {{name: other, sql: SELECT 1, expect: allow}}
"""
MANIFEST = """\
# What Acme must not see.
schema: pg-guard/pack/v1
name: acme
version: 1.2.0
title: Rules of Acme
licence: Apache-2.0
"""


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """A directory with a valid pack of two rules."""
    directory = tmp_path / "acme"
    directory.mkdir()
    (directory / "pack.yaml").write_text(MANIFEST)
    for number, name in (("101", "salaries"), ("102", "payroll")):
        (directory / f"PG{number}_{name}.yaml").write_text(RULE.format(number=number, name=name))
    write_manifest(directory)
    return directory
