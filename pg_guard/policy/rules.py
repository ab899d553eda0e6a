"""Rule files, version 1. In: a file's text. Out: a `RuleFile`, or one `PolicyError` with every problem and its place.

One rule per file. The shape is pydantic's business (the descriptions become the JSON Schema); what stands under ``match``
is read by `pg_guard.checks.written` against the vocabulary, so that a rule with a word that nobody knows never loads.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from pg_guard.checks.pack import Template
from pg_guard.checks.written import ParameterValue, fields, read_match, unused_parameters
from pg_guard.decision import Severity
from pg_guard.errors import PolicyError
from pg_guard.policy.document import read_document
from pg_guard.policy.model import PackParameter
from pg_guard.policy.validate import validate_model

if TYPE_CHECKING:
    from pg_guard.checks.matching import Match
    from pg_guard.errors import Problem
    from pg_guard.policy.document import Document

__all__ = ["RULE_SCHEMA", "RuleFile", "RuleParameter", "RuleTest", "parse_rule", "read_rule"]

RULE_SCHEMA: Final = "pg-guard/rule/v1"

RuleId = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*/PG[0-9]{3,5}$", max_length=80)]
Text = Annotated[str, Field(min_length=1)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class RuleParameter(_Section):
    """Something that a policy can set for a rule; ``$name`` under ``match`` stands for it."""

    default: PackParameter
    """Its value where no policy sets it: text, a list of texts, a number, true or false."""
    description: str = ""
    """What it means, in a sentence."""


class RuleTest(_Section):
    """A statement, and whether the rule fires on it; run by ``pg-guard test``."""

    name: Text
    """Names the test in reports."""
    sql: Text
    """The statement."""
    expect: Literal["deny", "warn", "allow"]
    """The rule's effect where it must fire, ``allow`` where it must not."""
    catalog: Literal["demo", "large", "none"] = "demo"
    """``demo``: the catalog of the sample database (`pg_guard/demo/schema.sql`); ``large``: the same as if each table had a
    thousand times its rows; ``none``: no catalog."""
    works_on: Annotated[int, Field(ge=10, le=99)] | None = None
    """The statement also runs on the sample database of this major version of PostgreSQL."""


class RuleFile(_Section):
    """A rule of a pack, version 1."""

    schema_: Literal["pg-guard/rule/v1"] = Field(default="pg-guard/rule/v1", alias="schema")
    """The format and its version."""
    id: RuleId
    """``pack/PG`` and a number: permanent, never reused."""
    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=80)]
    """Words in small letters, joined by hyphens; reads as "allow <name>"."""
    title: Text
    """What the rule finds, in a few words."""
    status: Literal["experimental", "test", "stable", "deprecated"] = "experimental"
    """How far the rule can be trusted."""
    severity: Severity
    """How bad it is."""
    description: Text
    """What the rule finds, in a sentence or two."""
    rationale: Text
    """Why that is bad."""
    references: tuple[Annotated[str, Field(pattern=r"^https?://\S+$")], ...] = ()
    """Pages that tell more."""
    tags: tuple[Annotated[str, Field(pattern=r"^[a-z0-9]+([._-][a-z0-9]+)*$")], ...] = ()
    """Words to find rules by, as in ``attack.t1003``, ``cwe.522``, ``owasp.llm06``."""
    false_positives: tuple[Text, ...] = ()
    """Honest statements that the rule finds, too."""
    parameters: Mapping[Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]*$")], RuleParameter] = Field(
        default_factory=dict
    )
    """What a policy can set."""
    match: Mapping[str, Any]
    """``any: […]``, ``all: […]``, ``not: …`` or one condition ``fact: {attribute: value, …}``."""
    effect: Literal["deny", "warn"]
    """``deny`` refuses the statement; ``warn`` is reported only."""
    message: Text
    """What was found, in one sentence; ``{attribute}`` stands for what the rule fired on."""
    remediation: Text
    """What to write instead, in one sentence."""
    unresolved: Literal["fire", "skip"] = "fire"
    """What happens where the match cannot be told, because something is not known; ``skip`` is for warnings only."""
    documentation: str = ""
    """Everything else that a reader should know, in Markdown."""
    tests: tuple[RuleTest, ...] = ()
    """At least one statement that the rule fires on and one that it does not."""

    @property
    def pack(self) -> str:
        """The pack's name: the first half of the id."""
        return self.id.partition("/")[0]

    def settings(self, overrides: Mapping[str, ParameterValue] | None = None) -> dict[str, ParameterValue]:
        """The value of each parameter; overrides for parameters that the rule does not have are left out."""
        given = overrides or {}
        return {name: given.get(name, parameter.default) for name, parameter in self.parameters.items()}

    def compile(self, overrides: Mapping[str, ParameterValue] | None = None) -> "Match":
        """What the rule matches, under values for its parameters.

        Raises:
            PolicyError: A value does not fit where the rule uses it.
        """
        match, faults = read_match(self.match, self.settings(overrides))
        if match is None:
            document = _nowhere(self.id)
            raise PolicyError(
                tuple(document.problem(each.path, each.message, hint=each.hint) for each in faults),
                subject="the rule is",
            )
        return match


