"""The policy file, version 1, as values. In: plain mappings and lists. Out: a frozen `Policy` or pydantic's errors.

Attributes are named as the keys of the file. The descriptions become the JSON Schema (`pg_guard.policy.schema`), so
they are the reference documentation of each key. `pg_guard.policy.load` reads files and gives each error its place.
"""

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    Tag,
)

from pg_guard.catalog.capabilities import Capability
from pg_guard.policy.values import (
    ByteCount,
    ColumnPattern,
    Day,
    FunctionName,
    Name,
    PositiveInt,
    PublicKeyText,
    Reason,
    Seconds,
    TablePattern,
    VersionSpecifier,
)

__all__ = [
    "POLICY_SCHEMA",
    "CapabilityPattern",
    "Columns",
    "FunctionPattern",
    "Functions",
    "Joins",
    "Limits",
    "Metadata",
    "PackParameter",
    "PackUse",
    "Policy",
    "PolicyException",
    "PolicyTest",
    "Principal",
    "RowFilter",
    "RuleOverride",
    "StatementKind",
    "Statements",
    "Tables",
    "WhereRequirement",
]

POLICY_SCHEMA: Final = "pg-guard/policy/v1"

StatementKind: TypeAlias = Literal["select", "explain", "show"]

_DEFAULT_CAPABILITIES: tuple[Capability, ...] = (
    "pure",
    "aggregate",
    "window",
    "set-returning",
    "clock",
    "random",
    "session-info",
    "type-io",
)


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


def _one_or_many(value: object) -> object:
    """A single string stands for a list of one."""
    return (value,) if isinstance(value, str) else value


def _list_to_tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


TablePatterns = Annotated[
    Annotated[tuple[TablePattern, ...], Field(min_length=1)],
    BeforeValidator(
        _one_or_many, json_schema_input_type=TablePattern | Annotated[tuple[TablePattern, ...], Field(min_length=1)]
    ),
]
Capabilities = Annotated[
    Annotated[tuple[Capability, ...], Field(min_length=1)],
    BeforeValidator(
        _one_or_many, json_schema_input_type=Capability | Annotated[tuple[Capability, ...], Field(min_length=1)]
    ),
]
PackParameter: TypeAlias = Annotated[
    StrictBool | StrictInt | StrictFloat | StrictStr | tuple[StrictStr, ...],
    BeforeValidator(_list_to_tuple, json_schema_input_type=bool | int | float | str | list[str]),
]
OptionalReason = Annotated[
    Reason | None,
    Field(description="Why this section allows more than the policy that it extends; needed only then."),
]


class Metadata(_Section):
    """Who the policy belongs to; name and version appear in every decision."""

    name: Annotated[str, Field(min_length=1, max_length=200)] = "unnamed"
    """A short name, as in ``analyst``."""
    version: Annotated[str, Field(min_length=1, max_length=100)] = "0.0.0"
    """The policy's own version; write it in quotes when it looks like a number."""
    owner: str = ""
    """Who answers for the policy."""
    description: str = ""
    """What the policy is for, in a sentence."""


class PackUse(_Section):
    """A rule pack to apply."""

    use: Annotated[str, Field(min_length=1)]
    """The pack's name."""
    version: VersionSpecifier | None = None
    """Versions that are accepted, as in ``~=1.2``; any when left out."""
    parameters: Mapping[str, PackParameter] = Field(default_factory=dict)
    """By name, values for parameters of the pack's rules; each rule that declares the name takes it."""
    path: Annotated[str, Field(min_length=1)] | None = None
    """The pack's directory or bundle, relative to this file; when left out, the pack is looked for among those that come
    with pg-guard, and as ``NAME/`` or ``NAME.pgpack`` in ``packs/`` beside the policy."""
    signed_by: PublicKeyText | None = None
    """The public key that must have signed the pack, as ``ed25519:BASE64``; verified before the pack is read."""
    reason: OptionalReason = None


class RuleOverride(_Section):
    """A change to one rule of a pack."""

    effect: Literal["deny", "warn", "off"]
    """What the rule does from now on."""
    reason: Reason
    """Why it is changed."""


class Statements(_Section):
    """Which statements may run at all."""

    allow: tuple[StatementKind, ...] = ("select",)
    """Kinds that may run; ``select`` covers WITH, VALUES and TABLE. Nothing that writes can be listed."""
    reason: OptionalReason = None


