"""status.json: what the shim last knew of its container, for an engine that was not there when it happened.

The shim is the one writer; after it has died, :func:`bury` (the keeper, or an engine that finds no shim) writes the last
version, in which the exit code is unknown (null), never 0.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import time
from typing import Any

from ..linux import process
from ..linux.cgroup import Cgroup, Hierarchies
from . import protocol

Status = dict[str, Any]


def created() -> Status:
    """The status of a container that has not run yet, under this process as its shim."""
    own = os.getpid()
    return {
        "status": "created",
        "pid": None,
        "pid_starttime": None,
        "shim_pid": own,
        "shim_starttime": process.start_time(own),
        "started_at": None,
        "finished_at": None,
        "exit_code": 0,
        "oom_killed": False,
        "error": "",
        "restart_count": 0,
    }


def read(path: str) -> Status | None:
    """The status, or None when there is none or it is damaged."""
    try:
        with open(path, "rb") as handle:
            document = json.loads(handle.read())
    except (FileNotFoundError, ValueError):
        return None
    return document if isinstance(document, dict) and document.keys() >= created().keys() else None


def write(path: str, status: Status) -> None:
    """Replace the file. Readers see the old or the new one. Not synced: after a power cut no container runs, and what
    the file says about one is taken as unknown anyway. Raises OSError, and the old file stands."""
    temporary = f"{path}.{os.getpid()}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    data = protocol.encode(status)
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


def shim_is_alive(status: Status) -> bool:
    return process.is_alive(status["shim_pid"], status["shim_starttime"])


def bury(path: str, cgroup: str, hierarchies: Hierarchies | None = None, *, message: str = "") -> Status | None:
    """End what a dead shim has left behind and record the container's end as unknown. Idempotent.

    Kills the first process (it may have survived its shim: a change of user revokes the death signal) and everything in
    ``cgroup``, and removes that. Returns the status, or None when there is no status file; raises ValueError while
    the shim lives.
    """
    status = read(path)
    if status is not None and shim_is_alive(status):
        raise ValueError(f"{path}: the shim is alive")
    if status is not None:
        pidfd = process.open_pidfd(status["pid"] or 0, status["pid_starttime"])
        if pidfd is not None:
            process.send_signal(pidfd, signal.SIGKILL)
            os.close(pidfd)
    if cgroup:
        group = Cgroup.at(cgroup, hierarchies)
        group.thaw()
        group.kill()
        group.remove()
    if status is not None and status["status"] in ("running", "restarting"):
        running = status["status"] == "running"
        status |= {"status": "exited", "pid": None, "pid_starttime": None}
        if running:
            status |= {
                "exit_code": None,
                "finished_at": time.time_ns(),
                "error": message or "the shim of the container died; how the container ended is not known",
            }
        write(path, status)
    return status
