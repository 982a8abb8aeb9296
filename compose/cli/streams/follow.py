"""Following the output of a project's containers in threads, one per container, as `logs -f` and attached `up` do."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from ...client.frames import demultiplex, raw
from ...errors import EngineError
from ..show import legible
from ..show.logprinter import LineSplitter

if TYPE_CHECKING:
    from ...client import Engine
    from ...client.containers import LogWindow
    from ...client.http import Response
    from ..show.logprinter import LogPrinter


class Follower:
    """One thread that prints one container's output until it ends or `close`."""

    def __init__(
        self, engine: Engine, container: str, name: str, printer: LogPrinter, wanted: LogWindow, tty: bool
    ) -> None:
        self._engine = engine
        self.container = container
        self._name = name
        self._printer = printer
        self._wanted = wanted
        self._tty = tty
        self._response: Response | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def join(self, timeout: float | None = None) -> None:
        self._thread.join(timeout)

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def _run(self) -> None:
        splitter = LineSplitter(self._printer, self._name)
        try:
            with self._engine.containers.log_stream(self.container, self._wanted.query()) as response:
                self._response = response
                for stream, data in (raw if self._tty else demultiplex)(response.blocks()):
                    splitter.feed(stream, data)
        except EngineError as error:
            if not self._closed and error.status != 404:
                legible.complain(f'warning: cannot retrieve logs for "{self._name}": {error}')
        finally:
            splitter.finish()

    def close(self) -> None:
        import contextlib
        import socket

        self._closed = True
        if self._response is not None:
            with contextlib.suppress(OSError):
                self._response.connection.socket.shutdown(socket.SHUT_RDWR)
