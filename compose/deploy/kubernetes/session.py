"""A command in a pod's container with our own input, output and terminal.

The API server carries it in messages that begin with the number of their channel. Between these and `client.terminal`, which runs the
sessions of the engine's own exec, stands a pair of sockets: what comes from the channels has the form there that Docker's stream has.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import stat
import struct
import threading
from typing import TYPE_CHECKING

from ....grammar.jsontree import mapping, mappings, text
from ...client.frames import STDERR, STDOUT
from ...client.terminal import Ends, run_session
from ...errors import OperationError
from .client import PROTOCOLS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .client import Channels, Kube

INPUT, OUTPUT, ERRORS, STATUS, SIZE = range(5)
CLOSE = 255
BLOCK = 32 * 1024
SINCE = 30
"""The minor version from which a server can be told that the input has ended."""

UNKNOWN_EXIT = 255
CANNOT_RUN = (("executable file not found", 127), ("no such file or directory", 127), ("permission denied", 126))
"""What a runtime says of commands that it cannot start, and the exit code that a shell has for it."""

_FED = (
    'm=$1; shift; while IFS= read -r l && [ -n "$l" ]; do printf %b "$l"; done 2>/dev/null'
    ' | { "$@"; c=$?; printf %s%d. "$m" $c; printf %s%d. "$m" $c >&2; }'
)
"""Older servers: the input in lines for the shell itself to print, of which an empty one is the end, and the end of the command told
in the text of both outputs. Nothing is needed but a shell: programs such as head read more than they are told to."""

_SAFE = frozenset(range(0x20, 0x7F)) - {ord("\\")}
_LETTERS = [bytes((one,)) if one in _SAFE else b"\\0%03o" % one for one in range(256)]


class Place:
    """A container of a pod, as commands name it."""

    def __init__(self, pod: str, namespace: str, container: str) -> None:
        self.pod, self.namespace, self.container = pod, namespace, container


def execute(kube: Kube, place: Place, command: Sequence[str], stdin: int | None, *, tty: bool) -> int:
    """Run ``command`` between our own standard streams until it ends; its exit code. ``stdin`` None sends nothing."""
    if not tty and stdin is not None and not _has_input(stdin):
        stdin = None
    fed = not tty and stdin is not None and kube.minor < SINCE
    words, mark = list(command), ""
    if fed:
        mark = f"\n{secrets.token_hex(16)}:"
        words = ["sh", "-c", _FED, "sh", mark, *command]
    with kube.channels(
        place.pod, place.namespace, place.container, words, stdin=stdin is not None, tty=tty
    ) as channels:
        bridge = _Bridge(channels, tty=tty, mark=mark.encode())
        run_session(bridge, Ends(stdin), tty=tty, resize=bridge.resize if tty else None, detach_keys=b"")
        return bridge.finish()


def output_of(kube: Kube, place: Place, command: Sequence[str]) -> str:
    """What a command prints. Raises `OperationError` when it ends with another code than 0."""
    found = {OUTPUT: bytearray(), ERRORS: bytearray()}
    with kube.channels(place.pod, place.namespace, place.container, list(command), stdin=False, tty=False) as channels:
        for channel, data in _messages(channels):
            if channel == STATUS:
                code = exit_code(data)
                break
            found[channel] += data
    if code:
        told = found[ERRORS].decode("utf-8", "replace").strip() or f"exit code {code}"
        raise OperationError(f"{place.pod}: {command[0]}: {told}")
    return found[OUTPUT].decode("utf-8", "replace")


def _messages(channels: Channels) -> Iterator[tuple[int, bytes]]:
    """Channel and content of each message. The first of each channel has none."""
    while True:
        message = channels.receive_bytes()
        if message and message[0] in (OUTPUT, ERRORS, STATUS):
            yield message[0], message[1:]


def exit_code(status: bytes) -> int:
    """Of the Status that a command ends with. Raises `OperationError` when the command could not be run at all."""
    try:
        tree = mapping(json.loads(status))
    except ValueError:
        tree = {}
    if text(tree.get("status")) == "Success":
        return 0
    for cause in mappings(mapping(tree.get("details")).get("causes")):
        if text(cause.get("reason")) == "ExitCode":
            return int(text(cause.get("message")) or UNKNOWN_EXIT)
    raise NotRun(text(tree.get("message")) or "the command was not run")


class NotRun(OperationError):
    """The runtime could not run a command; ``code`` is what a shell would have ended with."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.code = next((code for words, code in CANNOT_RUN if words in message), 1)


