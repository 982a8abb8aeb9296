"""Stop a container and start it again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from ...errors import Conflict
from . import start
from .stop import end

if TYPE_CHECKING:
    from .container import Container
    from .service import Containers


async def restart(containers: Containers, container: Container, *, grace: int | None = None, signal: str = "") -> None:
    """Stop and start again, keeping the network namespace: addresses, ports and names survive."""
    async with container.lock:
        if container.removed or container.record.removing:
            raise Conflict("container is marked for removal and cannot be started")
        with anyio.CancelScope(shield=True):
            container.keep = container.state.running
            try:
                if container.state.active:
                    await end(containers, container, grace, signal)
                    containers.publish(container, "stop")
            finally:
                container.keep = False
            if container.shim is None:
                await container.settled.wait()
            await start.run(containers, container)
    containers.publish(container, "restart")
