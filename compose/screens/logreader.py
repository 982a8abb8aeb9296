"""Output of containers read from the engine in threads, for a page or a terminal that shows it at its own pace.

While somebody follows, a reader that is too slow loses the oldest lines and is told how many; a search loses none and makes
the engine wait instead, which costs a container nothing (its output is in a file).
"""

from __future__ import annotations

import contextlib
import socket as sockets
import threading
from collections import deque
from typing import TYPE_CHECKING

from ..client.frames import demultiplex, raw
from ..errors import ComposeError
from .loglines import Filter, Line, Splitter

if TYPE_CHECKING:
    from ..client import Engine
    from ..client.http import Query, Response

BACKLOG = 4000
"""Lines that wait for the page at most."""

FRAME = 400
"""Lines in one frame while somebody follows; a person reads none of those that a faster stream skips."""


class Tail:
    """Lines between the threads that read and the page that shows. ``keep_all``: a full tail makes its writers wait."""

    def __init__(self, *, keep_all: bool) -> None:
        self._changed = threading.Condition()
        self._lines: deque[Line] = deque()
        self._skipped = 0
        self._open = 0
        self._keep_all = keep_all
        self.closed = False

    def opened(self) -> None:
        with self._changed:
            self._open += 1

    def ended(self) -> None:
        with self._changed:
            self._open -= 1

    def put(self, lines: list[Line]) -> bool:
        """False when nobody reads any more."""
        with self._changed:
            while self._keep_all and len(self._lines) >= BACKLOG and not self.closed:
                self._changed.wait()
            self._lines.extend(lines)
            while not self._keep_all and len(self._lines) > BACKLOG:
                self._lines.popleft()
                self._skipped += 1
            return not self.closed

    def take(self) -> tuple[list[Line], int, bool]:
        """Lines for one frame, how many were skipped before them, and whether more may come."""
        with self._changed:
            most = BACKLOG if self._keep_all else FRAME
            skipped = self._skipped
            if not self._keep_all and len(self._lines) > BACKLOG // 2:
                while len(self._lines) > most:
                    self._lines.popleft()
                    skipped += 1
            self._skipped = 0
            lines = [self._lines.popleft() for _ in range(min(most, len(self._lines)))]
            self._changed.notify_all()
            return lines, skipped, bool(self._open or self._lines)

    def close(self) -> None:
        with self._changed:
            self.closed = True
            self._changed.notify_all()


class Reader:
    """Reads one container's log in a thread until its end, or until `close`."""

    def __init__(self, engine: Engine, identity: str, query: Query, tail: Tail, wanted: Filter) -> None:
        self._engine, self._identity, self._query, self._tail, self._wanted = engine, identity, query, tail, wanted
        self._response: Response | None = None
        self._thread = threading.Thread(target=self._read, name="screens-log", daemon=True)
        tail.opened()
        self._thread.start()

    def close(self) -> None:
        if self._response is not None:
            with contextlib.suppress(OSError):
                self._response.connection.socket.shutdown(sockets.SHUT_RDWR)

    def _read(self) -> None:
        try:
            details = self._engine.containers.inspect(self._identity)
            splitter = Splitter(str(details.get("Name") or self._identity[:12]).removeprefix("/"))
            tty = bool((details.get("Config") or {}).get("Tty"))
            self._response = self._engine.containers.log_stream(self._identity, self._query)
            with self._response as response:
                if self._tail.closed:
                    return
                for stream, block in (raw if tty else demultiplex)(response.blocks()):
                    lines = splitter.feed(stream, block)
                    if not self._wanted.is_all:
                        lines = [one for one in lines if self._wanted.wants(one)]
                    if lines and not self._tail.put(lines):
                        return
        except ComposeError as error:
            if not self._tail.closed:
                self._tail.put([Line("", "pycompose", 2, str(error))])
        finally:
            self._tail.ended()
