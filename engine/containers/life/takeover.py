"""One container takes another one's place at its published ports, and nobody who knocks there notices.

    start ?behind=OLD   the new one gets OLD's very sockets, and stands by: whatever comes goes to OLD
    take-over           one transaction of the port map; relays change hands; what OLD has under way comes to its end
    stop of OLD         as ever. If it goes earlier, by whatever, the ports are the new one's in that moment

What stands by for whom is recorded (networks/succession.py), so an engine that is killed in between goes on there.
"""

from __future__ import annotations

import os
import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import anyio

from ...errors import Conflict, EngineError, NotFound
from ...networks.connections import Connections
from ...runtime.client import RequestError, ShimLost

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from ...networks.holding import Place
    from .container import Container
    from .service import Containers

_LOOK = 1.0
"""Seconds after which connections are counted again though none was told to have ended: one that is half closed is not."""

_TYPES = {
    (socket.SOCK_STREAM, socket.IPPROTO_TCP): "tcp",
    (socket.SOCK_DGRAM, socket.IPPROTO_UDP): "udp",
    (socket.SOCK_STREAM, socket.IPPROTO_SCTP): "sctp",
}


@dataclass(frozen=True, slots=True)
class Shared:
    """Sockets of the published ports of container ``of``."""

    of: str = ""
    sockets: Mapping[Place, socket.socket] = field(default_factory=dict)


@asynccontextmanager
async def shared(behind: Container | None) -> AsyncIterator[Shared]:
    """The sockets of a container that runs, for as long as the block lasts; nothing of one that does not. Conflict where its
    shim is of a release that shares none."""
    shim = behind.shim if behind is not None else None
    if behind is None or shim is None or not behind.state.running:
        yield Shared()
        return
    try:
        descriptors = await shim.ports()
    except ShimLost:
        yield Shared()  # it has just ended, and its ports are free
        return
    except RequestError as error:
        raise Conflict(f"container {behind.name} cannot share its ports: {error}; stop it first") from None
    sockets = [socket.socket(fileno=one) for one in descriptors]
    try:
        yield Shared(behind.id, {_place(one): one for one in sockets})
    finally:
        for one in sockets:
            one.close()


def _place(one: socket.socket) -> Place:
    host, port = one.getsockname()[:2]
    return host, port, _TYPES[one.type, one.proto]


async def take_over(containers: Containers, container: Container, drain: float) -> None:
    """Lead to ``container`` what it stands by for, and wait until the one before has no connection under way any more, for
    ``drain`` seconds at most. Nothing to do for one that stands by for nothing. Conflict when it does not run."""
    async with container.lock:
        shim = container.shim
        if not container.state.running or shim is None:
            raise Conflict(f"container {container.name} is not running")
        if not containers.networks.stands_by(container.id):
            return
        with anyio.CancelScope(shield=True):
            try:
                await shim.relay(on=True)
            except (ShimLost, RequestError) as error:
                raise EngineError(f"container {container.name} cannot take over: {error}") from None
            former = await containers.blocking(containers.networks.take_over, container.id)
            # What is held for it would be shut down with it, and these are the new one's sockets too.
            containers.holding.drop(former)
    try:
        before = containers.get(former)
    except NotFound:
        return
    with anyio.move_on_after(max(drain, 0.1)):
        async with anyio.create_task_group() as both:
            both.start_soon(_relays_end, before)
            both.start_soon(_connections_end, containers, before)


async def give_up(containers: Containers, container: Container, drain: float) -> None:
    """Before ``container`` is stopped: who stands by for its ports has them first, so that no moment is left in which they lead to
    a program that has ended. That one may be the new container of an update, or the old one after an update was cut off."""
    heir = containers.networks.heir(container.id)
    if not heir:
        return
    try:
        await take_over(containers, containers.get(heir), drain)
    except (NotFound, Conflict):
        return  # it has ended, or does not run: then there is nobody to have them
    except (EngineError, OSError) as error:  # a full disk, for one: what is to be stopped is stopped all the same
        containers.warn(f"{container.name} ends before its ports have changed hands: {error}")


async def _relays_end(before: Container) -> None:
    shim = before.shim
    if shim is not None:
        try:
            await shim.relay(on=False)
        except (ShimLost, RequestError):
            return  # it ends, and everything with it


async def _connections_end(containers: Containers, before: Container) -> None:
    namespace = before.shim.netns_fd if before.shim is not None else None
    if namespace is None:
        return
    ports = {one.container_port for one in before.record.spec.ports if one.protocol == "tcp"}
    mine = os.dup(namespace)
    try:
        connections = await containers.blocking(Connections, mine)
    except (EngineError, OSError) as error:
        containers.warn(f"connections of {before.name} cannot be counted: {error}")
        return
    finally:
        os.close(mine)
    try:
        while before.state.running and await containers.blocking(connections.under_way, ports) > 0:
            with anyio.move_on_after(_LOOK):
                await anyio.wait_readable(connections.fileno())
    finally:
        connections.close()


async def carry_on(containers: Containers, id: str) -> None:
    """The ports of container ``id`` have become its own by the end of another one: its relays take what comes."""
    try:
        container = containers.get(id)
    except NotFound:
        return
    shim = container.shim
    if shim is None or not shim.shares_ports or shim.closed.is_set():
        return
    try:
        await shim.relay(on=True)
    except (ShimLost, RequestError) as error:
        containers.warn(f"relays of {container.name}: {error}")


async def recover(containers: Containers) -> None:
    """After an engine was killed between the record of who has which ports and the word to the relays: say it once more."""
    for container in containers:
        if containers.networks.stands_by(container.id):
            containers.spawn(f"relays of {container.name}", partial(_relays_end, container))
        elif containers.networks.published(container.id):
            await carry_on(containers, container.id)
