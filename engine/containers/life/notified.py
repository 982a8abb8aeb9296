"""sd_notify: the socket that a container's program reports READY=1 to.

It is an abstract socket in the container's network namespace, so it needs no mount and no directory in the image, and it
goes with the engine or the namespace, leaving nothing behind. The engine binds it before the program starts, and again
when it adopts a running container; what is sent while no engine is there is lost, as in sd_notify itself.

Whoever is in that namespace can send there: on the host's network every process of the machine. So the kernel's word on who has
sent counts, and only a process in the container's own mount namespace is believed.
"""

from __future__ import annotations

import errno
import os
import socket
from functools import partial
from typing import TYPE_CHECKING

from ...errors import EngineError
from ...linux import process
from ...networks.inside import inside
from ..spec import probing
from .inbox import Inbox

if TYPE_CHECKING:
    from .container import Container
    from .service import Containers


def bind(containers: Containers, container: Container, network: int | None) -> Inbox:
    """Bind the socket in the namespace ``network``, in the engine's own for None. Blocks. Raises EngineError."""
    address = probing.notify_socket(container.id)

    def work() -> socket.socket:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            made.bind("\0" + address[1:])
        except BaseException:
            made.close()
            raise
        return made

    try:
        return Inbox(work() if network is None else inside(network, work), partial(_doubt, containers, container))
    except OSError as error:
        reason = "somebody has taken it" if error.errno == errno.EADDRINUSE else error.strerror
        raise EngineError(f"cannot bind the socket {address[:28]}… for sd_notify: {reason}") from None


async def ensure(containers: Containers, container: Container) -> Inbox:
    """The inbox of a running container, bound now where it is not. Raises EngineError, ProcessLookupError."""
    if container.inbox is None:
        state = container.state
        network = process.open_namespace(state.pid, state.pid_starttime, "net")
        try:
            container.inbox = await containers.blocking(bind, containers, container, network)
        finally:
            os.close(network)
    return container.inbox


def _doubt(containers: Containers, container: Container, sender: int) -> str:
    """Why the process with this pid is not taken for one of the container's; "" for one that is."""
    found = _mounts(sender)
    if found is None and not _is_shared(containers, container):
        return ""  # nobody else can have sent it
    if found is None:
        return "READY=1 has come from a process that had ended before it could be told apart: this network is not the container's alone"
    return "" if found == _mounts(container.state.pid) else "READY=1 has come from a process outside the container"


def _mounts(pid: int) -> tuple[int, int] | None:
    """Which mount namespace a process is in; None when it has ended, or is not to be seen from here."""
    try:
        status = os.stat(f"/proc/{pid}/ns/mnt") if pid > 0 else None
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if status is not None else None


def _is_shared(containers: Containers, container: Container) -> bool:
    """Whether others are on the container's network namespace."""
    mode = container.record.spec.network
    if mode.is_host or mode.joins:
        return True
    joiners = (other.record.spec.network.donor for other in containers if other.record.spec.network.joins)
    return any(ref and (container.id.startswith(ref) or ref == container.name) for ref in joiners)
