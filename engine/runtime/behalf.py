"""Sockets towards a container that speak in a client's name: without root, where the relay stands between the two.

The container sees the client's address, as it does behind an engine of root's, and its answers come back here by the rules of
the engine's own network namespace (networks/ruleset.py). Not for clients of loopback, nor for an address that leads to a
container here: its answers would go there.
"""

from __future__ import annotations

import errno
import socket
from functools import cache
from ipaddress import ip_address
from typing import TYPE_CHECKING

from ..linux import userns
from .handover import transparent

if TYPE_CHECKING:
    Address = tuple[str, int]

_FREE = (0, errno.EINPROGRESS)


def connect(kind: socket.SocketKind, client: Address, target: Address) -> socket.socket:
    """A socket that is connected to ``target``, or about to be; a refusal shows at the first use. Raises OSError."""
    ipv6 = ":" in target[0]
    if not ipv6 and not userns.is_initial() and _leads_nowhere(client[0]):
        found = _in_the_name_of(kind, client, target)
        if found is not None:
            return found
    own = socket.socket(socket.AF_INET6 if ipv6 else socket.AF_INET, kind | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    own.connect_ex(target)
    return own


def _in_the_name_of(kind: socket.SocketKind, client: Address, target: Address) -> socket.socket | None:
    """None where the client's port is taken here: by a connection before that has not been forgotten yet."""
    one = transparent(socket.AF_INET, kind)
    try:
        one.bind(client[:2])
        if one.connect_ex(target) in _FREE:
            return one
    except OSError:
        pass
    one.close()
    return None


def _leads_nowhere(address: str) -> bool:
    """Whether it is an IPv4 address that no network here has."""
    if ":" in address or ip_address(address).is_loopback:
        return False
    return _probe().connect_ex((address, 9)) == errno.ENETUNREACH  # sends nothing


@cache
def _probe() -> socket.socket:
    """One for all questions of this process, which stays in its network namespace."""
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
