"""Pulling and building images, with their progress."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ....grammar import references
from ...credentials.lookup import registry_auth
from ...errors import EngineError, OperationError
from ...plan.remedies import missing_image
from ..events import DONE, ERROR, WARNING, BuildStep, Output, Progress, transfer_part

if TYPE_CHECKING:
    from ...client.bodies.builds import Event as BuildEvent
    from ...plan.ops import BuildImage, PullImage
    from .world import World

PULL_FAILED = 18
_UNREACHABLE = re.compile(r"dial tcp|lookup |connection refused|no route to host|network is unreachable|i/o timeout")
BUILD_FAILED = 17


class ImageUnavailable(OperationError):
    """An image could be neither found nor pulled; the exit code is Docker Compose's."""

    exit_code = PULL_FAILED


class BuildFailed(OperationError):
    """A build ended with an error; the exit code is Docker Compose's."""

    exit_code = BUILD_FAILED


_PULLED = ("Pull complete", "Already exists")
"""How the words for a layer begin that is there."""


def pull_image(world: World, operation: PullImage) -> None:
    shown = operation.service
    world.emit(Progress(shown, "Pulling"))
    try:
        for line in world.engine.images.pull(
            operation.ref, platform=operation.platform, auth=registry_auth(operation.ref)
        ):
            if not world.settings.quiet_pull and (part := transfer_part(line, shown, _PULLED)):
                world.emit(part)
        world.image_ids[operation.ref] = str(world.engine.images.inspect(operation.ref)["Id"])
    except EngineError as error:
        if operation.optional:
            world.emit(Progress(shown, "Warning", WARNING, detail=str(error)))
            return
        world.emit(Progress(shown, "Error", ERROR, detail=str(error)))
        raise ImageUnavailable(_unavailable(world, operation, str(error))) from error
    world.pulled.add(operation.ref)
    world.emit(Progress(shown, "Pulled", DONE))


def _unavailable(world: World, operation: PullImage, words: str) -> str:
    """Where no registry answers, the name may be wrong: then those that are here are asked first."""
    if _UNREACHABLE.search(words):
        local = [name for one in world.engine.images.list() for name in one.get("RepoTags") or ()]
        found = missing_image(world.project, operation.service, operation.ref, local)
        hint = "" if found.hint else _hint(world, operation.ref)
        return f"{found}\n  {operation.service}: {_cannot_pull(operation.ref, words)}{hint}"
    return f"{operation.service}: {_cannot_pull(operation.ref, words)}{_hint(world, operation.ref)}"


def _cannot_pull(ref: str, words: str) -> str:
    """Our own engine says which image it could not pull, others do not."""
    return words if words.startswith("cannot pull ") else f"cannot pull {ref}: {words}"


def _hint(world: World, ref: str) -> str:
    """Bases that our own engine can make without a registry are never made silently: name the command."""
    domain, path = references.split_domain(references.split_version(ref)[0])
    is_distribution = domain == references.DEFAULT_DOMAIN and path in ("library/debian", "library/ubuntu")
    if is_distribution and world.engine.is_pycompose:
        return f"\n  without a registry: pycompose image bootstrap {ref}"
    return ""


def build_image(world: World, operation: BuildImage) -> None:
    from ...build import build_service

    if operation.unless_pulled and operation.ref in world.pulled:
        return
    shown = f"Service {operation.service}"
    world.emit(Progress(shown, "Building"))

    def output(text: str) -> None:
        if not world.settings.quiet_build:
            world.emit(Output(operation.service, text))

    def step(event: BuildEvent) -> None:
        if not world.settings.quiet_build:
            world.emit(BuildStep(operation.service, event))

    try:
        image_id = build_service(world.engine, world.project, operation.service, world.settings.build, output, step)
    except EngineError as error:
        world.emit(Progress(shown, "Error", ERROR))
        raise BuildFailed(f"failed to build service {operation.service}: {error}") from error
    world.image_ids[operation.ref] = image_id
    world.emit(Progress(shown, "Built", DONE))
