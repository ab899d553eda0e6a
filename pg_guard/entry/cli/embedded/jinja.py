"""SQL templates (Jinja, dbt). In: a template. Out: texts of SQL in which placeholders stand for what is filled in.

Nothing is rendered and no macro runs: jinja2's lexer tells text, expressions and tags apart. A tag becomes spaces; an
expression becomes a name, which is the relation itself for dbt's ``ref('x')`` and ``source('x', 'y')``. Each branch of an ``if``
stands in one of the texts, with the first branches of the others around it; the body of a loop stands once. What
cannot be read so (macros, expressions whose result is not known) is reported.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import jinja2

from pg_guard.entry.cli.embedded.fragments import Fragment, FragmentBuilder, Reading, Unread
from pg_guard.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["read_jinja"]

MAX_TEXTS: Final = 16
"""Branches beyond this many texts are reported as not read."""

_NAME_BYTES: Final = 60  # PostgreSQL cuts a name after 63
_WORD = re.compile(r"\w*")
_IDENTIFIER = re.compile(r"\w")
_STRING = r"""(?:'([^'"\\]*)'|"([^'"\\]*)")"""
_REF = re.compile(rf"ref\s*\(\s*{_STRING}\s*(?:,\s*{_STRING}\s*)?(?:,\s*(?:v|version)\s*=\s*\w+\s*)?\)")
_SOURCE = re.compile(rf"source\s*\(\s*{_STRING}\s*,\s*{_STRING}\s*\)")
_NOTHING = re.compile(r"(?:config|return|log|debug|do|exceptions?\.\w+)\s*\(", re.DOTALL)
_HIDDEN: Final = frozenset({"macro", "call", "filter", "materialization", "test", "data_test", "docs"})
_LOOP_ENDS = re.compile(r"\s*(?P<no>not\s+)?loop\s*\.\s*(?:last|first)\s*")
_PLAIN_NAME = re.compile(r"[a-z_][a-z0-9_$]*")


class _Text(NamedTuple):
    start: int
    end: int


class _Expression(NamedTuple):
    start: int
    end: int
    code: str


@dataclass(slots=True)
class _If:
    branches: list[_Branch] = field(default_factory=list)

    def loop_end(self) -> _Branch | None:
        """The branch that counts where the condition asks for the first or last turn: a loop's body stands once."""
        match = _LOOP_ENDS.fullmatch(self.branches[0].condition)
        return None if match is None else self.branches[-1 if match["no"] else 0]

    def wanted(self) -> list[_Branch]:
        """The branches that some text has to hold."""
        only = self.loop_end()
        return [only] if only is not None else self.branches


@dataclass(slots=True, eq=False)
class _Branch:
    condition: str
    start: int
    end: int
    parents: tuple[_Branch, ...]
    body: list[_Node] = field(default_factory=list)


_Node: TypeAlias = "_Text | _Expression | _If"


class _Token(NamedTuple):
    kind: str
    value: str
    start: int
    end: int


def read_jinja(text: str) -> Reading:
    """Find the SQL of a template.

    Raises:
        UsageError: It is no valid template.
    """
    parser = _Parser(text)
    body = parser.parse()
    unread = parser.unread
    covered: set[int] = set()
    fragments = [_Writer(text, frozenset(), covered).write(body)]
    for branch in parser.branches:
        if id(branch) in covered:
            continue
        if len(fragments) == MAX_TEXTS:
            unread.append(
                Unread(branch.start, branch.end, f"a branch beyond the first {MAX_TEXTS} texts of a template")
            )
            continue
        chosen = frozenset(map(id, (*branch.parents, branch)))
        fragments.append(_Writer(text, chosen, covered).write(body))
    return Reading(tuple(fragments), tuple(sorted(set(unread))))


class _Open(NamedTuple):
    """A tag that waits for its end: the body around it, and the condition if it is one."""

    word: str
    body: list[_Node]
    condition: _If | None
    start: int


class _Parser:
    """Tells the text of a template from its tags, and finds the branches."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._body: list[_Node] = []
        self._stack: list[_Open] = []
        self._branch: tuple[_Branch, ...] = ()  # the branches that are open, the outermost first
        self._hidden: tuple[str, int] | None = None  # the word and the place of a tag whose body is not read
        self._hidden_depth = 0
        self.branches: list[_Branch] = []
        self.unread: list[Unread] = []

    def parse(self) -> list[_Node]:
        root = self._body
        tokens = _lex(self._text)
        for token in tokens:
            if token.kind == "data" and self._hidden is None:
                self._body.append(_Text(token.start, token.end))
            elif token.kind == "variable_begin":
                end, code = self._until(tokens, "variable_end", token)
                if self._hidden is None:
                    self._expression(token.start, end, code)
            elif token.kind == "block_begin":
                end, code = self._until(tokens, "block_end", token)
                word = _WORD.match(code)[0]  # type: ignore[index] # it matches the empty text, too
                rest = code[len(word) :].strip()
                if self._hidden is None:
                    self._tag(word, rest, token.start, end)
                else:
                    self._hidden_tag(word, end)
        if self._hidden is not None:
            raise _invalid(self._text, self._hidden[1], f"`{self._hidden[0]}` is not closed")
        if self._stack:
            raise _invalid(self._text, self._stack[-1].start, f"`{self._stack[-1].word}` is not closed")
        return root

    def _until(self, tokens: Iterator[_Token], kind: str, begin: _Token) -> tuple[int, str]:
        """Read up to the end of a tag; return its end, and its code with one space between its words."""
        parts: list[str] = []
        for token in tokens:
            if token.kind == kind:
                # A tag that ends by `-%}` takes the white space behind it along; it is no part of the tag.
                return token.start + len(token.value.rstrip()), "".join(parts).strip()
            parts.append(" " if token.kind == "whitespace" else token.value)
        raise _invalid(self._text, begin.start, f"`{begin.value}` is not closed")

    def _expression(self, start: int, end: int, code: str) -> None:
        self._body.append(_Expression(start, end, code))
        if _meaning(code) is None:
            self.unread.append(Unread(start, end, "a template expression; a placeholder stands for it"))

    def _tag(self, word: str, rest: str, start: int, end: int) -> None:
        inside = self._stack[-1].word if self._stack else ""
        if word in _HIDDEN or (word == "set" and "=" not in rest) or (word == "else" and inside == "for"):
            self._hide("for" if word == "else" else word, start)
        elif word == "if":
            node = _If()
            self._body.append(node)
            self._stack.append(_Open(word, self._body, node, start))
            self._open_branch(node, rest, start, end)
        elif word in ("elif", "else") and inside == "if":
            node = self._close_branch(start)
            self._open_branch(node, rest if word == "elif" else "", start, end)
        elif word == "for":
            self._stack.append(_Open(word, self._body, None, start))
        elif word in ("endif", "endfor"):
            if word != f"end{inside}":
                raise _invalid(self._text, start, f"`{word}` closes nothing")
            self._end(start, end)
        elif word in ("include", "import", "from", "extends"):
            self.unread.append(Unread(start, end, f"another template, by `{word}`"))

    def _open_branch(self, node: _If, condition: str, start: int, end: int) -> None:
        branch = _Branch(condition, start, end, self._branch)
        node.branches.append(branch)
        self._branch = (*self._branch, branch)
        self._body = branch.body

    def _close_branch(self, end: int) -> _If:
        node = self._stack[-1].condition
        assert node is not None  # called inside of an `if` only
        node.branches[-1].end = end
        self._branch = self._branch[:-1]
        return node

    def _end(self, start: int, end: int) -> None:
        if self._stack[-1].condition is not None:
            node = self._close_branch(start)
            if node.branches[-1].condition:
                # Without `else`, nothing may stand there: a text of its own, as a missing WHERE is one.
                node.branches.append(_Branch("", end, end, self._branch))
            self.branches += node.wanted()
        self._body = self._stack.pop().body

    def _hide(self, word: str, start: int) -> None:
        self._hidden, self._hidden_depth = (word, start), 1

    def _hidden_tag(self, word: str, end: int) -> None:
        assert self._hidden is not None  # called inside of a hidden body only
        opening, start = self._hidden
        self._hidden_depth += (word == opening) - (word == f"end{opening}")
        if self._hidden_depth == 0:
            self.unread.append(Unread(start, end, f"the body of `{opening}` in a template"))
            self._hidden = None
            if opening == "for":  # it was the `else` of a loop, and this is the loop's end
                self._body = self._stack.pop().body


class _Writer:
    """Writes one text: the branches in `chosen`, and elsewhere one that no text holds yet, or the first."""

    def __init__(self, text: str, chosen: frozenset[int], covered: set[int]) -> None:
        self._text = text
        self._chosen = chosen
        self._covered = covered
        self._builder = FragmentBuilder()
        self._at = 0

    def write(self, body: list[_Node]) -> Fragment:
        self._nodes(body)
        self._blank(len(self._text))
        return self._builder.build()

    def _nodes(self, body: list[_Node]) -> None:
        for node in body:
            if isinstance(node, _If):
                branch = self._choose(node)
                self._covered.add(id(branch))
                self._nodes(branch.body)
                continue
            self._blank(node.start)
            if isinstance(node, _Text):
                self._builder.add(self._text[node.start : node.end], node.start)
            else:
                self._expression(node)
            self._at = node.end

    def _choose(self, node: _If) -> _Branch:
        for branch in node.branches:
            if id(branch) in self._chosen:
                return branch
        only = node.loop_end()
        if only is not None:
            return only
        return next((branch for branch in node.branches if id(branch) not in self._covered), node.branches[0])

    def _blank(self, end: int) -> None:
        """White space for what stands between: tags, comments, branches of other texts."""
        between = self._text[self._at : end]
        if between:
            self._builder.add(_NOT_NEWLINE.sub(" ", between), self._at)
        self._at = max(self._at, end)

    def _expression(self, node: _Expression) -> None:
        meaning = _meaning(node.code)
        width = node.end - node.start
        if meaning == "":
            self._builder.add(_NOT_NEWLINE.sub(" ", self._text[node.start : node.end]), node.start)
            return
        if meaning is not None:
            # A relation of dbt: it is shown at the place of the expression.
            self._builder.add(meaning, node.start, node.end)
            return
        # The digest makes equal expressions equal names, and others others; the width keeps columns where they are.
        name = f"jinja_{zlib.crc32(node.code.encode('utf-8', 'replace')):08x}"
        touches = _IDENTIFIER.match(self._text[node.end : node.end + 1])
        pad = "_" * (min(width, _NAME_BYTES) - len(name)) if touches else " " * (width - len(name))
        self._builder.add(name + pad, node.start, node.end, placeholder=True)


_NOT_NEWLINE = re.compile(r"[^\n]")


def _meaning(code: str) -> str | None:
    """What an expression stands for: a relation, nothing (``""``), or None when that is not known."""
    if match := _REF.fullmatch(code):
        words = [word for word in match.groups() if word is not None]
        return _quoted(words[-1])
    if match := _SOURCE.fullmatch(code):
        words = [word for word in match.groups() if word is not None]
        return f"{_quoted(words[0])}.{_quoted(words[1])}"
    return "" if _NOTHING.match(code) else None


def _quoted(name: str) -> str:
    return name if _PLAIN_NAME.fullmatch(name) else '"' + name.replace('"', '""') + '"'


def _lex(text: str) -> Iterator[_Token]:
    """The tokens of jinja2's lexer with their places; the white space that it drops is passed over."""
    # The lexer reads each line ending as one newline; with a space before it, every character keeps its place.
    plain = text.replace("\r\n", " \n").replace("\r", "\n")
    environment = jinja2.Environment(keep_trailing_newline=True)  # noqa: S701 - nothing is rendered
    position = 0
    try:
        for _, kind, value in environment.lexer.tokeniter(plain, None):
            while not plain.startswith(value, position) and position < len(plain):
                position += 1
            yield _Token(kind, value, position, position + len(value))
            position += len(value)
    except jinja2.TemplateSyntaxError as error:
        raise UsageError(f"not a valid template in line {error.lineno}: {error.message}", hint=_HINT) from None


_HINT: Final = "correct it, or leave the file out"


def _invalid(text: str, offset: int, what: str) -> UsageError:
    line = text.count("\n", 0, offset) + 1
    return UsageError(f"not a valid template in line {line}: {what}", hint=_HINT)
