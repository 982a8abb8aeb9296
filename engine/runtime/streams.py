"""A run's standard streams: pipes or a terminal on one side, the log on the other.

Made anew for every run. Output goes into the log and nowhere else; who wants to see it reads the log.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import termios
from typing import TYPE_CHECKING

from ..linux import tty
from . import logfile

if TYPE_CHECKING:
    from .loop import Loop

_LARGE_PIPE = 1 << 20
_TIOCGPTPEER = 0x5441


class Streams:
    """``child`` are the three descriptors for the child; close them with :meth:`forked` once it has them."""

    def __init__(self, loop: Loop, log: logfile.LogWriter, *, terminal: bool, stdin: bool) -> None:
        self._loop = loop
        self._log = log
        self._outputs: dict[int, int] = {}
        self._master = -1
        self._peer = -1
        self._stdin = -1
        self.child: list[int] = []
        self._wants_stdin = stdin
        if terminal:
            self.child = [os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)] * 3
            return
        if stdin:
            reader, self._stdin = os.pipe2(os.O_CLOEXEC)
            os.set_blocking(self._stdin, False)
            self.child.append(reader)
        else:
            self.child.append(os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC))
        for stream in (logfile.STDOUT, logfile.STDERR):
            reader, writer = os.pipe2(os.O_CLOEXEC)
            os.set_blocking(reader, False)
            # Fewer turns for a container that writes much; the kernel may refuse beyond its limit per user.
            with contextlib.suppress(OSError):
                fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, _LARGE_PIPE)
            self.child.append(writer)
            self._outputs[reader] = stream
            self._watch(reader)

    def _watch(self, reader: int) -> None:
        self._loop.watch(reader, lambda _: self._copy(reader))

    def forked(self) -> None:
        """The child has its copies."""
        for descriptor in set(self.child):
            os.close(descriptor)
        self.child = []

    def attach_terminal(self, master: int) -> None:
        """The terminal the child has opened; it is ours now."""
        os.set_blocking(master, False)
        self._master = master
        # A slave of our own: without any open one, reading the master fails until the container opens it again.
        self._peer = fcntl.ioctl(master, _TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        self._loop.watch(master, lambda _: self._copy_terminal())

    @property
    def stdin(self) -> int:
        """Where the container's input goes in (non-blocking), or -1."""
        if not self._wants_stdin:
            return -1
        return self._master if self._master >= 0 else self._stdin

    def close_stdin(self) -> None:
        """Close the pipe; at a terminal the end of input is typed (Ctrl-D), which only readers of lines notice."""
        if self._stdin >= 0:
            os.close(self._stdin)
            self._stdin = -1
        elif self._master >= 0:
            with contextlib.suppress(OSError):
                os.write(self._master, termios.tcgetattr(self._peer)[6][termios.VEOF])
        self._wants_stdin = False

    def resize(self, rows: int, columns: int) -> None:
        if self._master >= 0:
            tty.resize(self._master, rows, columns)

    def finish(self) -> None:
        """The container has ended: take over what is left in pipes and terminal, and close all."""
        for reader in list(self._outputs):
            while self._copy(reader):
                pass
            self._close_output(reader)
        if self._master >= 0:
            while self._copy_terminal():
                pass
            self._loop.forget(self._master)
            os.close(self._peer)
            os.close(self._master)
            self._master = self._peer = -1
        if self._stdin >= 0:
            os.close(self._stdin)
            self._stdin = -1

    def _copy(self, reader: int) -> bool:
        """Move what is there; whether there may be more now."""
        stream = self._outputs.get(reader)
        if stream is None:
            return False
        moved = self._log.splice(reader, stream)
        if moved == 0:
            self._close_output(reader)
        return bool(moved)

    def _close_output(self, reader: int) -> None:
        if self._outputs.pop(reader, None) is not None:
            self._loop.forget(reader)
            os.close(reader)

    def _copy_terminal(self) -> bool:
        try:
            data = os.read(self._master, 65536)
        except (BlockingIOError, OSError):
            return False
        self._log.write(data, logfile.STDOUT)
        return bool(data)
