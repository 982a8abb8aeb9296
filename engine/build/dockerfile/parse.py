"""Statements become instructions, instructions become stages.

Accepts and refuses what BuildKit's frontend accepts and refuses when it parses; what can only be known with build
arguments and images at hand (variables, stage names, ports) is checked when the build is planned.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ....grammar import durations
from ....grammar.ignore import SPACES
from ... import bounds
from .arguments import ArgumentError, blank_separated, json_list, name_values, quoted_words
from .errors import DockerfileError, Span, did_you_mean
from .flags import Flags
from .instructions import (
    NETWORKS,
    SECURITY,
    Arg,
    Cmd,
    Command,
    Copy,
    Entrypoint,
    Env,
    Expose,
    From,
    Healthcheck,
    Instruction,
    Label,
    Maintainer,
    Onbuild,
    Run,
    Shell,
    Stopsignal,
    User,
    Volume,
    Workdir,
)
from .lines import Heredoc, Statement, parse_heredoc, read_statements, split_statement
from .mounts import check_mount, parse_device
from .words import ExpansionError

if TYPE_CHECKING:
    from collections.abc import Callable

    from .flags import Kind

_STAGE_NAME = re.compile(r"[a-z][a-z0-9\-_.]*")
_ONBUILD = re.compile(r"\s*ONBUILD\s*", re.IGNORECASE | re.ASCII)

EMPTY = "the Dockerfile cannot be empty"


@dataclass(frozen=True, slots=True)
class Stage:
    """FROM and all that follows up to the next FROM."""

    start: From
    instructions: tuple[Instruction, ...]


@dataclass(frozen=True, slots=True)
class Dockerfile:
    """``arguments`` stand before the first FROM. ``syntax`` and ``check`` are the directives' values, or "".

    ``empty_continuations`` are lines. ``name`` is how messages call the file.
    """

    source: str
    name: str
    arguments: tuple[Arg, ...]
    stages: tuple[Stage, ...]
    escape: str
    syntax: str = ""
    check: str = ""
    empty_continuations: tuple[int, ...] = ()


def parse(source: str | bytes, name: str = "Dockerfile") -> Dockerfile:
    """Read a Dockerfile; raises DockerfileError. Bytes that are not UTF-8 survive in here-documents."""
    text = source.decode("utf-8", "surrogateescape") if isinstance(source, bytes) else source
    if not text:
        raise DockerfileError(EMPTY)
    if len(text) > bounds.DOCKERFILE:
        raise DockerfileError(f"the Dockerfile is larger than {bounds.DOCKERFILE} bytes")
    read = read_statements(text)
    arguments: list[Arg] = []
    stages: list[tuple[From, list[Instruction]]] = []
    # BuildKit looks at the arguments' notation of every statement before it looks at any statement's meaning.
    for statement in read.statements:
        _check_notation(statement, read.escape)
    for statement in read.statements:
        instruction = parse_statement(statement, read.escape)
        if isinstance(instruction, From):
            stages.append((instruction, []))
            if len(stages) > bounds.STAGES:
                raise DockerfileError(f"the Dockerfile has more than {bounds.STAGES} stages", statement.span)
        elif stages:
            stages[-1][1].append(instruction)
        elif isinstance(instruction, Arg):
            arguments.append(instruction)
        else:
            raise DockerfileError("no build stage in current context", statement.span)
    if not stages:
        raise DockerfileError("dockerfile contains no stages to build")
    return Dockerfile(
        source=text,
        name=name,
        arguments=tuple(arguments),
        stages=tuple(Stage(start, tuple(instructions)) for start, instructions in stages),
        escape=read.escape,
        syntax=read.directives.get("syntax", ""),
        check=read.directives.get("check", ""),
        empty_continuations=tuple(span.last for span in read.empty_continuations),
    )


def parse_trigger(expression: str, span: Span) -> Instruction:
    """The one instruction of an ONBUILD trigger; errors point at ``span``, the FROM that brought it in."""
    try:
        read = read_statements(expression)
        if len(read.statements) != 1:
            raise DockerfileError("onbuild trigger should be a single expression")
        one = read.statements[0]
        moved = Statement(one.keyword, one.flags, one.rest, one.original, span, one.heredocs)
        instruction = parse_statement(moved, read.escape)
    except DockerfileError as error:
        raise DockerfileError(error.reason, span) from None
    if isinstance(instruction, From):
        raise DockerfileError("FROM isn't allowed as an ONBUILD trigger", span)
    return instruction


def parse_statement(statement: Statement, escape: str) -> Instruction:
    """One statement; raises DockerfileError."""
    reader = _READERS.get(statement.keyword.lower())
    if reader is None:
        hint = did_you_mean(statement.keyword, (name.upper() for name in _READERS), case=False)
        raise DockerfileError(f"unknown instruction: {statement.keyword}{hint}", statement.span)
    try:
        return reader(statement, escape)
    except ArgumentError as error:
        raise DockerfileError(str(error), statement.span) from None


def _check_notation(statement: Statement, escape: str) -> None:
    """Errors that BuildKit reports while it reads lines, and that hold for ONBUILD's inner instruction too."""
    keyword, rest = statement.keyword.lower(), statement.rest
    try:
        if keyword == "onbuild" and rest:
            _check_notation(split_statement(rest, escape, statement.span), escape)
        elif keyword in ("env", "label") and quoted_words(rest, escape):
            name_values(rest, keyword.upper(), escape)
        elif keyword in ("add", "copy", "cmd", "entrypoint", "run", "shell", "volume"):
            json_list(rest)
        elif keyword == "healthcheck":
            json_list(_first_word(rest)[1])
    except ArgumentError as error:
        # A blank name is no matter of notation: in ONBUILD it passes.
        if "names can not be blank" not in str(error):
            raise DockerfileError(str(error), statement.span) from None


