"""Replay a launch by hand, to see the operation that fails:

    python -m pycompose.engine.runtime.replay RUN/containers/ID/launch.json

Prints every operation with the milliseconds it took, runs the program in the foreground on the caller's own standard
streams (a terminal in the launch is left out), and ends with its exit code. The failing operation is the last one
printed, with the kernel's reason. Needs root. The container itself must not be running: it is the same writable layer.
Network interfaces are not set up, restart policy and log are not used; the control group is removed afterwards.
"""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

from ..linux import cgroups, process
from ..linux.cgroup import Hierarchies
from . import bundle, child, launch, spaces

if TYPE_CHECKING:
    from .stage import Operation, Stage


class Announced(NamedTuple):
    """An operation that says what it does before, and how long it took after."""

    operation: Operation

    def execute(self, stage: Stage) -> None:
        os.write(2, f"{self.describe():.<100.100} ".encode())
        before = time.perf_counter()
        self.operation.execute(stage)
        os.write(2, f"{(time.perf_counter() - before) * 1000:7.3f} ms\n".encode())

    def describe(self) -> str:
        return self.operation.describe()


class Replay(NamedTuple):
    """A launch whose operations announce themselves."""

    launch: launch.Launch

    @property
    def descriptors(self) -> tuple[int, ...]:
        return self.launch.descriptors

    def compile(self) -> tuple[Operation, ...]:
        spec = bundle.read(self.launch.path)
        spec.config["process"]["terminal"] = False
        seccomp = bundle.read_seccomp(spec)
        own = launch.Own(self.launch.netns, self.launch.user)
        steps = launch.compile_launch(spec, self.launch.host, own, seccomp=seccomp)
        return tuple(Announced(step) for step in steps)


def replay(path: str) -> int:
    """Run the launch; returns the program's exit code, or that of the failure. Raises OSError and ValueError."""
    spec = bundle.read(path).for_shim()
    hierarchies = Hierarchies.discover()
    user, network = spaces.make(spec._replace(resolver=None))
    group = cgroups.at(spec.cgroup, hierarchies) if spec.cgroup else None
    try:
        if group is not None:
            group.create()
        host = launch.Host(hierarchies, controls_devices=group is not None and group.controls_devices)
        draft = Replay(launch.Launch(path, host, network.descriptor if network is not None else -1, user=user))
        running = child.fork(draft, (0, 1, 2), pid_namespace=spaces.pids(spec), cgroup=group)
        running.channel.setblocking(True)
        complete, report = False, child.Report()
        while not complete:
            report, complete = child.receive(running.channel, report)
        for warning in report.warnings:
            print(f"warning: {warning}", file=sys.stderr)
        running, report = child.settle(running, report)
        if report.failure is not None:
            print(f"\nfailed: {report.failure.message} (exit code {report.failure.exit_code})", file=sys.stderr)
            return report.failure.exit_code
        print("running", file=sys.stderr)
        os.waitid(os.P_PIDFD, running.pidfd, os.WEXITED | os.WNOWAIT)
        return process.reap(running.pidfd) or 0
    finally:
        if group is not None:
            group.remove()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.executable} -m pycompose.engine.runtime.replay launch.json")
    try:
        sys.exit(replay(sys.argv[1]))
    except (OSError, ValueError) as error:
        sys.exit(f"replay: {error}")
