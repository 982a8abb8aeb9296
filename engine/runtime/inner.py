"""The network namespace of an engine without root: bridges, links and rules are in there, keeper and engine are not.

Nobody but root may enter the host's network namespace again. So whoever needs the host's network stays in it (keeper,
engine, shims of ``network_mode: host``), and the shims of all other containers join this one. A file of the run directory keeps it, for
as long as the mount namespace of the keeper lasts.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import struct
from typing import TYPE_CHECKING

from ..linux import loopback, mount, namespace, process
from . import handover

if TYPE_CHECKING:
    from ..layout import Layout

_NEWROUTE, _NEWRULE = 24, 32
_RTA_OIF, _RTA_PREFSRC = 4, 7
_FRA_PRIORITY, _FRA_FWMARK = 6, 10
_BOOT, _SCOPE_HOST, _TYPE_LOCAL, _TO_TABLE = 3, 254, 2, 1

_SYSCTLS = (
    ("net/ipv4/ip_forward", "1"),
    ("net/ipv4/conf/all/rp_filter", "0"),
    # Answers of the uplink come from addresses that are none of ours.
    ("net/ipv4/ip_nonlocal_bind", "1"),
    # Bridged packets that went through the rules of IP as well would be lost between the two.
    ("net/bridge/bridge-nf-call-iptables", "0"),
    ("net/bridge/bridge-nf-call-ip6tables", "0"),
)


def open_or_make(layout: Layout) -> int:
    """A handle on the namespace. Raises OSError."""
    found = open_existing(layout)
    return _make(layout) if found is None else found


def open_existing(layout: Layout) -> int | None:
    """A handle on the namespace that is there; None without one."""
    try:
        descriptor = os.open(layout.network, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        # Of a namespace the kernel tells the kind, of a file that nothing is mounted on its path.
        if namespace.is_network(descriptor):
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return None


def remove(layout: Layout) -> None:
    """Let go of it: it lasts for as long as a container is in it."""
    with contextlib.suppress(OSError):  # not mounted: an engine that has never come that far
        mount.umount(str(layout.network), mount.MNT_DETACH)
    for path in (layout.network, layout.lifeline):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def _make(layout: Layout) -> int:
    reader, writer = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        try:
            namespace.unshare(namespace.CLONE_NEWNET)
            loopback.bring_up()
            _hand_over_routes()
            for name, value in _SYSCTLS:
                _write(name, value)
            os.write(writer, b"1")
            signal.pause()
        finally:
            os._exit(1)
    os.close(writer)
    handle = os.pidfd_open(pid)
    try:
        if not os.read(reader, 1):
            raise OSError("the kernel gives no network namespace with settings of its own")
        os.close(os.open(layout.network, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        mount.attach(mount.open_tree(f"/proc/{pid}/ns/net"), layout.network)
        return os.open(layout.network, os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(reader)
        process.send_signal(handle, signal.SIGKILL)
        os.waitid(os.P_PIDFD, handle, os.WEXITED)
        os.close(handle)


def _hand_over_routes() -> None:
    """What the rules have marked is for a socket here, wherever it was to go (runtime/uplink.py)."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as route:
        for family, source in ((socket.AF_INET, socket.inet_aton("127.0.0.1")), (socket.AF_INET6, b"")):
            attributes = _attribute(_RTA_OIF, struct.pack("=i", 1))
            if source:
                attributes += _attribute(_RTA_PREFSRC, source)
            head = struct.pack("=BBBBBBBBI", family, 0, 0, 0, handover.TABLE, _BOOT, _SCOPE_HOST, _TYPE_LOCAL, 0)
            _ask(route, _NEWROUTE, head + attributes, family)
            head = struct.pack("=BBBBBBBBI", family, 0, 0, 0, handover.TABLE, 0, 0, _TO_TABLE, 0)
            marks = _attribute(_FRA_FWMARK, struct.pack("=I", handover.MARK))
            _ask(route, _NEWRULE, head + marks + _attribute(_FRA_PRIORITY, struct.pack("=I", handover.TABLE)), family)


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def _ask(route: socket.socket, kind: int, payload: bytes, family: int) -> None:
    flags = 0x1 | 0x4 | 0x400 | 0x200  # a request to be acknowledged: create, and it is not there yet
    route.sendto(struct.pack("=IHHII", 16 + len(payload), kind, flags, 0, 0) + payload, (0, 0))
    (code,) = struct.unpack_from("=i", route.recv(1 << 16), 16)
    if code and (family == socket.AF_INET or -code not in (errno.EAFNOSUPPORT, errno.EOPNOTSUPP)):
        raise OSError(-code, os.strerror(-code), "route to the uplink")


def _write(name: str, value: str) -> None:
    with contextlib.suppress(FileNotFoundError), open(f"/proc/sys/{name}", "w") as file:
        file.write(value)
