"""An engine that answers what a test tells it to, over a real unix socket: for the client and the executor."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
from typing import TYPE_CHECKING, Any

from pycompose.compose.client import Endpoint, Engine
from pycompose.compose.client.http import Address

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Answer = Callable[["Exchange"], None]


class Exchange:
    """One request, and the means to answer it."""

    def __init__(
        self, connection: socket.socket, method: str, target: str, headers: dict[str, str], body: bytes
    ) -> None:
        self.connection = connection
        self.method = method
        self.target = target
        self.headers = headers
        self.body = body

    @property
    def path(self) -> str:
        """Without the version and the query."""
        path = self.target.partition("?")[0]
        return "/" + path.split("/", 2)[2] if path.startswith("/v1.") else path

    def json(self, value: Any, status: int = 200) -> None:
        data = json.dumps(value).encode()
        self.raw(
            f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n".encode()
            + data
        )

    def empty(self, status: int = 204) -> None:
        self.raw(f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n".encode())

    def chunked(self, blocks: list[bytes], *, end: bool = True) -> None:
        self.raw(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        for block in blocks:
            self.raw(b"%x\r\n%b\r\n" % (len(block), block))
        if end:
            self.raw(b"0\r\n\r\n")

    def raw(self, data: bytes) -> None:
        self.connection.sendall(data)


class ScriptedEngine:
    """``answer`` is called for every request but /_ping. Records the requests."""

    def __init__(self, directory: Path, answer: Answer, version: str = "1.41", server: str = "Docker/20.10") -> None:
        self.path = str(directory / "engine.sock")
        self.requests: list[Exchange] = []
        self.connections = 0
        self._answer = answer
        self._ping = (
            f"HTTP/1.1 200 OK\r\nApi-Version: {version}\r\nServer: {server}\r\nContent-Length: 2\r\n\r\nOK".encode()
        )
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen()
        self._open: list[socket.socket] = []
        self._clients: list[Engine] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def client(self) -> Engine:
        """A client that is closed with this engine."""
        client = Engine(Endpoint(Address(self.path)))
        self._clients.append(client)
        return client

    def __enter__(self) -> ScriptedEngine:
        return self

    def __exit__(self, *_: object) -> None:
        for client in self._clients:
            client.close()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        self._thread.join()
        os.unlink(self.path)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        buffer = b""
        try:
            while True:
                while b"\r\n\r\n" not in buffer:
                    data = connection.recv(65536)
                    if not data:
                        return
                    buffer += data
                head, _, buffer = buffer.partition(b"\r\n\r\n")
                lines = head.decode().split("\r\n")
                method, target, _ = lines[0].split(" ")
                headers = {
                    name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])
                }
                body, buffer = self._body(connection, headers, buffer)
                exchange = Exchange(connection, method, target, headers, body)
                if target == "/_ping":
                    connection.sendall(self._ping)
                    continue
                self.requests.append(exchange)
                self._answer(exchange)
        except OSError:
            return

    @staticmethod
    def _body(connection: socket.socket, headers: dict[str, str], buffer: bytes) -> tuple[bytes, bytes]:
        if headers.get("transfer-encoding") == "chunked":
            while not buffer.endswith(b"0\r\n\r\n"):
                buffer += connection.recv(65536)
            body = b""
            while True:
                size, _, buffer = buffer.partition(b"\r\n")
                if int(size, 16) == 0:
                    return body, b""
                body, buffer = body + buffer[: int(size, 16)], buffer[int(size, 16) + 2 :]
        length = int(headers.get("content-length", "0"))
        while len(buffer) < length:
            buffer += connection.recv(65536)
        return buffer[:length], buffer[length:]
