"""The relay of published ports on sockets of this process: what others do with a listener that they share with it."""

from __future__ import annotations

import socket
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from pycompose.engine.runtime import relay
from pycompose.engine.runtime.loop import Loop

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 20.0


@pytest.fixture
def echo() -> Iterator[tuple[str, int]]:
    """Gives back what it is sent, on each connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=give_back, args=(client,), daemon=True).start()

        def give_back(client: socket.socket) -> None:
            with client:
                while data := client.recv(65536):
                    client.sendall(data)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()
        server.shutdown(socket.SHUT_RDWR)
        thread.join(PATIENCE)


@pytest.fixture
def listener(echo: tuple[str, int]) -> Iterator[socket.socket]:
    """Of a relay that runs in a thread."""
    loop = Loop()
    with socket.create_server(("127.0.0.1", 0)) as shared, closing(loop):
        ours, theirs = socket.socketpair()
        served = relay.Relay(loop, shared.dup().detach(), towards=echo)
        loop.watch(theirs.fileno(), lambda _: loop.stop())
        thread = threading.Thread(target=loop.run, daemon=True)
        thread.start()
        yield shared
        ours.close()
        # One that waits in accept hears of nothing but a connection.
        socket.create_connection(shared.getsockname(), PATIENCE).close()
        thread.join(PATIENCE)
        assert not thread.is_alive()
        served.close()
        theirs.close()


def ask(client: socket.socket, words: bytes) -> bytes:
    client.sendall(words)
    return client.recv(100)


def test_whoever_shares_the_listener_holds_up_nobody(listener: socket.socket) -> None:
    """`socket.dup` makes the flag what the object says, for all who have the listener: here, that it may wait."""
    with socket.create_connection(listener.getsockname(), PATIENCE) as kept:
        assert ask(kept, b"one") == b"one"
        for number in range(5):
            listener.dup().close()
            with socket.create_connection(listener.getsockname(), PATIENCE) as fresh:
                assert ask(fresh, b"fresh") == b"fresh"
            assert ask(kept, b"%d" % number) == b"%d" % number


def test_a_burst_of_connections(listener: socket.socket) -> None:
    clients = [socket.create_connection(listener.getsockname(), PATIENCE) for _ in range(100)]
    try:
        for number, client in enumerate(clients):
            assert ask(client, b"%d" % number) == b"%d" % number
    finally:
        for client in clients:
            client.close()


def test_datagrams_of_a_shared_socket() -> None:
    loop = Loop()
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as echo,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as shared,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
        closing(loop),
    ):
        echo.bind(("127.0.0.1", 0))
        shared.bind(("127.0.0.1", 0))
        client.connect(shared.getsockname())
        client.settimeout(PATIENCE)
        echo.settimeout(PATIENCE)
        ours, theirs = socket.socketpair()
        with ours, theirs:
            served = relay.DatagramRelay(loop, shared.dup().detach(), echo.getsockname())
            loop.watch(theirs.fileno(), lambda _: loop.stop())
            shared.dup().close()
            thread = threading.Thread(target=loop.run, daemon=True)
            thread.start()
            client.send(b"one")
            data, towards = echo.recvfrom(100)
            echo.sendto(data, towards)
            assert client.recv(100) == b"one"
            ours.close()
            thread.join(PATIENCE)
            assert not thread.is_alive()
            served.close()
