"""The relay of published ports on sockets of this process: what others do with a listener that they share with it."""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import pytest

from pycompose.engine.runtime import pipes, relay
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


def test_much_in_both_directions_arrives_as_it_was_sent(listener: socket.socket) -> None:
    """More than sockets and a pipe hold, with pauses and small pieces in between: copied and spliced in turn."""
    sent = b"".join(number.to_bytes(4, "big") * size for number, size in enumerate((1, 700_000, 3, 40_000, 500_000)))

    def speak(client: socket.socket) -> None:
        for _ in range(3):
            client.sendall(sent)
        client.shutdown(socket.SHUT_WR)

    with socket.create_connection(listener.getsockname(), PATIENCE) as client:
        speaker = threading.Thread(target=speak, args=(client,))
        speaker.start()
        received = bytearray()
        while data := client.recv(1 << 20):
            received += data
        speaker.join(PATIENCE)
    assert received == sent * 3


def test_pipes_are_few_and_none_stays_open() -> None:
    before = len(os.listdir("/proc/self/fd"))
    loop = Loop()
    kept = len(os.listdir("/proc/self/fd"))
    pool = pipes.Pipes(loop)
    made = []
    while (pipe := pool.borrow()) is not None:
        made.append(pipe)
    assert len(made) == 8
    with socket.create_server(("127.0.0.1", 0)) as server:
        with socket.create_connection(server.getsockname()) as one, server.accept()[0] as other:
            one.sendall(b"held")
            other.setblocking(False)
            assert made[0].take(other) == len(made[0]) == 4
        for pipe in made:
            pool.give_back(pipe)  # the one with something in it too, which is closed
        again = pool.borrow()
        assert again is made[-1] and not again
        pool.give_back(again)
        loop.after(1.5, loop.stop)  # after the second that they are kept for
        loop.run()
    assert len(os.listdir("/proc/self/fd")) == kept
    pool.close()
    loop.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_what_was_cut_gives_its_pipe_back() -> None:
    """A client that sends much, to a server that reads no more and then resets."""
    loop = Loop()
    with (
        closing(loop),
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_server(("127.0.0.1", 0)) as shared,
        socket.create_connection(shared.getsockname(), PATIENCE) as client,
    ):
        before = open_pipes()
        served = relay.Relay(loop, shared.dup().detach(), loop.stop, server.getsockname())
        far: list[socket.socket] = []
        rounds = iter(range(10))

        def speak() -> None:
            with suppress(BlockingIOError):
                while client.send(bytes(1 << 20)):
                    pass
            if open_pipes() == before:
                with suppress(BlockingIOError):
                    while far[0].recv(1 << 20):
                        pass
            elif next(rounds, None) is None:
                relay.abort(far[0])
                return
            loop.after(0.01, speak)

        def accept() -> None:
            far.append(server.accept()[0])
            far[0].setblocking(False)
            client.setblocking(False)
            speak()

        loop.after(0.1, accept)
        guard = loop.after(PATIENCE, loop.stop)
        loop.run()  # until the relay says that it is idle
        assert guard.due > time.monotonic(), "the connection still lasts"
        served.close()
        assert open_pipes() == before


def open_pipes() -> int:
    """How many descriptors of this process are ends of pipes."""
    count = 0
    for name in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):
            count += os.readlink(f"/proc/self/fd/{name}").startswith("pipe:")
    return count
