"""A unix socket in front of an engine, that acts when a certain request passes: for what happens to a command there."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_LINE = re.compile(rb"(?P<method>GET|PUT|POST|HEAD|DELETE) (?P<target>\S+) HTTP/1\.1\r\n")


class CuttingProxy:
    """Calls ``cut`` when a request line matches ``pattern`` (method, space, target), before it is passed on; with
    ``answered``, when its answer has come. ``stranger`` hides that the engine is pycompose's."""

    def __init__(
        self, path: Path, engine: str, pattern: str, cut: Callable[[], None], *, answered: bool, stranger: bool
    ) -> None:
        self._path = path
        self._engine = engine
        self._pattern = re.compile(pattern.encode())
        self._cut = cut
        self._answered = answered
        self._stranger = stranger
        self.reached = threading.Event()
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._start(self._accept)

    def _start(self, task: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=task, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def __enter__(self) -> CuttingProxy:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        for one in self._open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for one in (self._listener, *self._open):
            one.close()
        self._path.unlink()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._engine)
            self._open += [client, server]
            waiting = threading.Event()
            self._start(self._requests, client, server, waiting)
            self._start(self._answers, server, client, waiting)

    def _requests(self, client: socket.socket, server: socket.socket, waiting: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                line = _LINE.match(data)
                if line is not None and self._pattern.search(line["method"] + b" " + line["target"]):
                    if not self._answered:
                        self._reach()
                        return
                    waiting.set()
                server.sendall(data)
            server.shutdown(socket.SHUT_WR)

    def _answers(self, server: socket.socket, client: socket.socket, waiting: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                if waiting.is_set():
                    self._reach()
                    return
                client.sendall(re.sub(rb"(?i)(server: )pycompose", rb"\1Docker", data) if self._stranger else data)
            client.shutdown(socket.SHUT_WR)

    def _reach(self) -> None:
        self._cut()
        self.reached.set()
