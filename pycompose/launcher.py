"""The `pycompose` command's entry: hands the command to this user's resident process, or runs it here.

Python's start and our imports take longer than most commands. A process that has everything imported (``warm/``) forks a
worker for a command; this launcher lends it the descriptors, directory, environment and arguments, passes signals on, and
ends as the worker ended. Whatever is in doubt (no resident, another version, other privileges, a terminal that a session
needs for itself, ``PYCOMPOSE_WARM=0``) runs here, as if there were no resident.

Imports only what the interpreter has loaded already, ``_socket`` and ``_signal``: `socket` and `signal` would load `enum`.

One exchange on a stream socket:

    launcher                        worker, forked beforehand
    length, request, descriptors →  compares who asks with who it is
                                 ←  ACCEPTED and its pid, or REFUSED
    GO                           →  begins; without GO it never does anything
                                 ←  (from the resident) the worker's wait status; nothing but an end: it is killed
"""

import _signal  # type: ignore[import-not-found]
import _socket
import marshal
import os
import sys

PROTOCOL = 1
ACCEPTED, REFUSED, GO = b"A", b"R", b"G"

PATIENCE = 2.0
"""Seconds for the exchange until GO; a resident that is slower is not needed."""

INTERRUPTED = 130
"""The exit code of a command that was interrupted."""

MOST_DESCRIPTORS = 250
"""The kernel passes 253 with one message."""

INTERPRETER = ("PYTHON", "LANG", "LC_", "LD_", "MALLOC_", "GLIBC_", "OPENSSL_", "SSL_")
"""Variables (by their beginnings) that an interpreter reads at its start: a resident serves those who have the same."""

VALUED = frozenset(
    [
        "--ansi",
        "--env-file",
        "--file",
        "-f",
        "--host",
        "-H",
        "--parallel",
        "--profile",
        "--progress",
        "--project-directory",
        "--workdir",
        "--project-name",
        "-p",
        "--root",
    ]
)
"""Global options that take the next word as their value."""

ALONE = frozenset(["attach", "login", "test", "watch", "engine", "lease", "lsp", "tui", "ui", "__complete"])
"""Verbs that run in the process that was started: they own a terminal, become another program, or lend their pid."""

ON_TERMINALS = frozenset(
    [
        "config",
        "down",
        "env",
        "explain",
        "graph",
        "images",
        "kill",
        "ls",
        "pause",
        "plan",
        "port",
        "ps",
        "restart",
        "start",
        "stop",
        "top",
        "unpause",
        "version",
        "volumes",
    ]
)
"""Verbs that a worker may run on a terminal: they end by themselves and never read it."""

_FORWARDED = ("SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGWINCH", "SIGTSTP")
_ALWAYS = (_signal.SIGINT, _signal.SIGTERM)
"""The command takes these even where it was started with them ignored, as a background job of a shell is."""


def main() -> None:
    """Run the command, and end with its exit code."""
    for number in _ALWAYS:  # until the command takes them, there is nothing to take back
        _signal.signal(number, lambda *_: os._exit(INTERRUPTED))
    arguments = sys.argv[1:]
    verb = find_verb(arguments)
    if os.environ.get("PYCOMPOSE_WARM") != "0" and verb not in ALONE:
        path = resident_path() if _may_be_lent(verb, arguments) else ""
        if path:
            connection = _connect(path)
            if connection is not None:
                worker = _lend(connection)
                if worker >= 0:
                    _end(_accompany(connection, worker))
                connection.close()
    from .warm.cold import run

    run(resident_path if verb not in ALONE else None, inherited, INTERPRETER)


def find_verb(arguments: list[str]) -> str:
    """The first word that is no global option; "" without one."""
    position = 0
    while position < len(arguments):
        word = arguments[position]
        if not word.startswith("-"):
            return word
        position += 2 if word in VALUED else 1
    return ""


def resident_directory() -> str:
    """Where this user's residents listen: a directory that belongs to nobody else. "" when there can be none."""
    user = os.geteuid()
    if user == 0:
        return "/run/pycompose-warm"
    base = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{user}"
    return f"{base}/pycompose-warm" if base.startswith("/") else ""


def resident_path() -> str:
    """The socket of the resident that can serve this process; "" when there can be none."""
    directory = resident_directory()
    return f"{directory}/{resident_name()}" if directory else ""


def resident_name() -> str:
    """The name of the resident that can serve this process: of its interpreter, installation, group and namespaces.

    Only keeps residents apart; whether one may serve this process, its worker finds out from the kernel.
    """
    parts = [sys.executable, sys.prefix, __file__, str(os.geteuid())]
    parts += [f"{key}={value}" for key, value in sorted(os.environ.items()) if key.startswith(INTERPRETER)]
    try:
        parts += [os.readlink(f"/proc/self/ns/{kind}") for kind in ("mnt", "pid", "net", "user")]
        with open("/proc/self/cgroup", "rb", buffering=0) as file:
            text = "\0".join(parts).encode("utf-8", "surrogateescape") + (file.read(65536) or b"")
    except OSError:
        return "none"
    return f"{int.from_bytes(text, 'little') % (2**127 - 1):032x}"