def _has_input(fd: int) -> bool:
    """Whether anything can come from ``fd``: not from /dev/null, a closed descriptor, or the end of a file."""
    try:
        found = os.fstat(fd)
        if stat.S_ISCHR(found.st_mode):
            return os.isatty(fd)
        return not stat.S_ISREG(found.st_mode) or os.lseek(fd, 0, os.SEEK_CUR) < found.st_size
    except OSError:
        return False


class _Bridge:
    """The far end of the pair of sockets, and two threads: from the channels to it, and from it to the channels."""

    def __init__(self, channels: Channels, *, tty: bool, mark: bytes) -> None:
        self._channels = channels
        self._tty = tty
        self._mark = mark
        self._held = {channel: _Marked(mark) for channel in (OUTPUT, ERRORS)}
        self._near, self._far = socket.socketpair()
        self._lock = threading.Lock()
        self._code: int | None = None
        self._error: BaseException | None = None
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._receive, self._send)]

    def hijack(self) -> tuple[socket.socket, bytes]:
        for one in self._threads:
            one.start()
        return self._near, b""

    def resize(self, rows: int, columns: int) -> None:
        with self._lock, contextlib.suppress(Exception):  # a connection that has gone is told of by the one who reads
            self._channels.send_bytes(bytes((SIZE,)) + json.dumps({"Width": columns, "Height": rows}).encode())

    def finish(self) -> int:
        """The exit code, once the session has ended. Raises `ComposeError` and what the library does."""
        self._threads[0].join()
        with contextlib.suppress(OSError):
            self._far.shutdown(socket.SHUT_RDWR)  # whoever waits for input there wakes up
        self._threads[1].join()
        self._far.close()
        if self._error is not None:
            raise self._error
        return UNKNOWN_EXIT if self._code is None else self._code

    def _receive(self) -> None:
        try:
            for channel, data in _messages(self._channels):
                if channel == STATUS:
                    self._code = exit_code(data)
                    break
                self._deliver(channel, self._held[channel].feed(data))
                if all(one.code is not None for one in self._held.values()):
                    self._code = self._held[OUTPUT].code
                    break
        except OSError:
            pass  # our own end has gone first
        except Exception as error:
            self._error = error
        finally:
            with contextlib.suppress(OSError):
                for channel, held in self._held.items():
                    self._deliver(channel, held.rest())
                self._far.shutdown(socket.SHUT_WR)

    def _deliver(self, channel: int, data: bytes) -> None:
        if data:
            stream = STDERR if channel == ERRORS else STDOUT
            self._far.sendall(data if self._tty else struct.pack(">BxxxL", stream, len(data)) + data)

    def _send(self) -> None:
        """Until our input ends. What cannot be sent any more is lost with the connection, which the other thread tells of."""
        with contextlib.suppress(Exception):
            while data := self._far.recv(BLOCK):
                self._put(data)
            if self._threads[0].is_alive():
                self._end_input()

    def _put(self, data: bytes) -> None:
        with self._lock:
            self._channels.send_bytes(bytes((INPUT,)) + (line_of(data) if self._mark else data))

    def _end_input(self) -> None:
        with self._lock:
            if self._mark:
                self._channels.send_bytes(bytes((INPUT,)) + b"\n")
            elif self._channels.subprotocol == PROTOCOLS[0]:
                self._channels.send_bytes(bytes((CLOSE, INPUT)))


def line_of(data: bytes) -> bytes:
    """``data`` as a line for the shell's ``printf %b``."""
    return b"".join(_LETTERS[one] for one in data) + b"\n"


class _Marked:
    """An output with a mark and the exit code at its end; all of it is passed on that cannot be the beginning of these."""

    def __init__(self, mark: bytes) -> None:
        self._mark = mark
        self._buffer = b""
        self.code: int | None = None

    def feed(self, data: bytes) -> bytes:
        """What can be shown by now."""
        if not self._mark:
            return data
        self._buffer += data
        before, found, after = self._buffer.partition(self._mark)
        if found:
            number, dot, _ = after.partition(b".")
            self.code = int(number) if dot else None
            self._buffer = found + after if not dot else b""
            return before
        keep = next((size for size in range(len(self._mark), 0, -1) if before.endswith(self._mark[:size])), 0)
        self._buffer = before[len(before) - keep :]
        return before[: len(before) - keep]

    def rest(self) -> bytes:
        """What was held back and was no mark."""
        rest, self._buffer = self._buffer, b""
        return rest
