"""From a request to execute one more program in a running container to its ordered operations. Pure, as launch.py.

All namespaces are entered at once through a pidfd of the container's first process. Joining its pid namespace changes only
where children are created: the one that becomes the program is created last, without any privilege that the container lacks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..linux import namespace, userns
from . import appearing, bundle, devices, mapped, operations
from .launch import confinement, identity, resource_limits

if TYPE_CHECKING:
    from . import wire
    from .bundle import LaunchSpec
    from .launch import Host
    from .stage import Operation


class Execution(NamedTuple):
    """An exec yet to be compiled, by the child itself. ``request`` is that of protocol.py; ``pidfd`` refers to the
    container's first process."""

    path: str
    host: Host
    request: wire.ExecDocument
    pidfd: int

    @property
    def descriptors(self) -> tuple[int, ...]:
        return (self.pidfd,)

    def compile(self) -> tuple[Operation, ...]:
        spec = bundle.read(self.path)
        seccomp = bundle.read_seccomp(spec)
        return compile_exec(self.request, spec, self.host, pidfd=self.pidfd, seccomp=seccomp)


def compile_exec(
    request: wire.ExecDocument, spec: LaunchSpec, host: Host, *, pidfd: int, seccomp: bytes
) -> tuple[Operation, ...]:
    """The operations for an exec in the container ``spec``. Raises ValueError for a request without a command."""
    if not request["args"]:
        raise ValueError("No exec command specified")
    process = spec.config["process"]
    spaces = spec.namespaces
    flags = namespace.CLONE_NEWNS
    for kind in ("uts", "ipc", "cgroup"):
        if kind in spaces:
            flags |= namespace.FLAGS[kind]
    if spec.network_mode != "host":
        flags |= namespace.CLONE_NEWNET
    joins = "pid" in spaces
    if joins:
        flags |= namespace.CLONE_NEWPID
    limits = resource_limits(spec)

    steps: list[Operation] = [operations.ExactModes(), operations.JoinKeyring(spec.id)]
    if spec.cgroup:
        steps.append(operations.JoinCgroup(spec.cgroup, host.hierarchies))
    steps.append(operations.SetOomScore(int(process.get("oomScoreAdj") or host.oom_score)))
    steps += confinement(process)
    if spec.ids:
        steps += [mapped.RaiseLimits(limits), mapped.LendStreams(spec.ids), mapped.SpareNull()]
        flags |= namespace.CLONE_NEWUSER
    steps.append(operations.JoinContainer(pidfd, flags))
    if request["terminal"]:
        steps.append(devices.OpenTerminal(request["rows"], request["columns"], console=False))
    if userns.is_initial():
        steps.append(devices.OwnNull())
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
    steps.append(operations.FindProgram(request["args"][0], tuple(request["env"])))
    terminal = bool(request["terminal"])
    last = (operations.NewSession(terminal), appearing.DieWithShim(), operations.Execute(tuple(request["args"])))
    return (*steps, appearing.Appear(last, request["args"][0])) if joins else (*steps, *last)