def _nowhere(file: str) -> "Document":
    from pg_guard.policy.document import Document

    return Document(file, {})


def parse_rule(text: str | bytes, file: str = "<rule>") -> RuleFile:
    """Read a rule from its text.

    Args:
        text: The file's text, or its bytes in UTF-8.
        file: Names the file in messages.

    Raises:
        PolicyError: There are errors; it holds all of them, in file order.
    """
    rule, problems = read_rule(text, file)
    if rule is None:
        raise PolicyError(problems, subject="the rule is")
    return rule


def read_rule(text: str | bytes, file: str) -> "tuple[RuleFile | None, tuple[Problem, ...]]":
    """The same without raising: the rule, or None when there are problems; and the problems, in file order."""
    document, found = read_document(text, file, quick=True)
    problems = list(found)
    rule = None
    if document is not None:
        rule, invalid = validate_model(document, RuleFile, RULE_SCHEMA)
        problems += invalid
        problems += _check_match(document, rule)
    problems.sort(key=lambda problem: (problem.line, problem.column))
    return (None if problems else rule), tuple(dict.fromkeys(problems))


def _check_match(document: "Document", rule: RuleFile | None) -> "list[Problem]":
    """What pydantic cannot see; as much of it as can be told when the rest of the file is wrong."""
    data = document.data
    if rule is not None:
        settings: Mapping[str, ParameterValue] = rule.settings()
    else:
        stated = data.get("parameters")
        names = stated if isinstance(stated, dict) else {}
        if names or not isinstance(data.get("match"), dict):
            return []  # nobody knows what the parameters stand for, or it was said already
        settings = {}
    match, faults = read_match(data.get("match"), settings)
    problems = [document.problem(each.path, each.message, hint=each.hint, key=each.key) for each in faults]
    if rule is None:
        return problems
    problems += [
        document.problem(("parameters", name), f"the parameter {name!r} is not used", hint="remove it", key=True)
        for name in unused_parameters(data["match"], rule.parameters)
    ]
    if rule.unresolved == "skip" and rule.effect == "deny":
        hint = "only rules with effect: warn may be passed over where something is not known"
        problems.append(document.problem(("unresolved",), "a rule that denies must fire", hint=hint))
    for index, test in enumerate(rule.tests):
        if test.expect not in (rule.effect, "allow"):
            message = f"the rule can only {rule.effect} or allow"
            problems.append(document.problem(("tests", index, "expect"), message, hint=f"write {rule.effect}"))
    if match is not None:
        known = fields(match)
        for key, text in (("message", rule.message), ("remediation", rule.remediation)):
            unknown = [name for name in Template(text).fields if name not in known]
            hint = f"one of: {', '.join(sorted(known))}"
            problems += [
                document.problem((key,), f"nothing is known of {{{name}}} here", hint=hint) for name in unknown
            ]
    return problems
