"""Forking the child that executes a launch, and what it says until its program runs.

shim                                 child
  │ clone3 (pid namespace, cgroup) ──►│ close what is not needed, become undumpable
  │                                   │ operations …
  │◄── {"files":true} +folder ────────│ (with files of its own, such as /etc/hosts)
  │◄── {"terminal":true} +master ─────│ (with a terminal)
  │◄── {"failure":[…]} ───────────────│ or
  │◄── end of file ───────────────────│ execve has closed the channel: the program runs

Who joins the processes of a container that runs already must not be seen by them as long as it has any of the host's rights,
or a word with the shim:

shim                                 scout (in the shim's pid namespace)           program
  │ clone3 (cgroup) ─────────────────►│ all namespaces, user, capabilities,
  │◄── {"last":[…]} ──────────────────│ seccomp, program found
  │◄── end of file ───────────────────│ clone (CLONE_PARENT, CLONE_VFORK) ──────────►│ setsid, terminal, execve,
  │                                   │◄── runs, or has failed (slot.py) ────────────│ or a number in the slot
  │◄── ends (pidfd): both are through─│
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, NamedTuple, NoReturn, Protocol

from ..linux import namespace, process
from . import protocol, room, stage
from .program import not_executable
from .slot import Slot

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

    from ..linux.cgroup import Cgroup
    from .loop import Loop


class Child(NamedTuple):
    """A process on its way to the program. The parent owns ``pidfd`` and ``channel``. With a ``slot`` it is a scout, and
    the slot says who becomes the program: see :func:`follow`."""

    pid: int
    pidfd: int
    channel: socket.socket
    slot: Slot | None = None


class Report(NamedTuple):
    """Everything the child has said. ``terminal`` is the pty master, ``files`` the folder of the container's own files,
    ``listener`` what a filter's calls are answered by, -1 without; no failure means it runs. ``last`` are the steps that are
    taken out of our hearing, ``program`` is what they execute."""

    terminal: int = -1
    files: int = -1
    listener: int = -1
    failure: stage.Failure | None = None
    warnings: tuple[str, ...] = ()
    last: tuple[str, ...] = ()
    program: str = ""


class Draft(Protocol):
    """What the child is to do: launch.Launch or enter.Execution."""

    @property
    def descriptors(self) -> tuple[int, ...]: ...

    def compile(self) -> tuple[stage.Operation, ...]: ...


def fork(draft: Draft, streams: Sequence[int], *, pid_namespace: str, cgroup: Cgroup | None = None) -> Child:
    """Start executing ``draft`` in a child with ``streams`` as 0, 1, 2, created in ``cgroup`` where the kernel can.

    ``pid_namespace`` is "new", "" (ours) or anything else when ``draft`` joins one. Raises OSError when no process can
    be had.
    """
    cgroup_fd = cgroup.clone_fd() if cgroup is not None else None
    ours, theirs = protocol.pair()
    flags = namespace.CLONE_NEWPID if pid_namespace == "new" else 0
    slot = None if pid_namespace in ("", "new") else Slot()
    try:
        pid, pidfd = process.clone(flags, cgroup_fd)
        if pid == 0:
            _child(draft, streams, theirs, slot)
    except OSError:
        ours.close()
        raise
    finally:
        if cgroup_fd is not None:
            os.close(cgroup_fd)
    theirs.close()
    return Child(pid, pidfd, ours, slot)


def follow(loop: Loop, child: Child, done: Callable[[Child, Report], None]) -> None:
    """``done`` gets the process that runs the program, or what is left of it and a failure in the report; the channel is closed."""
    report = Report()

    def heard(_: int) -> None:
        nonlocal report
        report, complete = receive(child.channel, report)
        if complete:
            loop.forget(child.channel.fileno())
            child.channel.close()
            if child.slot is None:
                done(*settle(child, report))
            else:
                # However long the program's process is held up by those who see it, we wait for nobody.
                loop.watch(child.pidfd, scout_ended)

    def scout_ended(_: int) -> None:
        loop.forget(child.pidfd)
        done(*settle(child, report))

    loop.watch(child.channel.fileno(), heard)


def settle(child: Child, report: Report) -> tuple[Child, Report]:
    """After the last of its reports, and a scout's end, which it waits for: who runs the program, or who has run it as far as
    the failure in the report."""
    if child.slot is not None:
        report = _reap_scout(child, child.slot, report)
        pid = child.slot.pid
        child.slot.close()
        # Not reaped yet, and ours: nobody else can have this pid.
        child = Child(pid, os.pidfd_open(pid) if pid else -1, child.channel)
        if report.failure is not None and child.pidfd >= 0:
            process.send_signal(child.pidfd, signal.SIGKILL)
    if report.failure is not None and child.pidfd >= 0:
        # It has said its last word and is on its way out; its exit code is the failure's.
        os.waitid(os.P_PIDFD, child.pidfd, os.WEXITED)
        os.close(child.pidfd)
    return child, report


def _reap_scout(child: Child, slot: Slot, report: Report) -> Report:
    ended = os.waitid(os.P_PIDFD, child.pidfd, os.WEXITED)
    os.close(child.pidfd)
    if report.failure is not None:
        return report
    if ended is None or (ended.si_code == os.CLD_EXITED and ended.si_status == 0):
        failed = slot.failure()
        return report if failed is None else report._replace(failure=_failure(report, *failed))
    how = signal.strsignal(ended.si_status) if ended.si_code != os.CLD_EXITED else f"exit code {ended.si_status}"
    message = f"ended on its way into the container: {how}"
    if ended.si_code != os.CLD_EXITED and ended.si_status == signal.SIGSYS:
        message += " (its seccomp profile has to allow clone)"
    return report._replace(failure=stage.Failure("enter the container", 0, message, 128))


def _failure(report: Report, step: int, errno: int) -> stage.Failure:
    """Of one of the last steps; both numbers may be another process's by now."""
    error = OSError(errno & 0xFFF, os.strerror(errno & 0xFFF))
    if step < len(report.last) - 1:
        return stage.Failure.of(report.last[step], error)
    return stage.Failure.of(f"exec {report.program!r}", not_executable(report.program, error))


def _child(draft: Draft, streams: Sequence[int], channel: socket.socket, slot: Slot | None) -> NoReturn:
    code = 128
    try:
        # Processes of the container may see this one before it has given up its rights.
        process.set_dumpable(False)
        room.give_back()
        for number, descriptor in enumerate(streams):
            os.dup2(descriptor, number)
        process.close_all_except((0, 1, 2, channel.fileno(), *draft.descriptors))
        try:
            operations = draft.compile()
        except (OSError, ValueError) as error:
            failure = stage.Failure.of("prepare", error)
        else:
            failure = stage.run(operations, stage.Stage(channel, slot))
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
        elif "last" in message:
            report = report._replace(last=tuple(message["last"]), program=message["program"])
        elif "warnings" in message:
            report = report._replace(warnings=(*report.warnings, *message["warnings"]))
        elif descriptors and "listener" in message:
            report = report._replace(listener=descriptors[0])
        elif descriptors and "files" in message:
            report = report._replace(files=descriptors[0])
        elif descriptors:
            report = report._replace(terminal=descriptors[0])
