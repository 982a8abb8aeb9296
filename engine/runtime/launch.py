"""From an OCI configuration to the ordered operations that launch it. Pure: no system call is made here.

Order, and why: control groups first, because the host's hierarchies must be in sight and the cgroup namespace takes the
group as its root. Bind sources before the mount namespace, in the namespace the user sees. Names and sysctls while the
host's /proc is there. Then the file system, masks last, and pivot_root. The user is looked up inside the new root;
limits, seccomp and identity follow; the death signal comes after them since each of them would revoke it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from ...grammar.sysctls import dotted
from ...grammar.sysctls import namespace as namespace_of
from ..linux import caps, devicefilter, mount, userns
from . import appearing, bundle, defaults, devices, filesystem, mapped, oneid, operations, shields

if TYPE_CHECKING:
    from ..linux import oci
    from ..linux.cgroup import Hierarchies
    from .bundle import LaunchSpec
    from .stage import Operation


class Host(NamedTuple):
    """What the launch has to know of where it runs. ``private`` are directories whose mounts are the engine's own;
    everything else is looked up in ``mount_namespace`` (None: right here)."""

    hierarchies: Hierarchies
    mount_namespace: int | None = None
    private: tuple[str, ...] = ()
    controls_devices: bool = True
    """Whether the kernel enforces device rules here (control groups). Where not, nobody gets to make device nodes."""
    oom_score: int = 0
    """What a container without a score of its own gets; the shim's may differ."""
    network: int | None = None
    """A handle on the network namespace that holds the bridges; None: the one we are in."""


