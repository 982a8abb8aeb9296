"""What the kernel and the file system say about this host. Nothing is judged here, and nothing fails: what cannot be read
is not there."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ..linux import lsm, userns


class Owned(NamedTuple):
    """A path with its owner and mode bits; ``mode`` is None when it is not there."""

    path: str
    uid: int = 0
    gid: int = 0
    mode: int | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """``modules`` are the active kernel modules of security (LSM); ``selinux`` is "enforcing", "permissive" or "".
    ``cgroup`` is 2, 1 (also for both at once) or 0. ``warnings`` are what the networks know of foreign firewalls."""

    release: str
    modules: tuple[str, ...]
    selinux: str
    seccomp: bool
    user_namespaces: int
    unprivileged_bpf: str
    ptrace_scope: str
    kernel_pointers: str
    cgroup: int
    pids_controller: bool
    root: Owned
    socket: Owned
    nftables: bool
    remote: tuple[str, ...]
    warnings: tuple[str, ...]
    ids: int = 0
    """How many user ids an engine without root has; 0: it is root's, and has all."""
    userns_mode: str = "host"
    """The user namespace of containers that name none."""
    profiles: bool = True
    """Whether a profile of AppArmor can be compiled here (apparmor_parser)."""


class Instance(NamedTuple):
    """What only the engine knows: its root and socket, TCP addresses, whether its table can be written, warnings, and
    the user namespace of containers that name none."""

    root: str
    socket: str
    nftables: bool
    remote: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    userns_mode: str = "host"


def read(instance: Instance, top: Path = Path("/")) -> Facts:
    """``top`` is where /proc and /sys are looked for."""
    proc, sys_ = top / "proc", top / "sys"
    modules = _text(sys_ / "kernel/security/lsm").split(",")
    if _text(sys_ / "module/apparmor/parameters/enabled") == "Y":  # where securityfs is not mounted
        modules.append("apparmor")
    enforcing = _text(sys_ / "fs/selinux/enforce")
    unified = (sys_ / "fs/cgroup/cgroup.controllers").is_file()
    controllers = _text(sys_ / "fs/cgroup/cgroup.controllers").split()
    legacy = (sys_ / "fs/cgroup/pids").is_dir()
    return Facts(
        release=_text(proc / "sys/kernel/osrelease"),
        modules=tuple(dict.fromkeys(filter(None, modules))),
        selinux={"1": "enforcing", "0": "permissive"}.get(enforcing, ""),
        seccomp="kill_process" in _text(proc / "sys/kernel/seccomp/actions_avail").split(),
        user_namespaces=int(_text(proc / "sys/user/max_user_namespaces") or 0),
        unprivileged_bpf=_text(proc / "sys/kernel/unprivileged_bpf_disabled"),
        ptrace_scope=_text(proc / "sys/kernel/yama/ptrace_scope"),
        kernel_pointers=_text(proc / "sys/kernel/kptr_restrict"),
        cgroup=2 if unified else 1 if (proc / "cgroups").is_file() else 0,
        pids_controller="pids" in controllers or legacy,
        root=_owned(instance.root),
        socket=_owned(instance.socket),
        nftables=instance.nftables,
        remote=instance.remote,
        warnings=instance.warnings,
        ids=0 if userns.is_initial() else userns.count(),
        userns_mode=instance.userns_mode,
        profiles=bool(lsm.apparmor_parser()),
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def _owned(path: str) -> Owned:
    try:
        found = os.lstat(path)
    except OSError:
        return Owned(path)
    return Owned(path, found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode))
