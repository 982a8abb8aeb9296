"""From text to statements: parser directives, comments, continuation lines and here-documents.

A statement is one instruction with its keyword and flags split off; what the arguments mean is decided elsewhere
(arguments.py, parse.py). The rules are those of BuildKit's frontend, quirks that change what is accepted included.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ....grammar.ignore import SPACES
from ... import bounds
from .arguments import ArgumentError, json_list
from .errors import DockerfileError, Span
from .words import ExpansionError, Keep, expand

if TYPE_CHECKING:
    from collections.abc import Iterator

_BLANKS = re.compile(r"[\t\v\f\r ]+")
_DIRECTIVE = re.compile(r"([a-zA-Z][a-zA-Z0-9]*)[\t\n\f\r ]*=[\t\n\f\r ]*(.+?)[\t\n\f\r ]*\Z")
_HEREDOC = re.compile(r"(?a:(\d*)<<(-?)\s*([^<]*)\Z)")
_LEADING_TABS = re.compile(r"^\t+", re.MULTILINE)
_DIRECTIVES = ("syntax", "escape", "check")
_TAKES_HEREDOC = ("add", "copy", "run")


@dataclass(frozen=True, slots=True)
class Heredoc:
    """``<<NAME``: ``expand`` when no part of the name was quoted; ``chomp`` for ``<<-`` (leading tabs go)."""

    name: str
    expand: bool
    chomp: bool
    content: str = ""

    @property
    def text(self) -> str:
        """The content as the reader of the document sees it."""
        return _LEADING_TABS.sub("", self.content) if self.chomp else self.content


@dataclass(frozen=True, slots=True)
class Statement:
    """One instruction: ``keyword`` as written, ``flags`` (``--name=value`` words), ``rest`` (arguments, trimmed).

    ``original`` is the logical line without continuations; ``comments`` are the lines right above it.
    """

    keyword: str
    flags: tuple[str, ...]
    rest: str
    original: str
    span: Span
    heredocs: tuple[Heredoc, ...] = ()
    comments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Statements:
    """A whole file: its statements, its parser directives by name, and spans of empty continuation lines."""

    statements: tuple[Statement, ...]
    directives: dict[str, str]
    empty_continuations: tuple[Span, ...] = ()

    @property
    def escape(self) -> str:
        return self.directives.get("escape", "\\")


@dataclass(slots=True)
class _Reader:
    """Physical lines, one at a time, with their number; newlines are kept."""

    lines: list[str]
    number: int = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self.number >= len(self.lines):
            raise StopIteration
        line = self.lines[self.number]
        self.number += 1
        longest = bounds.DOCKERFILE_LINE
        if len(line) > longest // 4 and len(line.rstrip("\n").encode(errors="replace")) > longest:
            message = f"dockerfile line greater than max allowed size of {longest}"
            raise DockerfileError(message, Span(self.number, self.number))
        return line


@dataclass(slots=True)
class _Directives:
    """Parser directives stand above everything else; the first line that is none closes the list."""

    found: dict[str, str] = field(default_factory=dict)
    closed: bool = False

    def read(self, line: str, number: int) -> bool:
        """True when the line (trimmed on the left) is a directive."""
        if self.closed:
            return False
        match = _DIRECTIVE.match(line[1:].lstrip(SPACES)) if line[:1] == "#" else None
        name = match.group(1).lower() if match else ""
        if match is None or name not in _DIRECTIVES:
            self.closed = True
            return False
        if name in self.found:
            raise DockerfileError(f"only one {name} parser directive can be used", Span(number, number))
        value = match.group(2)
        if name == "escape" and value not in ("\\", "`"):
            message = f"invalid escape token '{value}' does not match ` or \\"
            raise DockerfileError(message, Span(number, number))
        self.found[name] = value
        return True


def read_statements(source: str) -> Statements:
    """Split the text of a Dockerfile; raises DockerfileError."""
    reader = _Reader(source.removeprefix("\ufeff").split("\n"))
    reader.lines = [line + "\n" for line in reader.lines[:-1]] + [line for line in reader.lines[-1:] if line]
    directives = _Directives()
    statements: list[Statement] = []
    empty: list[Span] = []
    comments: list[str] = []
    for raw in reader:
        line = raw.rstrip("\r\n").lstrip(SPACES)
        if line[:1] == "#":
            if not directives.read(line, reader.number):
                comment = line[1:].strip(SPACES)
                if comment:
                    comments.append(comment)
                else:
                    comments = []
            continue
        directives.read(line, reader.number)
        escape = directives.found.get("escape", "\\")
        if not line:
            continue
        first = reader.number
        text, gap = _logical_line(reader, line, escape)
        if gap:
            empty.append(Span(first, reader.number))
        statement = split_statement(text, escape, Span(first, reader.number), tuple(comments))
        documents = tuple(_bodies(reader, _heredocs(statement, escape), first))
        statements.append(
            Statement(
                statement.keyword,
                statement.flags,
                statement.rest,
                text,
                Span(first, reader.number),
                documents,
                tuple(comments),
            )
        )
        comments = []
        if len(statements) > bounds.INSTRUCTIONS:
            message = f"the Dockerfile has more than {bounds.INSTRUCTIONS} instructions"
            raise DockerfileError(message, statements[-1].span)
    if not statements:
        raise DockerfileError("file with no instructions")
    return Statements(tuple(statements), directives.found, tuple(empty))


def _logical_line(reader: _Reader, line: str, escape: str) -> tuple[str, bool]:
    """Join continuation lines; the second value tells whether an empty line stood among them."""
    continued = _continuation(escape)
    parts: list[str] = []
    gap = False
    while True:
        text, more = continued.subn(lambda match: match.group(1) or "", line, count=1)
        parts.append(text)
        if not more:
            return "".join(parts), gap
        for raw in reader:
            line = raw.rstrip("\r\n")
            bare = line.lstrip(SPACES)
            if bare and bare[0] != "#":
                break
            gap = gap or not bare
        else:
            return "".join(parts), gap


def _continuation(escape: str) -> re.Pattern[str]:
    token = re.escape(escape)
    return re.compile(rf"([^{token}]){token}[ \t]*\Z|\A{token}[ \t]*\Z")


def split_statement(line: str, escape: str, span: Span, comments: tuple[str, ...] = ()) -> Statement:
    """Keyword, flags and the rest of one logical line."""
    parts = _BLANKS.split(line.strip(SPACES), maxsplit=1)
    flags, rest = _flags(parts[1], escape) if len(parts) == 2 else ((), "")
    return Statement(parts[0], flags, rest.strip(SPACES), line, span, (), comments)


def _flags(text: str, escape: str) -> tuple[tuple[str, ...], str]:
    """Leading ``--words`` (quotes and escapes removed) and what follows them; a lone ``--`` ends them."""
    flags: list[str] = []
    at = 0
    while True:
        while at < len(text) and text[at] in SPACES:
            at += 1
        if not text.startswith("--", at):
            return tuple(flags), text[at:]
        word: list[str] = []
        quote = ""
        while at < len(text) and (quote or text[at] not in SPACES):
            char = text[at]
            at += 1
            if char == quote:
                quote = ""
            elif not quote and char in "'\"":
                quote = char
            elif char == escape:
                word.append(text[at : at + 1])
                at += 1
            else:
                word.append(char)
        flag = "".join(word)
        if flag == "--":
            return tuple(flags), text[at:]
        flags.append(flag)


# here-documents ----------------------------------------------------------------------------------------------------
def parse_heredoc(word: str) -> Heredoc | None:
    """The here-document that ``word`` announces (``<<EOF``, ``3<<-"EOF"``), or None; raises ExpansionError."""
    match = _HEREDOC.match(word)
    if match is None or not match.group(3):
        return None
    bare = expand(match.group(3), {}, keep=Keep(unset=True)).words
    if len(bare) != 1:
        return None
    quoted = expand(match.group(3), {}, keep=Keep(quotes=True, unset=True)).words
    plain = _quotes(bare[0]) == _quotes("".join(quoted))
    return Heredoc(bare[0], expand=plain, chomp=match.group(2) == "-")


def _quotes(text: str) -> int:
    return text.count("'") + text.count('"')


def _heredocs(statement: Statement, escape: str) -> list[Heredoc]:
    """The documents announced on a statement's line, in order; their bodies are still to be read."""
    if "<<" not in statement.original:
        return []
    inner = statement
    if statement.keyword.lower() == "onbuild" and statement.rest:
        inner = split_statement(statement.rest, escape, statement.span)
    if inner.keyword.lower() not in _TAKES_HEREDOC:
        return []
    try:
        if json_list(inner.rest) is not None:
            return []
    except ArgumentError as error:
        raise DockerfileError(str(error), statement.span) from None
    try:
        words = expand(statement.original, {}, keep=Keep(quotes=True, escapes=True, unset=True)).words
    except ExpansionError:
        return []
    try:
        found = [parse_heredoc(word) for word in words]
    except ExpansionError as error:
        raise DockerfileError(str(error), statement.span) from None
    documents = [heredoc for heredoc in found if heredoc]
    if len(documents) > bounds.HEREDOCS:
        raise DockerfileError(f"more than {bounds.HEREDOCS} here-documents", statement.span)
    return documents


def _bodies(reader: _Reader, heredocs: list[Heredoc], first: int) -> Iterator[Heredoc]:
    for heredoc in heredocs:
        body: list[str] = []
        for raw in reader:
            line = raw.rstrip("\r\n")
            if (line.lstrip("\t") if heredoc.chomp else line) == heredoc.name:
                break
            body.append(raw)
        else:
            raise DockerfileError("unterminated heredoc", Span(first, reader.number))
        yield Heredoc(heredoc.name, heredoc.expand, heredoc.chomp, "".join(body))