class Launch(NamedTuple):
    """A launch yet to be compiled, by the child itself: what that costs in memory ends with it (see child.py)."""

    path: str
    host: Host
    netns: int
    limits: bool = True
    """Whether to set the control group's limits; not at a restart by policy, since they may have been updated."""
    window: tuple[int, int] = (0, 0)
    """Rows and columns of the terminal when a client has said them since; (0, 0): what the configuration says."""
    user: int = -1
    """The container's user namespace, -1 without one of its own."""

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What the child must not close; each operation closes its own when it is done."""
        mounts = self.host.mount_namespace
        return tuple(fd for fd in (self.netns, mounts, self.user) if fd is not None and fd >= 0)

    def compile(self) -> tuple[Operation, ...]:
        spec = bundle.with_environment(bundle.read(self.path))
        seccomp = bundle.read_seccomp(spec)
        own = Own(self.netns, self.user)
        return compile_launch(spec, self.host, own, seccomp=seccomp, limits=self.limits, window=self.window)


class Own(NamedTuple):
    """Namespaces that the shim has made for the container, or holds for it; -1: none."""

    network: int = -1
    user: int = -1


def compile_launch(
    spec: LaunchSpec,
    host: Host,
    own: Own = Own(),  # noqa: B008 (a frozen value)
    *,
    seccomp: bytes = b"",
    limits: bool = True,
    window: tuple[int, int] = (0, 0),
) -> tuple[Operation, ...]:
    """The launch of ``spec``; ``seccomp`` is the compiled filter. Raises ValueError for what this runtime refuses."""
    process = spec.config["process"]
    spaces = spec.namespaces
    if "time" in spaces or ("user" in spaces and own.user < 0):
        raise ValueError("user and time namespaces are not supported")
    binds = _mounts(spec, host, private_cgroup="cgroup" in spaces)

    steps: list[Operation] = [operations.ExactModes(), operations.JoinKeyring(spec.id)]
    if spec.cgroup:
        if limits:
            steps.append(operations.LimitResources(spec.cgroup, host.hierarchies, _limits(spec)))
        steps.append(operations.JoinCgroup(spec.cgroup, host.hierarchies))
    steps.append(operations.SetOomScore(int(process.get("oomScoreAdj") or host.oom_score)))
    steps += confinement(process, reaper=spec.init)
    steps += _open_sources(binds.sources, host)
    steps.append(filesystem.IsolateMounts())
    steps += _enter_user(spec, own, binds) if own.user >= 0 else _enter(spec, own.network, binds)
    steps += binds.steps
    steps += _devices(spec)
    if process.get("terminal"):
        size = process.get("consoleSize") or {"height": 0, "width": 0}
        rows, columns = window if all(window) else (size["height"], size["width"])
        steps.append(devices.OpenTerminal(rows, columns))
    if userns.is_initial():
        # Elsewhere there is but the host's null device, which nobody in a user namespace can change.
        steps.append(devices.OwnNull())
    steps += _finish_filesystem(spec, host)
    steps.append(filesystem.PivotRoot(_root_propagation(spec)))
    steps += _become(spec, seccomp, host)
    return tuple(steps)


class _Binds(NamedTuple):
    """The sources to open (path, with submounts), in order, and the mounts that refer to them by number. ``mapped`` are shown
    through the container's user namespace, ``matched`` so that their owner is the container's user."""

    sources: list[tuple[str, bool]]
    steps: list[Operation]
    mapped: list[mapped.Source]
    matched: list[mapped.Source]


def _enter(spec: LaunchSpec, network: int, binds: _Binds) -> list[Operation]:
    """Into the namespaces, up to the root."""
    spaces = spec.namespaces
    steps: list[Operation] = [_join(spec, kind, spaces[kind]) for kind in _SHARED if spaces.get(kind, "")]
    if unshared := tuple(kind for kind in ("ipc", "uts", "cgroup") if spaces.get(kind) == ""):
        steps.append(operations.Unshare(mapped.flags(unshared)))
    steps += [*_network(spec, network), *_kernel_settings(spec), *_root(spec)]
    if binds.matched:
        steps.append(mapped.MatchOwners(tuple(binds.matched), spec.user, 0))
    return steps + _own_files(spec, binds)


def _enter_user(spec: LaunchSpec, own: Own, binds: _Binds) -> list[Operation]:
    """The same with a user namespace: first all that only the host's root can do."""
    spaces, base = spec.namespaces, spec.ids
    steps: list[Operation] = [
        mapped.RaiseLimits(resource_limits(spec)),
        mapped.LendStreams(base),
        mapped.MappedOverlay(
            spec.lower, spec.upper, spec.work, spec.root, spec.linux.get("mountLabel") or "", own.user, base
        ),
    ]
    steps.append(mapped.OwnNodes(tuple(_nodes(spec)), spec.root, base))
    steps += _own_files(spec, binds)
    if binds.matched:
        steps.append(mapped.MatchOwners(tuple(binds.matched), spec.user, base))
    if binds.mapped:
        steps.append(mapped.MapSources(tuple(binds.mapped), own.user))
    steps += [_join(spec, kind, spaces[kind]) for kind in _SHARED if spaces.get(kind, "")]
    steps += [*_network(spec, own.network), mapped.EnterUser(own.user), filesystem.IsolateMounts()]
    if unshared := tuple(kind for kind in ("ipc", "uts", "cgroup", "pid") if spaces.get(kind) == ""):
        steps.append(operations.Unshare(mapped.flags(unshared)))
    if spaces.get("pid") == "":
        steps.append(appearing.EnterPids())
    return [*steps, mapped.AttachRoot(), *_kernel_settings(spec)]


_SHARED = ("ipc", "uts", "cgroup", "pid")


def _network(spec: LaunchSpec, network: int) -> list[Operation]:
    if spec.network_mode == "path":
        return [_join(spec, "network", spec.network_path)]
    return [operations.JoinNamespace("network", "of the shim", network)] if spec.network_mode == "new" else []


def _kernel_settings(spec: LaunchSpec) -> list[Operation]:
    steps: list[Operation] = []
    spaces = spec.namespaces
    if spaces.get("uts") == "" and (spec.config.get("hostname") or spec.config.get("domainname")):
        steps.append(operations.SetHostname(spec.config.get("hostname") or "", spec.config.get("domainname") or ""))
    sysctls = spec.linux.get("sysctl") or {}
    if sysctls:
        steps.append(operations.SetSysctls(_checked_sysctls(sysctls, spaces, spec.network_mode)))
    return steps


def _own_files(spec: LaunchSpec, binds: _Binds) -> list[Operation]:
    own = tuple((number, path) for number, (path, _) in enumerate(binds.sources) if path in spec.own_files)
    return [filesystem.OwnFiles(own)] if own else []