def _first_word(text: str) -> tuple[str, str]:
    for at, char in enumerate(text):
        if char in SPACES:
            return text[:at], text[at:].lstrip(SPACES)
    return text, ""


def _command(statement: Statement) -> Command:
    words = json_list(statement.rest)
    if words is not None:
        return Command(words, shell=False)
    return Command((statement.rest,) if statement.rest else (), shell=True)


def _no_flags(statement: Statement) -> None:
    Flags.parse(statement.flags, {})


def _one(statement: Statement) -> str:
    if not statement.rest:
        raise ArgumentError(f"{statement.keyword.upper()} requires exactly one argument")
    return statement.rest


def _list(statement: Statement) -> tuple[str, ...]:
    words = json_list(statement.rest)
    return blank_separated(statement.rest) if words is None else words


def _code(statement: Statement) -> str:
    return statement.original.strip(SPACES)


def _from(statement: Statement, escape: str) -> From:
    words = blank_separated(statement.rest)
    name = ""
    if len(words) == 3 and words[1].lower() == "as":
        name = words[2].lower()
        if not _STAGE_NAME.fullmatch(name):
            message = f'invalid name for build stage: "{words[2]}", name can\'t start with a number or contain symbols'
            raise ArgumentError(message)
    elif len(words) != 1:
        raise ArgumentError("FROM requires either one or three arguments")
    flags = Flags.parse(statement.flags, {"platform": "text"})
    return From(statement.span, _code(statement), words[0], name, flags.text("platform"))


def _run(statement: Statement, escape: str) -> Run:
    flags = Flags.parse(statement.flags, {"mount": "list", "network": "text", "security": "text", "device": "list"})
    mounts, devices = flags.items("mount"), flags.items("device")
    for mount in mounts:
        check_mount(mount)
    network = NETWORKS.get(mode := flags.text("network", "default"))
    if network is None:
        raise ArgumentError(f'invalid network mode "{mode}"')
    security = SECURITY.get(word := flags.text("security", "sandbox"))
    if security is None:
        raise ArgumentError(f'security "{word}" is not valid')
    for device in devices:
        parse_device(device)
    code, command = _code(statement), _command(statement)
    return Run(statement.span, code, command, statement.heredocs, mounts, devices, network, security)


