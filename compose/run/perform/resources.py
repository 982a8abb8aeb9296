"""Creating and removing networks, volumes and images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...client import Conflict, NotFound
from ...convert.network import network_body
from ...convert.volume import volume_body
from ...errors import EngineError
from ..events import DONE, WARNING, Progress

if TYPE_CHECKING:
    from ...plan.ops import CreateNetwork, CreateVolume, RemoveImage, RemoveNetwork, RemoveVolume
    from .world import World


def create_network(world: World, operation: CreateNetwork) -> None:
    shown = f"Network {operation.name}"
    world.emit(Progress(shown, "Creating"))
    body = network_body(world.project, operation.network)
    if world.engine.version >= (1, 44):
        del body["CheckDuplicate"]
    world.engine.networks.create(body)
    world.emit(Progress(shown, "Created", DONE))


def remove_network(world: World, operation: RemoveNetwork) -> None:
    shown = f"Network {operation.name}"
    world.emit(Progress(shown, "Removing"))
    try:
        world.engine.networks.remove(operation.id)
    except NotFound:
        pass
    except EngineError as error:
        if error.status not in (403, 409):
            raise
        world.emit(Progress(shown, "Resource is still in use", WARNING, detail=str(error)))
        return
    world.emit(Progress(shown, "Removed", DONE))


def create_volume(world: World, operation: CreateVolume) -> None:
    shown = f'Volume "{operation.name}"'
    world.emit(Progress(shown, "Creating"))
    world.engine.volumes.create(volume_body(world.project, operation.volume))
    world.emit(Progress(shown, "Created", DONE))


def remove_volume(world: World, operation: RemoveVolume) -> None:
    shown = f"Volume {operation.name}"
    world.emit(Progress(shown, "Removing"))
    try:
        world.engine.volumes.remove(operation.name)
    except NotFound:
        pass
    except Conflict:
        world.emit(Progress(shown, "Resource is still in use", WARNING))
        return
    world.emit(Progress(shown, "Removed", DONE))


def remove_image(world: World, operation: RemoveImage) -> None:
    shown = f"Image {operation.ref}" if ":" in operation.ref.rpartition("/")[2] else f"Image {operation.ref}:latest"
    world.emit(Progress(shown, "Removing"))
    try:
        world.engine.images.remove(operation.ref)
    except NotFound:
        world.emit(Progress(shown, "Warning: No resource found to remove", WARNING))
        return
    except Conflict as error:
        world.emit(Progress(shown, "Resource is still in use", WARNING, detail=str(error)))
        return
    world.emit(Progress(shown, "Removed", DONE))
