"""docker commit: a container's own layer atop its image's, with its configuration, becomes an image."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from ...errors import Conflict, EngineError, NotFound
from ...images import reference
from ...images.changes import apply_changes
from ...timestamps import rfc3339
from ..spec import fields, merge
from ..view.changes import PLACES, changes
from . import stop

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...images.bodies import History, ImageConfig, Process
    from ...images.types import Image, Layer
    from ..spec.bodies import Config
    from .container import Container
    from .service import Containers

_KEPT = (
    "User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Healthcheck", "Volumes", "WorkingDir", "OnBuild", "Labels",
    "StopSignal", "Shell",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wish:
    """The image to make: tagged ``ref`` when that is not empty, with ``config`` (a Config in a request) and then ``changes``
    (instructions) over the container's own."""

    ref: str
    author: str
    comment: str
    changes: Sequence[str]
    config: Mapping[str, object]


async def _go_on(containers: Containers, container: Container) -> None:
    try:
        await stop.unpause(containers, container)
    except EngineError:
        if container.state.status == "paused":
            raise
        # It had ended as it was paused, or somebody else has let it go on.


async def commit(containers: Containers, container: Container, wish: Wish, *, pause: bool) -> Image:
    """The new image. ``pause`` freezes the container meanwhile."""
    name = reference.parse(wish.ref).with_default_tag.familiar if wish.ref else ""
    frozen = False
    if pause and container.state.status == "running":
        try:
            await stop.pause(containers, container)
            frozen = True
        except Conflict:
            pass  # it has just ended, which is as good
    try:
        image = await containers.blocking(_commit, containers, container, wish)
        containers.publish(container, "commit", imageID=image.id, imageRef=name, comment=wish.comment)
    finally:
        if frozen:
            await _go_on(containers, container)
    return image


def _commit(containers: Containers, container: Container, wish: Wish) -> Image:
    record = container.record
    process = _process(record.spec.config)
    if process.get("Labels"):
        process["Labels"] = merge.an_images(process["Labels"])
    given = _process(fields.config(wish.config))
    if given:
        environment = merge.environment(given.get("Env") or [], process.get("Env") or [])
        labels = {**(process.get("Labels") or {}), **(given.get("Labels") or {})}
        process = {**process, **given}
        if environment:
            process["Env"] = environment
        if labels:
            process["Labels"] = labels
    process = _with_something_to_run(apply_changes(process, wish.changes), record.spec.config)
    try:
        image = containers.images.resolve(record.image)
        base, parent = image.config, image.id
        layers: Sequence[Layer] = image.layers
    except NotFound:
        raise EngineError(f"the image of container {container.name} is gone: {record.image}") from None
    with containers.images.lease():
        upper = containers.layout.container_state(record.id) / "upper"
        changed = changes(containers, container)
        more = [containers.images.commit_layer(upper, layers, move=False, without=PLACES)] if changed else []
        created = rfc3339(time.time_ns())
        step: History = {"created": created, "created_by": " ".join(record.spec.command)}
        if not changed:
            step["empty_layer"] = True
        if wish.author:
            step["author"] = wish.author
        if wish.comment:
            step["comment"] = wish.comment
        document: ImageConfig = {
            **base,
            "created": created,
            "config": process,
            "history": [*(base.get("history") or ()), step],
            "author": wish.author,
            "comment": wish.comment,
        }
        made = containers.images.add(document, [*layers, *more], parent=parent)
        labels = made.process.get("Labels") or {}
        containers.events.publish("image", "create", made.id, {**labels, "name": made.id})
        if wish.ref:
            containers.images.tag(made.id, wish.ref)
    return containers.images.resolve(made.id)


def _with_something_to_run(process: Process, config: Config) -> Process:
    """What changes have emptied is the container's, as in Docker: an image without a command is not what was meant."""
    kept = _process(cast("Config", process))
    if not kept.get("Entrypoint") and not kept.get("Cmd") and config.get("Cmd"):
        kept["Cmd"] = config["Cmd"]
    return kept


def _process(config: Config) -> Process:
    """What an image keeps of a container's Config, without what says nothing."""
    return cast("Process", {name: value for name, value in config.items() if name in _KEPT and value})