class Tables(_Section):
    """Which tables, views and other relations may be read."""

    default: Literal["allow", "deny"] = "allow"
    """``deny`` permits only what ``allow`` lists."""
    allow: tuple[TablePattern, ...] = ()
    """Relations that may be read: ``name`` (in any schema) or ``schema.name``, with ``*`` as wildcard. System schemas
    open only when named here. A view named without wildcards is reviewed: it may read what ``deny`` lists."""
    deny: tuple[TablePattern, ...] = ()
    """Relations that may never be read, also not through views; wins over ``allow``."""
    reason: OptionalReason = None


class Columns(_Section):
    """Which columns may be read."""

    deny: Mapping[TablePattern, Annotated[tuple[ColumnPattern, ...], Field(min_length=1)]] = Field(default_factory=dict)
    """By relation, the columns that no part of a query may use; the relation ``"*"`` stands for all."""
    on_star: Literal["deny", "omit"] = "deny"
    """What happens to ``SELECT *`` over denied columns: refuse it, or leave those columns out."""
    mask: Mapping[TablePattern, Mapping[Name, Annotated[str, Field(min_length=1)]]] = Field(default_factory=dict)
    """By relation and column, the mask that its values pass through."""
    reason: OptionalReason = None


class WhereRequirement(_Section):
    """A condition that each use of a relation must carry."""

    table: TablePatterns
    """One pattern, or a list of them."""
    columns: tuple[Name, ...] = ()
    """Columns that must be held to constants or parameters; when left out, any condition that restricts is enough."""
    equals: Mapping[Name, str | int | float | bool] = Field(default_factory=dict)
    """By column, the only value that it may be held to; ``:name`` is an attribute of the principal."""


class RowFilter(_Section):
    """A condition that is added to each use of a relation."""

    table: TablePatterns
    """One pattern, or a list of them."""
    using: Annotated[str, Field(min_length=1)]
    """An SQL condition; ``:name`` is an attribute of the principal."""


class Joins(_Section):
    """How many relations a query may combine."""

    max_tables: PositiveInt | None = None
    """Most relations in one SELECT level; unlimited when left out."""
    cartesian: Literal["deny", "warn", "allow"] | None = None
    """What happens to relations that no condition links."""
    reason: OptionalReason = None


class CapabilityPattern(_Section):
    """All functions that have a capability."""

    capability: Capabilities
    """One capability, or a list of them."""


def _pattern_form(value: object) -> str:
    # The tag becomes part of error locations, so it must not be a word that is also a key.
    return "<capability>" if isinstance(value, (dict, CapabilityPattern)) else "<name>"


FunctionPattern: TypeAlias = Annotated[
    Annotated[FunctionName, Tag("<name>")] | Annotated[CapabilityPattern, Tag("<capability>")],
    Discriminator(_pattern_form),
]


class Functions(_Section):
    """Which functions may be called, wherever a function can stand."""

    mode: Literal["allowlist", "denylist"] = "allowlist"
    """``allowlist`` permits what ``allow`` lists; ``denylist`` permits built-in functions that ``deny`` leaves."""
    allow: tuple[FunctionPattern, ...] = (CapabilityPattern(capability=_DEFAULT_CAPABILITIES),)
    """Names, wildcard patterns, names with argument types, or ``{capability: …}``."""
    deny: tuple[FunctionPattern, ...] = ()
    """Written as ``allow``; wins over it."""
    user_defined: Literal["deny", "allow_listed"] = "deny"
    """Functions that do not come with PostgreSQL: none, or those that ``allow`` names."""
    reason: OptionalReason = None


