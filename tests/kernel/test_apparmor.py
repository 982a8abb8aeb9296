"""AppArmor on a kernel that has it (tests/vm makes one): what runs under which profile, and that the profile denies."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from support.engine_root import EngineRoot, wait_for

from pycompose.engine.containers.spec import apparmor
from pycompose.engine.linux import lsm

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

pytestmark = [
    pytest.mark.root,
    pytest.mark.apparmor,
    pytest.mark.skipif(
        not (lsm.apparmor_is_active() and lsm.apparmor_parser()), reason="AppArmor is not active, or has no parser"
    ),
]

DEFAULT = "pycompose-default (enforce)\n"
OURS = "pycompose-test-other"
SLEEP = ["sh", "-c", "trap exit TERM; sleep 1000 & wait"]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineRoot]:
    with EngineRoot(tmp_path_factory.mktemp("apparmor")) as running:
        running.import_busybox()
        yield running


@pytest.fixture
def other() -> Iterator[str]:
    """A profile of somebody's own."""
    text = f"profile {OURS} flags=(attach_disconnected) {{\n  file,\n  signal,\n  deny /etc/passwd r,\n}}\n"
    command = [lsm.apparmor_parser(), "--skip-cache"]
    subprocess.run([*command, "--replace"], input=text, text=True, check=True, capture_output=True)
    yield OURS
    subprocess.run([*command, "--remove"], input=text, text=True, check=True, capture_output=True)


def started(engine: EngineRoot, command: Sequence[str] = SLEEP, **host: Any) -> str:
    host = {"AutoRemove": True, **host}
    id: str = engine.json("POST", "/containers/create", {"Image": "busybox", "Cmd": command, "HostConfig": host})["Id"]
    engine.json("POST", f"/containers/{id}/start")
    return id


def shell(engine: EngineRoot, id: str, script: str) -> str:
    return engine.run(id, "sh", "-c", f"exec 2>&1; {script}; true")


def profile(engine: EngineRoot, id: str) -> str:
    pid = engine.json("GET", f"/containers/{id}/json")["State"]["Pid"]
    with open(f"/proc/{pid}/attr/current") as file:
        return file.read()


def shown(engine: EngineRoot, id: str) -> str:
    return str(engine.json("GET", f"/containers/{id}/json")["AppArmorProfile"])


def test_containers_and_execs_run_under_the_default_profile(engine: EngineRoot) -> None:
    id = started(engine)
    assert profile(engine, id) == DEFAULT
    assert shell(engine, id, "cat /proc/self/attr/current") == DEFAULT
    assert shown(engine, id) == "pycompose-default"
    assert "name=apparmor" in engine.json("GET", "/info")["SecurityOptions"]
    engine.json("POST", f"/containers/{id}/kill")


def test_a_container_says_nothing_before_its_first_start(engine: EngineRoot) -> None:
    id = engine.json("POST", "/containers/create", {"Image": "busybox", "Cmd": SLEEP})["Id"]
    assert shown(engine, id) == ""
    engine.json("DELETE", f"/containers/{id}")


def test_init_is_under_the_profile_too_and_takes_signals_from_inside(engine: EngineRoot) -> None:
    """Under none it would be out of reach: `kill 1` is how programs in a container end it."""
    script = "trap 'echo heard' TERM; while :; do sleep 0.1; done"
    id = started(engine, ["sh", "-c", script], Init=True)
    assert profile(engine, id) == DEFAULT
    assert engine.run(id, "kill", "1") == ""
    wait_for(lambda: b"heard" in engine.request("GET", f"/containers/{id}/logs?stdout=1")[1], engine.log)
    engine.json("POST", f"/containers/{id}/kill")


@pytest.mark.parametrize("how", [{"Privileged": True}, {"SecurityOpt": ["apparmor=unconfined"]}])
def test_unconfined(engine: EngineRoot, how: dict[str, Any]) -> None:
    id = started(engine, **how)
    assert profile(engine, id) == "unconfined\n" and shown(engine, id) == "unconfined"
    assert shell(engine, id, "cat /proc/self/attr/current") == "unconfined\n"
    engine.json("POST", f"/containers/{id}/kill")


def test_a_profile_of_ones_own(engine: EngineRoot, other: str) -> None:
    id = started(engine, SecurityOpt=[f"apparmor={other}"])
    assert profile(engine, id) == f"{other} (enforce)\n" and shown(engine, id) == other
    assert "Permission denied" in shell(engine, id, "cat /etc/passwd")
    engine.json("POST", f"/containers/{id}/kill")


