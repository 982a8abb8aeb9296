"""The part of Go's text/template that `--format` users write, over JSON-like values.

Fields and chains, pipes, parentheses, string, number and boolean literals, variables, ``if``/``else if``/``else``,
``range``, ``with``, comments, trimmed delimiters, and the functions of the docker CLI. A missing field prints
``<no value>``, as there.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .govalues import FUNCTIONS, MISSING, TemplateError, show, unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Template", "TemplateError"]

_ACTION = re.compile(
    r"\{\{(-(?=\s))?\s*(/\*.*?\*/|(?:\"(?:\\.|[^\"\\])*\"|`[^`]*`|[^\"`])*?)\s*(?:(?<=\s)-)?\}\}", re.DOTALL
)
_TOKEN = re.compile(
    r"\s*(?:(?P<string>\"(?:\\.|[^\"\\])*\"|`[^`]*`)|(?P<number>-?\d+(?:\.\d+)?)|(?P<field>\.[A-Za-z_][\w]*(?:\.[A-Za-z_][\w]*)*)"
    r"|(?P<variable>\$\w*(?:\.[A-Za-z_]\w*)*)|(?P<dot>\.)|(?P<word>[A-Za-z_]\w*)|(?P<symbol>:=|=|\||\(|\)|,))"
)


@dataclass(slots=True)
class _Text:
    text: str


@dataclass(slots=True)
class _Action:
    tokens: list[tuple[str, str]]


@dataclass(slots=True)
class _Block:
    """if, range or with: branches of (condition or None, body)."""

    keyword: str
    branches: list[tuple[list[tuple[str, str]] | None, list[_Node]]] = field(default_factory=list)


_Node = _Text | _Action | _Block


@dataclass(slots=True)
class _Scope:
    """Variables by name with their ``$``, and what `Template` was told of absent fields."""

    variables: dict[str, object]
    absent: Callable[[str, bool], object]

    def inner(self, more: dict[str, object]) -> _Scope:
        return _Scope({**self.variables, **more}, self.absent)


class Template:
    """Parse once, `render` for every value. Raises `TemplateError`.

    ``absent`` says what a field is whose value is null or missing, by its name and by whether it is missing; without it
    such a field is ``<nil>`` or ``<no value>``.
    """

    def __init__(self, source: str, absent: Callable[[str, bool], object] | None = None) -> None:
        self._absent = absent or unknown
        self._pieces = _split(source)
        self._at = 0
        self._nodes = self._parse(())[0]

    def render(self, value: object) -> str:
        out: list[str] = []
        _run(self._nodes, value, _Scope({"$": value}, self._absent), out)
        return "".join(out)

    def _parse(self, ends: Sequence[str]) -> tuple[list[_Node], str]:
        nodes: list[_Node] = []
        while self._at < len(self._pieces):
            kind, text = self._pieces[self._at]
            self._at += 1
            if kind == "text":
                nodes.append(_Text(text))
                continue
            keyword = text.split(None, 1)[0] if text else ""
            if keyword in ("if", "range", "with"):
                nodes.append(self._block(keyword, text[len(keyword) :]))
            elif keyword in ("end", "else"):
                if keyword not in ends:
                    raise TemplateError(f"unexpected {{{{{keyword}}}}}")
                return nodes, text
            elif text:
                nodes.append(_Action(_tokens(text)))
        if ends:
            raise TemplateError("unexpected EOF: {{end}} is missing")
        return nodes, ""

    def _block(self, keyword: str, condition: str) -> _Block:
        block = _Block(keyword)
        current: list[tuple[str, str]] | None = _tokens(condition)
        while True:
            body, end = self._parse(("end",) if current is None else ("end", "else"))
            block.branches.append((current, body))
            if end == "end":
                return block
            rest = end.removeprefix("else").strip()
            current = _tokens(rest.removeprefix("if")) if rest.startswith("if") else None


def _split(source: str) -> list[tuple[str, str]]:
    pieces: list[tuple[str, str]] = []
    at = 0
    trim_next = False
    for match in _ACTION.finditer(source):
        text = source[at : match.start()]
        if trim_next:
            text = text.lstrip()
        if match[1]:
            text = text.rstrip()
        if text:
            pieces.append(("text", text))
        body = match[2].strip()
        trim_next = match[0][:-2].endswith(" -") or match[0][:-2].endswith("\t-")
        if trim_next:
            body = body.removesuffix("-").strip()
        if not body.startswith("/*"):
            pieces.append(("action", body))
        at = match.end()
    rest = source[at:]
    if "{{" in rest:
        raise TemplateError("unclosed action")
    pieces.append(("text", rest.lstrip() if trim_next else rest))
    return pieces


def _tokens(text: str) -> list[tuple[str, str]]:
    tokens: list[tuple[str, str]] = []
    at = 0
    text = text.strip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or match.end() == at:
            raise TemplateError(f"unexpected {text[at:].strip()[:10]!r} in template")
        kind = str(match.lastgroup)
        if kind == "word" and match[kind] not in FUNCTIONS and match[kind] not in ("true", "false", "nil"):
            raise TemplateError(f'function "{match[kind]}" not defined')
        tokens.append((kind, match[kind]))
        at = match.end()
        # a field right behind a closing parenthesis belongs to its value
        if tokens[-1] == ("symbol", ")") and text[at : at + 1] == ".":
            tokens.append(("symbol", "."))
    return tokens


def _run(nodes: Sequence[_Node], dot: object, scope: _Scope, out: list[str]) -> None:
    for node in nodes:
        if isinstance(node, _Text):
            out.append(node.text)
        elif isinstance(node, _Action):
            name, tokens = _assignment(node.tokens)
            value = _Evaluator(tokens, dot, scope).pipeline()
            if name:
                scope.variables[name] = value
            else:
                out.append(show(value))
        else:
            _run_block(node, dot, scope, out)


def _assignment(tokens: list[tuple[str, str]]) -> tuple[str, list[tuple[str, str]]]:
    if len(tokens) > 2 and tokens[0][0] == "variable" and tokens[1][1] in (":=", "="):
        return tokens[0][1], tokens[2:]
    return "", tokens


def _run_block(block: _Block, dot: object, scope: _Scope, out: list[str]) -> None:
    if block.keyword == "range":
        condition, body = block.branches[0]
        assert condition is not None
        names, tokens = _range_names(condition)
        value = _Evaluator(tokens, dot, scope).pipeline()
        items = _members(value)
        for key, item in items:
            bound: dict[str, object] = {}
            if len(names) == 2:
                bound = {names[0]: key, names[1]: item}
            elif names:
                bound = {names[0]: item}
            _run(body, item, scope.inner(bound), out)
        if not items and len(block.branches) > 1:
            _run(block.branches[1][1], dot, scope.inner({}), out)
        return
    for condition, body in block.branches:
        if condition is None:
            _run(body, dot, scope.inner({}), out)
            return
        name, tokens = _assignment(condition)
        value = _Evaluator(tokens, dot, scope).pipeline()
        if value:
            _run(body, value if block.keyword == "with" else dot, scope.inner({name: value} if name else {}), out)
            return


def _members(value: object) -> list[tuple[object, object]]:
    """What a range goes over: places and members of a list, keys (sorted) and values of a map; of what is absent nothing."""
    if isinstance(value, dict):
        return sorted(value.items(), key=lambda pair: str(pair[0]))
    if isinstance(value, (list, tuple)):
        return list(enumerate(value))
    if not value:
        return []
    raise TemplateError(f"range can't iterate over {show(value)}")


def _range_names(tokens: list[tuple[str, str]]) -> tuple[list[str], list[tuple[str, str]]]:
    for index, token in enumerate(tokens):
        if token[1] == ":=":
            return [text for kind, text in tokens[:index] if kind == "variable"], tokens[index + 1 :]
    return [], tokens


class _Evaluator:
    def __init__(self, tokens: Sequence[tuple[str, str]], dot: object, scope: _Scope) -> None:
        self._tokens = tokens
        self._at = 0
        self._dot = dot
        self._scope = scope

    def pipeline(self) -> object:
        value = self._command(())
        while self._peek() == ("symbol", "|"):
            self._at += 1
            value = self._command((value,))
        return value

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("", "")

    def _command(self, piped: tuple[object, ...]) -> object:
        kind, text = self._peek()
        if kind == "word" and text not in ("true", "false", "nil"):
            self._at += 1
            arguments = [*self._arguments(), *piped]
            function = FUNCTIONS.get(text)
            if function is None:
                raise TemplateError(f'function "{text}" not defined')
            try:
                return function(*arguments)
            except (TypeError, KeyError, IndexError, AttributeError) as error:
                raise TemplateError(f"error calling {text}: {error}") from error
        value = self._operand()
        arguments = [*self._arguments(), *piped]
        if arguments:
            if callable(value):
                return value(*arguments)
            raise TemplateError("can't give argument to non-function")
        return value() if callable(value) else value

    def _arguments(self) -> list[object]:
        found = []
        while self._peek()[0] and self._peek() not in (("symbol", "|"), ("symbol", ")")):
            found.append(self._operand())
        return found

    def _operand(self) -> object:
        kind, text = self._peek()
        self._at += 1
        if kind == "string":
            return text[1:-1] if text.startswith("`") else json.loads(text)
        if kind == "number":
            return float(text) if "." in text else int(text)
        if kind == "dot":
            return self._dot
        if kind == "field":
            return self._chain(self._dot, text[1:].split("."))
        if kind == "variable":
            name, *rest = text.split(".")
            if name not in self._scope.variables:
                raise TemplateError(f"undefined variable {name!r}")
            return self._chain(self._scope.variables[name], rest)
        if kind == "word":
            return (
                {"true": True, "false": False, "nil": None}.get(text)
                if text in ("true", "false", "nil")
                else self._call(text)
            )
        if (kind, text) == ("symbol", "("):
            value = self.pipeline()
            if self._peek() != ("symbol", ")"):
                raise TemplateError("missing )")
            self._at += 1
            if self._peek() == ("symbol", "."):
                self._at += 1
                _, chain = self._peek()
                self._at += 1
                value = self._chain(value, chain.lstrip(".").split("."))
            return value
        raise TemplateError(f"unexpected {text!r} in operand")

    def _chain(self, value: object, names: Sequence[str]) -> object:
        for at, name in enumerate(names):
            found = value.get(name, MISSING) if isinstance(value, dict) else MISSING
            if found is MISSING or found is None:
                found = self._scope.absent(name, found is MISSING)
                if found is MISSING or found is None:
                    if at + 1 < len(names) and self._scope.absent is not unknown:
                        raise TemplateError(f'executing "" at <.{".".join(names)}>: map has no entry for key "{name}"')
                    return found
            value = found
        return value

    def _call(self, name: str) -> object:
        if name not in FUNCTIONS:
            raise TemplateError(f'function "{name}" not defined')
        return FUNCTIONS[name]()
