"""What a whole Dockerfile says beyond its instructions: the ``check`` directive, and arguments nobody asks for. The rules that the
directive is about are in lint.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....grammar import booleans
from .errors import DockerfileError, Span
from .instructions import Arg
from .lint import CheckOptions

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .parse import Dockerfile

_PREDEFINED = frozenset(
    {
        *("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY", "SOURCE_DATE_EPOCH"),
        *("TARGETPLATFORM", "TARGETOS", "TARGETARCH", "TARGETVARIANT", "TARGETOSVERSION", "TARGETSTAGE"),
        *("BUILDPLATFORM", "BUILDOS", "BUILDARCH", "BUILDVARIANT", "BUILDOSVERSION"),
    }
)
_SETTINGS = "BUILDKIT_"


def check_options(dockerfile: Dockerfile, given: str = "") -> CheckOptions:
    """What a ``# check=`` directive says: ``skip=rules;error=true;experimental=rules``. ``given`` (the build argument
    BUILDKIT_DOCKERFILE_CHECK) takes its place. Raises DockerfileError for one that means nothing.
    """
    directive = given or dockerfile.check
    if not directive:
        return CheckOptions()
    rules: dict[str, frozenset[str]] = {}
    error = False
    lines = dockerfile.source.splitlines()
    line = next((n for n, text in enumerate(lines, 1) if "check" in text.lower()), 1)
    for part in directive.split(";", 2):
        name, equals, value = part.partition("=")
        if not equals or name.strip() not in ("skip", "experimental", "error"):
            wrong = name.strip() if equals else part
            raise DockerfileError(f'failed to parse check options: invalid check option "{wrong}"', Span(line, line))
        if name.strip() != "error":
            rules[name.strip()] = frozenset(rule.strip().lower() for rule in value.split(",") if rule.strip())
        else:
            try:
                error = booleans.parse(value.strip())
            except ValueError as problem:
                message = f'failed to parse check options: failed to parse check option "{part}": {problem}'
                raise DockerfileError(message, Span(line, line)) from None
    return CheckOptions(rules.get("skip", frozenset()), rules.get("experimental", frozenset()), error)


def unused_arguments(dockerfile: Dockerfile, given: Iterable[str]) -> list[str]:
    """Given build arguments that no ARG declares and that mean nothing by themselves."""
    declared = {name for argument in dockerfile.arguments for name, _ in argument.pairs}
    for stage in dockerfile.stages:
        for instruction in stage.instructions:
            if isinstance(instruction, Arg):
                declared |= {name for name, _ in instruction.pairs}
    return sorted(
        name
        for name in given
        if name not in declared and name.upper() not in _PREDEFINED and not name.startswith(_SETTINGS)
    )
