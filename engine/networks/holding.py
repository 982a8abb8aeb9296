"""Host ports that stay taken while their container does not run: the engine keeps a duplicate of the sockets that it gave
to the shim, for a start to come.

Nobody listens there meanwhile, so a client is refused as it would be without us. Lives as long as the engine does; what it
held is bound once more by the next engine.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .types import PortBinding

Place = tuple[str, int, str]
"""Host address, port, protocol."""


class Holding:
    """Sockets by container id. May be used from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sockets: dict[str, dict[Place, socket.socket]] = {}

    def __contains__(self, container: str) -> bool:
        return container in self._sockets

    def __bool__(self) -> bool:
        return bool(self._sockets)

    def of(self, container: str) -> Mapping[Place, socket.socket]:
        with self._lock:
            return dict(self._sockets.get(container, {}))

    def keep(self, container: str, ports: Sequence[PortBinding], descriptors: Sequence[int]) -> None:
        """Duplicate the descriptors of the ports, in place of what the container had."""
        taken: dict[Place, socket.socket] = {}
        for port, descriptor in zip(ports, descriptors, strict=True):
            original = socket.socket(fileno=descriptor)
            original.setblocking(
                False
            )  # the flag is shared with the relay of a shim, and dup() sets it as the object has it
            try:
                taken[port.host_ip, port.host_port, port.protocol] = original.dup()
            finally:
                original.detach()
        with self._lock:
            before, self._sockets[container] = self._sockets.get(container, {}), taken
        _close(before)

    def rest(self, container: str) -> None:
        """The container has stopped: what listens does so no more, and stays bound."""
        for one in self.of(container).values():
            if one.type == socket.SOCK_STREAM and one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def drop(self, container: str) -> None:
        with self._lock:
            before = self._sockets.pop(container, {})
        _close(before)


def _close(sockets: Mapping[Place, socket.socket]) -> None:
    for one in sockets.values():
        one.close()
