"""A container record compiled into what a shim runs: the OCI runtime configuration and launch.json around it.

Pure but for device numbers (resources.py). Everything that must be looked up first — volumes' directories, other
containers' namespaces, the compiled seccomp program — comes in as ``Inputs``. Defaults are engine/runtime/defaults.py's.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...errors import InvalidParameter
from ...linux import idmap, userns
from ...runtime import defaults
from ...runtime.bundle import LaunchSpec, LogSpec
from . import cdi, probing, resources, security, userspace
from .confinement import NOTHING, Confinement

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ...layout import Layout
    from ...linux import oci
    from .container import ContainerSpec
    from .record import ContainerRecord, MountPoint

# As Docker: no program needs a capability to listen on a low port or to ping inside its own network namespace.
_PING = "net.ipv4.ping_group_range"
NETWORK_SYSCTLS = {"net.ipv4.ip_unprivileged_port_start": "0", _PING: userns.ping_groups()}


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the compiler needs to know of the world.

    ``sources`` maps a mount destination to the host path behind it. ``files`` maps /etc/hosts and its like to the files
    that stand for them, ``memory`` other targets to files that exist only in memory. ``namespaces`` maps an OCI namespace name to a path to join, ``donors`` the pids in those to start times. ``shm`` is a host directory for
    /dev/shm (None: its own tmpfs). ``resolver`` is resolver.json when the container has the embedded DNS. ``variables``
    come before the container's own environment. ``log`` is logoptions.prepare's,
    ``confinement`` confinement.decide's.
    """

    lower: Sequence[Path]
    log: LogSpec
    sources: Mapping[str, Path] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)
    memory: Mapping[str, Path] = field(default_factory=dict)
    namespaces: Mapping[str, str] = field(default_factory=dict)
    donors: Mapping[int, int] = field(default_factory=dict)
    shm: Path | None = None
    seccomp: Path | None = None
    profile: oci.Seccomp | None = None
    resolver: Path | None = None
    hostname: str = ""
    variables: Sequence[str] = ()
    confinement: Confinement = NOTHING


def launch(record: ContainerRecord, layout: Layout, inputs: Inputs) -> LaunchSpec:
    """What the shim is to run; `LaunchSpec.document` is launch.json."""
    spec = record.spec
    requested = cdi.edits(spec.host)
    state, run = layout.container_state(record.id), layout.container_run(record.id)
    return LaunchSpec(
        directory=str(run),
        id=record.id,
        config=configuration(record, layout, inputs, requested),
        lower=tuple(str(path) for path in inputs.lower),
        upper=str(state / "upper"),
        work=str(state / "work"),
        log=inputs.log,
        status=str(state / "status.json"),
        control=str(run / "shim.sock"),
        user=spec.user,
        additional_groups=(*spec.groups, *requested.groups),
        seccomp=None if inputs.seccomp is None else str(inputs.seccomp),
        init=spec.init,
        stdin_open=spec.stdin_open,
        stdin_once=spec.stdin_once,
        restart=spec.restart,
        stop_signal=spec.stop_signal,
        stop_timeout=spec.stop_timeout,
        network_mode="path" if spec.network.joins else "host" if spec.network.is_host else "new",
        network_path=inputs.namespaces["network"] if spec.network.joins else "",
        resolver=None if inputs.resolver is None else str(inputs.resolver),
        runtime=spec.runtime,
        own_files=tuple(str(path) for path in inputs.files.values()),
        donors=dict(inputs.donors),
        matched=tuple(point.destination for point in record.mounts if point.matched),
    )


