"""The API over TCP: only with TLS on both sides, and only where the configuration asks for it.

    TCP client ◄── TLS ──► relay ◄── socket pair ──► the same server that serves the unix socket

A client must show a certificate of the configured authority before a byte of HTTP is read. Each handshake is a task of its own
with an end, and there are only so many at a time: one more ends the longest of whoever has the most under way, so that those who never
finish one hold up nobody else.
"""

from __future__ import annotations

import logging
import select
import socket
import ssl
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

import anyio

from ..configuration import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..configuration import Remote

log = logging.getLogger(__name__)

HANDSHAKE_SECONDS = 10.0
MOST_HANDSHAKES = 64
_CHUNK = 65536
_BACKLOG = 128


def context(remote: Remote) -> ssl.SSLContext:
    """TLS 1.2 or newer, our certificate, and the client's required. Raises ConfigurationError naming the file."""
    secured = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    secured.minimum_version = ssl.TLSVersion.TLSv1_2
    secured.verify_mode = ssl.CERT_REQUIRED
    for path in (remote.authority, remote.certificate, remote.key):
        try:
            with open(path, "rb"):
                pass
        except OSError as error:
            raise ConfigurationError(f"hosts: {path}: {error.strerror}") from None
    try:
        secured.load_verify_locations(remote.authority)
        secured.load_cert_chain(remote.certificate, remote.key)
    except (ssl.SSLError, OSError) as error:
        raise ConfigurationError(
            f"hosts: {remote.authority}, {remote.certificate}, {remote.key}: no usable certificates: {error}"
        ) from None
    return secured


def listen(remote: Remote) -> list[socket.socket]:
    """One listening socket for each address. Raises ConfigurationError."""
    sockets: list[socket.socket] = []
    try:
        for host, port in remote.addresses:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            try:
                sockets.append(socket.create_server((host, port), family=family, backlog=_BACKLOG))
            except OSError as error:
                words = (error.strerror or str(error)).lower()
                raise ConfigurationError(f"hosts: listen tcp {host}:{port}: bind: {words}") from None
    except ConfigurationError:
        for opened in sockets:
            opened.close()
        raise
    return sockets


def shown(sockets: Iterable[socket.socket]) -> tuple[str, ...]:
    """The addresses of listening sockets, as people write them."""
    names = [one.getsockname()[:2] for one in sockets]
    return tuple(f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}" for host, port in names)


class RemoteListener:
    """Accepts on TCP sockets; ``begin`` gets one end of a socket pair for each client that has proven who it is."""

    def __init__(self, secured: ssl.SSLContext, begin: Callable[[socket.socket], None]) -> None:
        self._context = secured
        self._begin = begin
        self._handshakes: dict[anyio.CancelScope, str] = {}  # to the peer's address, the longest first

    async def serve(self, listener: socket.socket) -> None:
        """Accept until cancelled."""
        listener.setblocking(False)
        async with anyio.create_task_group() as group:
            while True:
                try:
                    client, peer = listener.accept()
                except BlockingIOError:
                    await anyio.wait_readable(listener)
                except OSError as error:
                    log.error("cannot accept a connection: %s", error.strerror)
                    await anyio.sleep(0.1)
                else:
                    if len(self._handshakes) >= MOST_HANDSHAKES:
                        self._end_one()
                    scope = anyio.CancelScope(deadline=anyio.current_time() + HANDSHAKE_SECONDS)
                    self._handshakes[scope] = str(peer[0])
                    group.start_soon(self._client, client, scope)

    def _end_one(self) -> None:
        """A silent client takes ten seconds, an honest one milliseconds: the longest of the busiest address goes."""
        busiest, _ = Counter(self._handshakes.values()).most_common(1)[0]
        scope = next(scope for scope, peer in self._handshakes.items() if peer == busiest)
        del self._handshakes[scope]
        scope.cancel()

    async def _client(self, client: socket.socket, scope: anyio.CancelScope) -> None:
        client.setblocking(False)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        channel = _Channel(client, self._context)
        with client:
            try:
                with scope:
                    await channel.handshake()
            except OSError:
                with suppress(OSError, TimeoutError), anyio.fail_after(1):
                    await channel.flush()  # the alert that says why
                return
            finally:
                self._handshakes.pop(scope, None)
            if scope.cancelled_caught:
                return
            ours, theirs = socket.socketpair()
            ours.setblocking(False)
            self._begin(theirs)
            with ours:
                await channel.relay(ours)


class _Channel:
    """TLS over one TCP connection."""

    def __init__(self, client: socket.socket, secured: ssl.SSLContext) -> None:
        self._client = client
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = secured.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._sending = anyio.Lock()

    async def handshake(self) -> None:
        """Raises OSError (ssl.SSLError among them) when the client is not to be let in."""
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self.flush()
                if not await self._fill():
                    raise ConnectionResetError from None
            else:
                await self.flush()
                return

    async def relay(self, local: socket.socket) -> None:
        """Pass bytes both ways until both sides have ended; ends of one direction are passed on as such."""
        async with anyio.create_task_group() as group:

            async def inward() -> None:
                try:
                    await self._inward(local)
                except OSError:
                    group.cancel_scope.cancel()

            async def outward() -> None:
                try:
                    await self._outward(local)
                except OSError:
                    group.cancel_scope.cancel()

            group.start_soon(inward)
            group.start_soon(outward)

    async def _inward(self, local: socket.socket) -> None:
        while True:
            try:
                data = self._tls.read(_CHUNK)
            except ssl.SSLWantReadError:
                await self.flush()
                if not await self._fill():
                    raise ConnectionResetError from None  # gone without a word: nobody reads our answers either
                continue
            except ssl.SSLZeroReturnError:
                data = b""
            if not data:
                local.shutdown(socket.SHUT_WR)
                break
            await _send(local, data)
        while await self._fill():  # what comes after its end is of no interest, its leaving is
            self._incoming.read()
        raise ConnectionResetError

    async def _outward(self, local: socket.socket) -> None:
        while data := await _receive(local):
            self._tls.write(data)
            await self.flush()
        with suppress(ssl.SSLError):
            self._tls.unwrap()
        await self.flush()
        with select.epoll() as hangup:
            hangup.register(local, 0)
            while not hangup.poll(0):
                await anyio.wait_readable(hangup)
        raise ConnectionResetError  # the server has closed its end, rather than half of it

    async def flush(self) -> None:
        """Send what TLS has for the peer."""
        async with self._sending:
            if data := self._outgoing.read():
                await _send(self._client, data)

    async def _fill(self) -> bool:
        data = await _receive(self._client)
        self._incoming.write(data)
        return bool(data)


async def _receive(source: socket.socket) -> bytes:
    while True:
        try:
            return source.recv(_CHUNK)
        except BlockingIOError:
            await anyio.wait_readable(source)


async def _send(target: socket.socket, data: bytes) -> None:
    view = memoryview(data)
    while view:
        try:
            view = view[target.send(view) :]
        except BlockingIOError:
            await anyio.wait_writable(target)
