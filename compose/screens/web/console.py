"""WebSocket ``/console``: a command with a terminal in a container. The terminal's screen is kept here (pyte), and the page is
sent the rows that have changed: what a container writes never reaches the browser as anything but text and colours."""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import json
import socket as sockets
import threading
from typing import TYPE_CHECKING

import pyte
from starlette.websockets import WebSocketDisconnect

from ...errors import ComposeError
from .emulator import Emulator, Sequences

if TYPE_CHECKING:
    from starlette.websockets import WebSocket

    from ...client import Engine

PACE = 0.03
MOST_ROWS, MOST_COLUMNS = 200, 400
BLOCK = 16 * 1024
SHELL = ("/bin/sh", "-c", "if [ -x /bin/bash ]; then exec /bin/bash; else exec /bin/sh; fi")


class Screen:
    """What the terminal shows. Fed by a thread, read by the loop."""

    def __init__(self, rows: int, columns: int) -> None:
        self._lock = threading.Lock()
        self._screen = Emulator(columns, rows)
        self._screen.dirty.update(range(rows))
        self._stream = pyte.Stream(self._screen)
        self._sequences = Sequences()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, data: bytes) -> None:
        # pyte takes a sequence with the wrong number of parameters as a call with wrong arguments: nothing is shown for it.
        wrong = contextlib.suppress(TypeError, ValueError, IndexError, KeyError, AttributeError)
        with self._lock, wrong:
            self._stream.feed(self._sequences.feed(self._decoder.decode(data)))

    def resize(self, rows: int, columns: int) -> None:
        with self._lock:
            self._screen.resize(rows, columns)
            self._screen.dirty.update(range(rows))

    def changes(self) -> dict[str, object] | None:
        """The rows that changed since the last call, as runs of one look, and the cursor; None for nothing."""
        with self._lock:
            screen = self._screen
            if not screen.dirty:
                return None
            rows = {row: self._runs(row) for row in sorted(screen.dirty) if row < screen.lines}
            screen.dirty.clear()
            cursor = [screen.cursor.y, screen.cursor.x] if not screen.cursor.hidden else None
            return {"rows": rows, "cursor": cursor, "lines": screen.lines, "columns": screen.columns}

    def _runs(self, row: int) -> list[tuple[str, str]]:
        """``(text, look)``: the look is words such as ``fg-red bold``."""
        runs: list[tuple[str, str]] = []
        buffer = self._screen.buffer[row]
        for column in range(self._screen.columns):
            char = buffer[column]
            look = _look(char)
            if runs and runs[-1][1] == look:
                runs[-1] = (runs[-1][0] + char.data, look)
            else:
                runs.append((char.data, look))
        if runs and not runs[-1][1]:
            runs[-1] = (runs[-1][0].rstrip(), "")
        return runs


_COLOURS = frozenset(
    f"{bright}{colour}"
    for bright in ("", "bright")
    for colour in ("black", "red", "green", "brown", "yellow", "blue", "magenta", "cyan", "white")
)


def _look(char: pyte.screens.Char) -> str:
    words = [f"fg-{char.fg}"] if char.fg in _COLOURS else []
    words += [f"bg-{char.bg}"] if char.bg in _COLOURS else []
    words += [name for name in ("bold", "italics", "underscore", "reverse") if getattr(char, name)]
    return " ".join(words)


class Console:
    """One running command: its connection, and the thread that reads it."""

    def __init__(self, engine: Engine, container: str, rows: int, columns: int) -> None:
        self._engine = engine
        self.screen = Screen(rows, columns)
        self.ended = False
        body = {
            "AttachStdin": True,
            "AttachStdout": True,
            "AttachStderr": True,
            "Tty": True,
            "Cmd": list(SHELL),
            "Env": ["TERM=linux"],
            "ConsoleSize": [rows, columns],
        }
        self._exec = engine.execs.create(container, body)
        self._socket, early = engine.execs.start(self._exec, tty=True).hijack()
        self.screen.feed(early)
        self.resize(rows, columns)
        self._thread = threading.Thread(target=self._read, name="screens-console", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._socket.recv(BLOCK):
                self.screen.feed(data)
        self.ended = True

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            self._socket.sendall(text.encode())

    def resize(self, rows: int, columns: int) -> None:
        self.screen.resize(rows, columns)
        # A command that is just starting, or has ended, takes no size.
        with contextlib.suppress(ComposeError):
            self._engine.execs.resize(self._exec, rows, columns)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(sockets.SHUT_RDWR)
        self._thread.join()
        self._socket.close()


async def console(socket: WebSocket, engine: Engine) -> None:
    """Serve one terminal. Query: ``id``, ``rows``, ``columns``. The page sends ``{"keys": …}`` and ``{"rows", "columns"}``."""
    await socket.accept()
    rows, columns = _size(socket.query_params.get("rows"), socket.query_params.get("columns"))
    try:
        opened = await asyncio.to_thread(Console, engine, socket.query_params.get("id", ""), rows, columns)
    except ComposeError as error:
        await socket.send_text(json.dumps({"error": str(error)}))
        await socket.close()
        return
    typing = asyncio.create_task(_take_keys(socket, opened))
    try:
        await _show(socket, opened, typing)
    except WebSocketDisconnect:
        return
    finally:
        typing.cancel()
        await asyncio.to_thread(opened.close)


async def _show(socket: WebSocket, opened: Console, typing: asyncio.Task[None]) -> None:
    while not typing.done():
        ended = opened.ended
        changes = opened.screen.changes()
        if changes is not None:
            await socket.send_text(json.dumps(changes, separators=(",", ":")))
        if ended:
            await socket.send_text(json.dumps({"end": True}))
            await socket.close()
            return
        await asyncio.wait((typing,), timeout=PACE)


async def _take_keys(socket: WebSocket, opened: Console) -> None:
    try:
        while True:
            said = json.loads(await socket.receive_text())
            if "keys" in said:
                await asyncio.to_thread(opened.write, str(said["keys"]))
            else:
                await asyncio.to_thread(opened.resize, *_size(said.get("rows"), said.get("columns")))
    except (WebSocketDisconnect, ValueError, AttributeError):
        return


def _size(rows: object, columns: object) -> tuple[int, int]:
    def within(given: object, default: int, most: int) -> int:
        text = str(given)
        return min(max(int(text), 2), most) if text.isdecimal() and len(text) < 6 else default

    return within(rows, 24, MOST_ROWS), within(columns, 80, MOST_COLUMNS)
