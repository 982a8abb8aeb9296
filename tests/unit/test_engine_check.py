"""`engine check`: facts from a tree as /proc and /sys have them, and what they mean."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from pycompose.engine.check import Facts, judge, read
from pycompose.engine.check.facts import Instance, Owned

if TYPE_CHECKING:
    from pathlib import Path

GOOD = Facts(
    release="6.1.0-18-amd64",
    modules=("lockdown", "capability", "apparmor"),
    selinux="",
    seccomp=True,
    user_namespaces=0,
    unprivileged_bpf="2",
    ptrace_scope="1",
    kernel_pointers="1",
    cgroup=2,
    pids_controller=True,
    root=Owned("/var/lib/pycompose/state", 0, 0, 0o700),
    socket=Owned("/run/pycompose/engine.sock", 0, 0, 0o660),
    nftables=True,
    remote=(),
    warnings=(),
)


def test_a_host_with_every_wall() -> None:
    assert {finding.state for finding in judge(GOOD)} == {"ok"}
    assert not [finding for finding in judge(GOOD) if finding.remedy]
    (spaces,) = [
        one for one in judge(replace(GOOD, user_namespaces=9, userns_mode="auto")) if one.name == "user namespaces"
    ]
    assert (spaces.state, spaces.remedy) == ("ok", "") and "nobody on the host" in spaces.found


@pytest.mark.parametrize(
    ("change", "name", "state", "found"),
    [
        ({"release": "5.10.0"}, "kernel", "bad", "Linux 5.10.0"),
        ({"release": "5.15.0"}, "kernel", "weak", "Linux 5.15.0"),
        ({"release": ""}, "kernel", "bad", "of an unknown version"),
        ({"modules": ("yama",)}, "security module", "weak", "neither AppArmor nor SELinux"),
        ({"profiles": False}, "security module", "weak", "no profile can be loaded"),
        ({"selinux": "permissive"}, "security module", "weak", "only reports"),
        ({"seccomp": False}, "seccomp", "bad", "filters no system calls"),
        ({"cgroup": 1}, "control groups", "weak", "version 1"),
        ({"pids_controller": False}, "control groups", "bad", "every process"),
        ({"user_namespaces": 1000}, "user namespaces", "weak", "is the host's root"),
        ({"userns_mode": "auto"}, "user namespaces", "bad", "none starts"),
        ({"unprivileged_bpf": "0"}, "unprivileged bpf", "weak", "not restricted"),
        ({"root": Owned("/x", 0, 0, 0o711)}, "root", "bad", "/x is 0711, owner 0:0: open to others"),
        ({"socket": Owned("/s", 0, 9, 0o666)}, "socket", "bad", "open to others"),
        ({"nftables": False}, "nftables", "bad", "cannot be written"),
        ({"warnings": ("the legacy table is in use",)}, "firewall", "weak", "the legacy table is in use"),
    ],
)
def test_a_wall_that_is_not_there(change: dict[str, Any], name: str, state: str, found: str) -> None:
    (finding,) = [one for one in judge(replace(GOOD, **change)) if one.name == name]
    assert finding.state == state and found in finding.found and finding.remedy


def test_facts_of_a_tree(tmp_path: Path) -> None:
    files = {
        "proc/sys/kernel/osrelease": "6.1.0\n",
        "proc/sys/kernel/seccomp/actions_avail": "kill_process kill_thread errno\n",
        "proc/sys/user/max_user_namespaces": "7\n",
        "sys/kernel/security/lsm": "lockdown,capability,selinux",
        "sys/module/apparmor/parameters/enabled": "Y\n",
        "sys/fs/selinux/enforce": "0",
        "sys/fs/cgroup/cgroup.controllers": "cpu memory pids\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "root").mkdir(mode=0o750)
    instance = Instance(str(tmp_path / "root"), str(tmp_path / "none"), True, ("tcp://192.0.2.1:1",), ("w",))
    found = read(instance, tmp_path)
    assert (found.release, found.user_namespaces, found.cgroup, found.pids_controller) == ("6.1.0", 7, 2, True)
    assert (found.modules, found.selinux, found.seccomp) == (
        ("lockdown", "capability", "selinux", "apparmor"), "permissive", True,
    )  # fmt: skip
    assert (found.root.mode, found.socket.mode, found.unprivileged_bpf) == (0o750, None, "")
    assert judge(read(Instance("/none", "/none", True), tmp_path / "nothing"))
