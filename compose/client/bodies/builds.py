"""Builds of our own engine, event by event, and the build checks."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from .containers import Labels
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


class RecentStep(TypedDict, total=False):
    """``Created`` is in nanoseconds since the epoch, ``Seconds`` what it took, or has taken so far; ``Output`` the end of what it
    wrote."""

    Number: int
    Stage: str
    Text: str
    State: str
    Created: int
    Seconds: float
    Output: str


class Recent(TypedDict, total=False):
    """A build that runs, or one of the last that did. ``Created`` and ``Finished`` are in nanoseconds since the epoch."""

    Id: str
    Name: str
    Labels: Labels
    State: str
    Created: int
    Finished: int
    Total: int
    Image: str
    Error: str
    Steps: list[RecentStep]


class Recents(TypedDict, total=False):
    """GET /pycompose/builds: the ids of all, oldest first, and those that have changed since the revision that was asked for."""

    Revision: int
    Ids: list[str]
    Builds: list[Recent]


class Checked(TypedDict, total=False):
    """POST /pycompose/build/check."""

    fails: bool
    warnings: list[Finding]
    buildError: BuildError | None
