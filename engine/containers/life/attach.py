"""Attaching a client to a container or an exec: what it types goes in, what the program writes comes out.

A container's output is read from its log, which the shim writes; so any number of clients can attach, before the start
or later, and the engine can be replaced underneath. An exec's output comes through its own pipes, for one client.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

from ...runtime.client import RequestError, ShimError, ShimLost
from ...runtime.logread import LogReader
from ..view.logfeed import Feed, ended, reading
from . import execs, pump

if TYPE_CHECKING:
    from collections.abc import Collection

    from ...runtime.logread import Entry, Notify
    from .container import Container
    from .execution import Exec
    from .service import Containers


@dataclass(frozen=True, slots=True)
class Wish:
    """What a client attaches for. ``outputs`` are 1 and/or 2. ``logs`` begins with what was written before; without ``stream`` it
    ends there. ``keys`` detach; ``framed``: each piece says which output it is of."""

    outputs: Collection[int]
    logs: bool
    stream: bool
    stdin: bool
    keys: bytes
    framed: bool


async def attach(containers: Containers, container: Container, client: pump.Client, wish: Wish) -> None:
    """Serve one client until the container ends, the client leaves or the detach keys are typed."""
    outputs, framed = wish.outputs, wish.framed
    terminal = container.record.spec.tty
    directory = str(containers.layout.container_state(container.id) / "log")
    exits = container.exits

    def make(notify: Notify | None) -> LogReader:
        tail = None if wish.logs else 0
        return LogReader(directory, tail=tail, streams=outputs, lines=False, follow=notify)

    async with reading(containers, make, follow=True, from_end=not wish.logs) as feed:
        if not wish.stream:
            await feed.first_output(container)
            await _copy_available(feed, client.send, framed=framed)
            return
        async with anyio.create_task_group() as group:
            if wish.stdin and container.record.spec.stdin_open:
                group.start_soon(
                    _input, containers, container, client, wish.keys if terminal else b"", group.cancel_scope
                )
            elif not outputs:
                group.start_soon(_until_closed, client, group.cancel_scope)
            else:
                group.start_soon(_drop_input, client)
            with anyio.CancelScope() as showing:
                group.start_soon(_watch_gone, client, showing)
                if outputs:
                    await _follow(feed, client.send, container, exits, framed=framed)
                else:
                    await container.until(lambda: ended(container, exits))
            if not showing.cancelled_caught:
                group.cancel_scope.cancel()
            # Else the client has left, and only what it had sent before is still on its way.


async def _copy_available(feed: Feed, send: pump.Send, *, framed: bool) -> None:
    """Send all there is now. Runs of one stream go out together."""

    def render(entries: list[Entry]) -> bytes:
        return b"".join(pump.frame(entry.stream, entry.data) if framed else entry.data for entry in entries)

    while data := await feed.take(render):
        await send(data)


async def _follow(feed: Feed, send: pump.Send, container: Container, exits: int, *, framed: bool) -> None:
    """Send what is written until the container has ended and all of it was read."""
    while True:
        over = ended(container, exits)
        await _copy_available(feed, send, framed=framed)
        if over:
            return
        await feed.grown_or(container, lambda: ended(container, exits))


async def _watch_gone(client: pump.Client, showing: anyio.CancelScope) -> None:
    await client.wait_gone()
    showing.cancel()


async def _until_closed(client: pump.Client, scope: anyio.CancelScope) -> None:
    await _drop_input(client)
    scope.cancel()


async def _drop_input(client: pump.Client) -> None:
    """Read and drop what the client sends; its half-close says only that it has nothing to type."""
    async for _ in pump.received(client):
        pass


async def _input(
    containers: Containers, container: Container, client: pump.Client, keys: bytes, scope: anyio.CancelScope
) -> None:
    """Copy the client's input into the container's stdin, from its (next) start on."""
    await container.until(lambda: container.state.running or container.removed)
    shim = container.shim
    if shim is None:
        return
    watch = pump.DetachKeys(keys)
    try:
        descriptor = await shim.open_stdin()
    except ShimError:
        return
    try:
        async with pump.while_there(client):
            try:
                async for data in pump.received(client):
                    if not await pump.write_all(descriptor, watch.feed(data)):
                        break
            except pump.Detached:
                containers.publish(container, "detach")
                scope.cancel()
                return
    finally:
        pump.close(descriptor)
    if container.record.spec.stdin_once and not container.record.spec.tty:
        try:
            await shim.close_stdin()
        except (RequestError, ShimLost):
            return


async def serve_exec(
    containers: Containers, execution: Exec[Container], client: pump.Client, *, framed: bool, keys: bytes
) -> None:
    """Connect a client with a started exec until the process has ended and its output is sent, or the client leaves.

    The process goes on without its client: it is given what was sent before, then the end of its input.
    """
    process = execution.process
    if process is None:
        return
    send = pump.one_at_a_time(pump.until_gone(client.send))
    copies = []
    if process.terminal is not None:
        copies.append((pump.Reader(process.terminal), _framing(send, pump.STDOUT) if framed else send))
    for number, descriptor in ((pump.STDOUT, process.stdout), (pump.STDERR, process.stderr)):
        if descriptor is not None:
            wanted = execution.config["AttachStdout" if number == pump.STDOUT else "AttachStderr"]
            sender = _discard if not wanted else _framing(send, number) if framed else send
            copies.append((pump.Reader(descriptor), sender))
    keys = keys if process.terminal is not None else b""
    execution.attached = True
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(_exec_input, containers, execution, client, keys, group.cancel_scope)
            async with anyio.create_task_group() as outputs:
                for reader, sender in copies:
                    outputs.start_soon(_copy, reader, sender)
                await execution.container.until(lambda: not execution.running)
                for reader, _ in copies:
                    reader.finish()
            group.cancel_scope.cancel()
    finally:
        execution.attached = False
        if execution.running:
            _drain_later(containers, execution)
        else:
            execs.close(process)


def _framing(send: pump.Send, stream: int) -> pump.Send:
    async def send_frame(data: bytes) -> None:
        await send(pump.frame(stream, data))

    return send_frame


async def _discard(data: bytes) -> None:
    """Where output goes that nobody asked for."""


async def _copy(reader: pump.Reader, send: pump.Send) -> None:
    async for data in reader:
        await send(data)


async def _exec_input(
    containers: Containers, execution: Exec[Container], client: pump.Client, keys: bytes, scope: anyio.CancelScope
) -> None:
    process = execution.process
    descriptor = None if process is None else process.terminal if process.terminal is not None else process.stdin
    watch = pump.DetachKeys(keys)
    async with pump.while_there(client):
        try:
            async for data in pump.received(client):
                if descriptor is not None and not await pump.write_all(descriptor, watch.feed(data)):
                    break
        except pump.Detached:
            containers.publish(execution.container, "exec_detach", execID=execution.id)
            scope.cancel()
            return
    if process is not None and process.stdin is not None:
        pump.close(process.stdin)
        process.stdin = None
    await client.wait_gone()
    scope.cancel()


def _drain_later(containers: Containers, execution: Exec[Container]) -> None:
    """Nobody is attached any more, but the process goes on: take its output, so that it does not block."""
    containers.spawn(f"output of exec {execution.id[:12]}", lambda: drain(execution))


async def drain(execution: Exec[Container]) -> None:
    process = execution.process
    if process is None:
        return
    if process.stdin is not None:
        pump.close(process.stdin)
        process.stdin = None
    readers = [pump.Reader(one) for one in (process.stdout, process.stderr, process.terminal) if one is not None]
    try:
        async with anyio.create_task_group() as group:
            for reader in readers:
                group.start_soon(_copy, reader, _discard)
            await execution.container.until(lambda: not execution.running)
            for reader in readers:
                reader.finish()
    finally:
        execs.close(process)