def _limits(spec: LaunchSpec) -> oci.Resources:
    """The limits to set. In a user namespace the kernel itself lets nobody open devices that the user could not."""
    given = spec.linux.get("resources") or {}
    if userns.is_initial():
        return given
    kept = given.copy()
    kept.pop("devices", None)
    return kept


def _join(spec: LaunchSpec, kind: str, path: str) -> Operation:
    return operations.JoinNamespace(kind, path, owner=_owner(spec, path))


def _owner(spec: LaunchSpec, path: str) -> tuple[int, int] | None:
    """The process (pid, start time) whose namespace the path ``/proc/PID/ns/…`` names."""
    parts = path.split("/")
    pid = int(parts[2]) if parts[:2] == ["", "proc"] and parts[2].isdigit() else 0
    return (pid, spec.donors[pid]) if pid in spec.donors else None


def _root(spec: LaunchSpec) -> list[Operation]:
    if not spec.lower:
        return [filesystem.BindRoot(spec.root)]
    return [filesystem.MountOverlay(spec.lower, spec.upper, spec.work, spec.root, spec.linux.get("mountLabel") or "")]


def _root_propagation(spec: LaunchSpec) -> int:
    return _PROPAGATION.get(str(spec.linux.get("rootfsPropagation") or "").removeprefix("r"), 0)


_PROPAGATION = {"private": mount.MS_PRIVATE, "slave": mount.MS_SLAVE, "shared": mount.MS_SHARED}


def _mounts(spec: LaunchSpec, host: Host, *, private_cgroup: bool) -> _Binds:
    sources: list[tuple[str, bool]] = []
    steps: list[Operation] = []
    changed: dict[bool, list[mapped.Source]] = {True: [], False: []}
    for entry in spec.config.get("mounts") or ():
        attributes = mount.parse_options(entry.get("options") or ())
        destination = _destination(entry)
        kind = entry.get("type") or ("bind" if attributes.bind else "")
        if kind == "bind" or attributes.bind:
            if attributes.data:
                raise ValueError(f"mount {destination}: unknown option {attributes.data[0]!r}")
            if _devices_unguarded(spec, host):
                attributes = attributes._replace(recursive_set=attributes.recursive_set | mount.MOUNT_ATTR_NODEV)
            if not attributes.propagation:
                attributes = attributes._replace(propagation=((mount.MS_PRIVATE, True),))
            if attributes.idmap or destination in spec.matched:
                source = mapped.Source(len(sources), entry["source"], attributes.recursive_bind)
                changed[destination in spec.matched].append(source)
            steps.append(filesystem.Bind(len(sources), entry["source"], destination, attributes))
            sources.append((entry["source"], attributes.recursive_bind))
        elif kind == "proc" and spec.namespaces.get("pid"):
            steps.append(filesystem.MountJoinedProc(destination, attributes, _owner(spec, spec.namespaces["pid"])))
        elif kind in ("cgroup", "cgroup2"):
            steps.append(_cgroups(destination, spec, host, attributes, private=private_cgroup))
        elif shown := _of_the_host(kind, spec):
            if os.path.ismount(shown):  # a host need not have message queues
                private = ((mount.MS_PRIVATE, True),)
                attributes = attributes._replace(recursive_set=attributes.set, propagation=private, data=())
                steps.append(filesystem.Bind(len(sources), shown, destination, attributes))
                sources.append((shown, True))
        else:
            if kind == "devpts" and userns.has_one_id():
                attributes = attributes._replace(data=tuple(one for one in attributes.data if one[:4] != "gid="))
            label = spec.linux.get("mountLabel") or ""
            if label and kind == "tmpfs":
                attributes = attributes._replace(data=(*attributes.data, f"context={label}"))
            steps.append(filesystem.MountFilesystem(kind, entry.get("source") or kind, destination, attributes))
    return _Binds(sources, steps, changed[False], changed[True])


