"""BuildKit's build checks: each rule by Dockerfiles that break it and that do not, as its documentation has them."""

from __future__ import annotations

from typing import Any

import pytest

from pycompose.engine.build.dockerfile import parse
from pycompose.engine.build.dockerfile.check import check_options
from pycompose.engine.build.dockerfile.errors import DockerfileError
from pycompose.engine.build.dockerfile.lint import DESCRIPTIONS, Finding, lint
from pycompose.engine.build.evaluation import Surroundings, evaluate
from pycompose.engine.images.types import Image
from pycompose.grammar.ignore import Ignore

_PREDEFINED = {"TARGETPLATFORM": "linux/amd64", "BUILDPLATFORM": "linux/amd64", "TARGETARCH": "amd64"}


def _image(reference: str) -> Image | None:
    if not reference.startswith(("alpine", "busybox")):
        return None
    config: dict[str, Any] = {"config": {"Env": ["PATH=/bin", "HOME_OF_BASE=/x"]}}
    if reference == "alpine:bash":
        config["config"]["Shell"] = ["/bin/bash", "-c"]
    return Image("sha256:0", config, ())


def look(text: str, given: dict[str, str] | None = None, *, every: bool = True) -> tuple[list[Finding], str]:
    """All findings that count, and what the build would refuse."""
    dockerfile = parse(text)
    around = Surroundings(_PREDEFINED, given or {}, _image, Ignore(["tmp", "*.log"]), every=every)
    valued, error = evaluate(dockerfile, around)
    found = sorted({*lint(dockerfile), *valued}, key=lambda one: (one.span, one.rule))
    options = check_options(dockerfile)
    return [one for one in found if options.wants(one)], "" if error is None else str(error)


def rules(text: str) -> list[tuple[str, int]]:
    found, error = look(text)
    assert not error or "InvalidDefaultArgInFrom" in {one.rule for one in found}
    return [(one.rule, one.span.first) for one in found]


