"""BuildKit's build checks: each rule by Dockerfiles that break it and that do not, as its documentation has them."""

from __future__ import annotations

import pytest

from pycompose.engine.build.dockerfile import parse
from pycompose.engine.build.dockerfile.check import check_options
from pycompose.engine.build.dockerfile.errors import DockerfileError
from pycompose.engine.build.dockerfile.ignore import Ignore
from pycompose.engine.build.dockerfile.lint import DESCRIPTIONS, lint

_PREDEFINED = {"TARGETPLATFORM": "linux/amd64", "BUILDPLATFORM": "linux/amd64", "TARGETARCH": "amd64"}
_ALPINE = {"PATH": "/bin", "HOME_OF_BASE": "/x"}


def rules(text: str) -> list[tuple[str, int]]:
    found = lint(
        parse(text),
        _PREDEFINED,
        lambda ref: _ALPINE if ref.startswith("alpine") else None,
        Ignore(["tmp", "*.log"]),
    )
    options = check_options(parse(text))
    return [(one.rule, one.span.first) for one in found if options.wants(one)]


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
        ("FROM alpine AS a\nARG X=1\nFROM a\nENV Y=$X", "UndefinedVar", 4),
        ("FROM scratch\nUSER $who", "UndefinedVar", 2),
        ('FROM alpine\nCMD ["a"]\nCMD ["b"]', "MultipleInstructionsDisallowed", 2),
        ("FROM alpine\nENV a b", "LegacyKeyValueFormat", 2),
        ("FROM --platform=${TARGETPLATFORM} alpine", "RedundantTargetPlatform", 1),
        ("FROM alpine\nARG AWS_SECRET_ACCESS_KEY", "SecretsUsedInArgOrEnv", 2),
        ("ARG TAG\nFROM busybox:${TAG}", "InvalidDefaultArgInFrom", 2),
        ("FROM --platform=linux/amd64 alpine", "FromPlatformFlagConstDisallowed", 1),
        ("# check=experimental=all\nFROM alpine\nCOPY ./tmp/a /", "CopyIgnoredFile", 3),
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
        "FROM alpine\nENV A=1 B=$PATH C=$HOME_OF_BASE\nARG D=$A\nCOPY $D ${E:-x} /",
        "FROM unknown\nCOPY $FROM_ITS_IMAGE /",
        "ARG VARIANT\nFROM alpine:3$VARIANT",
        "FROM --platform=$BUILDPLATFORM alpine AS a\nFROM --platform=linux/arm64 alpine AS build_arm64",
        "FROM alpine\nARG PUBLIC_KEY\nENV MONKEY=1",
        "FROM alpine\nCOPY tmp /\nEXPOSE 80/udp 443",
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