def _of_the_host(kind: str, spec: LaunchSpec) -> str:
    """What shows a namespace that is not the container's own, and in a user namespace cannot be mounted anew: where the host has it;
    empty for everything else."""
    if userns.is_initial():
        return ""
    shared = {
        "sysfs": ("/sys", spec.network_mode != "new"),
        "proc": ("/proc", "pid" not in spec.namespaces),
        "mqueue": ("/dev/mqueue", "ipc" not in spec.namespaces),
    }
    path, is_shared = shared.get(kind, ("", False))
    return path if is_shared else ""


def _cgroups(
    destination: str, spec: LaunchSpec, host: Host, attributes: mount.Attributes, *, private: bool
) -> Operation:
    found = host.hierarchies
    together: dict[str, list[str]] = {}
    for controller, point in found.v1.items():
        together.setdefault(point, []).append(controller)
    return filesystem.MountCgroups(
        destination,
        tuple((os.path.basename(point), ",".join(names), point) for point, names in together.items()),
        found.unified if found.pure_v2 else None,
        spec.cgroup,
        private,
        attributes,
    )


def _destination(entry: oci.Mount) -> str:
    return os.path.normpath("/" + str(entry["destination"]).lstrip("/"))


def _open_sources(sources: list[tuple[str, bool]], host: Host) -> list[Operation]:
    there = host.mount_namespace is not None
    marked = tuple((path, recursive, there and not _inside(path, host.private)) for path, recursive in sources)
    return [filesystem.OpenSources(marked, host.mount_namespace)]


def _inside(path: str, directories: tuple[str, ...]) -> bool:
    return any(path == directory or path.startswith(directory.rstrip("/") + "/") for directory in directories)


def _has_own_devices(spec: LaunchSpec) -> bool:
    """Whether /dev is a tmpfs. The image's own, or the host's bound over it, is not ours to furnish."""
    mounts = {_destination(entry): entry for entry in spec.config.get("mounts") or ()}
    return "/dev" in mounts and mounts["/dev"].get("type") == "tmpfs"


def _device_mode(device: oci.Device) -> int:
    mode = device.get("fileMode")
    return 0o666 if mode is None else int(mode)


def _devices(spec: LaunchSpec) -> list[Operation]:
    if not _has_own_devices(spec):
        return []
    links: tuple[tuple[str, str], ...] = defaults.DEVICE_LINKS
    if any(_destination(entry) == "/dev/pts" for entry in spec.config.get("mounts") or ()):
        links = (*links, ("ptmx", "pts/ptmx"))
    return [*_nodes(spec), devices.MakeLinks("/dev", links)]


def _nodes(spec: LaunchSpec) -> list[devices.MakeDevice]:
    if not _has_own_devices(spec):
        return []
    # As in runc: terminals are the container's own, also where the host's /dev/ptmx is among the devices.
    asked = (device for device in spec.linux.get("devices") or () if os.path.normpath(device["path"]) != "/dev/ptmx")
    wanted = {device["path"]: device for device in (*defaults.devices(), *asked)}
    return [
        devices.MakeDevice(
            device["path"],
            device["type"],
            int(device.get("major") or 0),
            int(device.get("minor") or 0),
            _device_mode(device) & 0o7777,
            int(device.get("uid") or 0),
            int(device.get("gid") or 0),
        )
        for device in wanted.values()
    ]


def _finish_filesystem(spec: LaunchSpec, host: Host) -> list[Operation]:
    steps: list[Operation] = []
    for entry in spec.config.get("mounts") or ():
        attributes = mount.parse_options(entry.get("options") or ())
        if _destination(entry) == "/dev" and entry.get("type") == "tmpfs" and attributes.set & mount.MOUNT_ATTR_RDONLY:
            steps.append(filesystem.SetAttributes("/dev", mount.MOUNT_ATTR_RDONLY))
    steps += _missing_directory(spec)
    if spec.linux.get("readonlyPaths"):
        steps.append(shields.ProtectPaths(tuple(spec.linux["readonlyPaths"])))
    if spec.linux.get("maskedPaths"):
        steps.append(shields.MaskPaths(tuple(spec.linux["maskedPaths"]), _has_own_devices(spec)))
    root_bits = mount.MOUNT_ATTR_RDONLY if spec.config.get("root", {}).get("readonly") else 0
    if _devices_unguarded(spec, host):
        root_bits |= mount.MOUNT_ATTR_NODEV
    if root_bits:
        steps.append(filesystem.SetAttributes("/", root_bits))
    return steps