@pytest.mark.parametrize(
    ("text", "rule", "line"),
    [
        ("FROM alpine AS BuilderBase", "StageNameCasing", 1),
        ("FROM alpine as builder", "FromAsCasing", 1),
        ("FROM alpine\nRUN a \\\n\n b", "NoEmptyContinuation", 4),
        ("FROM alpine\nRUN a\nrun b", "ConsistentInstructionCasing", 3),
        ("from alpine\nrun a\nRun b", "ConsistentInstructionCasing", 3),
        ("FROM alpine AS a\nFROM alpine AS a", "DuplicateStageName", 2),
        ("FROM alpine AS context", "ReservedStageName", 1),
        ("FROM alpine\nENTRYPOINT run me", "JSONArgsRecommended", 2),
        ("FROM alpine\nMAINTAINER me", "MaintainerDeprecated", 2),
        ("ARG VARIANT=1\nFROM alpine:3$VARIAN", "UndefinedArgInFrom", 2),
        ("FROM alpine\nWORKDIR app\nWORKDIR /x\nWORKDIR y", "WorkdirRelativePath", 2),
        ("FROM alpine\nCOPY $foo .", "UndefinedVar", 2),
        ("FROM alpine\nARG V=${V:-x}", "UndefinedVar", 2),
        ("FROM alpine\nENV a=${Q:-x}", "UndefinedVar", 2),
        ("FROM alpine\nWORKDIR /${R-x}", "UndefinedVar", 2),
        ("FROM alpine\nCOPY ${S:+x} /", "UndefinedVar", 2),
        ("FROM alpine\nLABEL $K=v", "UndefinedVar", 2),
        ("FROM alpine\nARG A=1 B=$C", "UndefinedVar", 2),
        ("FROM alpine\nADD --checksum=$sum a /", "UndefinedVar", 2),
        ("FROM alpine\nRUN --mount=type=bind,source=$dir,target=/x true", "UndefinedVar", 2),
        ("FROM alpine\nCOPY <<EOF /f\n$inside\nEOF", "UndefinedVar", 2),
        ("FROM alpine\nENV P=$HTTP_PROXY", "UndefinedVar", 2),
        ("FROM alpine:${QQ:-latest}", "UndefinedArgInFrom", 1),
        ("FROM --platform=${PP:-linux/amd64} alpine", "UndefinedArgInFrom", 1),
        ("FROM alpine AS a\nWORKDIR rel\nFROM a\nWORKDIR other", "WorkdirRelativePath", 2),
        ("FROM --platform=linux/x86_64 alpine AS arm", "FromPlatformFlagConstDisallowed", 1),
        ("FROM alpine\nEXPOSE 80/TCP", "ExposeProtoCasing", 2),
        ("FROM scratch\nUSER $who", "UndefinedVar", 2),
        ('FROM alpine\nCMD ["a"]\nCMD ["b"]', "MultipleInstructionsDisallowed", 2),
        ("FROM alpine\nENV a b", "LegacyKeyValueFormat", 2),
        ("FROM --platform=${TARGETPLATFORM} alpine", "RedundantTargetPlatform", 1),
        ("FROM alpine\nARG AWS_SECRET_ACCESS_KEY", "SecretsUsedInArgOrEnv", 2),
        ("ARG TAG\nFROM busybox:${TAG}", "InvalidDefaultArgInFrom", 2),
        ("FROM --platform=linux/amd64 alpine", "FromPlatformFlagConstDisallowed", 1),
        ("FROM alpine\nCOPY ./tmp/a /", "CopyIgnoredFile", 2),
        (
            "# check=experimental=InvalidDefinitionDescription\n\n# odd\nFROM alpine AS a",
            "InvalidDefinitionDescription",
            4,
        ),
        ("FROM alpine\nEXPOSE 80/TcP", "ExposeProtoCasing", 2),
        ("FROM alpine\nEXPOSE 127.0.0.1:80:80", "ExposeInvalidFormat", 2),
    ],
)
def test_broken(text: str, rule: str, line: int) -> None:
    assert rules(text) == [(rule, line)]


def test_every_rule_is_tested() -> None:
    (mark,) = test_broken.pytestmark  # type: ignore[attr-defined]
    assert {case[1] for case in mark.args[1]} == DESCRIPTIONS.keys()


@pytest.mark.parametrize(
    "text",
    [
        "FROM alpine AS builder\nRUN a \\\n# a comment\n b",
        "from alpine as builder\nrun $a",
        'FROM alpine\nSHELL ["/bin/bash", "-c"]\nENTRYPOINT echo hello',
        'FROM alpine\nHEALTHCHECK CMD a\nCMD ["b"]',
        "FROM alpine\nENV A=1 B=$PATH C=$HOME_OF_BASE\nARG D=$A\nCOPY $D ${A:-x} /",
        "FROM unknown\nCOPY $FROM_ITS_IMAGE /",
        "ARG VARIANT\nFROM alpine:3$VARIANT",
        "FROM --platform=$BUILDPLATFORM alpine AS a\nFROM --platform=linux/arm64 alpine AS build_arm64",
        "FROM alpine\nARG PUBLIC_KEY\nENV MONKEY=1",
        "FROM alpine\nCOPY tmp.txt /\nEXPOSE 80/udp 443",
        "FROM alpine\nEXPOSE $P 80",
        "FROM alpine AS one\nARG W=hello\nFROM one\nRUN echo $W\nLABEL l=$W\nCOPY --chown=$W a /",
        'FROM alpine\nWORKDIR "/app"\nWORKDIR sub',
        "FROM alpine\nARG D=/app\nWORKDIR $D",
        "FROM alpine\nARG A=1 B=$A\nARG C=$B",
        "FROM alpine\nARG EMPTY\nENV X=$EMPTY Y=${EMPTY:-y}",
        "FROM alpine:bash\nCMD a",
        'FROM alpine AS a\nSHELL ["/bin/bash", "-c"]\nFROM a\nCMD b',
        "FROM alpine\nARG KEY_FILE\nARG TOKEN_VERSION",
        "arg A\nFROM alpine",
        "FROM nowhere\nUSER ${WHO:?must be given}",
        "# check=skip=all\nFROM alpine AS X\nCMD a",
        "# check=skip=StageNameCasing,JSONArgsRecommended\nFROM alpine AS X\nCMD a",
        "# check=experimental=all\nFROM alpine AS b\n# A is something\nARG A\n# about\n\nARG B\nCOPY c.txt /",
    ],
)
def test_fine(text: str) -> None:
    assert rules(text) == []


