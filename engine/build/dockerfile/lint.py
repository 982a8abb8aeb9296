"""BuildKit's build checks: habits that a Dockerfile is warned of, by rule, and those among them that the text alone shows.
Pure; names and words are those of Docker's public documentation (docs.docker.com/reference/build-checks)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .errors import Span
from .instructions import Arg, Env, From, Instruction, Label, Maintainer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .parse import Dockerfile

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
        "Comment for build stage or argument should follow the format: `# <arg/stage name> <description>`. If this is not"
        " intended to be a description comment, add an empty line or comment between the instruction and the comment."
    ),
    "ExposeProtoCasing": "Protocol in EXPOSE instruction should be lowercase",
    "ExposeInvalidFormat": (
        "IP address and host-port mapping should not be used in EXPOSE instruction. This will become an error in a future"
        " release"
    ),
}
EXPERIMENTAL = frozenset({"InvalidDefinitionDescription"})

_AS = re.compile(r"^(\S+)\s.*\s(as)\s+(\S+)\s*$", re.IGNORECASE | re.DOTALL)
_SECRET = re.compile(
    r"(?:_|^)(?:apikey|auth|credentials?|key|password|pword|passwd|secret|token)(?:_|$)", re.IGNORECASE
)
_DIRECTIVE = re.compile(r"#\s*(?:syntax|check|escape)\s*=", re.IGNORECASE)
_HARMLESS = re.compile(r"(?:_|^)(?:public|file|version)(?:_|$)", re.IGNORECASE)


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


def lint(dockerfile: Dockerfile) -> list[Finding]:
    """What can be said of a Dockerfile as it is written; evaluation.py has what depends on values."""
    return [*_words(dockerfile), *_stage_names(dockerfile), *_as_written(dockerfile), *_descriptions(dockerfile)]


def quoted(text: str) -> str:
    """A word as Go's %q shows it."""
    return json.dumps(text, ensure_ascii=False)


def _words(dockerfile: Dockerfile) -> Iterator[Finding]:
    """How keywords are written."""
    instructions: list[Instruction] = []
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
            message = f"Stage name should not use the same name as reserved stage {quoted(start.name)}"
            yield Finding("ReservedStageName", message, start.span)
        if start.name in seen:
            message = f"Duplicate stage name {quoted(start.name)}, stage names should be unique"
            yield Finding("DuplicateStageName", message, start.span)
        seen.add(start.name)


def _as_written(dockerfile: Dockerfile) -> Iterator[Finding]:
    """Names and forms of ENV, LABEL and ARG."""
    for one in (one for stage in dockerfile.stages for one in stage.instructions):
        if isinstance(one, Env | Label) and any(legacy for _, _, legacy in one.pairs):
            keyword = one.code.split(None, 1)[0]
            message = f'"{keyword} key=value" should be used instead of legacy "{keyword} key value" format'
            yield Finding("LegacyKeyValueFormat", message, one.span)
        if isinstance(one, Env | Arg):
            for pair in one.pairs:
                if _SECRET.search(pair[0]) and not _HARMLESS.search(pair[0]):
                    keyword = type(one).__name__.upper()
                    message = f"Do not use ARG or ENV instructions for sensitive data ({keyword} {quoted(pair[0])})"
                    yield Finding("SecretsUsedInArgOrEnv", message, one.span)


def _descriptions(dockerfile: Dockerfile) -> Iterator[Finding]:
    """The comment right above FROM and ARG: --call=outline takes it for a description."""
    lines = dockerfile.source.splitlines()
    arguments = [*dockerfile.arguments]
    for stage in dockerfile.stages:
        arguments += [one for one in stage.instructions if isinstance(one, Arg)]
    described: list[tuple[Instruction, tuple[str, ...]]] = [
        *((one, tuple(name for name, _ in one.pairs)) for one in arguments),
        *((stage.start, (stage.start.name,)) for stage in dockerfile.stages if stage.start.name),
    ]
    directives = _directives(lines)
    for one, names in described:
        above = one.span.first - 2
        comment = lines[above].lstrip() if above >= directives else ""
        text = comment[1:].strip() if comment.startswith("#") else ""
        if text and text.split(" ")[0] not in names:
            keyword = "FROM" if isinstance(one, From) else "ARG"
            example = names[0] if len(names) == 1 else "<arg_key>"
            message = f"Comment for {keyword} should follow the format: `# {example} <description>`"
            yield Finding("InvalidDefinitionDescription", message, one.span)


def _directives(lines: Sequence[str]) -> int:
    """How many leading lines are parser directives."""
    for count, line in enumerate(lines):
        if not _DIRECTIVE.match(line):
            return count
    return len(lines)


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
