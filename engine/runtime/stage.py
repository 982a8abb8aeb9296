"""What a launch carries from one operation to the next, inside the child: descriptors, the resolved user, the report.

The child reports over a close-on-exec SEQPACKET socket: a terminal, a failure, or nothing but end of file, which means
that the program is running. Plain mutable state on purpose: operations themselves are values.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from typing import TYPE_CHECKING, NamedTuple, Protocol

from ..linux import paths
from ..linux.libc import KernelError
from . import protocol, users

if TYPE_CHECKING:
    import socket

    from . import wire
    from .slot import Slot


class Operation(Protocol):
    """One step of a launch. The parent builds it, the child executes it, and both can say what it is."""

    def execute(self, stage: Stage) -> None: ...

    def describe(self) -> str: ...


class ProgramError(Exception):
    """The program itself is at fault: ``exit_code`` is 127 (not found) or 126 (cannot be executed)."""

    def __init__(self, message: str, exit_code: int, errno_: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.errno = errno_


class Failure(NamedTuple):
    """Why a launch did not come to its end."""

    operation: str
    errno: int
    message: str
    exit_code: int

    def document(self) -> wire.Problem:
        """The ``error`` of a reply."""
        return {
            "operation": self.operation,
            "errno": self.errno,
            "message": self.message,
            "exit_code": self.exit_code,
        }

    @staticmethod
    def of(operation: str, error: Exception) -> Failure:
        """The failure for an exception raised by the operation described as ``operation``."""
        if isinstance(error, ProgramError):
            return Failure(operation, error.errno, str(error), error.exit_code)
        if isinstance(error, users.UserError):
            return Failure(operation, 0, str(error), 128)
        number = error.errno or 0 if isinstance(error, OSError) else 0
        return Failure(operation, number, f"{operation}: {error}", 128)


class Stage:
    """State of one launch in the child."""

    __slots__ = (
        "channel",
        "descriptors_fd",
        "environment",
        "identity",
        "nodes",
        "not_left",
        "own_profile",
        "pending_directory",
        "pids_fd",
        "program",
        "root_fd",
        "slot",
        "sources",
    )

    def __init__(self, channel: socket.socket, slot: Slot | None = None) -> None:
        self.channel = channel
        self.slot = slot
        self.pids_fd = -1
        self.program = ""
        self.environment: dict[str, str] = {}
        self.root_fd = -1
        self.descriptors_fd = -1
        self.sources: list[int] = []
        self.nodes: dict[str, int] = {}
        self.not_left: set[str] = set()
        self.own_profile: tuple[str, int] | None = None
        self.identity = users.Identity(0, 0, (0,), "/", "root")
        self.pending_directory = ""

    def warn(self, warnings: tuple[str, ...]) -> None:
        """Tell the shim what this machine could not do."""
        if warnings:
            protocol.send(self.channel, {"warnings": list(warnings)})

    def before_leaving(self) -> None:
        """While the host's /proc is there: hold the directory of our descriptors, for `read_small_file`."""
        self.descriptors_fd = os.open("/proc/self/fd", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def nothing_more_to_read(self) -> None:
        """Let go of it. Before we are in the container's pid namespace, for it is the host's."""
        os.close(self.descriptors_fd)
        self.descriptors_fd = -1

    def leave_host(self) -> None:
        """From here on ``/`` is the container's: a module that is loaded now would be a file of the image's."""
        sys.meta_path.clear()

    def announce(self, last: tuple[Operation, ...], program: str) -> None:
        """Tell the shim which steps are left, the last of which executes ``program``, and no more: the channel is closed."""
        protocol.send(self.channel, {"last": [step.describe() for step in last], "program": program})
        self.channel.close()

    def send_terminal(self, master: int) -> None:
        """Hand the pty master to the shim; the child has no use for it."""
        protocol.send(self.channel, {"terminal": True}, (master,))
        os.close(master)

    def send_listener(self, listener: int) -> None:
        """Hand the shim what it answers a filter's calls by."""
        protocol.send(self.channel, {"listener": True}, (listener,))
        os.close(listener)

    def send_files(self, folder: int) -> None:
        """Hand the folder of the container's own files to the shim."""
        protocol.send(self.channel, {"files": True}, (folder,))
        os.close(folder)

    def read_small_file(self, path: str, limit: int) -> bytes:
        """The content of a regular file below the root, or nothing when it is missing; never more than ``limit``. Between
        `before_leaving` and `nothing_more_to_read`."""
        try:
            found = paths.open_in_root(self.root_fd, path)
        except KernelError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                return b""
            raise
        try:
            # What has taken the file's place is not even opened: opening a pipe or a device is an act.
            if not stat.S_ISREG(os.fstat(found).st_mode):
                return b""
            descriptor = os.open(str(found), os.O_RDONLY | os.O_CLOEXEC, dir_fd=self.descriptors_fd)
        finally:
            os.close(found)
        try:
            chunks: list[bytes] = []
            while limit > 0 and (chunk := os.read(descriptor, min(limit, 65536))):
                chunks.append(chunk)
                limit -= len(chunk)
            return b"".join(chunks)
        finally:
            os.close(descriptor)


def run(operations: tuple[Operation, ...], stage: Stage) -> Failure:
    """Execute in order. Returns only when one fails: the last one becomes the container's program."""
    operation: Operation | None = None
    try:
        for operation in operations:
            operation.execute(stage)
    except (OSError, ValueError, ProgramError) as error:
        return Failure.of(operation.describe() if operation else "launch", error)
    return Failure("launch", 0, "the last operation returned instead of executing the program", 128)
