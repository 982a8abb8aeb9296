"""Replay a launch by hand, to see the operation that fails:

    python -m engine.runtime.replay RUN/containers/ID/launch.json

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

from ..linux import process
from ..linux.cgroup import Cgroup, Hierarchies
from . import bundle, child, launch, netns

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


def replay(path: str) -> int:
    """Run the launch; returns the program's exit code, or that of the failure. Raises OSError and ValueError."""
    spec = bundle.read(path)
    spec.config["process"]["terminal"] = False
    hierarchies = Hierarchies.discover()
    network = netns.create(resolver=False) if spec.network_mode == "new" else None
    group = Cgroup.at(spec.cgroup, hierarchies) if spec.cgroup else None
    seccomp = b""
    if spec.seccomp:
        with open(spec.seccomp, "rb") as handle:
            seccomp = handle.read()
    try:
        if group is not None:
            for warning in group.create() + group.apply(spec.linux.get("resources") or {}):
                print(f"warning: {warning}", file=sys.stderr)
        host = launch.Host(hierarchies, controls_devices=group is not None and group.controls_devices)
        descriptor = network.descriptor if network is not None else -1
        plan = launch.compile_launch(spec, host, netns=descriptor, seccomp=seccomp)
        plan = plan._replace(operations=tuple(Announced(operation) for operation in plan.operations))
        return _run(plan, group)
    finally:
        if group is not None:
            group.remove()


def _run(plan: launch.Plan, group: Cgroup | None) -> int:
    running = child.fork(plan, (0, 1, 2), group)
    running.channel.setblocking(True)
    report, _ = child.receive(running.channel, child.Report(-1, None))
    if report.failure is not None:
        print(f"\nfailed: {report.failure.message} (exit code {report.failure.exit_code})", file=sys.stderr)
    else:
        print("running", file=sys.stderr)
    os.waitid(os.P_PIDFD, running.pidfd, os.WEXITED | os.WNOWAIT)
    return process.reap(running.pidfd) or 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.executable} -m engine.runtime.replay launch.json")
    try:
        sys.exit(replay(sys.argv[1]))
    except (OSError, ValueError) as error:
        sys.exit(f"replay: {error}")