def configuration(record: ContainerRecord, layout: Layout, inputs: Inputs, requested: cdi.Edits) -> oci.Configuration:
    """config.json of the OCI runtime specification."""
    spec = record.spec
    masked, readonly = security.shown_paths(spec.host, spec.security)
    nodes, rules = resources.devices(spec.host, requested.nodes)
    limits = resources.limits(spec.host)
    limits["devices"] = [*([] if spec.privileged else defaults.device_rules()), *rules]
    rows, columns = spec.console
    process: oci.Process = {
        "terminal": spec.tty,
        "args": spec.command,
        "env": environment(record, inputs.hostname, inputs.variables, requested.env),
        "cwd": spec.cwd,
        "capabilities": defaults.capabilities(spec.capabilities),
        "rlimits": resources.rlimits(spec.host),
        "noNewPrivileges": spec.security.no_new_privileges,
        "oomScoreAdj": spec.oom_score,
    }
    if spec.tty and (rows or columns):
        process["consoleSize"] = {"height": rows, "width": columns}
    if inputs.confinement.profile:
        process["apparmorProfile"] = inputs.confinement.profile
    if inputs.confinement.label:
        process["selinuxLabel"] = inputs.confinement.label
    system: oci.Linux = {
        "namespaces": _namespaces(spec, inputs, record.ids),
        "resources": limits,
        "maskedPaths": masked,
        "readonlyPaths": readonly,
        "sysctl": _sysctls(spec, record.ids),
        "cgroupsPath": cgroup_path(record, layout),
        "devices": nodes,
    }
    if record.ids:
        system.update(userspace.mappings(record.ids))
    if inputs.confinement.file_label:
        system["mountLabel"] = inputs.confinement.file_label
    if inputs.profile is not None:
        system["seccomp"] = inputs.profile
    if propagation := _root_propagation(record.mounts):
        system["rootfsPropagation"] = propagation
    result: oci.Configuration = {
        "ociVersion": "1.1.0",
        "process": process,
        "root": {"path": "rootfs", "readonly": spec.read_only},
        "mounts": [*_mounts(record, inputs), *requested.mounts],
        "annotations": dict(spec.annotations),
        "linux": system,
    }
    for stage, hook in requested.hooks:
        result.setdefault("hooks", {}).setdefault(stage, []).append(hook)
    if any(namespace["type"] == "uts" for namespace in system["namespaces"]):
        result["hostname"] = inputs.hostname
        if spec.domainname:
            result["domainname"] = spec.domainname
    return result


def cgroup_path(record: ContainerRecord, layout: Layout) -> str:
    """The name of the container's control group below every hierarchy."""
    asked = record.spec.cgroup_parent
    parent = asked.strip("/") or f"pycompose-{layout.instance}"
    if any(part in ("", ".", "..") for part in parent.split("/")):
        raise InvalidParameter(f"invalid cgroup parent: {asked}")
    return f"/{parent}/{record.id}"


def environment(
    record: ContainerRecord, hostname: str, variables: Sequence[str] = (), overriding: Sequence[str] = ()
) -> list[str]:
    """The program's environment: the engine's own variables first, which the container's may replace; ``overriding`` last.

    A bare name without ``=`` takes a variable away. HOME is set by whoever resolves the user.
    """
    spec = record.spec
    base = {"PATH": defaults.PATH, "HOSTNAME": hostname}
    if spec.tty:
        base["TERM"] = "xterm"
    asked = probing.variables(spec.probe, record.id)
    for entry in (*asked, *variables, *spec.env, *overriding):
        name, given, value = entry.partition("=")
        if given:
            base[name] = value
        else:
            base.pop(name, None)
    return [f"{name}={value}" for name, value in base.items()]


def _namespaces(spec: ContainerSpec, inputs: Inputs, ids: int) -> list[oci.Namespace]:
    result: list[oci.Namespace] = [{"type": "mount"}]
    if ids:
        path = inputs.namespaces.get("user")
        result.append({"type": "user", "path": path} if path else {"type": "user"})
    for kind, mode in (("network", spec.network), ("ipc", spec.ipc), ("pid", spec.pid)):
        if mode.joins:
            result.append({"type": kind, "path": inputs.namespaces[kind]})
        elif not mode.is_host:
            result.append({"type": kind})
    if spec.own_uts:
        result.append({"type": "uts"})
    if spec.own_cgroups:
        result.append({"type": "cgroup"})
    return result


