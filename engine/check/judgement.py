"""What the facts mean: one finding a wall, with what to do where it is not there. Pure."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .facts import Facts, Owned

OK, WEAK, BAD = "ok", "weak", "bad"
_OLDEST, _CURRENT = (5, 11), (6, 1)


@dataclass(frozen=True, slots=True)
class Finding:
    """``state``: ok, weak (a wall less, others stand) or bad (a way out). ``remedy`` is empty when nothing is to be done."""

    name: str
    state: str
    found: str
    remedy: str = ""

    def json(self) -> dict[str, str]:
        return asdict(self)


def judge(facts: Facts) -> list[Finding]:
    return [
        _kernel(facts.release),
        _security_module(facts),
        Finding("seccomp", OK, "system calls are filtered")
        if facts.seccomp
        else Finding("seccomp", BAD, "this kernel filters no system calls", "use a kernel with CONFIG_SECCOMP_FILTER"),
        *(_rooted(facts) if facts.ids == 0 else _rootless(facts.ids)),
        *_settings(facts),
        _closed("root", facts.root, 0o077, "chmod 700 {path}"),
        _closed("socket", facts.socket, 0o007, "chmod o= {path}"),
        Finding("nftables", OK, "networks are kept apart")
        if facts.nftables
        else Finding("nftables", BAD, "the firewall's rules cannot be written", "load the module nf_tables"),
        _remote(facts.remote),
        *(Finding("firewall", WEAK, warning, "see docs/networks.md, Other firewalls") for warning in facts.warnings),
    ]


def _kernel(release: str) -> Finding:
    match = re.match(r"(\d+)\.(\d+)", release)
    version = (int(match[1]), int(match[2])) if match else (0, 0)
    if version < _OLDEST:
        return Finding("kernel", BAD, f"Linux {release or 'of an unknown version'}", "Linux 5.11 or newer is needed")
    if version < _CURRENT:
        return Finding(
            "kernel", WEAK, f"Linux {release}", "use a kernel that still gets security updates, 6.1 or newer"
        )
    return Finding("kernel", OK, f"Linux {release}")


def _security_module(facts: Facts) -> Finding:
    if facts.selinux == "permissive":
        return Finding("security module", WEAK, "SELinux is permissive: it only reports", "setenforce 1")
    if "apparmor" in facts.modules and "selinux" not in facts.modules and not facts.profiles:
        return Finding(
            "security module", WEAK, "AppArmor is active, and no profile can be loaded: containers run unconfined",
            "install the package apparmor",
        )  # fmt: skip
    active = [name for name in ("apparmor", "selinux") if name in facts.modules]
    if active:
        return Finding("security module", OK, f"{', '.join(active)} can confine containers")
    return Finding(
        "security module", WEAK, "neither AppArmor nor SELinux is active",
        "start the kernel with security=apparmor (Debian, Ubuntu) or security=selinux",
    )  # fmt: skip


def _rooted(facts: Facts) -> Iterator[Finding]:
    yield _control_groups(facts)
    yield _user_namespaces(facts.user_namespaces, facts.userns_mode)


def _rootless(ids: int) -> Iterator[Finding]:
    """What an engine of an ordinary user has, and what it lacks."""
    yield Finding(
        "control groups", WEAK, "none without root: limits are not applied, and a container can take what the user can",
        "limit the user (systemctl set-property user-UID.slice …), or run the engine as root",
    )  # fmt: skip
    if ids > 1:
        yield Finding("user namespaces", OK, f"without root: a container's root is the engine's user, one of {ids} ids")
    else:
        yield Finding(
            "user namespaces", WEAK, "without root, with one id: a container has one user, root or the one of user:",
            "install the package uidmap, give the user a range in /etc/subuid and /etc/subgid, and begin with a new root directory",
        )  # fmt: skip
    yield Finding(
        "network", OK, "without root: bridges are in a network namespace of their own, ports and ways out are relayed"
    )


def _control_groups(facts: Facts) -> Finding:
    if not facts.pids_controller:
        return Finding(
            "control groups",
            BAD,
            "no pids controller: a container can take every process",
            "enable the pids controller",
        )
    if facts.cgroup == 2:
        return Finding("control groups", OK, "version 2")
    return Finding(
        "control groups", WEAK, "version 1: limits of memory and block devices are weaker",
        "start the kernel with systemd.unified_cgroup_hierarchy=1",
    )  # fmt: skip


def _user_namespaces(limit: int, mode: str) -> Finding:
    if mode == "auto" and limit == 0:
        return Finding(
            "user namespaces", BAD, "switched off, and engine.yaml gives one to every container: none starts",
            "sysctl -w user.max_user_namespaces=10000",
        )  # fmt: skip
    if mode == "auto":
        return Finding(
            "user namespaces", OK, "a container's root is nobody on the host, unless it has userns_mode: host"
        )
    if limit == 0:
        return Finding("user namespaces", OK, "switched off; a container's root is the host's, with few capabilities")
    return Finding(
        "user namespaces", WEAK, "a container's root is the host's root, with few capabilities",
        "give services userns_mode: auto, or all of them by userns: {mode: auto} in engine.yaml; else user: and cap_drop: [ALL]",
    )  # fmt: skip


def _settings(facts: Facts) -> Iterator[Finding]:
    """Settings of the kernel that make its faults harder to use."""
    for name, value, good, setting in (
        ("unprivileged bpf", facts.unprivileged_bpf, ("1", "2"), "kernel.unprivileged_bpf_disabled=2"),
        ("ptrace", facts.ptrace_scope, ("1", "2", "3"), "kernel.yama.ptrace_scope=1"),
        ("kernel addresses", facts.kernel_pointers, ("1", "2"), "kernel.kptr_restrict=1"),
    ):
        if value in good:
            yield Finding(name, OK, "restricted")
        elif value:
            yield Finding(name, WEAK, "not restricted", f"sysctl -w {setting}")
        else:
            yield Finding(name, OK, "this kernel has no such setting")


def _closed(name: str, owned: Owned, forbidden: int, remedy: str) -> Finding:
    if owned.mode is None:
        return Finding(name, OK, f"{owned.path} is not there")
    shown = f"{owned.path} is {owned.mode:04o}, owner {owned.uid}:{owned.gid}"
    if owned.mode & forbidden:
        return Finding(name, BAD, f"{shown}: open to others", remedy.format(path=owned.path))
    return Finding(name, OK, shown)


def _remote(addresses: tuple[str, ...]) -> Finding:
    if not addresses:
        return Finding("remote access", OK, "none: the unix socket only")
    return Finding("remote access", OK, f"{', '.join(addresses)}, with TLS on both sides")
