"""What a Dockerfile comes to, without building it: the checks that need the values of variables, and the first thing that a
build of it would refuse. Instructions are gone through as a build does, stage after stage, but nothing is run or copied.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..errors import InvalidParameter
from ..images import reference
from ..images.types import Platform
from .dockerfile.arguments import ArgumentError
from .dockerfile.errors import DockerfileError, did_you_mean
from .dockerfile.instructions import (
    Arg,
    Cmd,
    Copy,
    Entrypoint,
    Env,
    Expose,
    Healthcheck,
    Instruction,
    Label,
    Run,
    Shell,
    Stopsignal,
    User,
    Volume,
    Workdir,
)
from .dockerfile.lint import Finding, quoted
from .dockerfile.mounts import parse_mount
from .dockerfile.values import chmod
from .dockerfile.words import Budget, Expansion, ExpansionError, Keep, expand
from .plan import ImageSource, Scratch, StageSource, global_arguments, plan
from .remote import is_remote
from .state import ImageState, exposed_ports, stop_signal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ...grammar.ignore import Ignore
    from ..images.types import Image
    from .dockerfile import Dockerfile
    from .plan import Planned


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a Dockerfile is looked at with. ``predefined`` are the arguments that every build has, ``given`` this one's,
    ``contexts`` its named contexts; ``image`` gives a base image by reference, None for one that is not known, of whose
    variables nothing is said then. ``every`` stage is looked at, or what the ``target`` needs."""

    predefined: Mapping[str, str]
    given: Mapping[str, str]
    image: Callable[[str], Image | None]
    ignore: Ignore | None = None
    target: str = ""
    every: bool = False
    contexts: Mapping[str, str] = field(default_factory=dict)


def evaluate(dockerfile: Dockerfile, around: Surroundings) -> tuple[list[Finding], DockerfileError | None]:
    """The findings, and what the build would refuse; there are none from beyond that place."""
    findings = _defaults(dockerfile, around.predefined)
    try:
        arguments = global_arguments(dockerfile, around.given, around.predefined)
        findings += _from(dockerfile, arguments)
        planned = plan(
            dockerfile,
            target=around.target,
            arguments=arguments,
            contexts=around.contexts,
            triggers=lambda base: _triggers(base, around),
            every=around.every,
        )
        for index in planned.order:
            _check_base(planned.stages[index])
        stages: dict[int, _Stage] = {}
        for index in planned.order:
            stages[index] = _Stage(dockerfile, planned.stages[index], around, arguments, stages, findings)
            stages[index].run()
    except DockerfileError as error:
        return findings, error
    return findings, None


def _triggers(base: object, around: Surroundings) -> list[str]:
    image = around.image(base.reference) if isinstance(base, ImageSource) else None
    return list((image.process.get("OnBuild") if image else None) or ())


def _is_reference(text: str) -> bool:
    try:
        reference.parse(text)
    except InvalidParameter:
        return False
    return True


def _defaults(dockerfile: Dockerfile, predefined: Mapping[str, str]) -> list[Finding]:
    """Base names that mean nothing unless somebody gives an argument."""
    findings: list[Finding] = []
    try:
        defaults = global_arguments(dockerfile, {}, predefined)
        for stage in dockerfile.stages:
            base = stage.start.base
            if not _is_reference(expand(base, defaults, escape=dockerfile.escape).text):
                message = f"Default value for ARG {base} results in empty or invalid base image name"
                findings.append(Finding("InvalidDefaultArgInFrom", message, stage.start.span))
    except (DockerfileError, ExpansionError):
        return findings  # the build says the same
    return findings


