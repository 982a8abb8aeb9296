"""Let go of what a run of a container had: networks, ports, namespaces, the shim, the run directory."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import anyio

from ...errors import EngineError
from ...runtime.client import RequestError, ShimLost
from . import autoports, ipc, takeover

if TYPE_CHECKING:
    from ..spec.record import ContainerRecord
    from .container import Container
    from .service import Containers


async def teardown(containers: Containers, container: Container) -> None:
    """Let go of networks, ports, namespaces and the shim. Idempotent; failures are collected, nothing is skipped."""
    failures: list[Exception] = []
    with anyio.CancelScope(shield=True):
        try:
            namespace = container.shim.netns_fd if container.shim is not None else None
            successor = await containers.blocking(containers.networks.detach, container.id, namespace)
            if successor:
                await takeover.carry_on(containers, successor)
        except (EngineError, OSError) as error:
            failures.append(error)
        if container.inbox is not None:
            container.inbox.close()
            container.inbox = None
        shim, container.shim = container.shim, None
        if shim is not None:
            try:
                await shim.release()
            except (ShimLost, RequestError) as error:
                failures.append(error)
                shim.close()
        failures += await containers.blocking(_clear, containers, container.record)
        container.settled.set()
        container.notify()
    for failure in failures:
        containers.warn(f"teardown of {container.id[:12]}: {failure}")


def _clear(containers: Containers, record: ContainerRecord) -> list[Exception]:
    """What is left when the shim is gone, in one go; the failures on the way."""
    failures: list[Exception] = []
    for step in (autoports.rest, clear_run):
        try:
            step(containers, record)
        except (EngineError, OSError) as error:
            failures.append(error)
    return failures


def clear_run(containers: Containers, record: ContainerRecord) -> None:
    """Unmount and delete what a run has left under the run directory."""
    ipc.forget(containers, record)
    shutil.rmtree(containers.layout.container_run(record.id), ignore_errors=True)
