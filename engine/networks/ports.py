"""Host ports: each published port is also a bound socket, so that a collision is an error and not a silent diversion.

nftables translates packets before they reach a socket, so a program that listens on a published port would simply hear
nothing. These sockets make its bind fail, as ours fails when it was first. The shim holds them, so they outlive the
engine. IPv4 and UDP sockets are only bound: nothing arrives there while translation works, and is refused otherwise.
TCP over IPv6 listens, for translation cannot lead from ``[::1]`` or to a container without IPv6: the shim carries those
connections on (runtime/relay.py). UDP over IPv6 reaches only containers that have IPv6, and a container without IPv4 has
no ports at IPv4 addresses of the host, as with Docker.
"""

from __future__ import annotations

import errno
import socket
from contextlib import ExitStack, suppress
from dataclasses import replace
from ipaddress import ip_address
from typing import TYPE_CHECKING, NamedTuple

from ..errors import EngineError, InvalidParameter
from ..linux import userns
from . import drivers
from .types import BRIDGE_HOST_BINDING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .holding import Place
    from .types import Endpoint, Network, PortBinding

_ATTEMPTS = 32  # for a port the kernel picked in IPv4 and that is taken in IPv6
_BACKLOG = 128
_LOW_PORT = (
    ": an engine without root may not have this port: take one from 1024 on, or let users have it"
    " (sudo sysctl -w net.ipv4.ip_unprivileged_port_start=80)"
)
_TYPES = {
    "tcp": (socket.SOCK_STREAM, socket.IPPROTO_TCP),
    "udp": (socket.SOCK_DGRAM, socket.IPPROTO_UDP),
    "sctp": (socket.SOCK_STREAM, socket.IPPROTO_SCTP),
}
_UNSUPPORTED = (errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT, errno.ESOCKTNOSUPPORT)


class PortTaken(EngineError):
    """Somebody else, inside or outside this engine, has the host port. Status 500, as Docker answers."""


class AddressRefused(EngineError):
    """The host has no such address, or the kernel refuses to bind it."""


def expand(binding: PortBinding, default_ip: str = "") -> tuple[str, ...]:
    """The host addresses a binding stands for: both unspecified ones when it names none. InvalidParameter for text that
    is no address."""
    host_ip = binding.host_ip or default_ip
    if not host_ip:
        return "0.0.0.0", "::"
    try:
        return (str(ip_address(host_ip.strip("[]"))),)
    except ValueError as error:
        raise InvalidParameter(f"invalid hostIP {host_ip}") from error


class Bound(NamedTuple):
    """Ports as they became, their sockets as descriptors, and where what comes to each is carried on to (types.Allocation)."""

    ports: tuple[PortBinding, ...] = ()
    sockets: tuple[int, ...] = ()
    towards: tuple[tuple[str, int] | None, ...] = ()


def bind(
    bindings: Sequence[PortBinding],
    held: Sequence[PortBinding],
    pairs: Sequence[tuple[Network, Endpoint]],
    kept: Mapping[Place, socket.socket] | None,
) -> Bound:
    """`reserve` for a container with these networks and endpoints; what is refused is told of its endpoint."""
    default_ip = next((network.options.get(BRIDGE_HOST_BINDING, "") for network, _ in pairs), "")
    if default_ip == "0.0.0.0":
        default_ip = ""  # Docker's default, which stands for IPv6 as well
    able = [endpoint for network, endpoint in pairs if drivers.of(network).publishes and not network.internal]
    only = next((one.ipv6_address for one in able), "") if not any(one.ipv4_address for one in able) else ""
    try:
        actual, sockets = reserve(bindings, held, default_ip, kept, ipv4=not only)
    except (PortTaken, AddressRefused) as error:
        endpoint = pairs[0][1]
        raise type(error)(
            f"driver failed programming external connectivity on endpoint {endpoint.container.name} ({endpoint.id}): {error}"
        ) from error
    towards = tuple((only, one.container_port) if only else None for one in actual)
    return Bound(actual, tuple(item.detach() for item in sockets), towards)


def reserve(
    bindings: Sequence[PortBinding],
    held: Sequence[PortBinding] = (),
    default_ip: str = "",
    kept: Mapping[Place, socket.socket] | None = None,
    *,
    ipv4: bool = True,
) -> tuple[tuple[PortBinding, ...], tuple[socket.socket, ...]]:
    """Bind every binding; the bindings as they became (one per host address, port filled in) and their sockets.

    ``held`` are ports of this engine's containers: they only make the error message precise. ``kept`` are sockets bound for
    these bindings before; they are duplicated. Without ``ipv4`` IPv4 addresses are left out. All or nothing.
    Raises PortTaken, InvalidParameter, or EngineError for other refusals (no such address on this host).
    """
    actual: list[PortBinding] = []
    with ExitStack() as undo:
        sockets: list[socket.socket] = []
        for binding in bindings:
            if binding.protocol not in _TYPES:
                raise InvalidParameter(f"invalid proto: {binding.protocol}")
            if not (0 < binding.container_port < 65536 and 0 <= binding.host_port < 65536):
                raise InvalidParameter(f"invalid port specification: {binding.host_port}:{binding.container_port}")
            addresses = [one for one in expand(binding, default_ip) if ipv4 or ip_address(one).version == 6]
            if not addresses:
                continue
            port, taken = _reserve_one(binding, addresses, held, kept or {})
            for address, opened in taken:
                sockets.append(undo.enter_context(opened))
                actual.append(replace(binding, host_ip=address, host_port=port, host_port_end=0))
        undo.pop_all()
    return tuple(actual), tuple(sockets)


