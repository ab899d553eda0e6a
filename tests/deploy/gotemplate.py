"""The small part of Go's templates that the chart uses. In: templates and values. Out: their text, or an error for anything else.

    texts = render({"templates/service.yaml": "…"}, {"Values": …, "Release": …, "Chart": …})

It knows define, include, if, else, with, range, comments, trimmed blanks, variables of a range, pipelines, and the functions of
`FUNCTIONS`; everything else raises `TemplateError`, so that the chart cannot grow out of what is tested. `{{ }}` prints nil as
Helm does: a value that is missing is an error here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["TemplateError", "render"]

_ACTION: Final = re.compile(r"\{\{(?P<left>-)?(?P<body>\s*/\*.*?\*/\s*|.*?)(?P<right>-)?\}\}", re.DOTALL)
_TOKEN: Final = re.compile(
    r'\s*(?:(?P<string>"(?:[^"\\]|\\.)*")|(?P<number>-?\d+)|(?P<word>[$.\w]+)|(?P<sign>:=|[|(),]))'
)


class TemplateError(Exception):
    """A template that is outside of the part that is known here, or one that is wrong."""


# -- functions of Sprig and Helm ---------------------------------------------------------------------------------------


def _to_yaml(value: Any) -> str:
    # As Helm's: sorted by key, without the last line break.
    return (
        yaml.safe_dump(value, default_flow_style=False, sort_keys=True, width=10_000)
        .removesuffix("\n")
        .removesuffix("\n...")
    )


def _indent(count: int, text: str) -> str:
    return "\n".join(" " * count + line for line in text.split("\n"))


def _quote(value: Any) -> str:
    return '"' + _text(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    "default": lambda other, value=None: value if _true(value) else other,
    "nindent": lambda count, text: "\n" + _indent(count, text),
    "not": lambda value: not _true(value),
    "quote": _quote,
    "toYaml": _to_yaml,
    "trimSuffix": lambda suffix, text: text.removesuffix(suffix),
    "trunc": lambda count, text: text[:count],
}


def _true(value: Any) -> bool:
    """What `if` and `with` take for true: as in Go, empty collections are not."""
    return bool(value)


def _text(value: Any) -> str:
    if value is None:
        raise TemplateError("a value is missing where text is printed")
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


# -- reading -----------------------------------------------------------------------------------------------------------


@dataclass
class _Node:
    """A piece of text (`kind` is ``text``), an expression (``print``), or a block with what is inside of it."""

    kind: str
    source: str
    body: list[_Node] = field(default_factory=list)
    otherwise: list[_Node] = field(default_factory=list)


def _pieces(template: str) -> Iterator[tuple[bool, str]]:
    """Text and actions in turn, with blanks trimmed where ``-`` says so."""
    position = 0
    trim = False
    for match in _ACTION.finditer(template):
        text = template[position : match.start()]
        yield False, _trimmed(text, left=trim, right=match["left"] is not None)
        yield True, match["body"].strip()
        trim = match["right"] is not None
        position = match.end()
    yield False, _trimmed(template[position:], left=trim, right=False)


def _trimmed(text: str, *, left: bool, right: bool) -> str:
    text = text.lstrip() if left else text
    return text.rstrip() if right else text


def _parse(template: str, defined: dict[str, list[_Node]]) -> list[_Node]:
    top: list[_Node] = []
    stack: list[tuple[_Node | None, list[_Node]]] = [(None, top)]
    for is_action, source in _pieces(template):
        block, nodes = stack[-1]
        if not is_action:
            nodes.append(_Node("text", source))
            continue
        if source.startswith("/*"):
            continue
        word, _, rest = source.partition(" ")
        if word in ("if", "with", "range", "define"):
            node = _Node(word, rest.strip())
            if word == "define":
                defined[rest.strip().strip('"')] = node.body
            else:
                nodes.append(node)
            stack.append((node, node.body))
        elif source == "else":
            if block is None or nodes is block.otherwise:
                raise TemplateError("an else without its if")
            stack[-1] = (block, block.otherwise)
        elif source == "end":
            if block is None:
                raise TemplateError("an end without its block")
            stack.pop()
        else:
            nodes.append(_Node("print", source))
    if len(stack) != 1:
        raise TemplateError("a block without its end")
    return top


# -- rendering ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Scope:
    dot: Any
    variables: Mapping[str, Any]
    defined: Mapping[str, list[_Node]]

    def inner(self, dot: Any, **variables: Any) -> _Scope:
        return _Scope(dot, {**self.variables, **variables}, self.defined)


def render(templates: Mapping[str, str], root: Mapping[str, Any]) -> dict[str, str]:
    """Render every template that is no helper (those begin with ``_``).

    Raises:
        TemplateError: One is wrong, or more than what is known here.
    """
    defined: dict[str, list[_Node]] = {}
    parsed = {name: _parse(text, defined) for name, text in templates.items()}
    scope = _Scope(root, {"$": root}, defined)
    return {name: _run(nodes, scope) for name, nodes in parsed.items() if not name.rpartition("/")[2].startswith("_")}


def _run(nodes: list[_Node], scope: _Scope) -> str:
    return "".join(_run_one(node, scope) for node in nodes)


def _run_one(node: _Node, scope: _Scope) -> str:
    if node.kind == "text":
        return node.source
    if node.kind == "print":
        return _text(_evaluate(node.source, scope))
    if node.kind == "range":
        return _run_range(node, scope)
    value = _evaluate(node.source, scope)
    inner = scope.inner(value) if node.kind == "with" and _true(value) else scope
    return _run(node.body if _true(value) else node.otherwise, inner)


def _run_range(node: _Node, scope: _Scope) -> str:
    match = re.fullmatch(r"\$(\w+), \$(\w+) := (.+)", node.source)
    if match is None:
        raise TemplateError(f"range {node.source}: write range $key, $value := …")
    value = _evaluate(match[3], scope)
    if isinstance(value, list):
        value = dict(enumerate(value))
    if not isinstance(value, dict):
        raise TemplateError(f"range {node.source}: neither a mapping nor a list")
    return "".join(
        # Go goes through maps in the order of their keys.
        _run(node.body, scope.inner(each, **{"$" + match[1]: key, "$" + match[2]: each}))
        for key, each in sorted(value.items())
    )


def _evaluate(source: str, scope: _Scope) -> Any:
    tokens: list[str] = []
    position = 0
    while position < len(source.rstrip()):
        match = _TOKEN.match(source, position)
        if match is None:
            raise TemplateError(f"cannot be read: {source}")
        tokens.append(match[0].strip())
        position = match.end()
    value, rest = _pipeline(tokens, scope)
    if rest:
        raise TemplateError(f"cannot be read: {source}")
    return value


def _pipeline(tokens: list[str], scope: _Scope) -> tuple[Any, list[str]]:
    value, tokens = _command(tokens, scope, ())
    while tokens and tokens[0] == "|":
        value, tokens = _command(tokens[1:], scope, (value,))
    return value, tokens


def _command(tokens: list[str], scope: _Scope, piped: tuple[Any, ...]) -> tuple[Any, list[str]]:
    if not tokens:
        raise TemplateError("an empty command")
    name, rest = tokens[0], tokens[1:]
    arguments: list[Any] = []
    while rest and rest[0] not in ("|", ")"):
        value, rest = _operand(rest, scope)
        arguments.append(value)
    if name == "include":
        template, dot = (*arguments, *piped)
        return _run(scope.defined[template], _Scope(dot, {"$": dot}, scope.defined)), rest
    if name in FUNCTIONS:
        return FUNCTIONS[name](*arguments, *piped), rest
    if arguments or piped:
        raise TemplateError(f"no such function here: {name}")
    value, left = _operand(tokens[:1], scope)
    return value, [*left, *rest]


def _operand(tokens: list[str], scope: _Scope) -> tuple[Any, list[str]]:
    token, rest = tokens[0], tokens[1:]
    if token == "(":
        value, rest = _pipeline(rest, scope)
        if not rest or rest[0] != ")":
            raise TemplateError("a bracket is not closed")
        return value, rest[1:]
    if token.startswith('"'):
        return token[1:-1].replace('\\"', '"').replace("\\\\", "\\"), rest
    if re.fullmatch(r"-?\d+", token):
        return int(token), rest
    if token == ".":
        return scope.dot, rest
    head, *path = token.split(".")
    if head == "":
        value = scope.dot
    elif head in scope.variables:
        value = scope.variables[head]
    else:
        raise TemplateError(f"no such variable or function here: {token}")
    for name in path:
        if not isinstance(value, dict):
            raise TemplateError(f"{token}: {name} is asked of what has no keys")
        value = value.get(name)
    return value, rest