def test_a_profile_that_is_not_loaded_is_refused(engine: EngineRoot) -> None:
    body = {"Image": "busybox", "Cmd": SLEEP, "HostConfig": {"SecurityOpt": ["apparmor=pycompose-nowhere"]}}
    id = engine.json("POST", "/containers/create", body)["Id"]
    status, answer = engine.request("POST", f"/containers/{id}/start")
    assert status >= 400 and b"AppArmor profile pycompose-nowhere is not loaded" in answer
    engine.json("DELETE", f"/containers/{id}")


@pytest.mark.parametrize(
    "script",
    [
        "mount -t tmpfs none /mnt",
        "mount -o remount,rw /proc/sys",
        "mount --bind /etc /mnt",
        "echo 1 > /proc/sys/vm/drop_caches",
        "echo x > /proc/sys/kernel/core_pattern",
        "echo x > /proc/sys/kernel/modprobe",
        "echo 1 > /proc/sys/kernel/sysrq",
        "echo 1 > /proc/sys/net/ipv4/ip_forward",
        "echo b > /proc/sysrq-trigger",
        "head -c 1 /proc/kcore",
    ],
)
def test_what_the_profile_denies(engine: EngineRoot, script: str) -> None:
    """With everything else taken down that would deny the same: capabilities, seccomp, masks and read-only paths."""
    open_wide = {
        "CapAdd": ["ALL"],
        "SecurityOpt": ["seccomp=unconfined", "systempaths=unconfined"],
        "MaskedPaths": [],
        "ReadonlyPaths": [],
    }
    id = started(engine, **open_wide)
    output = shell(engine, id, f"mkdir -p /mnt; {script}")
    assert "ermission denied" in output, output
    engine.json("POST", f"/containers/{id}/kill")


def test_processes_of_others_are_neither_traced_nor_signalled(engine: EngineRoot) -> None:
    """In the host's pid namespace, with every capability: the host's processes belong to no profile."""
    id = started(engine, PidMode="host", CapAdd=["ALL"], SecurityOpt=["seccomp=unconfined"])
    with subprocess.Popen(["sleep", "1000"]) as bystander:
        try:
            assert "ermission denied" in shell(engine, id, f"kill -9 {bystander.pid}")
            assert "ermission denied" in shell(engine, id, f"cat /proc/{bystander.pid}/environ")
            assert bystander.poll() is None
        finally:
            bystander.kill()
    engine.json("POST", f"/containers/{id}/kill")


def test_shared_memory_parameters_of_the_containers_own_may_be_written(engine: EngineRoot) -> None:
    id = started(engine, CapAdd=["ALL"], SecurityOpt=["systempaths=unconfined"])
    assert shell(engine, id, "echo 123456 > /proc/sys/kernel/shmmax; cat /proc/sys/kernel/shmmax") == "123456\n"
    engine.json("POST", f"/containers/{id}/kill")


def test_an_older_profile_of_that_name_is_replaced(engine: EngineRoot) -> None:
    older = "profile pycompose-default flags=(attach_disconnected) {\n  file,\n  signal,\n}\n"
    # Removed first: what is replaced leaves the profiles inside it to its successor.
    for text, how in ((apparmor.PROFILE, "--remove"), (older, "--replace")):
        command = [lsm.apparmor_parser(), "--skip-cache", how]
        subprocess.run(command, input=text, text=True, check=True, capture_output=True)
    before = lsm.apparmor_profiles()
    id = started(engine)
    after = lsm.apparmor_profiles()
    assert len(after - before) == 1 and "pycompose-default" in before & after
    assert "ermission denied" in shell(engine, id, "echo x > /proc/sys/kernel/modprobe")
    engine.json("POST", f"/containers/{id}/kill")


def test_an_ordinary_user_sees_which_profiles_there_are() -> None:
    """The list itself is root's alone; an engine of an ordinary user reads the tree."""
    apparmor.ensure_loaded("pycompose-default")
    script = "from pycompose.engine.linux import lsm; print('pycompose-default' in lsm.apparmor_profiles())"
    code = f"import os, sys; os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534); {script}"
    # Imported before it gives up root: the checkout may be closed to everybody else.
    prelude = "import pycompose.engine.linux.lsm; "
    answer = subprocess.run([sys.executable, "-c", prelude + code], text=True, capture_output=True, check=True)
    assert answer.stdout == "True\n"