def _reserve_one(
    binding: PortBinding,
    addresses: Sequence[str],
    held: Sequence[PortBinding],
    kept: Mapping[Place, socket.socket],
) -> tuple[int, list[tuple[str, socket.socket]]]:
    if binding.host_port == 0:
        for attempt in range(_ATTEMPTS):
            try:
                return _bind_all(binding, addresses, 0, held, kept)
            except PortTaken:
                if attempt == _ATTEMPTS - 1:
                    raise
    last = max(binding.host_port, binding.host_port_end)
    for port in range(binding.host_port, last + 1):
        try:
            return _bind_all(binding, addresses, port, held, kept)
        except PortTaken:
            if port == last:
                raise
    raise EngineError("all ports are allocated")


def _bind_all(
    binding: PortBinding,
    addresses: Sequence[str],
    port: int,
    held: Sequence[PortBinding],
    kept: Mapping[Place, socket.socket],
) -> tuple[int, list[tuple[str, socket.socket]]]:
    taken: list[tuple[str, socket.socket]] = []
    with ExitStack() as undo:
        for address in addresses:
            mine = kept.get((address, port, binding.protocol))
            if mine is not None:
                opened: socket.socket | None = _again(mine, binding, address)
            else:
                opened = _bind(binding, address, port, held, optional=bool(taken))
            if opened is not None:
                taken.append((address, undo.enter_context(opened)))
                port = opened.getsockname()[1]
        undo.pop_all()
    return port, taken


def _again(mine: socket.socket, binding: PortBinding, address: str) -> socket.socket:
    """The socket once more, listening where one does (`_bind`)."""
    with ExitStack() as undo:
        mine.setblocking(
            False
        )  # a duplicate shares this flag with the relay of a shim, and dup() sets it as the object has it
        opened = undo.enter_context(mine.dup())
        if _listens(opened.family, binding.protocol):
            try:
                opened.listen(_BACKLOG)
            except OSError as error:
                raise PortTaken(f"[{address}]: {error.strerror}") from error
        undo.pop_all()
    return opened


def _bind(
    binding: PortBinding, address: str, port: int, held: Sequence[PortBinding], optional: bool
) -> socket.socket | None:
    """One bound socket. None when ``optional`` and the kernel lacks the address family."""
    version = ip_address(address).version
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    kind, protocol = _TYPES[binding.protocol]
    name = f"{address}:{port}" if version == 4 else f"[{address}]:{port}"
    try:
        opened = socket.socket(family, kind | socket.SOCK_CLOEXEC, protocol)
    except OSError as error:
        if optional and error.errno in _UNSUPPORTED:
            return None
        raise EngineError(f"cannot publish {name}/{binding.protocol}: {error.strerror}") from error
    with ExitStack() as undo:
        undo.enter_context(opened)
        if version == 6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if kind == socket.SOCK_DGRAM and userns.is_initial():
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 0)  # nobody reads; the kernel keeps its minimum
        try:
            if _listens(family, binding.protocol):
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                opened.bind((address, port))
                opened.listen(_BACKLOG)
            else:
                _bind_past_old_connections(opened, address, port)
        except OSError as error:
            if optional and error.errno == errno.EADDRNOTAVAIL:
                return None
            if error.errno == errno.EADDRINUSE:
                raise PortTaken(_taken(binding, address, port, name, held)) from error
            words = (error.strerror or "").lower()
            if error.errno == errno.EACCES:
                words += _LOW_PORT
            raise AddressRefused(f"Error starting userland proxy: listen {binding.protocol}{version} {name}: bind: {words}") from error  # fmt: skip
        undo.pop_all()
    return opened


def _listens(family: int, protocol: str) -> bool:
    """Whether connections come to the socket itself: without root, all do."""
    return protocol == "tcp" and (family == socket.AF_INET6 or not userns.is_initial())


def _bind_past_old_connections(opened: socket.socket, address: str, port: int) -> None:
    """Bind exclusively. Connections in TIME_WAIT of a server that had the port before us do not count: with
    SO_REUSEADDR bind passes them, and listen (unlike bind) still refuses a port that somebody listens on."""
    try:
        opened.bind((address, port))
    except OSError as error:
        if error.errno != errno.EADDRINUSE or opened.type != socket.SOCK_STREAM:
            raise
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((address, port))
        opened.listen(1)


def _taken(binding: PortBinding, address: str, port: int, name: str, held: Sequence[PortBinding]) -> str:
    ours = any(
        other.protocol == binding.protocol and other.host_port == port and overlap(other.host_ip, address)
        for other in held
    )
    if ours:
        return f"Bind for {name} failed: port is already allocated"
    kind = f"{binding.protocol}{ip_address(address).version}"
    return f"Error starting userland proxy: listen {kind} {name}: bind: address already in use"


def overlap(left: str, right: str) -> bool:
    """Whether two host addresses ("" is every one) would receive the same packets."""
    first, second = (ip_address(item) if item else None for item in (left, right))
    if first is None or second is None:
        return True
    return first.version == second.version and (first == second or first.is_unspecified or second.is_unspecified)


def release(sockets: Sequence[socket.socket]) -> None:
    for opened in sockets:
        with suppress(OSError):
            opened.close()