def _cmd(statement: Statement, escape: str) -> Cmd:
    _no_flags(statement)
    return Cmd(statement.span, _code(statement), _command(statement))


def _entrypoint(statement: Statement, escape: str) -> Entrypoint:
    _no_flags(statement)
    return Entrypoint(statement.span, _code(statement), _command(statement))


def _env(statement: Statement, escape: str) -> Env:
    _no_flags(statement)
    return Env(statement.span, _code(statement), name_values(statement.rest, "ENV", escape))


def _label(statement: Statement, escape: str) -> Label:
    _no_flags(statement)
    return Label(statement.span, _code(statement), name_values(statement.rest, "LABEL", escape))


def _arg(statement: Statement, escape: str) -> Arg:
    words = quoted_words(statement.rest, escape)
    if not words:
        raise ArgumentError("ARG requires at least one argument")
    pairs: list[tuple[str, str | None]] = []
    for word in words:
        name, equals, value = word.partition("=")
        if equals and not name:
            raise ArgumentError("ARG names can not be blank")
        pairs.append((name, value if equals else None))
    return Arg(statement.span, _code(statement), tuple(pairs))


def _copy(statement: Statement, escape: str) -> Copy:
    keyword = statement.keyword.upper()
    words = _list(statement)
    if len(words) < 2:
        message = "requires at least two arguments, but only one was provided. Destination could not be determined"
        raise ArgumentError(f"{keyword} {message}")
    add = keyword == "ADD"
    known: dict[str, Kind] = {"chown": "text", "chmod": "text", "link": "bool", "exclude": "list"}
    if add:
        known |= {"keep-git-dir": "bool", "checksum": "text", "unpack": "bool"}
    else:
        known |= {"from": "text", "parents": "bool"}
    flags = Flags.parse(statement.flags, known)
    if _announces(words[-1]):
        raise ArgumentError(f"{keyword} cannot accept a heredoc as a destination")
    bodies = {heredoc.name: heredoc.content for heredoc in statement.heredocs}
    sources: list[str] = []
    documents: list[Heredoc] = []
    for word in words[:-1]:
        heredoc = _announces(word)
        if heredoc is None:
            sources.append(word)
        else:
            content = bodies.get(heredoc.name, "")
            documents.append(Heredoc(heredoc.name, heredoc.expand, heredoc.chomp, content))
    return Copy(
        statement.span,
        _code(statement),
        add,
        tuple(sources),
        tuple(documents),
        words[-1],
        source=flags.text("from"),
        chown=flags.text("chown"),
        chmod=flags.text("chmod"),
        link=flags.flag("link"),
        parents=flags.flag("parents"),
        exclude=flags.items("exclude"),
        checksum=flags.text("checksum"),
        keep_git_dir=flags.optional("keep-git-dir"),
        unpack=flags.optional("unpack"),
    )


def _announces(word: str) -> Heredoc | None:
    try:
        return parse_heredoc(word)
    except ExpansionError:
        return None


def _expose(statement: Statement, escape: str) -> Expose:
    ports = blank_separated(statement.rest)
    if not ports:
        raise ArgumentError("EXPOSE requires at least one argument")
    _no_flags(statement)
    return Expose(statement.span, _code(statement), tuple(sorted(ports)))


