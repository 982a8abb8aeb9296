"""Taking away what belongs to a lease: containers by force, then networks, then the volumes made under it.

Every failure is collected and nothing is skipped for it; what could not go is tried again by the caller. Things of
others stay: a volume made before the lease, a container that merely joined one of its networks (it is disconnected).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import anyio

from ..containers.life import autoports, remove, update
from ..errors import Conflict, EngineError, NotFound
from ..images.types import ImageUser
from ..volumes.snapshots import of_lease
from ..volumes.types import LEASE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..containers.life.container import Container
    from ..containers.life.service import Containers
    from ..volumes.snapshots import Snapshots
    from .record import Lease

log = logging.getLogger(__name__)


def belongs(lease: Lease, labels: Mapping[str, str]) -> bool:
    return labels.get(LEASE) == lease.id or lease.selects(labels)


async def take_away(containers: Containers, snapshots: Snapshots, lease: Lease) -> list[str]:
    """Remove everything of ``lease``; what could not be removed, in words."""
    failures: list[str] = []
    async with anyio.create_task_group() as group:
        for container in containers:
            if belongs(lease, container.record.labels):
                group.start_soon(_container, containers, container, failures)
    for network in await containers.blocking(containers.networks.list):
        if not network.predefined and belongs(lease, network.labels):
            await _network(containers, network.id, failures)
    for volume in await containers.blocking(containers.volumes.list):
        if volume.labels.get(LEASE) == lease.id:
            try:
                await containers.blocking(containers.volumes.remove, volume.name, force=True)
            except Conflict as error:
                # Somebody else's container has it: data in use is not taken from under it.
                log.warning("lease %s: volume stays: %s", lease.id, error)
            except (EngineError, OSError) as error:
                failures.append(f"volume {volume.name}: {error}")
    for snapshot in of_lease(snapshots, lease.id):
        try:
            await containers.blocking(snapshots.remove, snapshot.group, snapshot.name)
        except NotFound:
            continue
    for reference in lease.images:
        await _image(containers, reference, failures)
    return failures


async def _image(containers: Containers, reference: str, failures: list[str]) -> None:
    def users(id: str) -> list[ImageUser]:
        return [ImageUser(container, running) for container, running in containers.image_users(id)]

    try:
        await containers.blocking(containers.images.remove, reference, in_use=users)
    except NotFound:
        return
    except Conflict as error:
        log.warning("lease: image stays: %s", error)
    except (EngineError, OSError) as error:
        failures.append(f"image {reference}: {error}")


async def _container(containers: Containers, container: Container, failures: list[str]) -> None:
    try:
        await remove.remove(containers, container, force=True, volumes=True)
        autoports.forget(containers, container.name)
    except NotFound:
        return
    except Conflict as error:
        if not container.record.removing:
            failures.append(f"container {container.name}: {error}")
            return
        # Its removal is under way already, by somebody else.
        await container.until(lambda: container.removed or not container.record.removing)
        if not container.removed:
            failures.append(f"container {container.name}: its removal failed")
    except (EngineError, OSError) as error:
        failures.append(f"container {container.name}: {error}")


async def _network(containers: Containers, id: str, failures: list[str]) -> None:
    try:
        for container in containers:
            if any(endpoint.network_id == id for endpoint in containers.networks.endpoints(container.id)):
                await update.disconnect(containers, container, id, force=True)
        await containers.blocking(containers.networks.remove, id)
    except NotFound:
        return
    except (EngineError, OSError) as error:
        failures.append(f"network {id[:12]}: {error}")
