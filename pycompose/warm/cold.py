"""A command in the process that was started; at its end the resident for the next ones is started, if none is there."""

from __future__ import annotations

import atexit
import fcntl
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, NoReturn

from ..compose.cli.main import main

LISTENER_LOCK = 3
"""The resident's descriptor of its lock; it is held from before the resident starts, so that there are never two."""

if TYPE_CHECKING:
    from collections.abc import Callable


def run(path: Callable[[], str] | None, inherited: Callable[[], list[int]], kept: tuple[str, ...]) -> NoReturn:
    """Run the command, and end with its exit code. The launcher tells what it knows: the ``path`` of the resident to be started
    afterwards ("" or None for none), the descriptors that are ``inherited``, the beginnings of variables that are ``kept``."""
    code = main()
    for number in (signal.SIGINT, signal.SIGTERM):  # it has ended, and so it is too late to interrupt it
        signal.signal(number, signal.SIG_IGN)
    if path is not None and os.environ.get("PYCOMPOSE_WARM") != "0":
        try:
            _start_resident(path(), inherited, kept)
        except OSError:
            finish(code)  # nobody needs it
    finish(code)


def finish(code: int) -> NoReturn:
    """What an interpreter does at its end, without taking apart a hundred modules."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            code = 120
    os._exit(code & 0xFF)


def _start_resident(path: str, inherited: Callable[[], list[int]], kept: tuple[str, ...]) -> None:
    directory = os.path.dirname(path)
    if not directory or not os.access(os.path.dirname(directory), os.W_OK):
        return
    try:
        os.mkdir(directory, 0o700)
    except FileExistsError:
        found = os.lstat(directory)
        if found.st_uid != os.geteuid() or found.st_mode & 0o170077 != 0o040000:
            return
    lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # One that ended since has taken the file with it; the next command makes another.
        if os.path.lexists(f"{path}.lock") and os.stat(f"{path}.lock").st_ino == os.fstat(lock).st_ino:
            _spawn(path, lock, inherited(), kept)
    except BlockingIOError:
        return  # one is there, or about to be
    finally:
        os.close(lock)


def _spawn(path: str, lock: int, inherited: list[int], kept: tuple[str, ...]) -> None:
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    # The lock goes to its number last, for that number may be the null device's or one that was inherited.
    actions: list[tuple[int, ...]] = [(os.POSIX_SPAWN_DUP2, null, fd) for fd in range(3)]
    high = fcntl.fcntl(lock, fcntl.F_DUPFD_CLOEXEC, LISTENER_LOCK + 1)
    actions.append((os.POSIX_SPAWN_DUP2, high, LISTENER_LOCK))
    # Somebody may wait for the end of a pipe that this command was given.
    actions += [(os.POSIX_SPAWN_CLOSE, fd) for fd in inherited if fd != LISTENER_LOCK]
    # The other variables are a command's, and may be secret.
    environment = {key: value for key, value in os.environ.items() if key.startswith((*kept, "PYCOMPOSE_WARM_IDLE"))}
    # -P: the directory that the command runs in is no place to import from.
    command = [sys.executable, "-P", "-m", "pycompose.warm.resident", path]
    # Nothing of how this command was started: `nohup`, say, ignores SIGHUP.
    defaults = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}
    os.posix_spawn(
        sys.executable, command, environment, file_actions=actions, setsid=True, setsigmask=(), setsigdef=defaults
    )