class Limits(_Section):
    """Budgets for the text, the result and the run."""

    sql_bytes: PositiveInt = 20_000
    """Longest text, in bytes of UTF-8; never more than 4,000,000, so that a decision stays quick."""
    tokens: PositiveInt = 10_000
    """Most tokens in the text; never more than 50,000."""
    depth: PositiveInt = 64
    """Deepest nesting of the text."""
    in_list: PositiveInt = 4_000
    """Most items of an IN list."""
    generated_rows: PositiveInt = 1_000_000
    """Most rows that constants may ask a function for, as in ``generate_series(1, 1000000)``."""
    generated_bytes: ByteCount = 10_000_000
    """Most bytes or elements that constants may ask a function for, as in ``repeat('x', 1000)``."""
    product_rows: PositiveInt = 50_000_000
    """Most rows, by the catalog's estimates, of a product of relations that no equality links."""
    rows: PositiveInt = 1_000
    """Most rows that are returned; the result says when there were more."""
    result_bytes: ByteCount = 10_000_000
    """Largest result, as in ``10MB`` or ``10MiB``."""
    statement_timeout: Seconds = 30.0
    """Longest run, as in ``30s``, ``500ms`` or ``2min``."""
    cost: Annotated[float, Field(gt=0, allow_inf_nan=False, strict=True)] | None = None
    """Highest cost that the planner may estimate, asked by the server before it runs a statement; unlimited when left out."""
    reason: OptionalReason = None


class Principal(_Section):
    """A kind of client and what is known of it."""

    match: Mapping[str, str]
    """By property of the connection, the pattern that it must match."""
    attributes: Mapping[str, str | int | float | bool] = Field(default_factory=dict)
    """Values that ``:name`` stands for."""


class PolicyException(_Section):
    """A reviewed exception from rules, with an end."""

    id: Annotated[str, Field(min_length=1)]
    """Names the exception in decisions and reports."""
    rules: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)]
    """Ids of the rules of packs that it lifts: their findings stay, as warnings."""
    tables: tuple[TablePattern, ...] = ()
    """Relations that it holds for; all when left out. It lifts a finding when it covers every relation behind it, or
    the view through which they are read."""
    reason: Reason
    """Why it is needed."""
    approved_by: Annotated[str, Field(min_length=1)]
    """Who approved it."""
    expires: Day
    """Its last day in UTC, as in ``2026-12-31``; then its rules are back in force, and the policy no longer loads."""


class PolicyTest(_Section):
    """A statement and the decision that the policy must give for it; run by ``pg-guard policy validate``."""

    name: Annotated[str, Field(min_length=1)]
    """Names the test in reports."""
    sql: str
    """The statement."""
    principal: Mapping[str, str | int | float | bool] = Field(default_factory=dict)
    """What is known of who asks, as in ``{tenant_id: 42}``."""
    expect: Literal["allow", "rewrite", "deny"]
    """The effect that is expected."""
    rules: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """Rule ids that must be among the findings."""


class Policy(_Section):
    """A pg-guard policy, version 1."""

    schema_: Literal["pg-guard/policy/v1"] = Field(default="pg-guard/policy/v1", alias="schema")
    """The format and its version."""
    metadata: Metadata = Metadata()
    extends: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """Policies that this one builds on, relative to this file. What they state can only be narrowed; a section that
    allows more must carry a ``reason``."""
    mode: Literal["enforce", "monitor"] = "enforce"
    """``monitor`` decides and records but refuses nothing."""
    packs: tuple[PackUse, ...] = ()
    """Rule packs to apply."""
    rules: Mapping[str, RuleOverride] = Field(default_factory=dict)
    """By rule id, changes to rules of packs."""
    statements: Statements = Statements()
    search_path: Annotated[tuple[Name, ...], Field(min_length=1)] | None = None
    """Schemas in which names without a schema are looked up; the catalog's own search_path when left out."""
    tables: Tables = Tables()
    columns: Columns = Columns()
    where: tuple[WhereRequirement, ...] = ()
    """Conditions that queries must carry."""
    row_filters: tuple[RowFilter, ...] = ()
    """Conditions that are added to queries."""
    joins: Joins = Joins()
    functions: Functions = Functions()
    limits: Limits = Limits()
    principals: Mapping[str, Principal] = Field(default_factory=dict)
    """By name, kinds of clients."""
    exceptions: tuple[PolicyException, ...] = ()
    """Reviewed exceptions from rules."""
    tests: tuple[PolicyTest, ...] = ()
    """Statements with the decision that they must get."""

    def to_dict(self) -> dict[str, Any]:
        """The effective policy as plain JSON values, every default filled in; `Policy.model_validate` reads it back."""
        return self.model_dump(mode="json", by_alias=True)

    @cached_property
    def digest(self) -> str:
        """SHA-256, in hexadecimal, of the effective policy's canonical JSON."""
        canonical = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(canonical.encode()).hexdigest()
