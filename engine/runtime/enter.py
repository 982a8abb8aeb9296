"""From a request to execute one more program in a running container to its ordered operations. Pure, as launch.py.

All namespaces but pid are entered at once through a pidfd of the container's first process; the pid namespace is
entered by whoever forks, since only children are born into it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..linux import namespace
from . import filesystem, operations
from .launch import Plan, identity

if TYPE_CHECKING:
    from .bundle import LaunchSpec
    from .launch import Host
    from .stage import Operation


def compile_exec(
    request: dict[str, Any], spec: LaunchSpec, host: Host, *, pid: int, pidfd: int, seccomp: bytes
) -> Plan:
    """The operations for an ``exec`` request of protocol.py in the container ``spec`` whose first process is given.

    Raises ValueError for a request without a command.
    """
    if not request["args"]:
        raise ValueError("No exec command specified")
    process: dict[str, Any] = spec.config["process"]
    spaces = {entry["type"] for entry in spec.linux.get("namespaces") or ()}
    flags = namespace.CLONE_NEWNS
    for kind in ("uts", "ipc", "cgroup"):
        if kind in spaces:
            flags |= namespace.FLAGS[kind]
    if spec.network_mode != "host":
        flags |= namespace.CLONE_NEWNET
    limits = tuple((entry["type"], int(entry["soft"]), int(entry["hard"])) for entry in process.get("rlimits") or ())

    steps: list[Operation] = [operations.NewSession(), operations.JoinKeyring(spec.id)]
    if spec.cgroup:
        steps.append(operations.JoinCgroup(spec.cgroup, host.hierarchies))
    steps.append(operations.SetOomScore(int(process.get("oomScoreAdj") or host.oom_score)))
    steps.append(operations.JoinContainer(pidfd, flags))
    if request["terminal"]:
        steps.append(filesystem.OpenTerminal(request["rows"], request["columns"], console=False))
    user = request["user"] or spec.user
    groups = tuple(request["additional_groups"]) or spec.additional_groups
    steps += [operations.ResolveUser(user, groups), operations.OwnStreams()]
    if limits:
        steps.append(operations.SetLimits(limits))
    steps.append(operations.EnterDirectory(request["cwd"] or process.get("cwd") or "/"))
    privileged = bool(request["privileged"])
    steps += identity(
        request["capabilities"] or process.get("capabilities"),
        bool(process.get("noNewPrivileges")) and not privileged,
        b"" if privileged else seccomp,
        host,
        spec,
    )
    steps.append(operations.Execute(tuple(request["args"]), tuple(request["env"])))
    return Plan(tuple(steps), False, f"/proc/{pid}/ns/pid" if "pid" in spaces else "", (pidfd,))