def _missing_directory(spec: LaunchSpec) -> list[Operation]:
    cwd = spec.config["process"].get("cwd") or "/"
    return [filesystem.MakeWorkingDirectory(cwd)] if cwd != "/" else []


def _become(spec: LaunchSpec, seccomp: bytes, host: Host) -> list[Operation]:
    process = spec.config["process"]
    limits = resource_limits(spec)
    steps: list[Operation] = [operations.ResolveUser(spec.user, spec.additional_groups), operations.OwnStreams()]
    if limits:
        steps.append(operations.SetLimits(limits))
    steps.append(operations.EnterDirectory(process.get("cwd") or "/"))
    steps += identity(process.get("capabilities"), bool(process.get("noNewPrivileges")), seccomp, host, spec)
    steps.append(operations.FindProgram(process["args"][0], tuple(process.get("env") or ())))
    program = operations.Execute(
        tuple(process["args"]),
        reaper=spec.init,
        terminal=bool(process.get("terminal")),
    )
    last = (operations.NewSession(bool(process.get("terminal"))), appearing.DieWithShim(), program)
    return [*steps, appearing.Appear(last, process["args"][0])] if spec.namespaces.get("pid") else [*steps, *last]


def resource_limits(spec: LaunchSpec) -> tuple[tuple[str, int, int], ...]:
    """Name, soft and hard limit."""
    given = spec.config["process"].get("rlimits") or ()
    return tuple((entry["type"], int(entry["soft"]), int(entry["hard"])) for entry in given)


def identity(
    capabilities: oci.Capabilities | None, no_new_privileges: bool, seccomp: bytes, host: Host, spec: LaunchSpec
) -> list[Operation]:
    """Give up privileges: what launch and exec have in common."""
    sets = caps.Sets.from_oci(capabilities or {})
    if _devices_unguarded(spec, host):
        sets = sets.within(~caps.mask(("CAP_MKNOD",)))
    steps: list[Operation] = []
    if no_new_privileges:
        steps.append(operations.NoNewPrivileges())
    if userns.has_one_id() and (answered := oneid.program()):
        # First, for a profile need not allow another filter.
        steps.append(operations.AskShim(answered))
    if seccomp:
        steps.append(operations.LoadSeccomp(seccomp))
    steps.append(operations.ChangeIdentity(sets))
    return steps


def confinement(process: oci.Process, *, reaper: bool = False) -> list[Operation]:
    """The kernel's security modules, for launch and exec: nothing where the configuration names neither."""
    profile, label = process.get("apparmorProfile") or "", process.get("selinuxLabel") or ""
    return [operations.ConfineNext(profile, label, reaper)] if profile or label else []


def _devices_unguarded(spec: LaunchSpec, host: Host) -> bool:
    """Whether device rules were asked for that nothing enforces: then no device node may be made or opened."""
    rules = (spec.linux.get("resources") or {}).get("devices") or ()
    return userns.is_initial() and not host.controls_devices and not devicefilter.allows_everything(rules)


def _checked_sysctls(sysctls: dict[str, str], spaces: dict[str, str], network_mode: str) -> tuple[tuple[str, str], ...]:
    """Only parameters of namespaces that are the container's own: anything else would be the host's."""
    found = []
    for key, value in sysctls.items():
        name = dotted(key)
        match namespace_of(name):
            case "ipc":
                allowed, space = "ipc" in spaces, "IPC"
            case "network":
                allowed, space = network_mode != "host", "network"
            case "uts" if name == "kernel.hostname":
                raise ValueError(f'sysctl "{key}" is not allowed as it conflicts with the OCI "hostname" field')
            case "uts":
                allowed, space = "uts" in spaces, "UTS"
            case _:
                raise ValueError(f"sysctl {key!r} is not in a separate kernel namespace")
        if not allowed:
            raise ValueError(f"sysctl {key!r} not allowed in host {space} namespace")
        found.append((name, str(value)))
    return tuple(found)
