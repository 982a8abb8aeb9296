"""A worker: forked from the resident before anybody asks, it becomes one command of one launcher.

It tells the resident whom it serves, compares who asks with who it is, takes over what the launcher would have given to its
own command, and begins at the launcher's word. Before that word nothing has been done, so that the launcher may as well
run the command itself.
"""

from __future__ import annotations

import array
import fcntl
import io
import marshal
import os
import select
import signal
import socket
import struct
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn, TextIO

from ..compose.cli.main import main
from ..launcher import ACCEPTED, GO, INTERPRETER, INTERRUPTED, MOST_DESCRIPTORS, PATIENCE, PROTOCOL, REFUSED
from .cold import finish
from .identity import Inheritance, Person, look_at, take_over
from .preload import is_current, rehearse

if TYPE_CHECKING:
    from .preload import Stamp

MOST_BYTES = 8 * 1024 * 1024
"""Of a request: arguments and environment; the kernel gives a program at most 6 MB of them."""

TAKEN, STALE = b"T", b"S"
"""To the resident: I serve this connection; and: what is installed is no longer what you have loaded."""


LEISURE = 5
"""Milliseconds without a launcher after which a worker warms up."""


class Refusal(Exception):
    """The launcher has to run its command itself."""


@dataclass(frozen=True, slots=True)
class Request:
    arguments: list[str]
    environment: dict[bytes, bytes]
    directory: int
    descriptors: dict[int, int]
    """Number in the launcher -> number here."""


def serve(listener: socket.socket, control: socket.socket, self: Person, code: Stamp) -> NoReturn:
    """Wait for a launcher, serve it, and end. Ends without a word when the resident has gone."""
    poller = select.poll()
    poller.register(listener, select.POLLIN)
    poller.register(control, select.POLLIN | select.POLLRDHUP)
    if not poller.poll(LEISURE):
        _warm_up()
    if any(fd == control.fileno() for fd, _ in poller.poll()):
        os._exit(0)
    connection, _ = listener.accept()
    listener.close()
    socket.send_fds(control, [TAKEN], [connection.fileno()])
    os.setsid()
    connection.settimeout(PATIENCE)
    try:
        other = _client(connection, self)
        if not is_current(code):
            control.send(STALE)
            raise Refusal
        request = _receive(connection)
        _become(request, other.inheritance, connection, control)
    except (OSError, ValueError, EOFError, TypeError, Refusal):
        # Whatever it was, the launcher runs the command itself.
        _refuse(connection)
    connection.close()
    control.close()
    finish(_run())


def _warm_up() -> None:
    """Go the way of a command once: the pages that it changes become this process's own now, not when somebody waits."""
    main(["version"])
    rehearse()


def _client(connection: socket.socket, self: Person) -> Person:
    """The launcher, when it is what this process is."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    pid, uid, _ = struct.unpack("3i", credentials)
    if pid <= 0 or uid != os.geteuid():
        raise Refusal
    other = look_at(pid)
    if other.facts != self.facts:
        raise Refusal
    return other


def _receive(connection: socket.socket) -> Request:
    room = (MOST_DESCRIPTORS + 4) * 4
    data, messages, flags, _ = connection.recvmsg(65536, socket.CMSG_SPACE(room))
    numbers = array.array("i")
    for level, kind, body in messages:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            numbers.frombytes(body[: len(body) - len(body) % numbers.itemsize])
    whole = bytearray(data)
    while len(whole) < 4 or len(whole) < 4 + int.from_bytes(whole[:4], "big"):
        if int.from_bytes(whole[:4], "big") > MOST_BYTES:
            raise Refusal
        more = connection.recv(1024 * 1024)
        if not more:
            raise Refusal
        whole += more
    protocol, arguments, variables, others = marshal.loads(whole[4:])
    if protocol != PROTOCOL or len(numbers) != 4 + len(others) or flags & socket.MSG_CTRUNC:
        raise Refusal
    environment = dict(one.split(b"=", 1) for one in variables)
    if _read_at_start(environment) != _read_at_start(os.environb):
        raise Refusal
    descriptors = dict(zip((0, 1, 2, *others), numbers[1:], strict=True))
    return Request(arguments, environment, numbers[0], descriptors)


def _read_at_start(environment: object) -> dict[bytes, bytes]:
    beginnings = tuple(map(os.fsencode, INTERPRETER))
    assert isinstance(environment, dict | os._Environ)
    return {key: value for key, value in environment.items() if key.startswith(beginnings)}


def _become(request: Request, inheritance: Inheritance, connection: socket.socket, control: socket.socket) -> None:
    """Take everything over, say so, and wait for the word to begin."""
    os.fchdir(request.directory)
    os.close(request.directory)
    keep = _place(request.descriptors, connection, control)
    take_over(inheritance)
    sys.argv = request.arguments
    os.environ.clear()
    os.environb.update(request.environment)
    time.tzset()
    _open_streams()
    _set_signals(inheritance)
    keep.settimeout(PATIENCE)
    keep.sendall(ACCEPTED + os.getpid().to_bytes(4, "big"))
    if keep.recv(1) != GO:
        os._exit(0)
    keep.close()


def _place(descriptors: dict[int, int], connection: socket.socket, control: socket.socket) -> socket.socket:
    """Give every descriptor the number it has in the launcher; the connection goes where none of them is."""
    above = max(descriptors) + 1
    kept = socket.socket(fileno=fcntl.fcntl(connection.fileno(), fcntl.F_DUPFD_CLOEXEC, above))
    high = {number: fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, above) for number, fd in descriptors.items()}
    for fd in (*descriptors.values(), connection.detach(), control.detach()):
        os.close(fd)
    for number, fd in high.items():
        os.dup2(fd, number, inheritable=True)
        os.close(fd)
    return kept


def _open_streams() -> None:
    """The three standard streams as an interpreter opens them; encodings are the resident's, which has the same locale."""
    for name, fd, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        old: TextIO = getattr(sys, name)
        assert isinstance(old, io.TextIOWrapper)
        unbuffered = old.write_through
        binary = open(fd, f"{mode}b", 0 if unbuffered else -1, closefd=False)  # noqa: SIM115  (for good)
        new = io.TextIOWrapper(
            binary,
            encoding=old.encoding,
            errors=old.errors,
            newline="\n",
            line_buffering=name == "stderr" or os.isatty(fd),
            write_through=unbuffered,
        )
        new.mode = mode  # type: ignore[misc]
        setattr(sys, name, new)
        setattr(sys, f"__{name}__", new)


def _set_signals(inheritance: Inheritance) -> None:
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGPIPE, signal.SIGXFSZ}:
        ignored = bool(inheritance.ignored >> (number - 1) & 1)
        if ignored != (signal.getsignal(number) is signal.SIG_IGN):
            signal.signal(number, signal.SIG_IGN if ignored else signal.SIG_DFL)
    blocked = {number for number in signal.valid_signals() if inheritance.blocked >> (number - 1) & 1}
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _refuse(connection: socket.socket) -> NoReturn:
    try:
        connection.send(REFUSED)
    except OSError:
        os._exit(0)  # it has not waited
    os._exit(0)


def _run() -> int:
    """The command; its exit code as an interpreter would give it."""
    try:
        return main()
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED  # before the command could take it
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
        return 1
