"""One interactive session over a hijacked connection: attach and exec, with or without a terminal.

Copies stdin to the container and its output back until the container's side ends, or the user types the detach keys.
With a terminal: raw mode while it lasts, and the window size follows SIGWINCH. Knows nothing of containers.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import struct
import sys
import termios
import tty as raw_mode
from typing import TYPE_CHECKING, Protocol

from ..dataclass import dataclass
from .frames import STDERR, demultiplex

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

DETACH_KEYS = b"\x10\x11"  # ctrl-p ctrl-q
_BLOCK = 64 * 1024
RESIZE_TRIES = 10
RESIZE_PAUSE = 10
"""Milliseconds before the second offer of a size; each further one waits as much longer."""
_HIGH_WATER = 1024 * 1024


def parse_detach_keys(text: str) -> bytes:
    """``ctrl-p,ctrl-q`` or single characters, comma-separated, as bytes. Raises ValueError."""
    keys = bytearray()
    for name in filter(None, text.split(",")):
        if name.startswith("ctrl-") and len(name) == 6:
            code = ord(name[5].lower())
            if not (97 <= code <= 122 or name[5] in "@[\\]^_"):
                raise ValueError(f"unknown detach key {name!r}")
            keys.append(code & 0x1F)
        elif len(name) == 1:
            keys += name.encode()
        else:
            raise ValueError(f"unknown detach key {name!r}")
    return bytes(keys)


def window_size(fd: int) -> tuple[int, int] | None:
    """``(rows, columns)`` of the terminal at ``fd``, None when it is none."""
    try:
        rows, columns, _, _ = struct.unpack("HHHH", fcntl.ioctl(fd, termios.TIOCGWINSZ, b"\0" * 8))
    except OSError:
        return None
    return (rows, columns) if rows and columns else None


class _DetachFilter:
    """Holds back a prefix of the detach keys until it is known whether the rest follows."""

    def __init__(self, keys: bytes) -> None:
        self._keys = keys
        self._held = 0

    def feed(self, data: bytes) -> tuple[bytes, bool]:
        if not self._keys:
            return data, False
        out = bytearray()
        for byte in data:
            if byte == self._keys[self._held]:
                self._held += 1
                if self._held == len(self._keys):
                    return bytes(out), True
                continue
            out += self._keys[: self._held]
            self._held = 1 if byte == self._keys[0] else 0
            if not self._held:
                out.append(byte)
        return bytes(out), False


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:
            select.select([], [fd], [])


@dataclass(frozen=True, slots=True)
class Ends:
    """Our end of a session, as descriptors; ``stdin`` None sends nothing."""

    stdin: int | None
    stdout: int = 1
    stderr: int = 2


class Stream(Protocol):
    """What leads to the other side, such as the answer to an attach."""

    def hijack(self) -> tuple[socket.socket, bytes]:
        """The connection, and what has come by it already. The caller closes it."""


def run_session(
    response: Stream,
    ends: Ends,
    *,
    tty: bool,
    resize: Callable[[int, int], None] | None = None,
    detach_keys: bytes = DETACH_KEYS,
    on_signal: Callable[[int], None] | None = None,
) -> bool:
    """Run until the other side ends (False) or the user detaches (True).

    ``tty`` tells the format of the stream. ``resize(rows, columns)`` is called at the start and on every change of the
    window. ``on_signal`` gets SIGINT and SIGTERM instead of their default effect.
    """
    connection, early = response.hijack()
    stdin = ends.stdin
    interactive = tty and stdin is not None and os.isatty(stdin)
    wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    handled = {signal.SIGWINCH} if resize is not None else set()
    if on_signal is not None:
        handled |= {signal.SIGINT, signal.SIGTERM}
    previous = {number: signal.signal(number, lambda *_: None) for number in handled}
    old_wakeup = signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    saved = None
    try:
        if interactive:
            assert stdin is not None
            saved = termios.tcgetattr(stdin)
            raw_mode.setraw(stdin, termios.TCSANOW)
        window = _Window(stdin if stdin is not None else ends.stdout, resize)
        window.follow()
        keys = _DetachFilter(detach_keys if interactive else b"")
        return _Copy(connection, ends, _Output(ends, tty), keys).run(early, _Signals(wake_read, window, on_signal))
    finally:
        if saved is not None and stdin is not None:
            termios.tcsetattr(stdin, termios.TCSADRAIN, saved)
        signal.set_wakeup_fd(old_wakeup)
        for number, handler in previous.items():
            signal.signal(number, handler)
        os.close(wake_read)
        os.close(wake_write)
        connection.close()


class _Window:
    """Keeps the other side's window as large as ours. A command that is just starting may not take a size yet: then it is
    offered again, a few times."""

    def __init__(self, fd: int, resize: Callable[[int, int], None] | None) -> None:
        self._fd = fd
        self._resize = resize
        self._tries = 0

    def follow(self) -> None:
        """The window has (or may have) changed."""
        self._tries = RESIZE_TRIES
        self.offer()

    def offer(self) -> None:
        from ..errors import EngineError

        size = window_size(self._fd)
        if self._resize is None or size is None:
            self._tries = 0
            return
        self._tries -= 1
        with contextlib.suppress(EngineError):
            self._resize(*size)
            self._tries = 0

    @property
    def patience(self) -> int | None:
        """Milliseconds until the next offer; None when there is nothing to offer."""
        return RESIZE_PAUSE * (RESIZE_TRIES - self._tries) if self._tries > 0 else None


class _Output:
    """What comes from the other side, to our standard streams."""

    def __init__(self, ends: Ends, tty: bool) -> None:
        self._ends = ends
        self._frames = None if tty else _Demultiplexer()

    def deliver(self, data: bytes) -> None:
        if self._frames is None:
            _write_all(self._ends.stdout, data)
            return
        for stream, payload in self._frames.feed(data):
            _write_all(self._ends.stderr if stream == STDERR else self._ends.stdout, payload)


class _Signals:
    """The pipe that Python writes the numbers of signals to, and who wants to know of them."""

    def __init__(self, fd: int, window: _Window, on_signal: Callable[[int], None] | None) -> None:
        self.fd, self.window = fd, window
        self._on_signal = on_signal

    def read(self) -> None:
        for number in os.read(self.fd, 64):
            if number == signal.SIGWINCH:
                self.window.follow()
            elif self._on_signal is not None:
                self._on_signal(number)


class _Copy:
    """Both directions of one session at once."""

    def __init__(self, connection: socket.socket, ends: Ends, output: _Output, keys: _DetachFilter) -> None:
        self._connection = connection
        self._source = ends.stdin  # None once there is nothing more to send
        self._shut = ends.stdin is None
        self._output = output
        self._keys = keys
        self._outgoing = bytearray()
        self._poller = select.poll()

    def run(self, early: bytes, signals: _Signals) -> bool:
        """As `run_session`. ``early`` is what came with the answer's head."""
        if early:
            self._output.deliver(early)
        self._connection.setblocking(False)
        self._poller.register(signals.fd, select.POLLIN)
        while True:
            self._register()
            ready = self._poller.poll(signals.window.patience)
            if not ready:
                signals.window.offer()
            for fd, events in ready:
                if fd == signals.fd:
                    signals.read()
                elif fd == self._connection.fileno():
                    if events & ~select.POLLOUT and self._receive():
                        return False
                    if events & select.POLLOUT and self._outgoing:
                        self._send()
                elif fd == self._source and self._read(fd):
                    return True
            self._end_input()

    def _register(self) -> None:
        self._poller.register(self._connection, select.POLLIN | (select.POLLOUT if self._outgoing else 0))
        if self._source is None:
            return
        if len(self._outgoing) < _HIGH_WATER:
            self._poller.register(self._source, select.POLLIN)
        else:
            with contextlib.suppress(KeyError):
                self._poller.unregister(self._source)

    def _receive(self) -> bool:
        """Whether the other side has ended."""
        try:
            data = self._connection.recv(_BLOCK)
        except BlockingIOError:
            return False
        except OSError:
            return True
        self._output.deliver(data)
        return not data

    def _send(self) -> None:
        try:
            del self._outgoing[: self._connection.send(self._outgoing)]
        except BlockingIOError:
            pass
        except OSError:
            self._outgoing.clear()
            self._stop_reading()

    def _read(self, fd: int) -> bool:
        """Take what was typed or piped; whether it has the keys that detach."""
        try:
            typed = os.read(fd, _BLOCK)
        except OSError:
            typed = b""
        passed, detached = self._keys.feed(typed)
        self._outgoing += passed
        if not typed and not detached:
            self._stop_reading()
        return detached

    def _stop_reading(self) -> None:
        if self._source is not None:
            with contextlib.suppress(KeyError):
                self._poller.unregister(self._source)
            self._source = None

    def _end_input(self) -> None:
        if self._source is None and not self._outgoing and not self._shut:
            self._shut = True
            with contextlib.suppress(OSError):
                self._connection.shutdown(1)  # SHUT_WR: the container's stdin ends, its output goes on


class _Demultiplexer:
    """`demultiplex` for blocks that are pushed rather than pulled."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        self._buffer += data
        while len(self._buffer) >= 8:
            size = int.from_bytes(self._buffer[4:8], "big")
            whole = 8 + size
            if len(self._buffer) < whole:
                return
            frame = bytes(self._buffer[:whole])
            del self._buffer[:whole]
            yield from demultiplex((frame,))


def stdio_is_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()