def _from(dockerfile: Dockerfile, arguments: Mapping[str, str]) -> list[Finding]:
    """Names that nobody declares, and platforms."""
    findings: list[Finding] = []
    declared = {*arguments, *(name for one in dockerfile.arguments for name, _ in one.pairs)}
    for stage in dockerfile.stages:
        start = stage.start
        for text in (start.base, start.platform):
            try:
                found = expand(text, arguments, escape=dockerfile.escape)
            except ExpansionError:
                return findings
            for name in sorted(found.unmatched - declared):
                message = f"FROM argument '{name}' is not declared{did_you_mean(name, declared)}"
                findings.append(Finding("UndefinedArgInFrom", message, start.span))
        if start.platform:
            if found.matched == {"TARGETPLATFORM"} and not found.unmatched:
                if found.text == arguments.get("TARGETPLATFORM"):
                    message = f"Setting platform to predefined {start.platform} in FROM is redundant as this is the default behavior"
                    findings.append(Finding("RedundantTargetPlatform", message, start.span))
            elif not found.matched and not found.unmatched and _is_constant(found.text, start.name):
                message = f"FROM --platform flag should not use constant value {quoted(found.text)}"
                findings.append(Finding("FromPlatformFlagConstDisallowed", message, start.span))
    return findings


def _is_constant(text: str, name: str) -> bool:
    """A platform that means one, and that the stage's name does not speak of."""
    try:
        platform = Platform.parse(text)
    except InvalidParameter:
        return False
    return platform.os not in name and platform.architecture not in name


def _check_base(stage: Planned) -> None:
    if not isinstance(stage.base, ImageSource):
        return
    if stage.platform:
        try:
            Platform.parse(stage.platform)
        except InvalidParameter as error:
            message = f"failed to parse platform {stage.start.platform}: {error}"
            raise DockerfileError(message, stage.start.span, parsing=False) from None
    try:
        reference.parse(stage.base.reference)
    except InvalidParameter as error:
        message = f"failed to parse stage name {quoted(stage.base.reference)}: {error}"
        raise DockerfileError(message, stage.start.span, parsing=False) from None


