"""BuildKit's build checks: habits that a Dockerfile is warned of, by rule. Pure; names and words are those of Docker's public
documentation (docs.docker.com/reference/build-checks)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .errors import Span, did_you_mean
from .instructions import (
    Arg,
    Cmd,
    Copy,
    Entrypoint,
    Env,
    Expose,
    Healthcheck,
    Instruction,
    Label,
    Maintainer,
    Shell,
    Stopsignal,
    User,
    Volume,
    Workdir,
)
from .words import Budget, ExpansionError, expand

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from .ignore import Ignore
    from .parse import Dockerfile, Stage

DESCRIPTIONS = {
    "StageNameCasing": "Stage names should be lowercase",
    "FromAsCasing": "The 'as' keyword should match the case of the 'from' keyword",
    "NoEmptyContinuation": "Empty continuation lines will become errors in a future release",
    "ConsistentInstructionCasing": "All commands within the Dockerfile should use the same casing (either upper or lower)",
    "DuplicateStageName": "Stage names should be unique",
    "ReservedStageName": "Reserved words should not be used as stage names",
    "JSONArgsRecommended": "JSON arguments recommended for ENTRYPOINT/CMD to prevent unintended behavior related to OS signals",
    "MaintainerDeprecated": "The MAINTAINER instruction is deprecated, use a label instead to define an image author",
    "UndefinedArgInFrom": "FROM command must use declared ARGs",
    "WorkdirRelativePath": (
        "Relative workdir without an absolute workdir declared within the build can have unexpected results if the base"
        " image changes"
    ),
    "UndefinedVar": "Variables should be defined before their use",
    "MultipleInstructionsDisallowed": "Multiple instructions of the same type should not be used in the same stage",
    "LegacyKeyValueFormat": "Legacy key/value format with whitespace separator should not be used",
    "RedundantTargetPlatform": (
        "Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior"
    ),
    "SecretsUsedInArgOrEnv": "Sensitive data should not be used in the ARG or ENV commands",
    "InvalidDefaultArgInFrom": "Default value for global ARG results in an empty or invalid base image name",
    "FromPlatformFlagConstDisallowed": "FROM --platform flag should not use a constant value",
    "CopyIgnoredFile": "Attempting to Copy file that is excluded by .dockerignore",
    "InvalidDefinitionDescription": (
        "Comment for build stage or argument should follow the format: `# <arg/stage name> <description>`"
    ),
    "ExposeProtoCasing": "Protocol in EXPOSE instruction should be lowercase",
    "ExposeInvalidFormat": "IP address and host-port mapping should not be used in EXPOSE instruction",
}
EXPERIMENTAL = frozenset({"CopyIgnoredFile", "InvalidDefinitionDescription"})

_AS = re.compile(r"^(\S+)\s.*\s(as)\s+(\S+)\s*$", re.IGNORECASE | re.DOTALL)
_SECRET = re.compile(
    r"(?:_|^)(?:apikey|auth|credentials?|key|password|pword|passwd|secret|token)(?:_|$)", re.IGNORECASE
)
_PUBLIC = re.compile(r"(?:_|^)public(?:_|$)", re.IGNORECASE)
_REFERENCE = re.compile(
    r"[a-zA-Z0-9][\w.\-]*(?::\d+)?(?:/[\w.\-]+)*(?::\w[\w.\-]*)?(?:@[\w+.\-]+:[0-9a-f]+)?", re.ASCII
)
_ALTERNATIVE = re.compile(r"\$\{([a-zA-Z0-9_]+):?[-+]")
_URL = re.compile(r"https?://|git@|ssh://|git://", re.IGNORECASE)
_DEFAULT_PATH = "PATH"
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")


@dataclass(frozen=True, slots=True)
class Finding:
    """One violation of ``rule``. ``span`` are the lines meant."""

    rule: str
    message: str
    span: Span

    @property
    def url(self) -> str:
        return rule_url(self.rule)


def rule_url(rule: str) -> str:
    """Where Docker explains a rule."""
    word = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", rule).lower()
    return f"https://docs.docker.com/go/dockerfile/rule/{word}/"


def lint(
    dockerfile: Dockerfile,
    predefined: Mapping[str, str],
    base: Callable[[str], Mapping[str, str] | None],
    ignore: Ignore | None = None,
) -> list[Finding]:
    """All findings in the order of the lines, before the ``check`` directive chooses among them.

    ``predefined`` are the arguments every build has; ``base`` gives the environment of an image by reference, None when it
    is not known, and then nothing is said of the variables of stages on it.
    """
    found = [*_words(dockerfile), *_stage_names(dockerfile), *_from(dockerfile, predefined)]
    for stage in dockerfile.stages:
        found += _stage(stage)
        found += _copied(stage, ignore) if ignore is not None else ()
    found += _variables(dockerfile, predefined, base)
    found += _descriptions(dockerfile)
    return sorted(set(found), key=lambda one: (one.span, one.rule, one.message))


def _words(dockerfile: Dockerfile) -> Iterator[Finding]:
    """How keywords are written."""
    instructions: list[Instruction] = [*dockerfile.arguments]
    for stage in dockerfile.stages:
        instructions += [stage.start, *stage.instructions]
    keywords = [(one, one.code.split(None, 1)[0]) for one in instructions]
    lower = sum(word == word.lower() for _, word in keywords)
    upper = sum(word == word.upper() for _, word in keywords)
    majority = "lowercase" if lower > upper else "uppercase"
    for one, word in keywords:
        if word != (word.lower() if majority == "lowercase" else word.upper()):
            message = f"Command '{word}' should match the case of the command majority ({majority})"
            yield Finding("ConsistentInstructionCasing", message, one.span)
        if isinstance(one, Maintainer):
            message = "Maintainer instruction is deprecated in favor of using label"
            yield Finding("MaintainerDeprecated", message, one.span)
    for line in dockerfile.empty_continuations:
        yield Finding("NoEmptyContinuation", "Empty continuation line", Span(line, line))


def _stage_names(dockerfile: Dockerfile) -> Iterator[Finding]:
    seen: set[str] = set()
    for stage in dockerfile.stages:
        start = stage.start
        match = _AS.match(start.code)
        if not start.name or match is None:
            continue
        keyword, word, name = match.groups()
        if (keyword == keyword.upper()) != (word == word.upper()) or (keyword == keyword.lower()) != (
            word == word.lower()
        ):
            message = f"'{word}' and '{keyword}' keywords' casing do not match"
            yield Finding("FromAsCasing", message, start.span)
        if name != name.lower():
            yield Finding("StageNameCasing", f"Stage name '{name}' should be lowercase", start.span)
        if start.name in ("context", "scratch"):
            message = f"'{start.name}' is reserved and should not be used as a stage name"
            yield Finding("ReservedStageName", message, start.span)
        if start.name in seen:
            message = f"Duplicate stage name '{name}', stage names should be unique"
            yield Finding("DuplicateStageName", message, start.span)
        seen.add(start.name)


def _from(dockerfile: Dockerfile, predefined: Mapping[str, str]) -> Iterator[Finding]:
    defaults, budget = {**predefined}, Budget()
    for argument in dockerfile.arguments:
        for name, default in argument.pairs:
            value = _expanded(default or "", defaults, dockerfile.escape, budget)
            defaults[name] = value[0] if value else ""
    stages: set[str] = set()
    for stage in dockerfile.stages:
        start = stage.start
        for text in (start.base, start.platform):
            value = _expanded(text, defaults, dockerfile.escape, budget)
            for name in sorted(value[1]) if value else ():
                message = f"FROM argument '{name}' is not declared{did_you_mean(name, defaults)}"
                yield Finding("UndefinedArgInFrom", message, start.span)
        value = _expanded(start.base, defaults, dockerfile.escape, budget)
        if value and "$" in start.base and value[0] not in stages and not _REFERENCE.fullmatch(value[0]):
            message = f"Default value for ARG {start.base} results in empty or invalid base image name"
            yield Finding("InvalidDefaultArgInFrom", message, start.span)
        if start.platform in ("$TARGETPLATFORM", "${TARGETPLATFORM}"):
            message = (
                "Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior"
            )
            yield Finding("RedundantTargetPlatform", message, start.span)
        elif (
            start.platform
            and "$" not in start.platform
            and not any(part in start.name for part in start.platform.split("/") if part)
        ):
            message = f'FROM --platform flag should not use constant value "{start.platform}"'
            yield Finding("FromPlatformFlagConstDisallowed", message, start.span)
        if start.name:
            stages.add(start.name)


def _stage(stage: Stage) -> Iterator[Finding]:
    last: dict[type[Instruction], Instruction] = {}
    shell = absolute = False
    for one in stage.instructions:
        match one:
            case Cmd() | Entrypoint() | Healthcheck():
                keyword = type(one).__name__.upper()
                if type(one) in last:
                    # The earlier one is meant: it is the one without effect.
                    message = (
                        f"Multiple {keyword} instructions should not be used in the same stage"
                        " because only the last one will be used"
                    )
                    yield Finding("MultipleInstructionsDisallowed", message, last[type(one)].span)
                last[type(one)] = one
                if not isinstance(one, Healthcheck) and one.command.shell and not shell:
                    message = (
                        f"JSON arguments recommended for {keyword} to prevent unintended behavior related to OS signals"
                    )
                    yield Finding("JSONArgsRecommended", message, one.span)
            case Shell():
                shell = True
            case Workdir():
                absolute = absolute or one.path.startswith(("/", "$"))
                if not absolute:
                    message = f"Relative workdir '{one.path}' can have unexpected results if the base image changes"
                    yield Finding("WorkdirRelativePath", message, one.span)
            case Env() | Label():
                keyword = type(one).__name__.upper()
                if any(legacy for _, _, legacy in one.pairs):
                    message = f'"{keyword} key=value" should be used instead of legacy "{keyword} key value" format'
                    yield Finding("LegacyKeyValueFormat", message, one.span)
            case Expose():
                yield from _ports(one)
        if isinstance(one, Env | Arg):
            for pair in one.pairs:
                if _SECRET.search(pair[0]) and not _PUBLIC.search(pair[0]):
                    keyword = type(one).__name__.upper()
                    message = f'Do not use ARG or ENV instructions for sensitive data ({keyword} "{pair[0]}")'
                    yield Finding("SecretsUsedInArgOrEnv", message, one.span)


def _ports(one: Expose) -> Iterator[Finding]:
    for port in one.ports:
        number, slash, protocol = port.partition("/")
        if slash and protocol != protocol.lower() and "$" not in protocol:
            message = f"Defined protocol '{port}' in EXPOSE instruction should be lowercase"
            yield Finding("ExposeProtoCasing", message, one.span)
        if ":" in number and "$" not in number:
            message = f"EXPOSE instruction should not define an IP address or host-port mapping, found '{port}'"
            yield Finding("ExposeInvalidFormat", message, one.span)


def _copied(stage: Stage, ignore: Ignore) -> Iterator[Finding]:
    for one in stage.instructions:
        if not isinstance(one, Copy) or one.source:
            continue
        for source in one.sources:
            path = re.sub(r"/+", "/", source).removeprefix("./").strip("/")
            if path and path != "." and not _URL.match(source) and "$" not in source and ignore.ignores(path):
                word = "Add" if one.add else "Copy"
                message = f'Attempting to {word} file "{source}" that is excluded by .dockerignore'
                yield Finding("CopyIgnoredFile", message, one.span)


def _variables(
    dockerfile: Dockerfile, predefined: Mapping[str, str], base: Callable[[str], Mapping[str, str] | None]
) -> Iterator[Finding]:
    """Uses of variables that nothing defines, in the instructions that the builder expands itself."""
    escape, budget = dockerfile.escape, Budget()
    outer = {**predefined}
    for argument in dockerfile.arguments:
        for name, default in argument.pairs:
            outer[name] = (_expanded(default or "", outer, escape, budget) or ("", frozenset()))[0]
    stages: dict[str, dict[str, str] | None] = {}
    for stage in dockerfile.stages:
        image = (_expanded(stage.start.base, outer, escape, budget) or ("", frozenset()))[0]
        known: dict[str, str] | None
        if image.lower() in stages:
            inherited = stages[image.lower()]
            known = None if inherited is None else dict(inherited)
        elif image == "scratch":
            known = {}
        else:
            got = base(image)
            known = None if got is None else dict(got)
        local = {} if known is None else known
        local.setdefault(_DEFAULT_PATH, "")
        arguments = dict.fromkeys((*_PROXIES, *(name.lower() for name in _PROXIES)), "")
        for one in stage.instructions:
            for text in _texts(one):
                value = _expanded(text, {**arguments, **local}, escape, budget)
                for name in sorted(value[1]) if value and known is not None else ():
                    hint = did_you_mean(name, {**arguments, **local}).replace("mean ", "mean $")
                    yield Finding("UndefinedVar", f"Usage of undefined variable '${name}'{hint}", one.span)
            if isinstance(one, Env):
                local.update((name, "") for name, _, _ in one.pairs)
            elif isinstance(one, Arg):
                arguments.update((name, "") for name, _ in one.pairs)
        if stage.start.name:
            stages[stage.start.name] = None if known is None else local


def _texts(one: Instruction) -> tuple[str, ...]:
    """What the builder expands of an instruction."""
    match one:
        case Env() | Label():
            return tuple(value for _, value, _ in one.pairs)
        case Arg():
            return tuple(default for _, default in one.pairs if default is not None)
        case Copy():
            return (*one.sources, one.target, one.chown, one.chmod)
        case Workdir():
            return (one.path,)
        case Expose():
            return one.ports
        case User():
            return (one.user,)
        case Volume():
            return one.paths
        case Stopsignal():
            return (one.signal,)
    return ()


def _expanded(text: str, env: Mapping[str, str], escape: str, budget: Budget) -> tuple[str, frozenset[str]] | None:
    """The text and the names it misses, but for those it has another word for (``${name:-word}``); None for what cannot be
    expanded, which the build itself refuses."""
    try:
        result = expand(text, env, escape=escape, budget=budget)
    except ExpansionError:
        return None
    return result.text, result.unmatched - frozenset(_ALTERNATIVE.findall(text))


def _descriptions(dockerfile: Dockerfile) -> Iterator[Finding]:
    """Comments right above FROM and ARG: --call=outline takes them for descriptions."""
    lines = dockerfile.source.splitlines()
    described: list[tuple[Instruction, tuple[str, ...]]] = [
        (one, tuple(name for name, _ in one.pairs)) for one in dockerfile.arguments
    ]
    for stage in dockerfile.stages:
        if stage.start.name:
            described.append((stage.start, (stage.start.name,)))
        described += [(one, tuple(name for name, _ in one.pairs)) for one in stage.instructions if isinstance(one, Arg)]
    for one, names in described:
        above = one.span.first - 2
        comments = []
        while above >= 0 and lines[above].lstrip().startswith("#"):
            comments.append(lines[above].lstrip()[1:].strip())
            above -= 1
        if above < 0 and (dockerfile.syntax or dockerfile.check):
            comments = [text for text in comments if not re.match(r"(syntax|check|escape)\s*=", text)]
        if comments and not any(text.startswith(f"{name} ") for text in comments for name in names):
            message = (
                "Comment for build stage or argument should follow the format: `# <arg/stage name> <description>`. If"
                " this is not intended to be a description comment, add an empty line or comment between the"
                " instruction and the comment."
            )
            yield Finding("InvalidDefinitionDescription", message, one.span)


@dataclass(frozen=True, slots=True)
class CheckOptions:
    """The ``check`` directive: rules that are left out, rules of the experimental ones that are looked at, and whether a finding
    fails the build."""

    skip: frozenset[str] = frozenset()
    experimental: frozenset[str] = frozenset()
    error: bool = False

    def wants(self, finding: Finding) -> bool:
        rule = finding.rule
        if rule in EXPERIMENTAL and not {"all", rule.lower()} & self.experimental:
            return False
        return not {"all", rule.lower()} & self.skip