def _may_be_lent(verb: str, arguments: list[str]) -> bool:
    if sys.stdin is None or sys.stdout is None or sys.stderr is None:
        return False
    terminals = [fd for fd in range(3) if os.isatty(fd)]
    if not terminals:
        return True
    if verb not in ON_TERMINALS and not (verb == "up" and ("-d" in arguments or "--detach" in arguments)):
        return False
    try:
        return all(os.tcgetpgrp(fd) == os.getpgrp() for fd in terminals)
    except OSError:
        return False  # a terminal, but not the one of our session


def _connect(path: str) -> _socket.socket | None:
    """A connection to the resident at ``path``; None when nobody listens, or anybody else could have made the path."""
    try:
        found = os.lstat(os.path.dirname(path))
        if found.st_uid != os.geteuid() or found.st_mode & 0o170077 != 0o040000:
            return None
    except OSError:
        return None
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        connection.settimeout(PATIENCE)
        connection.connect(path)
        # The directory was ours when we looked: what has answered must be ours as well. struct ucred: pid, uid, gid.
        peer = connection.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12)
        if int.from_bytes(peer[4:8], sys.byteorder) != os.geteuid():
            raise OSError
    except OSError:
        connection.close()
        return None
    return connection


def _lend(connection: _socket.socket) -> int:
    """Hand everything over; a descriptor of the worker that is about to begin, -1 when the command is to run here."""
    descriptors: list[int] = []
    try:
        others = inherited()
        if len(others) > MOST_DESCRIPTORS:
            return -1
        descriptors.append(os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))
        environment = [os.fsencode(f"{key}={value}") for key, value in os.environ.items()]
        request = marshal.dumps((PROTOCOL, sys.argv, environment, others))
        lent = b"".join(fd.to_bytes(4, sys.byteorder) for fd in (descriptors[0], 0, 1, 2, *others))
        message = len(request).to_bytes(4, "big") + request
        sent = connection.sendmsg([message], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, lent)])
        while sent < len(message):
            sent += connection.send(message[sent:])
        answer = connection.recv(5)
        if len(answer) < 5 or answer[:1] != ACCEPTED:
            return -1
        worker = os.pidfd_open(int.from_bytes(answer[1:], "big"))
        connection.settimeout(None)
        return worker
    except OSError:
        return -1
    finally:
        for fd in descriptors:
            os.close(fd)


def inherited() -> list[int]:
    """Descriptors beyond the standard ones that a program started by us would have."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        fd = int(name)
        if fd > 2:
            try:
                inheritable = os.get_inheritable(fd)
            except OSError:
                continue  # the listing's own
            if inheritable:
                found.append(fd)
    return sorted(found)


def _accompany(connection: _socket.socket, worker: int) -> int | None:
    """Let the worker begin and pass signals on until it has ended: its wait status, None when nobody knows."""

    def pass_on(number: int, frame: object) -> None:
        if number == _signal.SIGTSTP:
            _send(worker, _signal.SIGSTOP)
            _signal.signal(number, _signal.SIG_DFL)
            os.kill(os.getpid(), number)  # returns when somebody lets us go on
            _signal.signal(number, pass_on)
            number = _signal.SIGCONT
        _send(worker, number)

    for name in _FORWARDED:
        number = getattr(_signal, name)
        if number in _ALWAYS or _signal.getsignal(number) is not _signal.SIG_IGN:
            _signal.signal(number, pass_on)
    try:
        connection.send(GO)
        status = connection.recv(4)
    except OSError:
        status = b""
    if len(status) == 4:
        return int.from_bytes(status, "big")
    # The resident is gone, and its workers are to end with it.
    _send(worker, _signal.SIGKILL)
    return None


def _send(worker: int, number: int) -> None:
    try:
        _signal.pidfd_send_signal(worker, number)
    except OSError:
        return  # it has ended; the status is on its way


def _end(status: int | None) -> None:
    """End as the worker did; where that is unknown, as a command that was killed."""
    number = int(_signal.SIGKILL) if status is None else os.WTERMSIG(status)
    if status is not None and os.WIFEXITED(status):
        os._exit(os.WEXITSTATUS(status))
    if number != _signal.SIGKILL:
        _signal.signal(number, _signal.SIG_DFL)
        _signal.pthread_sigmask(_signal.SIG_UNBLOCK, {number})
    os.kill(os.getpid(), number)
    os._exit(128 + number)
