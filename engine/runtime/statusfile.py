"""status.json: what the shim last knew of its container, for an engine that was not there when it happened.

The shim is the one writer; after it has died, :func:`bury` (the keeper, or an engine that finds no shim) writes the last
version, in which the exit code is unknown (null), never 0.
"""

from __future__ import annotations

import errno
import json
import os
import select
import signal
import time
from typing import TYPE_CHECKING, cast

from .. import documents
from ..linux import cgroups, process
from . import protocol

if TYPE_CHECKING:
    from ..linux.cgroup import Hierarchies
    from .wire import Answer, ExitDocument, Status

VERSION = 1
_NEEDED = {"status", "shim_pid", "shim_starttime"}
_BLANK: Status = {
    "status": "created",
    "pid": None,
    "pid_starttime": None,
    "shim_pid": 0,
    "shim_starttime": None,
    "started_at": None,
    "finished_at": None,
    "exit_code": 0,
    "oom_killed": False,
    "error": "",
    "restart_count": 0,
    "manual": False,
}
_DEATH = 5.0
"""Seconds that a process may take to end after SIGKILL."""
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE)


def created() -> Status:
    """The status of a container that has not run yet, under this process as its shim."""
    own = os.getpid()
    return _BLANK | {"shim_pid": own, "shim_starttime": process.start_time(own)}


def read(path: str) -> Status | None:
    """The status, or None when there is none or it is damaged. What it does not say is as of a container that has not run.

    Raises NewerFormat.
    """
    try:
        with open(path, "rb") as handle:
            document = json.loads(handle.read())
        if not isinstance(document, dict) or not document.keys() >= _NEEDED:
            return None
        return cast("Status", _BLANK | documents.checked(document, VERSION, path))
    except (FileNotFoundError, ValueError):
        return None


def write(path: str, status: Status) -> None:
    """Replace the file. Readers see the old or the new one. Not synced: after a power cut no container runs, and what
    the file says about one is taken as unknown anyway.

    Where the disk has no room for a second file the first is written over: it has a block already, and a fact that is told
    in place is better than none. Raises OSError when not even that can be done.
    """
    data = protocol.encode(documents.stamped(status, VERSION))
    try:
        _replace(path, data)
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        _write_over(path, data)


def _replace(path: str, data: bytes) -> None:
    temporary = f"{path}.{os.getpid()}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        written = os.write(descriptor, data)
        if written < len(data):  # as much as the disk had room for
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
    except OSError:
        os.unlink(temporary)
        raise
    finally:
        os.close(descriptor)
    os.rename(temporary, path)


def _write_over(path: str, data: bytes) -> None:
    """One write of the whole length that the file has: JSON ends in as much blank space as is left of it."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        padded = data.ljust(os.fstat(descriptor).st_size)
        if os.pwrite(descriptor, padded, 0) < len(padded):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
    finally:
        os.close(descriptor)


def shim_is_alive(status: Status) -> bool:
    return process.is_alive(status["shim_pid"], status["shim_starttime"])


def bury(path: str, cgroup: str, hierarchies: Hierarchies | None = None, *, message: str = "") -> Status | None:
    """End what a dead shim has left behind and record the container's end as unknown. Idempotent.

    Kills the first process (it may have survived its shim: a change of user revokes the death signal) and everything in
    ``cgroup``, and removes that. Returns the status, or None when there is no status file; raises ValueError while
    the shim lives, OSError when it cannot be ended or written down (then ``unknown_end`` says what would have been).
    """
    status = read(path)
    if status is not None and shim_is_alive(status):
        raise ValueError(f"{path}: the shim is alive")
    first = None if status is None else process.open_pidfd(status["pid"] or 0, status["pid_starttime"])
    try:
        if first is not None:
            process.send_signal(first, signal.SIGKILL)
        if cgroup:
            group = cgroups.at(cgroup, hierarchies)
            group.thaw()
            group.kill()
            group.remove()
        if first is not None:
            # With it all others of its pid namespace have ended: only now may a successor have its files.
            select.select([first], [], [], _DEATH)
    finally:
        if first is not None:
            os.close(first)
    if status is not None and status["status"] in ("running", "restarting"):
        status = unknown_end(status, message)
        write(path, status)
    return status


def unknown_end(status: Status, message: str = "") -> Status:
    """The status of a container whose shim is dead; that of one which had ended stays."""
    if status["status"] not in ("running", "restarting"):
        return status
    ended: Status = {**status, "status": "exited", "pid": None, "pid_starttime": None}
    if status["status"] == "running":
        ended["exit_code"] = None
        ended["finished_at"] = time.time_ns()
        ended["error"] = message or "the shim of the container died; how the container ended is not known"
    return ended


def started(status: Status, warnings: list[str]) -> Answer:
    """What the engine is told of a container that runs."""
    return {
        "pid": status["pid"] or 0,
        "pid_starttime": status["pid_starttime"] or 0,
        "started_at": status["started_at"],
        "restart_count": status["restart_count"],
        "warnings": warnings,
    }


def exited(status: Status, *, restarting: bool, delay: float, manual: bool) -> ExitDocument:
    """What it is told of one that has ended."""
    return {
        "exit_code": status["exit_code"],
        "oom_killed": status["oom_killed"],
        "started_at": status["started_at"],
        "finished_at": status["finished_at"],
        "restart_count": status["restart_count"],
        "error": status["error"],
        "restarting": restarting,
        "delay": delay,
        "manual": manual,
    }