def test_the_directive() -> None:
    dockerfile = parse("# check=skip=all;error=true\nFROM alpine")
    assert check_options(dockerfile).error
    assert not check_options(dockerfile, "error=false").error
    with pytest.raises(DockerfileError, match="invalid check option"):
        check_options(dockerfile, "nonsense=1")


def test_the_words_are_those_of_buildkit() -> None:
    text = """FROM busybox AS context
ENV a=${Q:-x}
WORKDIR sub/${R-x}
COPY ${S:+x} /
cmd b
"""
    found, error = look(text)
    assert not error
    assert [one.message for one in found] == [
        'Stage name should not use the same name as reserved stage "context"',
        "Usage of undefined variable '$Q'",
        "Usage of undefined variable '$R' (did you mean $a?)",
        'Relative workdir "sub/x" can have unexpected results if the base image changes',
        "Usage of undefined variable '$S' (did you mean $a?)",
        "Command 'cmd' should match the case of the command majority (uppercase)",
        "JSON arguments recommended for cmd to prevent unintended behavior related to OS signals",
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ARG TAG\nFROM repo/app:$TAG", 'failed to parse stage name "repo/app:": invalid reference format'),
        ("FROM a AS b\nFROM UPPER", 'failed to parse stage name "UPPER": invalid reference format'),
        ("FROM busybox\nENV C=${A.x}", 'failed to process "${A.x}": unsupported modifier (.) in substitution'),
        ("FROM busybox\nCOPY ${a:-b /", "missing '}'"),
        ("ARG X=${Y:?no}\nFROM busybox", "Y: no"),
        ("FROM busybox\nEXPOSE ${P:-a}", "invalid containerPort: a"),
        ("FROM busybox\nRUN --mount=type=${t:-odd},target=/x true", "odd"),
        ("FROM busybox\nRUN --mount=typ=bind true", "unexpected key 'typ'"),
        ("FROM busybox\nCOPY --from=$x a b", "variable expansion is not supported for --from"),
        ("FROM busybox\nCOPY --from=7 a b", "invalid stage index 7"),
        ("FROM busybox\nCOPY --chmod=rwx a b", "invalid chmod parameter"),
        ("FROM busybox\nSTOPSIGNAL ${s:-9x}", "invalid signal: 9x"),
        ("FROM busybox\nVOLUME $v", "VOLUME specified can not be an empty string"),
        ("FROM --platform=$p busybox", "empty platform value from expression $p"),
        ("FROM --platform=${p:-a/b/c/d} busybox", "failed to parse platform ${p:-a/b/c/d}"),
        ("FROM ${b:-}", "base name (${b:-}) should not be blank"),
    ],
)
def test_what_the_build_refuses(text: str, words: str) -> None:
    assert words in look(text)[1]


def test_given_arguments_and_stages_that_are_not_needed() -> None:
    assert look("ARG TAG\nFROM busybox:$TAG", {"TAG": "1"})[1] == ""
    text = "FROM busybox AS never\nENV C=${A.x} D=$E\nFROM busybox\nRUN true"
    assert look(text, every=False) == ([], "")
    assert look(text)[1]
