"""The near end of a way to an engine that a thread or a program carries: a socket like any other, that can say what broke."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading

_PATIENCE = 2.0


class Tunnel(socket.socket):
    """``carrier`` is the thread that ends with the tunnel and leaves its reason in ``reason``, if there is any."""

    reason: str = ""
    carrier: threading.Thread | None = None

    def why(self) -> str:
        """Why the far side broke off, once it has; empty when it just ended."""
        if self.carrier is not None:
            self.carrier.join(_PATIENCE)
        return self.reason


def tunnel() -> tuple[Tunnel, socket.socket]:
    """Both ends of a new one."""
    near, far = socket.socketpair()
    return Tunnel(fileno=near.detach()), far
