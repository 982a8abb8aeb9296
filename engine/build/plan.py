"""Which stages a build needs, on what each depends, and in which instructions it consists. Pure but for ``resolve``.

Stages refer to stages by FROM, COPY --from and RUN --mount from=; ONBUILD triggers of base images can add more, so images
are looked at before the plan stands.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...grammar.numerals import natural
from .dockerfile.arguments import ArgumentError
from .dockerfile.errors import DockerfileError, Span, did_you_mean
from .dockerfile.instructions import Copy, From, Instruction, Onbuild, Run, Workdir
from .dockerfile.mounts import mount_origin, parse_mount
from .dockerfile.parse import parse_trigger
from .dockerfile.words import Budget, ExpansionError, expand
from .remote import is_remote

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .dockerfile import Dockerfile

SCRATCH = "scratch"
WORK = (Run, Copy, Workdir)  # the instructions that can make a layer


@dataclass(frozen=True, slots=True)
class StageSource:
    """Another stage, by its place in the file."""

    index: int


@dataclass(frozen=True, slots=True)
class NamedContext:
    """A context given to the build by name."""

    name: str


@dataclass(frozen=True, slots=True)
class ImageSource:
    """An image by reference; ``platform`` "" is the build's."""

    reference: str
    platform: str = ""


@dataclass(frozen=True, slots=True)
class Scratch:
    """Nothing at all."""


Source = StageSource | NamedContext | ImageSource | Scratch


@dataclass(slots=True)
class Planned:
    """A stage to build. ``sources`` maps the ``from`` words of its instructions to what they name.

    ``triggers`` counts the leading instructions that come from ONBUILD.
    """

    index: int
    name: str
    start: From
    base: Source
    platform: str
    instructions: list[Instruction]
    sources: dict[str, Source] = field(default_factory=dict)
    triggers: int = 0

    @property
    def label(self) -> str:
        return self.name or f"stage-{self.index}"

    @property
    def has_base(self) -> bool:
        """True if the base is an image or a named context."""
        return isinstance(self.base, ImageSource | NamedContext)

    @property
    def work(self) -> int:
        """How many bases and layers it consists of."""
        return self.has_base + sum(isinstance(instruction, WORK) for instruction in self.instructions)

    @property
    def needs(self) -> set[int]:
        wanted = {source.index for source in self.sources.values() if isinstance(source, StageSource)}
        if isinstance(self.base, StageSource):
            wanted.add(self.base.index)
        return wanted


@dataclass(frozen=True, slots=True)
class Plan:
    """``stages`` are those the target needs, by index; ``order`` has dependencies first."""

    stages: Mapping[int, Planned]
    order: tuple[int, ...]
    target: int

    def context_paths(self) -> tuple[str, ...] | None:
        """Paths and patterns below the context's root that the stages read; None when only running them can tell."""
        found: set[str] = set()
        for stage in self.stages.values():
            for instruction in stage.instructions:
                words = _reads(instruction)
                if words is None or any("$" in word for word in words):
                    return None
                found.update(posixpath.normpath(f"/{word}").lstrip("/") for word in words)
        return None if "" in found else tuple(sorted(found))

    @property
    def total(self) -> int:
        return sum(1 + len(stage.instructions) for stage in self.stages.values())


def global_arguments(dockerfile: Dockerfile, given: Mapping[str, str], predefined: Mapping[str, str]) -> dict[str, str]:
    """Arguments visible in FROM: the predefined ones, and those declared before the first FROM."""
    values, budget = dict(predefined), Budget()
    for instruction in dockerfile.arguments:
        for name, default in instruction.pairs:
            if name in given:
                values[name] = given[name]
            elif default is not None:
                values[name] = _expand(default, values, dockerfile.escape, instruction.span, budget)
    return values


def plan(
    dockerfile: Dockerfile,
    *,
    target: str,
    arguments: Mapping[str, str],
    contexts: Mapping[str, str],
    triggers: Callable[[Source], Sequence[str]],
    every: bool = False,
) -> Plan:
    """Decide what to build: what the target needs, or ``every`` stage. ``arguments`` are the global ones; ``triggers`` gives a
    base's ONBUILD expressions.

    Raises DockerfileError, and what ``triggers`` raises for a base that cannot be had.
    """
    stages = _stages(dockerfile, arguments, contexts)
    wanted = _target(stages, target)
    names = {stage.name: stage.index for stage in stages if stage.name}
    settled: set[int] = set()
    while True:
        order = list(range(len(stages))) if every else _order(stages, wanted)
        fresh = [index for index in order if index not in settled]
        if not fresh:
            break
        for index in fresh:
            settled.add(index)
            stage = stages[index]
            expressions = list(triggers(stage.base))
            if isinstance(stage.base, StageSource):
                base = stages[stage.base.index]
                expressions = [i.expression for i in base.instructions if isinstance(i, Onbuild)]
            _link(stage, stage.instructions, names, contexts, len(stages))
            added = [parse_trigger(expression, stage.start.span) for expression in expressions]
            _link(stage, added, names, contexts, len(stages))
            stage.instructions[:0] = added
            stage.triggers = len(added)
    return Plan({index: stages[index] for index in order}, tuple(order), wanted)


