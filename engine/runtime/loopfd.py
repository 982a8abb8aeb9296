"""Descriptors that an event loop's thread may read and write.

    pipe:      child_end, ours = input_pipe()      ours, child_end = output_pipe()
    received:  LoopFd(descriptor)                  a pty master, a pipe's end, by SCM_RIGHTS

A ``LoopFd`` is non-blocking from its first moment, so one slow program on its other end cannot hold the loop and with it
every other client. Functions that run on the loop take this type, and a bare number does not pass mypy.
"""

from __future__ import annotations

import os
import stat


class LoopFd:
    """Owns one descriptor: non-blocking, and closed once. Raises ValueError for a regular file or a directory, which never
    say that they would block."""

    __slots__ = ("_number",)

    def __init__(self, number: int) -> None:
        kind = os.fstat(number).st_mode
        if stat.S_ISREG(kind) or stat.S_ISDIR(kind):
            raise ValueError(f"descriptor {number} is a file: read and write it in a thread")
        os.set_blocking(number, False)
        self._number = number

    def fileno(self) -> int:
        """The number; -1 once closed."""
        return self._number

    def read(self, size: int) -> bytes:
        """What is there, at most ``size`` bytes; b"" at the end. Raises BlockingIOError when there is nothing now."""
        return os.read(self._number, size)

    def write(self, data: bytes | memoryview) -> int:
        """How much of ``data`` was taken. Raises BlockingIOError when nothing is taken now."""
        return os.write(self._number, data)

    def close(self) -> None:
        number, self._number = self._number, -1
        if number >= 0:
            os.close(number)


def input_pipe() -> tuple[int, LoopFd]:
    """A pipe into a child: the child's end, which blocks as programs expect, and ours to write."""
    reader, writer = os.pipe2(os.O_CLOEXEC)
    return reader, LoopFd(writer)


def output_pipe() -> tuple[LoopFd, int]:
    """A pipe out of a child: ours to read, and the child's end."""
    reader, writer = os.pipe2(os.O_CLOEXEC)
    return LoopFd(reader), writer
