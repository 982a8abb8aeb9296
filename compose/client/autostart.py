"""Bringing up our own engine when nobody listens on its socket: run the keeper's command, which returns when it listens.

compose/ imports nothing of engine/: the keeper is a script beside it that is run by path. It detaches itself; what goes wrong before that is on its stderr, what goes wrong later in the engine's log.
"""

from __future__ import annotations

import os
import select
import sys
from typing import TYPE_CHECKING

from ..errors import EngineError
from .endpoint import run_directory

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

READY_TIMEOUT = 30.0
"""Seconds the keeper may take to listen."""

ALREADY_RUNNING = 75
"""The keeper's exit code when another one holds this root."""

_TAIL_LINES = 12

_FRAMES = (" ", "\t", "Traceback (most recent call last):", "During handling of", "The above exception was")


def keeper_script() -> str:
    """The path of engine/runtime/keeper.py. Raises `EngineError` when this installation has no engine."""
    return engine_script("keeper.py")


def engine_script(name: str) -> str:
    """The path of a script of engine/runtime. Raises `EngineError` when this installation has no engine."""
    package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    path = os.path.join(package, "engine", "runtime", name)
    if os.path.exists(path):
        return path
    raise EngineError("no engine is installed beside this command; choose one with -H or DOCKER_HOST")


def start_engine(root: str | None, environment: Mapping[str, str]) -> None:
    """Start keeper and engine for ``root`` (None: the default) and return when the socket accepts connections.

    That another command starts the same engine at the same moment is no error.
    """
    arguments = [sys.executable, "-I", "-S", "-E", keeper_script()]
    if root is not None:
        arguments += ["--root", root]
    errors, errors_end = os.pipe2(os.O_CLOEXEC)
    try:
        pid = _spawn(arguments, environment, errors_end)
        os.close(errors_end)
        status = _wait(pid)
        message = os.read(errors, 65536).decode("utf-8", "replace").strip() if status not in (0, None) else ""
    finally:
        os.close(errors)
    if status in (0, ALREADY_RUNNING):
        return
    reason = f"it was not ready after {READY_TIMEOUT:.0f} s" if status is None else message or f"exit code {status}"
    raise EngineError(f"the engine did not start: {reason}{log_tail(root, environment)}")


def _spawn(arguments: list[str], environment: Mapping[str, str], errors: int) -> int:
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    actions = [(os.POSIX_SPAWN_DUP2, null, 0), (os.POSIX_SPAWN_DUP2, null, 1), (os.POSIX_SPAWN_DUP2, errors, 2)]
    try:
        return os.posix_spawn(arguments[0], arguments, dict(environment), file_actions=actions)
    finally:
        os.close(null)


def _wait(pid: int) -> int | None:
    """The exit code of the starting command; None when it takes too long."""
    handle = os.pidfd_open(pid)
    try:
        poller = select.poll()
        poller.register(handle, select.POLLIN)
        if not poller.poll(READY_TIMEOUT * 1000):
            return None
    finally:
        os.close(handle)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def log_tail(root: str | None, environment: Mapping[str, str]) -> str:
    """The last lines of the engine's log, as the end of an error message: those that people can read, each once."""
    path = os.path.join(run_directory(root, environment, os.geteuid()), "engine.log")
    try:
        with open(path, "rb") as file:
            file.seek(max(os.fstat(file.fileno()).st_size - 16384, 0))
            lines = readable(file.read().decode("utf-8", "replace").splitlines())
    except OSError:
        return ""
    if not lines:
        return ""
    return f"\nThe engine's log ({path}) ends with:\n" + "\n".join(f"  {line}" for line in lines[-_TAIL_LINES:])


def readable(lines: Iterable[str]) -> list[str]:
    """The lines of a log without the frames of tracebacks, which stay in the log; what is said again stands where it was
    said last."""
    told = [line.rstrip() for line in lines if line.strip() and not line.startswith(_FRAMES)]
    return list(dict.fromkeys(reversed(told)))[::-1]