class _Stage:
    """One stage on the way. ``known`` says whether its variables are: not so on an image that is not there."""

    def __init__(
        self,
        dockerfile: Dockerfile,
        stage: Planned,
        around: Surroundings,
        arguments: Mapping[str, str],
        others: Mapping[int, _Stage],
        findings: list[Finding],
    ) -> None:
        self._escape, self._stage, self._around = dockerfile.escape, stage, around
        self._arguments, self._findings = arguments, findings
        self._budget = Budget()
        self._last: dict[type[Instruction], Instruction] = {}
        self._one: Instruction = stage.start
        self.known, self.workdir = isinstance(stage.base, Scratch), False
        self.state = ImageState.scratch(Platform.host())
        if isinstance(stage.base, StageSource):
            base = others[stage.base.index]
            self.state, self.known, self.workdir = base.state.branch(), base.known, base.workdir
        elif isinstance(stage.base, ImageSource) and (image := around.image(stage.base.reference)) is not None:
            self.state, self.known = ImageState.of_image(image), True

    def run(self) -> None:
        """Raises DockerfileError."""
        for one in self._stage.instructions:
            self._one = one
            try:
                self._dispatch(one)
            except (ArgumentError, ExpansionError) as error:
                raise DockerfileError(str(error), one.span, parsing=False) from None

    def _find(self, rule: str, message: str, span: Instruction | None = None) -> None:
        self._findings.append(Finding(rule, message, (span or self._one).span))

    def _words(self, text: str, *, quoting: bool = True) -> Expansion:
        return expand(
            text,
            self.state.env,
            escape=self._escape,
            quoting=quoting,
            keep=Keep(unset=not self.known),
            budget=self._budget,
        )

    def _expand(self, text: str, *, quoting: bool = True) -> str:
        found = self._words(text, quoting=quoting)
        for name in sorted(found.unmatched - self.state.args.keys()) if self.known else ():
            hint = did_you_mean(name, self.state.env).replace("mean ", "mean $")
            self._find("UndefinedVar", f"Usage of undefined variable '${name}'{hint}")
        return found.text

    def _dispatch(self, one: Instruction) -> None:
        match one:
            case Env() | Label():
                pairs = [(self._expand(name), self._expand(value)) for name, value, _ in one.pairs]
                for name, value in pairs if isinstance(one, Env) else ():
                    self.state.set_env(name, value)
            case Arg():
                self._declare(one)
            case Run():
                for text in one.mounts:
                    parse_mount(text, self._expand)
            case Copy():
                self._copy(one)
            case Workdir():
                self._enter(self._expand(one.path))
            case Cmd() | Entrypoint() | Healthcheck():
                self._only(one)
            case Shell():
                self.state.process["Shell"] = list(one.shell)
            case _:
                self._check_words(one)

    def _check_words(self, one: Instruction) -> None:
        """What only has words to be expanded."""
        match one:
            case Expose():
                self._expose(one)
            case User():
                self._expand(one.user)
            case Volume():
                if not all([self._expand(path) for path in one.paths]):
                    raise ArgumentError("VOLUME specified can not be an empty string")
            case Stopsignal():
                signal = self._expand(one.signal)
                if self.known:
                    stop_signal(signal)

    def _declare(self, one: Arg) -> None:
        for name, default in one.pairs:
            value: str | None
            if name in self._around.given:
                value = self._around.given[name]
            elif default is not None:
                value = self._expand(default)
            else:
                value = self._arguments.get(name)
            if value is not None:
                self.state.env[name] = value
            self.state.args[name] = value

    def _copy(self, one: Copy) -> None:
        self._expand(one.chown)
        mode = self._expand(one.chmod)
        self._expand(one.checksum)
        sources = [self._expand(source) for source in one.sources]
        self._expand(one.target)
        for document in one.documents:
            if document.expand:
                self._expand(document.text, quoting=False)
        if mode and "$" not in mode:
            try:
                chmod(mode)
            except ValueError as error:
                raise ArgumentError(str(error)) from None
        ignore = self._around.ignore
        if one.source or ignore is None or ignore.negates:
            return
        for source in sources:
            if one.add and is_remote(source):
                continue
            path = posixpath.normpath(source or ".")
            at = path.lstrip("/")
            if ignore.ignores_all if at in ("", ".") else ignore.ignores(at):
                word = "Add" if one.add else "Copy"
                self._find(
                    "CopyIgnoredFile", f"Attempting to {word} file {quoted(path)} that is excluded by .dockerignore"
                )

    def _enter(self, path: str) -> None:
        """Only the first WORKDIR counts: to mend it is to mend those that follow."""
        if not self.workdir and not path.startswith("/") and not (path.startswith("$") and not self.known):
            message = f"Relative workdir {quoted(path)} can have unexpected results if the base image changes"
            self._find("WorkdirRelativePath", message)
        self.workdir = True

    def _only(self, one: Cmd | Entrypoint | Healthcheck) -> None:
        keyword = one.code.split(None, 1)[0]
        earlier = self._last.get(type(one))
        if earlier is not None:
            message = (
                f"Multiple {keyword} instructions should not be used in the same stage"
                " because only the last one will be used"
            )
            self._find("MultipleInstructionsDisallowed", message, earlier)  # which is the one without effect
        self._last[type(one)] = one
        if not isinstance(one, Healthcheck) and one.command.shell and not self.state.process.get("Shell"):
            message = f"JSON arguments recommended for {keyword} to prevent unintended behavior related to OS signals"
            self._find("JSONArgsRecommended", message)

    def _expose(self, one: Expose) -> None:
        """Its variables may be unset: the word is gone then."""
        words = [word for port in one.ports for word in self._words(port).words]
        for word in words:
            if "$" in word:
                return  # of an image that is not there
            number, _, protocol = word.partition("/")
            if protocol != protocol.lower():
                self._find("ExposeProtoCasing", f"Defined protocol '{word}' in EXPOSE instruction should be lowercase")
            if number.rpartition(":")[0].strip(":"):
                message = f"EXPOSE instruction should not define an IP address or host-port mapping, found '{word}'"
                self._find("ExposeInvalidFormat", message)
        exposed_ports(words)
