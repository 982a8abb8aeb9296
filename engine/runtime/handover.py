"""What the rules of the engine's own network namespace and the uplink behind them (uplink.py) agree on."""

from __future__ import annotations

import contextlib
import socket

from ..linux import userns

MARK = 0x70630001
"""Of packets that go to the uplink; shims set it on sockets that are to lead out."""
OUTSIDE, HOST = 61081, 61082
"""Where what is for the world, and what is for the host itself, is handed over."""
TABLE = 100
"""The routing table in which every address is local."""


def lead_out(connection: socket.socket) -> None:
    """Have a socket of a shim reach the host's network; in the host's own there is nothing to do."""
    if not userns.is_initial():
        with contextlib.suppress(PermissionError):  # a socket of the host's network already
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, MARK)
