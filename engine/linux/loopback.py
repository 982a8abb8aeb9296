"""The loopback interface of a fresh network namespace.

Addresses, links and routes are not made here: that is the engine's work, over the netlink socket it is handed.
"""

from __future__ import annotations

import array
import fcntl
import socket
import struct

_SIOCGIFFLAGS = 0x8913
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 1


def bring_up() -> None:
    """Bring ``lo`` up in the caller's network namespace (the kernel gives it its addresses)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as handle:
        request = array.array("b", struct.pack("16sh22x", b"lo", 0))
        fcntl.ioctl(handle.fileno(), _SIOCGIFFLAGS, request)
        (flags,) = struct.unpack_from("h", request, 16)
        struct.pack_into("h", request, 16, flags | _IFF_UP)
        fcntl.ioctl(handle.fileno(), _SIOCSIFFLAGS, request)
