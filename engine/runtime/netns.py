"""The network namespace of a container: made by its shim, kept over restarts, gone with the shim.

Links and addresses come from the engine over ``rtnl``, a netlink socket that keeps acting in the namespace.
"""

from __future__ import annotations

import os
import socket
from typing import NamedTuple

from ..linux import loopback, namespace, userns
from . import redirect
from .redirect import Redirect

RESOLVER = Redirect("127.0.0.11", 53, 61053)
"""Where a container finds its resolver. It listens beyond the ports that the kernel gives to clients (32768 to 60999)."""

_SYSCTLS = (
    # What dockerd sets: a container without privileges may bind port 80 and use ping.
    ("ipv4/ip_unprivileged_port_start", "0"),
    ("ipv4/ping_group_range", userns.ping_groups()),
    # IPv4's would be the host's. A container on two networks is no way from one to the other, unless its sysctls say so.
    ("ipv4/ip_forward", "0"),
    ("ipv6/conf/all/forwarding", "0"),
    # IPv4 takes them where either this or the link's own setting says so.
    ("ipv4/conf/all/accept_redirects", "0"),
)


class NetworkNamespace(NamedTuple):
    """Handles on the namespace; ``udp`` and ``tcp`` get what is sent to 127.0.0.11:53 in it when a resolver was asked for."""

    descriptor: int
    rtnl: socket.socket
    udp: socket.socket | None
    tcp: socket.socket | None


def create(*, resolver: bool, made: int = -1) -> NetworkNamespace:
    """A new namespace with ``lo`` up, or ``made``, which was made in a user namespace and becomes the result's. Raises OSError.
    The caller's own namespace is unchanged afterwards."""
    own = namespace.open_own("net")
    if made < 0:
        namespace.unshare(namespace.CLONE_NEWNET)
    else:
        namespace.setns(made, namespace.CLONE_NEWNET)
        os.close(made)
    try:
        loopback.bring_up()
        settle()
        rtnl = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        udp = tcp = None
        if resolver:
            address = (RESOLVER.address, _resolver_port())
            udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
            udp.bind(address)
            tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tcp.bind(address)
            tcp.listen(16)
        return NetworkNamespace(namespace.open_own("net"), rtnl, udp, tcp)
    finally:
        namespace.setns(own, namespace.CLONE_NEWNET)
        os.close(own)


def settle() -> None:
    """Give the namespace that we are in a container's settings."""
    for name, value in _SYSCTLS:
        _write(f"/proc/sys/net/{name}", value)


def _resolver_port() -> int:
    """Where the resolver is to listen: out of the way of programs that want port 53 of all addresses."""
    try:
        redirect.install(RESOLVER)
    except OSError:
        return RESOLVER.port  # a kernel without nftables: names count for more than the port
    return RESOLVER.real


def _write(path: str, value: str) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        # A kernel without the parameter has nothing to relax.
        return
    os.write(descriptor, value.encode())
    os.close(descriptor)