def _healthcheck(statement: Statement, escape: str) -> Healthcheck:
    kind, rest = _first_word(statement.rest)
    if not kind:
        raise ArgumentError("HEALTHCHECK requires at least one argument")
    words = json_list(rest)
    if kind.upper() == "NONE":
        if words or (words is None and rest):
            raise ArgumentError("HEALTHCHECK NONE takes no arguments")
        return Healthcheck(statement.span, _code(statement), ("NONE",))
    times = ("interval", "timeout", "start-period", "start-interval")
    known: dict[str, Kind] = {name: "text" for name in (*times, "retries")}
    flags = Flags.parse(statement.flags, known)
    if kind.upper() != "CMD":
        raise ArgumentError(f'Unknown type "{kind.upper()}" in HEALTHCHECK (try CMD)')
    if not words and not (words is None and rest):
        raise ArgumentError("Missing command after HEALTHCHECK CMD")
    test = ("CMD-SHELL", rest) if words is None else ("CMD", *words)
    interval, timeout, start_period, start_interval = (_interval(flags.text(name), name) for name in times)
    retries = _retries(flags.text("retries"))
    return Healthcheck(statement.span, _code(statement), test, interval, timeout, start_period, start_interval, retries)


def _interval(text: str, name: str) -> int:
    if not text:
        return 0
    try:
        value = durations.parse(text)
    except ValueError as error:
        raise ArgumentError(str(error)) from None
    if value and value < 10**6:
        raise ArgumentError(f'Interval "{name}" cannot be less than 1ms')
    return value


def _retries(text: str) -> int:
    if not text:
        return 0
    if not re.fullmatch(r"[-+]?\d+", text, re.ASCII) or not -(2**31) <= int(text) < 2**31:
        raise ArgumentError(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    if int(text) < 0:
        raise ArgumentError(f"--retries cannot be negative ({int(text)})")
    return int(text)


def _maintainer(statement: Statement, escape: str) -> Maintainer:
    author = _one(statement)
    _no_flags(statement)
    return Maintainer(statement.span, _code(statement), author)


def _onbuild(statement: Statement, escape: str) -> Onbuild:
    if not statement.rest:
        raise ArgumentError("ONBUILD requires at least one argument")
    _no_flags(statement)
    trigger = blank_separated(statement.rest)[0].upper()
    if trigger == "ONBUILD":
        raise ArgumentError("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")
    if trigger in ("MAINTAINER", "FROM"):
        raise ArgumentError(f"{trigger} isn't allowed as an ONBUILD trigger")
    expression = _ONBUILD.sub("", statement.original, count=1)
    for heredoc in statement.heredocs:
        expression += f"\n{heredoc.content}{heredoc.name}"
    return Onbuild(statement.span, _code(statement), expression)


def _shell(statement: Statement, escape: str) -> Shell:
    _no_flags(statement)
    words = json_list(statement.rest)
    if words is None and statement.rest:
        raise ArgumentError(f"SHELL requires the arguments to be in JSON form, not {_code(statement)}")
    if not words:
        raise ArgumentError("SHELL requires at least one argument")
    return Shell(statement.span, _code(statement), words)


def _stopsignal(statement: Statement, escape: str) -> Stopsignal:
    return Stopsignal(statement.span, _code(statement), _one(statement))


def _user(statement: Statement, escape: str) -> User:
    user = _one(statement)
    _no_flags(statement)
    return User(statement.span, _code(statement), user)


def _volume(statement: Statement, escape: str) -> Volume:
    paths = _list(statement)
    if not paths:
        raise ArgumentError("VOLUME requires at least one argument")
    _no_flags(statement)
    trimmed = tuple(path.strip(SPACES) for path in paths)
    if not all(trimmed):
        raise ArgumentError("VOLUME specified can not be an empty string")
    return Volume(statement.span, _code(statement), trimmed)


def _workdir(statement: Statement, escape: str) -> Workdir:
    path = _one(statement)
    _no_flags(statement)
    return Workdir(statement.span, _code(statement), path)


_READERS: dict[str, Callable[[Statement, str], Instruction]] = {
    "add": _copy,
    "arg": _arg,
    "cmd": _cmd,
    "copy": _copy,
    "entrypoint": _entrypoint,
    "env": _env,
    "expose": _expose,
    "from": _from,
    "healthcheck": _healthcheck,
    "label": _label,
    "maintainer": _maintainer,
    "onbuild": _onbuild,
    "run": _run,
    "shell": _shell,
    "stopsignal": _stopsignal,
    "user": _user,
    "volume": _volume,
    "workdir": _workdir,
}