def _sysctls(spec: ContainerSpec, ids: int) -> dict[str, str]:
    values: dict[str, str] = {}
    if not spec.network.is_host and not spec.network.joins:
        values |= NETWORK_SYSCTLS
    for name, value in spec.sysctls.items():
        own = name.startswith("net.") and not spec.network.is_host
        own = own or (
            name.startswith(("kernel.msg", "kernel.sem", "kernel.shm", "fs.mqueue.")) and not spec.ipc.is_host
        )
        own = own or (name in ("kernel.domainname", "kernel.hostname") and spec.own_uts)
        if not own:
            raise InvalidParameter(
                f"failed to create shim task: OCI runtime create failed: runc create failed: {_misplaced(name, spec)}: unknown"
            )
        values[name] = value
    if ids and (groups := values.get(_PING, "").split()) and len(groups) == 2 and groups[1].isdecimal():
        # The kernel takes only groups that there are: all, in a user namespace, are fewer.
        values[_PING] = f"{groups[0]} {min(int(groups[1]), idmap.IDS - 1)}"
    return values


def _misplaced(name: str, spec: ContainerSpec) -> str:
    """Why a container may not have a sysctl, in runc's words."""
    if name.startswith("net.") and spec.network.is_host:
        return f'sysctl "{name}" not allowed in host network namespace'
    return f'sysctl "{name}" is not in a separate kernel namespace'


def _root_propagation(mounts: Sequence[MountPoint]) -> str:
    kinds = {point.propagation.removeprefix("r") for point in mounts}
    return "rshared" if "shared" in kinds else "rslave" if "slave" in kinds else ""


def _mounts(record: ContainerRecord, inputs: Inputs) -> list[oci.Mount]:
    spec = record.spec
    own = {point.destination for point in record.mounts}
    result: list[oci.Mount] = []
    for mount in defaults.mounts():
        destination = mount["destination"]
        if destination in own:
            continue
        if destination == "/dev/shm":
            if (shm := _shm(spec, inputs, record.ids)) is not None:
                result.append(shm)
            continue
        if spec.privileged and destination in ("/sys", "/sys/fs/cgroup"):
            mount["options"] = [word for word in mount["options"] if word != "ro"]
        if destination == "/dev/mqueue" and spec.ipc.is_host and os.path.ismount("/dev/mqueue"):
            mount.update({"type": "bind", "source": "/dev/mqueue", "options": ["rbind", *mount["options"]]})
        result.append(mount)
    own_ids = ["idmap"] if record.ids else []
    later = [_user_mount(point, inputs, own_ids) for point in record.mounts]
    for destination, path in inputs.files.items():
        if destination not in own:
            options = ["rbind", "rprivate", *(["ro"] if spec.read_only else []), *own_ids]
            later.append({"destination": destination, "type": "bind", "source": str(path), "options": options})
    # A volume on /etc must not hide the container's /etc/hosts.
    result += sorted(later, key=lambda mount: mount["destination"].rstrip("/").count("/"))
    options = ["bind", "ro", "rprivate"]
    result += [
        {"destination": destination, "type": "bind", "source": str(path), "options": list(options)}
        for destination, path in inputs.memory.items()
    ]
    return result


def _shm(spec: ContainerSpec, inputs: Inputs, ids: int) -> oci.Mount | None:
    if spec.ipc.word == "none":
        return None
    if spec.ipc.is_host:
        return {
            "destination": "/dev/shm",
            "type": "bind",
            "source": "/dev/shm",
            "options": ["rbind", "nosuid", "noexec", "nodev"],
        }
    if inputs.shm is not None:
        options = ["rbind", "nosuid", "noexec", "nodev", "rprivate", *(["idmap"] if ids else [])]
        return {"destination": "/dev/shm", "type": "bind", "source": str(inputs.shm), "options": options}
    options = ["nosuid", "noexec", "nodev", "mode=1777", f"size={spec.shm_size or defaults.SHM_SIZE}"]
    return {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": options}


def _user_mount(point: MountPoint, inputs: Inputs, own_ids: list[str]) -> oci.Mount:
    if point.type == "tmpfs":
        return {"destination": point.destination, "type": "tmpfs", "source": "tmpfs", "options": list(point.options)}
    options = ["bind" if point.non_recursive else "rbind"]
    if not point.rw:
        # Submounts too where the kernel can; a submount left writable would surprise.
        options.append("ro")
        if not point.non_recursive and point.read_only_recursive != "off":
            options.append("rro")
    options.append(point.propagation or "rprivate")
    if point.type == "volume":
        options += own_ids
    source = str(inputs.sources[point.destination])
    return {"destination": point.destination, "type": "bind", "source": source, "options": options}
