"""Carrying out operations: one function per kind, blocking, run in worker threads. No decisions beyond the operation's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

from ...plan import ops
from .world import Settings, World

if TYPE_CHECKING:
    from collections.abc import Callable

Kind = TypeVar("Kind", bound=ops.Operation)

__all__ = ["Settings", "World", "abandon", "perform"]


def _entry(
    kind: type[Kind], act: Callable[[World, Kind], None]
) -> tuple[type[ops.Operation], Callable[[World, ops.Operation], None]]:
    """A row of the table; its function gets operations of its kind alone."""
    return kind, cast("Callable[[World, ops.Operation], None]", act)


def _table() -> dict[type[ops.Operation], Callable[[World, ops.Operation], None]]:
    from . import containers, images, jobs, models, prestart, providers, resources

    return dict(
        [
            _entry(ops.PullImage, images.pull_image),
            _entry(ops.BuildImage, images.build_image),
            _entry(ops.RemoveImage, resources.remove_image),
            _entry(ops.CreateNetwork, resources.create_network),
            _entry(ops.RemoveNetwork, resources.remove_network),
            _entry(ops.CreateVolume, resources.create_volume),
            _entry(ops.RemoveVolume, resources.remove_volume),
            _entry(ops.CreateContainer, containers.create_container),
            _entry(ops.StartContainer, containers.start_container),
            _entry(ops.TakeOverPorts, containers.take_over_ports),
            _entry(ops.RunPreStart, prestart.run_pre_start),
            _entry(ops.RollBack, containers.roll_back),
            _entry(ops.StopContainer, containers.stop_container),
            _entry(ops.RemoveContainer, containers.remove_container),
            _entry(ops.RenameContainer, containers.rename_container),
            _entry(ops.RegisterJob, jobs.register_job),
            _entry(ops.RemoveJob, jobs.remove_job),
            _entry(ops.ConfigureModel, models.configure_model),
            _entry(ops.RunProvider, providers.run_provider),
        ]
    )


def perform(world: World, operation: ops.Operation) -> None:
    """Carry out one operation, waits excepted (those are the executor's). Raises `ComposeError`."""
    _table()[type(operation)](world, operation)


def abandon(world: World, operation: ops.RunPreStart) -> None:
    """Clean up after a cancelled operation."""
    from .prestart import remove_hook_container

    remove_hook_container(world, operation)
