"""The part of Go's text/template that `--format` users write, over JSON-like values.

Fields and chains, pipes, parentheses, string, number and boolean literals, variables, ``if``/``else if``/``else``,
``range``, ``with``, comments, trimmed delimiters, and the functions of the docker CLI. A missing field prints
``<no value>``, as there.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from . import legible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

NO_VALUE = "<no value>"
_ABSENT = "absent"
"""Where a scope keeps what `Template` was told of absent fields; no variable can be called that, for want of a ``$``."""


class TemplateError(ValueError):
    """The template does not parse, or asks for something impossible."""


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
    branches: list[tuple[list[tuple[str, str]] | None, list[Any]]] = field(default_factory=list)


class Template:
    """Parse once, `render` for every value. Raises `TemplateError`.

    ``absent`` says what a field is whose value is null or missing, by its name and by whether it is missing; without it
    such a field is ``<nil>`` or ``<no value>``.
    """

    def __init__(self, source: str, absent: Callable[[str, bool], Any] | None = None) -> None:
        self._absent = absent or _unknown
        self._pieces = _split(source)
        self._at = 0
        self._nodes = self._parse(())[0]

    def render(self, value: Any) -> str:
        out: list[str] = []
        _run(self._nodes, value, {"$": value, _ABSENT: self._absent}, out)
        return "".join(out)

    def _parse(self, ends: Sequence[str]) -> tuple[list[Any], str]:
        nodes: list[Any] = []
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


def _run(nodes: Sequence[Any], dot: Any, scope: dict[str, Any], out: list[str]) -> None:
    for node in nodes:
        if isinstance(node, _Text):
            out.append(node.text)
        elif isinstance(node, _Action):
            name, tokens = _assignment(node.tokens)
            value = _Evaluator(tokens, dot, scope).pipeline()
            if name:
                scope[name] = value
            else:
                out.append(_show(value))
        else:
            _run_block(node, dot, scope, out)


def _assignment(tokens: list[tuple[str, str]]) -> tuple[str, list[tuple[str, str]]]:
    if len(tokens) > 2 and tokens[0][0] == "variable" and tokens[1][1] in (":=", "="):
        return tokens[0][1], tokens[2:]
    return "", tokens


def _run_block(block: _Block, dot: Any, scope: dict[str, Any], out: list[str]) -> None:
    if block.keyword == "range":
        condition, body = block.branches[0]
        assert condition is not None
        names, tokens = _range_names(condition)
        value = _Evaluator(tokens, dot, scope).pipeline()
        items = list(value.items()) if isinstance(value, dict) else list(enumerate(value or ()))
        for key, item in sorted(items, key=lambda pair: str(pair[0])) if isinstance(value, dict) else items:
            inner = dict(scope)
            if len(names) == 2:
                inner[names[0]], inner[names[1]] = key, item
            elif names:
                inner[names[0]] = item
            _run(body, item, inner, out)
        if not items and len(block.branches) > 1:
            _run(block.branches[1][1], dot, dict(scope), out)
        return
    for condition, body in block.branches:
        if condition is None:
            _run(body, dot, dict(scope), out)
            return
        name, tokens = _assignment(condition)
        value = _Evaluator(tokens, dot, scope).pipeline()
        if _truth(value):
            inner = {**scope, name: value} if name else dict(scope)
            _run(body, value if block.keyword == "with" else dot, inner, out)
            return


def _range_names(tokens: list[tuple[str, str]]) -> tuple[list[str], list[tuple[str, str]]]:
    for index, token in enumerate(tokens):
        if token[1] == ":=":
            return [text for kind, text in tokens[:index] if kind == "variable"], tokens[index + 1 :]
    return [], tokens


class _Evaluator:
    def __init__(self, tokens: Sequence[tuple[str, str]], dot: Any, scope: dict[str, Any]) -> None:
        self._tokens = tokens
        self._at = 0
        self._dot = dot
        self._scope = scope

    def pipeline(self) -> Any:
        value = self._command(())
        while self._peek() == ("symbol", "|"):
            self._at += 1
            value = self._command((value,))
        return value

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("", "")

    def _command(self, piped: tuple[Any, ...]) -> Any:
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

    def _arguments(self) -> list[Any]:
        found = []
        while self._peek()[0] and self._peek() not in (("symbol", "|"), ("symbol", ")")):
            found.append(self._operand())
        return found

    def _operand(self) -> Any:
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
            if name not in self._scope:
                raise TemplateError(f"undefined variable {name!r}")
            return self._chain(self._scope[name], rest)
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

    def _chain(self, value: Any, names: Sequence[str]) -> Any:
        for at, name in enumerate(names):
            found = value.get(name, _MISSING) if isinstance(value, dict) else _MISSING
            if found is _MISSING or found is None:
                found = self._scope[_ABSENT](name, found is _MISSING)
                if found is _MISSING or found is None:
                    if at + 1 < len(names) and self._scope[_ABSENT] is not _unknown:
                        raise TemplateError(f'executing "" at <.{".".join(names)}>: map has no entry for key "{name}"')
                    return found
            value = found
        return value

    def _call(self, name: str) -> Any:
        if name not in FUNCTIONS:
            raise TemplateError(f'function "{name}" not defined')
        return FUNCTIONS[name]()


class Nil:
    """A null whose type is known to be a list or a map: prints as an empty one, is null in JSON."""

    def __init__(self, shown: str) -> None:
        self.shown = shown

    def __bool__(self) -> bool:
        return False

    def __len__(self) -> int:
        return 0

    def __iter__(self) -> Iterator[Any]:
        return iter(())


class _Missing:
    def __bool__(self) -> bool:
        return False


_MISSING = _Missing()


def _unknown(name: str, is_missing: bool) -> Any:
    return _MISSING if is_missing else None


def _truth(value: Any) -> bool:
    return bool(value)


def _show(value: Any) -> str:
    if value is _MISSING:
        return NO_VALUE
    if value is None:
        return "<nil>" if value is not _MISSING else NO_VALUE
    if isinstance(value, Nil):
        return value.shown
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict) and type(value).__str__ is dict.__str__:
        return "map[" + " ".join(f"{key}:{_show(value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, (list, tuple)):
        return "[" + " ".join(_show(item) for item in value) + "]"
    return str(value)


def _plain(value: Any) -> Any:
    """As Go writes it: the keys of maps sorted, the fields of objects, which begin with capitals, in their order."""
    if isinstance(value, dict):
        keys = [key for key, one in value.items() if not callable(one) and not str(key).startswith("_")]
        if not all(str(key)[:1].isupper() for key in keys):
            keys.sort()
        return {key: _plain(value[key]) for key in keys}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return None if value is _MISSING or isinstance(value, Nil) else value


def _print(*values: Any) -> str:
    """Operands side by side; a space between two of which neither is a string."""
    text = ""
    for index, value in enumerate(values):
        apart = index > 0 and not isinstance(value, str) and not isinstance(values[index - 1], str)
        text += (" " if apart else "") + _show(value)
    return text


def _index(value: Any, *keys: Any) -> Any:
    for key in keys:
        if isinstance(value, dict):
            value = value.get(key, "")
        elif isinstance(value, (list, str)):
            value = value[int(key)]
        else:
            raise TemplateError("index of untyped nil")
    return value


def _printf(form: str, *values: Any) -> str:
    queue = list(values)

    def one(match: re.Match[str]) -> str:
        if match[2] == "%":
            return "%"
        value = queue.pop(0) if queue else ""
        verb = match[2]
        if verb == "q":
            return json.dumps(str(value))
        if verb == "v":
            return f"%{match[1]}s" % _show(value)
        return f"%{match[1]}{verb}" % value

    return re.sub(r"%([-+ 0#]*\d*(?:\.\d+)?)([vsdqxfgt%])", one, form)


def _and(*values: Any) -> Any:
    for value in values:
        if not _truth(value):
            return value
    return values[-1]


def _or(*values: Any) -> Any:
    for value in values:
        if _truth(value):
            return value
    return values[-1]


def _truncate(text: str, length: int) -> str:
    return text[:length]


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "json": lambda value: legible.json(json.dumps(_plain(value), separators=(",", ":"), ensure_ascii=False)),
    "upper": lambda value: str(value).upper(),
    "lower": lambda value: str(value).lower(),
    "title": lambda value: str(value).title(),
    "join": lambda values, separator: separator.join(_show(item) for item in values),
    "split": lambda text, separator: str(text).split(separator),
    "truncate": _truncate,
    "pad": lambda text, before, after: " " * before + str(text) + " " * after,
    "len": len,
    "index": _index,
    "slice": lambda value, first=0, last=None: value[first:last],
    "print": _print,
    "println": lambda *values: " ".join(_show(item) for item in values) + "\n",
    "printf": _printf,
    "eq": lambda value, *others: any(value == other for other in others),
    "ne": lambda value, other: value != other,
    "lt": lambda value, other: value < other,
    "le": lambda value, other: value <= other,
    "gt": lambda value, other: value > other,
    "ge": lambda value, other: value >= other,
    "and": _and,
    "or": _or,
    "not": lambda value: not _truth(value),
}
