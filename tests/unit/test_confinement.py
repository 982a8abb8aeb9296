"""AppArmor and SELinux: decisions, and what is written where, against trees that look like /sys and /proc."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from pycompose.engine.containers.spec import apparmor, confinement, security
from pycompose.engine.containers.spec.confinement import Confinement, Modules
from pycompose.engine.errors import EngineError, InvalidParameter
from pycompose.engine.linux import lsm
from pycompose.engine.linux.cgroup import Hierarchies
from pycompose.engine.runtime import bundle, enter, launch, operations

if TYPE_CHECKING:
    from pathlib import Path

CONTEXTS = """process = "system_u:system_r:container_t:s0"
content = "system_u:object_r:virt_var_lib_t:s0"
file = "system_u:object_r:container_file_t:s0"
"""
APPARMOR = Modules(apparmor=True, available=True)
SELINUX = Modules(selinux=True, contexts=CONTEXTS)


def tree(root: Path, **files: str) -> Path:
    """Files below ``root``; ``__`` in a name stands for a slash."""
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def decide(modules: Modules, *entries: str, privileged: bool = False) -> Confinement:
    return confinement.decide(security.security_options(entries), modules, privileged=privileged)


def test_what_the_kernel_enforces(tmp_path: Path) -> None:
    assert apparmor.modules(str(tmp_path)) == Modules()
    enabled = {"sys__module__apparmor__parameters__enabled": "Y\n"}
    tree(tmp_path, **enabled)
    assert not lsm.apparmor_is_active(str(tmp_path)), "securityfs is not mounted"
    tree(tmp_path, sys__kernel__security__apparmor__profiles="docker-default (enforce)\n/usr/bin/man (complain)\n")
    assert lsm.apparmor_is_active(str(tmp_path))
    assert lsm.apparmor_profiles(str(tmp_path)) == {"docker-default", "/usr/bin/man"}
    tree(tmp_path, **dict.fromkeys(enabled, "N\n"))
    assert not lsm.apparmor_is_active(str(tmp_path))
    tree(
        tmp_path,
        sys__fs__selinux__enforce="1",
        etc__selinux__config="# a comment\nSELINUX=enforcing\nSELINUXTYPE=targeted\n",
        etc__selinux__targeted__contexts__lxc_contexts=CONTEXTS,
    )
    found = apparmor.modules(str(tmp_path))
    assert (found.apparmor, found.selinux, found.contexts) == (False, True, CONTEXTS)


def test_what_is_written_for_the_next_execve(tmp_path: Path) -> None:
    tree(tmp_path, **{"proc__thread-self__attr__exec": ""})
    lsm.execute_under_profile("mine", str(tmp_path))
    common, own = tmp_path / "proc/thread-self/attr/exec", tmp_path / "proc/thread-self/attr/apparmor/exec"
    assert common.read_text() == "exec mine"
    common.write_text("")
    tree(tmp_path, **{"proc__thread-self__attr__apparmor__exec": ""})
    lsm.execute_under_profile("mine", str(tmp_path))
    lsm.execute_with_label("system_u:system_r:container_t:s0:c1,c2", str(tmp_path))
    assert (own.read_text(), common.read_text()) == ("exec mine", "system_u:system_r:container_t:s0:c1,c2")
    with pytest.raises(FileNotFoundError):
        lsm.execute_with_label("label", str(tmp_path / "nowhere"))


def test_apparmor() -> None:
    assert decide(APPARMOR) == Confinement("pycompose-default")
    assert decide(APPARMOR, privileged=True) == Confinement()
    assert decide(APPARMOR, "apparmor=mine", privileged=True) == Confinement("mine")
    assert decide(APPARMOR, "apparmor:unconfined") == Confinement()
    assert decide(Modules(apparmor=True)) == Confinement(), "nothing that could compile the default"
    assert decide(Modules(apparmor=True), "apparmor=mine") == Confinement("mine")


def test_selinux() -> None:
    assert (
        decide(SELINUX)
        == decide(SELINUX, "label=disable")
        == decide(SELINUX, "label=type:a", "disable")
        == Confinement()
    )
    words = ("label=user:u", "label=role:r", "label=type:t", "label:level:s0:c1,c2", "label=filetype:f")
    assert decide(SELINUX, *words) == Confinement("", "u:r:t:s0:c1,c2", "system_u:object_r:f:s0:c1,c2")
    own = decide(SELINUX, "label=level:s0:c1,c2")
    assert confinement.file_label(SELINUX, own, shared=False) == "system_u:object_r:container_file_t:s0:c1,c2"
    assert confinement.file_label(SELINUX, own, shared=True) == "system_u:object_r:container_file_t:s0"
    assert confinement.file_label(Modules(), Confinement(), shared=True) == ""
    confinement.check_labelled("/srv/data")
    with pytest.raises(InvalidParameter, match="bind mount of /usr"):
        confinement.check_labelled("/usr")


@pytest.mark.parametrize(
    ("modules", "entry", "message"),
    [
        (Modules(), "apparmor=mine", "apparmor=mine cannot be applied: AppArmor is not active on this host"),
        (Modules(), "label=type:t", "label=type:t cannot be applied: SELinux is not active on this host"),
        (Modules(apparmor=True), "apparmor=pycompose-default", "apparmor_parser"),
        (SELINUX, "label=colour:red", "invalid security option label=colour:red"),
        (SELINUX, "label=type", "invalid security option label=type"),
        (Modules(selinux=True), "label=type:t", "has no process context for containers"),
    ],
)
def test_refused(modules: Modules, entry: str, message: str) -> None:
    with pytest.raises(InvalidParameter, match=message):
        decide(modules, entry)


def test_nothing_asked_for_is_fine_everywhere() -> None:
    assert decide(Modules(), "apparmor=unconfined", "label=disable", "label:disable", "disable") == Confinement()


def test_a_profile_that_is_not_loaded(tmp_path: Path) -> None:
    tree(tmp_path, sys__kernel__security__apparmor__profiles="mine (enforce)\n")
    apparmor.ensure_loaded("mine", str(tmp_path))
    with pytest.raises(EngineError, match="AppArmor profile other is not loaded"):
        apparmor.ensure_loaded("other", str(tmp_path))


def test_launch_and_exec_ask_for_it_before_the_host_is_out_of_sight() -> None:
    process: dict[str, Any] = {"args": ["sh"], "apparmorProfile": "mine", "selinuxLabel": "a:b:c:d"}
    document = {
        "id": "c" * 64,
        "bundle": {
            "process": process,
            "mounts": [{"destination": "/t", "type": "tmpfs"}],
            "linux": {"namespaces": [{"type": "pid"}, {"type": "mount"}], "mountLabel": "e:f:g:h"},
        },
        "rootfs": {"lower": ["/l"], "upper": "/u", "work": "/w"},
        "log": {"directory": "/log"},
        "status": "/status.json",
        "control": "/shim.sock",
    }
    spec = bundle.parse(document, "/run/c")
    host = launch.Host(Hierarchies({}, None))
    steps = [step.describe() for step in launch.compile_launch(spec, host)]
    assert steps.index("confine mine a:b:c:d") < steps.index("unshare mount")
    request: dict[str, Any] = dict.fromkeys(("cwd", "user", "terminal", "capabilities", "privileged"), "")
    request |= {"args": ["sh"], "env": [], "additional_groups": []}
    entered = enter.compile_exec(request, spec, host, pidfd=9, seccomp=b"")
    assert operations.ConfineNext("mine", "a:b:c:d") in entered
    kinds = [type(step) for step in entered]
    assert kinds.index(operations.ConfineNext) < kinds.index(operations.JoinContainer)


@pytest.mark.root
def test_labels_of_a_tree(tmp_path: Path) -> None:
    """Links are labelled themselves, and nothing outside is. Without SELinux the kernel keeps the attribute all the same."""
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    tree(tmp_path, inside__a__b="x", outside="y")
    (inside / "link").symlink_to(outside)
    descriptor = os.open(inside, os.O_PATH)
    try:
        lsm.label_tree(descriptor, "a:b:c:d")
    except OSError as error:
        pytest.skip(f"this file system keeps no security.selinux: {error.strerror}")
    finally:
        os.close(descriptor)
    for path in (inside, inside / "a", inside / "a/b", inside / "link"):
        assert os.getxattr(path, "security.selinux", follow_symlinks=False) == b"a:b:c:d\0"
    with pytest.raises(OSError, match="No data"):
        os.getxattr(outside, "security.selinux")
