"""Bringing up our own engine when nobody listens on its socket: spawn the keeper, wait until it says that it is ready.

The engine's package is found without importing it (compose/ imports nothing of engine/): the keeper is a script that is
run by path. Readiness is one byte on an inherited pipe; the pipe's end without a byte is failure.
"""

from __future__ import annotations

import os
import select
import sys
from typing import TYPE_CHECKING

from ..errors import EngineError
from .endpoint import run_directory

if TYPE_CHECKING:
    from collections.abc import Mapping

READY_TIMEOUT = 30.0
"""Seconds an engine may take to open its API, recovery included."""

_TAIL_LINES = 12


def keeper_script() -> str:
    """The path of engine/runtime/keeper.py. Raises `EngineError` when this installation has no engine."""
    from importlib.util import find_spec

    spec = find_spec("engine")
    for directory in (spec.submodule_search_locations or ()) if spec is not None else ():
        path = os.path.join(directory, "runtime", "keeper.py")
        if os.path.exists(path):
            return path
    raise EngineError("no engine is installed beside this command; choose one with -H or DOCKER_HOST")


def start_engine(root: str | None, environment: Mapping[str, str]) -> None:
    """Start keeper and engine for ``root`` (None: the default) and return when the API answers."""
    script = keeper_script()
    run = run_directory(root, environment, os.geteuid())
    try:
        os.makedirs(run, mode=0o711, exist_ok=True)
        log_path = os.path.join(run, "engine.log")
        log = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise EngineError(f"cannot start the engine: {error.strerror}: {error.filename}") from error
    offset = os.fstat(log).st_size
    ready, signal_end = os.pipe2(os.O_CLOEXEC)
    arguments = [sys.executable, "-I", "-S", "-E", script]
    if root is not None:
        arguments += ["--root", root]
    arguments += ["--ready-fd", str(signal_end)]
    try:
        pid = _spawn(arguments, environment, log, signal_end)
    finally:
        os.close(log)
        os.close(signal_end)
    try:
        readable, _, _ = select.select([ready], [], [], READY_TIMEOUT)
        if readable and os.read(ready, 1):
            return
    finally:
        os.close(ready)
    reason = "it ended at once" if readable else f"it was not ready after {READY_TIMEOUT:.0f} s"
    if readable:
        os.waitpid(pid, os.WNOHANG)
    tail = _tail(log_path, offset)
    raise EngineError(
        f"the engine did not start: {reason}"
        + (f"; its log ({log_path}) ends with:\n{tail}" if tail else f"; see {log_path}")
    )


def _spawn(arguments: list[str], environment: Mapping[str, str], log: int, signal_end: int) -> int:
    """Start detached: own session, stdio away from the terminal."""
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    os.set_inheritable(signal_end, True)
    try:
        return os.posix_spawn(
            arguments[0],
            arguments,
            dict(environment),
            file_actions=[
                (os.POSIX_SPAWN_DUP2, null, 0),
                (os.POSIX_SPAWN_DUP2, log, 1),
                (os.POSIX_SPAWN_DUP2, log, 2),
            ],
            setsid=True,
        )
    finally:
        os.close(null)


def _tail(path: str, offset: int) -> str:
    """The last lines that were written to the log since ``offset``."""
    try:
        with open(path, "rb") as file:
            file.seek(offset)
            lines = file.read().decode("utf-8", "replace").strip().splitlines()
    except OSError:
        return ""
    return "\n".join(f"  {line}" for line in lines[-_TAIL_LINES:])
