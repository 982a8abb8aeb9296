"""Carrying out operations: one function per kind, blocking, run in worker threads. No decisions beyond the operation's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...plan import ops
from .world import Settings, World

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Settings", "World", "abandon", "perform"]


def _table() -> dict[type[ops.Operation], Callable[[World, Any], None]]:
    from . import containers, images, jobs, models, prestart, providers, resources

    return {
        ops.PullImage: images.pull_image,
        ops.BuildImage: images.build_image,
        ops.RemoveImage: resources.remove_image,
        ops.CreateNetwork: resources.create_network,
        ops.RemoveNetwork: resources.remove_network,
        ops.CreateVolume: resources.create_volume,
        ops.RemoveVolume: resources.remove_volume,
        ops.CreateContainer: containers.create_container,
        ops.StartContainer: containers.start_container,
        ops.RunPreStart: prestart.run_pre_start,
        ops.RollBack: containers.roll_back,
        ops.StopContainer: containers.stop_container,
        ops.RemoveContainer: containers.remove_container,
        ops.RenameContainer: containers.rename_container,
        ops.RegisterJob: jobs.register_job,
        ops.RemoveJob: jobs.remove_job,
        ops.ConfigureModel: models.configure_model,
        ops.RunProvider: providers.run_provider,
    }


def perform(world: World, operation: ops.Operation) -> None:
    """Carry out one operation, waits excepted (those are the executor's). Raises `ComposeError`."""
    _table()[type(operation)](world, operation)


def abandon(world: World, operation: ops.RunPreStart) -> None:
    """Clean up after a cancelled operation."""
    from .prestart import remove_hook_container

    remove_hook_container(world, operation)
