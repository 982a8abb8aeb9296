"""sd_notify: the socket that a container's program reports READY=1 to.

It is an abstract socket in the container's network namespace, so it needs no mount and no directory in the image, and it
goes with the engine or the namespace, leaving nothing behind. The engine binds it before the program starts, and again
when it adopts a running container; what is sent while no engine is there is lost, as in sd_notify itself.
"""

from __future__ import annotations

import errno
import os
import socket
from typing import TYPE_CHECKING

from ...errors import EngineError
from ...linux import process
from ...networks.inside import inside
from ..spec import probing
from .inbox import Inbox

if TYPE_CHECKING:
    from .container import Container
    from .service import Containers


def bind(container_id: str, network: int | None) -> Inbox:
    """Bind the socket in the namespace ``network``, in the engine's own for None. Blocks. Raises EngineError."""
    address = probing.notify_socket(container_id)

    def work() -> socket.socket:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            made.bind("\0" + address[1:])
        except BaseException:
            made.close()
            raise
        return made

    try:
        return Inbox(work() if network is None else inside(network, work))
    except OSError as error:
        reason = "somebody has taken it" if error.errno == errno.EADDRINUSE else error.strerror
        raise EngineError(f"cannot bind the socket {address[:28]}… for sd_notify: {reason}") from None


async def ensure(containers: Containers, container: Container) -> Inbox:
    """The inbox of a running container, bound now where it is not. Raises EngineError, ProcessLookupError."""
    if container.inbox is None:
        state = container.state
        network = process.open_namespace(state.pid, state.pid_starttime, "net")
        try:
            container.inbox = await containers.blocking(bind, container.id, network)
        finally:
            os.close(network)
    return container.inbox
