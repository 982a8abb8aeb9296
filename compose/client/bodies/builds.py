"""Builds of our own engine, event by event, and the build checks."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from .images import Aux, Transfer


class Event(TypedDict, total=False):
    """``event`` says which it is: Planned, Notice, StepStarted, StepLog, StepStatus, StepNote, StepCached, StepDone, StepFailed or
    Finished; the other fields are those of `engine.build.progress`. ``seconds`` is how long a step took."""

    event: str
    step: int
    index: int
    total: int
    work: int
    line: int
    code: int
    kind: str
    stage: str
    target: str
    text: str
    title: str
    base64: str
    rule: str
    stream: str
    status: Transfer
    seconds: float
    layer: str
    message: str
    excerpt: str
    output: str
    image: str


class Line(TypedDict, total=False):
    """One line of a build: of the classic builder, which has no ``event``, or an `Event`."""

    event: str
    image: str
    id: str
    stream: str
    status: str | Transfer
    aux: Aux | None


class Finding(TypedDict, total=False):
    """What a build check has found in ``line`` of the Dockerfile, which ``excerpt`` shows."""

    ruleName: str
    description: str
    url: str
    detail: str
    line: int
    excerpt: str


class BuildError(TypedDict, total=False):
    """Why the build would be refused."""

    message: str
    line: int
    excerpt: str


class Checked(TypedDict, total=False):
    """POST /pycompose/build/check."""

    fails: bool
    warnings: list[Finding]
    buildError: BuildError | None
