"""A TCP relay in front of a server that is slow, and may cut each connection after some bytes."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Relay:
    """``rate`` in bytes a second from the server (0: as fast as it comes); ``cut`` gives after how many bytes from the server a new
    connection is broken, ``cut_up`` after how many to it (0: never). ``sent`` counts what went to clients, ``received`` what came
    from them."""

    def __init__(
        self,
        target: str,
        rate: int = 0,
        cut: Callable[[], int] = lambda: 0,
        cut_up: Callable[[], int] = lambda: 0,
    ) -> None:
        host, _, port = target.partition(":")
        self._target = (host, int(port))
        self.rate, self.cut, self.cut_up, self.sent, self.received = rate, cut, cut_up, 0, 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        limit, done = self.cut(), 0
        with client, suppress(OSError), socket.create_connection(self._target) as server:
            threading.Thread(target=self._upstream, args=(client, server), daemon=True).start()
            while data := server.recv(1 << 14):
                if limit and done + len(data) > limit:
                    client.sendall(data[: limit - done])
                    client.shutdown(socket.SHUT_RDWR)
                    return
                client.sendall(data)
                done += len(data)
                self.sent += len(data)
                if self.rate:
                    time.sleep(len(data) / self.rate)

    def _upstream(self, client: socket.socket, server: socket.socket) -> None:
        limit, done = self.cut_up(), 0
        with suppress(OSError):
            while data := client.recv(1 << 16):
                if limit and done + len(data) > limit:
                    server.sendall(data[: limit - done])
                    client.shutdown(socket.SHUT_RDWR)
                    break
                server.sendall(data)
                done += len(data)
                self.received += len(data)
            server.shutdown(socket.SHUT_WR)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@contextmanager
def relay(
    target: str, rate: int = 0, cut: Callable[[], int] = lambda: 0, cut_up: Callable[[], int] = lambda: 0
) -> Iterator[Relay]:
    made = Relay(target, rate, cut, cut_up)
    made.start()
    try:
        yield made
    finally:
        made.close()
