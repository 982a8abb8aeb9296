"""Forking the child that executes a launch, and what it says until its program runs.

shim                                 child
  │ clone3 (pid namespace, cgroup) ──►│ close what is not needed, become undumpable
  │                                   │ operations …
  │◄── {"terminal":true} +master ─────│ (with a terminal)
  │◄── {"failure":[…]} ───────────────│ or
  │◄── end of file ───────────────────│ execve has closed the channel: the program runs
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple, NoReturn, Protocol

from ..linux import namespace, process
from . import protocol, stage

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from ..linux.cgroup import Cgroup


class Child(NamedTuple):
    """A process on its way to the program. The parent owns ``pidfd`` and ``channel``."""

    pid: int
    pidfd: int
    channel: socket.socket


class Report(NamedTuple):
    """Everything the child has said. ``terminal`` is the pty master, -1 without; no failure means it runs."""

    terminal: int = -1
    failure: stage.Failure | None = None
    warnings: tuple[str, ...] = ()


class Draft(Protocol):
    """What the child is to do: launch.Launch or enter.Execution."""

    @property
    def descriptors(self) -> tuple[int, ...]: ...

    def compile(self) -> tuple[stage.Operation, ...]: ...


def fork(draft: Draft, streams: Sequence[int], *, pid_namespace: str, cgroup: Cgroup | None = None) -> Child:
    """Start executing ``draft`` in a child with ``streams`` as 0, 1, 2, born in ``cgroup`` where that can be done.

    ``pid_namespace`` is "new", "" (ours) or the path of one. Raises OSError when no process can be had.
    """
    cgroup_fd = cgroup.clone_fd() if cgroup is not None else None
    ours, theirs = protocol.pair()
    flags = namespace.CLONE_NEWPID if pid_namespace == "new" else 0
    own_pids = -1
    try:
        if pid_namespace not in ("", "new"):
            # Joining changes where our children are born; we ourselves stay, and take it back afterwards.
            own_pids = namespace.open_own("pid")
            target = os.open(pid_namespace, os.O_RDONLY | os.O_CLOEXEC)
            try:
                namespace.setns(target, namespace.CLONE_NEWPID, pid_namespace)
            finally:
                os.close(target)
        pid, pidfd = process.clone(flags, cgroup_fd)
        if pid == 0:
            _child(draft, streams, theirs)
    except OSError:
        ours.close()
        raise
    finally:
        if cgroup_fd is not None:
            os.close(cgroup_fd)
        if own_pids >= 0:
            namespace.setns(own_pids, namespace.CLONE_NEWPID)
            os.close(own_pids)
    theirs.close()
    return Child(pid, pidfd, ours)


def _child(draft: Draft, streams: Sequence[int], channel: socket.socket) -> NoReturn:
    code = 128
    try:
        # Processes of the container may see this one before it has given up its rights.
        process.set_dumpable(False)
        for number, descriptor in enumerate(streams):
            os.dup2(descriptor, number)
        process.close_all_except((0, 1, 2, channel.fileno(), *draft.descriptors))
        try:
            operations = draft.compile()
        except (OSError, ValueError) as error:
            failure = stage.Failure.of("prepare", error)
        else:
            failure = stage.run(operations, stage.Stage(channel))
        code = failure.exit_code
        protocol.send(channel, {"failure": failure})
    finally:
        # Whatever happens, this process never returns into the shim's loop.
        os._exit(code)


def receive(channel: socket.socket, report: Report) -> tuple[Report, bool]:
    """Read what the child has said since; True when there will be no more. Never blocks."""
    while True:
        try:
            received = protocol.receive(channel)
        except BlockingIOError:
            return report, False
        if received is None:
            return report, True
        message, descriptors = received
        if "failure" in message:
            report = report._replace(failure=stage.Failure(*message["failure"]))
        elif "warnings" in message:
            report = report._replace(warnings=(*report.warnings, *message["warnings"]))
        elif descriptors:
            report = report._replace(terminal=descriptors[0])