def _reads(instruction: Instruction) -> list[str] | None:
    """What an instruction reads of the build context, as written; None when that cannot be said."""
    if isinstance(instruction, Copy) and not instruction.source:
        words = [word for word in instruction.sources if not (instruction.add and is_remote(word))]
        return None if words and instruction.parents else words
    if not isinstance(instruction, Run):
        return []
    found = []
    for text in instruction.mounts:
        if "$" in text:
            return None
        try:
            mount = parse_mount(text, str)
        except ArgumentError:
            return None  # told when the step's turn has come
        if mount.type == "bind" and not mount.origin:
            found.append(mount.source)
    return found


def _expand(text: str, env: Mapping[str, str], escape: str, span: Span, budget: Budget) -> str:
    try:
        return expand(text, env, escape=escape, budget=budget).text
    except ExpansionError as error:
        raise DockerfileError(str(error), span, parsing=False) from None


def _stages(dockerfile: Dockerfile, arguments: Mapping[str, str], contexts: Mapping[str, str]) -> list[Planned]:
    stages: list[Planned] = []
    names: dict[str, int] = {}
    budget = Budget()
    for index, stage in enumerate(dockerfile.stages):
        start = stage.start
        base = _expand(start.base, arguments, dockerfile.escape, start.span, budget)
        if not base:
            raise DockerfileError(f"base name ({start.base}) should not be blank", start.span, parsing=False)
        platform = ""
        if start.platform:
            platform = _expand(start.platform, arguments, dockerfile.escape, start.span, budget)
            if not platform:
                message = f"empty platform value from expression {start.platform}"
                raise DockerfileError(message, start.span, parsing=False)
        source: Source
        instructions = list(stage.instructions)
        if start.name and start.name in contexts:
            source, instructions = NamedContext(start.name), []
        elif base in names:
            source = StageSource(names[base])
        elif base == SCRATCH:
            source = Scratch()
        else:
            source = _outside(base, contexts, platform)
        stages.append(Planned(index, start.name, start, source, platform, instructions))
        if start.name:
            names[start.name] = index
    return stages


def _outside(name: str, contexts: Mapping[str, str], platform: str = "") -> Source:
    for alias in (name, name.removeprefix("docker.io/library/"), name.removeprefix("docker.io/")):
        for candidate in (alias, alias.removesuffix(":latest")):
            if candidate in contexts:
                return NamedContext(candidate)
    return ImageSource(name, platform)


def _target(stages: list[Planned], target: str) -> int:
    if not target:
        return len(stages) - 1
    for stage in reversed(stages):
        if stage.name == target.lower():
            return stage.index
    if (number := natural(target)) is not None and number < len(stages):
        return number
    hint = did_you_mean(target, (stage.label for stage in stages))
    raise DockerfileError(f'target stage "{target}" could not be found{hint}')


def _link(
    stage: Planned,
    instructions: Sequence[Instruction],
    names: Mapping[str, int],
    contexts: Mapping[str, str],
    count: int,
) -> None:
    """Find out what the ``from`` words of instructions name."""
    for instruction in instructions:
        if isinstance(instruction, Copy) and instruction.source:
            word = instruction.source
            try:
                plain = expand(word, {}).text
            except ExpansionError:
                plain = ""
            if plain != word:
                message = (
                    "variable expansion is not supported for --from, define a new stage with FROM using ARG from global "
                    "scope as a workaround"
                )
                raise DockerfileError(message, instruction.span, parsing=False)
            stage.sources[word] = _named(word, names, contexts, count, stage, instruction, "copy")
        elif isinstance(instruction, Run):
            for mount in instruction.mounts:
                word = mount_origin(mount)
                if word:
                    stage.sources[word] = _named(word, names, contexts, count, stage, instruction, "mount")


def _named(
    word: str,
    names: Mapping[str, int],
    contexts: Mapping[str, str],
    count: int,
    stage: Planned,
    instruction: Instruction,
    verb: str,
) -> Source:
    index = names.get(word.lower())
    if index is None and verb == "copy":
        index = natural(word)
        if index is not None and index >= count:
            raise DockerfileError(f"invalid stage index {index}", instruction.span, parsing=False)
    if index is None:
        return Scratch() if word == SCRATCH else _outside(word, contexts)
    if index == stage.index:
        raise DockerfileError(f"circular dependency detected on stage: {stage.label}", instruction.span, parsing=False)
    if index > stage.index:
        message = f'cannot {verb} from stage "{word}", it needs to be defined before current stage "{stage.label}"'
        raise DockerfileError(message, instruction.span, parsing=False)
    return StageSource(index)


def _order(stages: list[Planned], target: int) -> list[int]:
    """The stages that the target needs, dependencies first; references go back only, so there are no cycles."""
    wanted = {target}
    for index in range(target, -1, -1):
        if index in wanted:
            wanted |= stages[index].needs
    return sorted(wanted)
