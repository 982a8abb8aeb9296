"""Control groups on the real kernel: the layout this machine has, and what its cgroup2 mount allows besides."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from typing import TYPE_CHECKING

import pytest

from pycompose.engine.linux import cgroups
from pycompose.engine.linux.cgroup import Cgroup, CgroupError, Hierarchies
from pycompose.engine.linux.cgroup_v2 import CgroupV2

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.root

FOUND = Hierarchies.discover()
v1_only = pytest.mark.skipif(FOUND.pure_v2, reason="this machine has cgroup v2 only")
v2_only = pytest.mark.skipif(not FOUND.pure_v2, reason="this machine has controllers in cgroup v1")


def unified_only() -> Hierarchies:
    return Hierarchies({}, FOUND.unified)


@pytest.fixture(params=["host", "unified"])
def group(request: pytest.FixtureRequest) -> Iterator[Cgroup]:
    if request.param == "unified" and FOUND.unified is None:
        pytest.skip("no cgroup2 mount")
    hierarchies = FOUND if request.param == "host" else unified_only()
    instance = uuid.uuid4().hex[:6]
    group = cgroups.for_container(instance, "c" * 64, hierarchies=hierarchies)
    assert group.create() == ()
    yield group
    group.kill()
    group.remove()
    group.remove()
    cgroups.remove_instance(instance, hierarchies)
    assert not [directory for directory in group.directories if os.path.exists(os.path.dirname(directory))]


def spawn(group: Cgroup, code: str = "import time; time.sleep(60)", *fds: int) -> subprocess.Popen[bytes]:
    """A process in the group: itself single-threaded when it joins."""
    return subprocess.Popen([sys.executable, "-I", "-c", code], preexec_fn=group.join_self, pass_fds=fds)


def test_join_procs_kill_remove(group: Cgroup) -> None:
    process = spawn(group)
    assert group.procs() == [process.pid]
    started = time.monotonic()
    group.kill()
    assert process.wait(5) == -signal.SIGKILL
    assert time.monotonic() - started < 2
    assert group.procs() == []


def test_freeze_thaw(group: Cgroup) -> None:
    read, write = os.pipe()
    os.set_blocking(read, False)
    process = spawn(group, f"import os, time\nwhile True: os.write({write}, b'.'); time.sleep(0.001)", write)
    os.close(write)
    assert select.select([read], [], [], 5)[0]
    group.freeze()
    assert group.frozen()
    os.read(read, 65536)
    assert not select.select([read], [], [], 0.1)[0]
    group.thaw()
    assert not group.frozen()
    assert select.select([read], [], [], 5)[0]
    os.close(read)
    process.kill()
    process.wait(5)


def test_kill_reaches_what_is_frozen_and_what_forks(group: Cgroup) -> None:
    code = "import os, time\nfor _ in range(3): os.fork()\ntime.sleep(60)"
    process = spawn(group, code)
    deadline = time.monotonic() + 5
    while len(group.procs()) < 8 and time.monotonic() < deadline:
        time.sleep(0.01)
    group.freeze()
    group.kill()
    process.wait(5)
    while group.procs() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert group.procs() == []


def test_remove_waits_for_the_last_process_and_gives_up(group: Cgroup) -> None:
    process = spawn(group)
    with pytest.raises(OSError, match="busy"):
        group.remove(timeout=0.05)
    process.kill()
    process.wait()
    assert group.create() == ()


def test_nested_groups_go_with_the_group(group: Cgroup) -> None:
    for directory in group.directories:
        os.makedirs(f"{directory}/inner/most", exist_ok=True)
    group.remove()
    assert not any(os.path.exists(directory) for directory in group.directories)
    assert group.create() == ()


@v1_only
def test_limits_v1() -> None:
    instance = uuid.uuid4().hex[:6]
    group = cgroups.for_container(instance, "limits", hierarchies=FOUND)
    group.create()
    megabyte = 1 << 20

    def read(controller: str, name: str) -> str:
        with open(f"{FOUND.v1[controller]}{group.path}/{name}") as file:
            return file.read().strip()

    try:
        warnings = group.apply(
            {
                "devices": [
                    {"allow": False, "access": "rwm"},
                    {"allow": True, "type": "c", "major": 1, "minor": 3, "access": "rwm"},
                ],
                "memory": {"limit": 64 * megabyte, "swap": 96 * megabyte, "reservation": 32 * megabyte},
                "cpu": {"shares": 512, "quota": 50000, "period": 100000, "cpus": "0", "mems": "0"},
                "pids": {"limit": 17},
                "unified": {"memory.high": "1"},
            }
        )
        assert warnings == ("memory.high is ignored: it needs cgroup v2",)
        assert read("devices", "devices.list") == "c 1:3 rwm"
        assert read("memory", "memory.limit_in_bytes") == str(64 * megabyte)
        assert read("memory", "memory.memsw.limit_in_bytes") == str(96 * megabyte)
        assert read("memory", "memory.soft_limit_in_bytes") == str(32 * megabyte)
        assert read("cpu", "cpu.shares") == "512"
        assert read("cpu", "cpu.cfs_quota_us") == "50000"
        assert read("cpuset", "cpuset.cpus") == "0"
        assert read("pids", "pids.max") == "17"
        # Up and down again: the kernel refuses the wrong order of limit and memsw.
        for limit in (256, 8, 128):
            assert group.apply({"memory": {"limit": limit * megabyte, "swap": limit * megabyte}}) == ()
        assert group.apply({"memory": {"limit": -1, "swap": -1}, "pids": {"limit": 0}}) == ()
        assert read("pids", "pids.max") == "max"
        with pytest.raises(CgroupError, match=r"write '5000' to .*cpuset\.cpus"):
            group.apply({"cpu": {"cpus": "5000"}})
        with pytest.raises(CgroupError, match=r"blkio\.throttle"):
            group.apply({"blockIO": {"throttleReadBpsDevice": [{"major": 4000, "minor": 0, "rate": 1}]}})
    finally:
        group.remove()
        cgroups.remove_instance(instance)


@v1_only
def test_device_rules_hold_v1() -> None:
    instance = uuid.uuid4().hex[:6]
    group = cgroups.for_container(instance, "devices", hierarchies=FOUND)
    group.create()
    try:
        group.apply(
            {
                "devices": [
                    {"allow": False, "access": "rwm"},
                    {"allow": True, "type": "c", "major": 1, "minor": 3, "access": "rwm"},
                ]
            }
        )
        code = "open('/dev/null', 'w')\ntry: open('/dev/zero')\nexcept PermissionError: raise SystemExit(7)"
        assert spawn(group, code).wait(10) == 7
    finally:
        group.remove()
        cgroups.remove_instance(instance)


@v1_only
def test_stats_and_oom_v1() -> None:
    instance = uuid.uuid4().hex[:6]
    group = cgroups.for_container(instance, "oom", hierarchies=FOUND)
    group.create()
    event = group.oom_fd()
    assert event is not None
    try:
        group.apply({"memory": {"limit": 24 << 20, "swap": 24 << 20}})
        assert group.oom_kills() == 0
        process = spawn(group, "data = bytearray(200 << 20)")
        assert process.wait(20) == -signal.SIGKILL
        assert select.select([event], [], [], 5)[0] == [event]
        assert group.oom_kills() >= 1
        stats = group.stats()
        assert stats["cpu"]["usage"]["total"] > 0
        assert len(stats["cpu"]["usage"]["percpu"]) >= 1
        assert stats["memory"]["usage"]["limit"] == 24 << 20
        assert (stats["memory"]["usage"]["max"] or 0) > 1 << 20
        assert stats["pids"] == {"current": 0, "limit": None}
        assert "blkio" in stats
    finally:
        os.close(event)
        group.remove()
        cgroups.remove_instance(instance)


@pytest.mark.cgroup2
@v2_only
def test_limits_v2() -> None:
    group = cgroups.for_container(uuid.uuid4().hex[:6], "limits", hierarchies=FOUND)
    assert group.create() == ()
    megabyte = 1 << 20

    def read(name: str) -> str:
        with open(f"{group.directories[0]}/{name}") as file:
            return file.read().strip()

    try:
        warnings = group.apply(
            {
                "memory": {
                    "limit": 64 * megabyte,
                    "swap": 96 * megabyte,
                    "reservation": 32 * megabyte,
                    "swappiness": 10,
                },
                "cpu": {"shares": 1024, "quota": 50000, "period": 100000, "cpus": "0", "mems": "0"},
                "pids": {"limit": 17},
                "unified": {"memory.high": str(60 * megabyte)},
            }
        )
        assert warnings == ("memory swappiness is ignored: cgroup v2 has no such setting",)
        assert read("memory.max") == str(64 * megabyte)
        assert read("memory.swap.max") == str(32 * megabyte)
        assert read("memory.low") == str(32 * megabyte)
        assert read("memory.high") == str(60 * megabyte)
        assert read("cpu.weight") == "100"
        assert read("cpu.max") == "50000 100000"
        assert read("cpuset.cpus") == "0"
        assert read("pids.max") == "17"
        for limit in (256, 8, 128):
            assert group.apply({"memory": {"limit": limit * megabyte, "swap": limit * megabyte}}) == ()
        assert group.apply({"memory": {"limit": -1, "swap": -1}, "pids": {"limit": 0}}) == ()
        assert (read("memory.max"), read("pids.max")) == ("max", "max")
        with pytest.raises(CgroupError, match=r"write '5000' to .*cpuset\.cpus"):
            group.apply({"cpu": {"cpus": "5000"}})
        with pytest.raises(CgroupError, match=r"io\.max"):
            group.apply({"blockIO": {"throttleReadBpsDevice": [{"major": 4000, "minor": 0, "rate": 1}]}})
    finally:
        discard(group)


@pytest.mark.cgroup2
@v2_only
def test_limits_bite_v2() -> None:
    group = cgroups.for_container(uuid.uuid4().hex[:6], "bite", hierarchies=FOUND)
    group.create()
    try:
        assert group.apply({"pids": {"limit": 3}, "cpu": {"quota": 10000, "period": 50000}}) == ()
        code = "import os\nfor _ in range(9):\n try:\n  if not os.fork(): os.read(0, 1)\n except OSError: os._exit(7)"
        process = subprocess.Popen(
            [sys.executable, "-I", "-c", code], preexec_fn=group.join_self, stdin=subprocess.PIPE
        )
        assert process.wait(60) == 7
        assert process.stdin is not None
        process.stdin.close()
        assert spawn(group, "import time\nwhile time.process_time() < 0.1: pass").wait(60) == 0
        throttling = group.stats()["cpu"]["throttling"]
        assert throttling["throttledPeriods"] >= 1 and throttling["throttledTime"] > 0
    finally:
        discard(group)


@pytest.mark.cgroup2
@v2_only
def test_device_rules_hold_v2() -> None:
    group = cgroups.for_container(uuid.uuid4().hex[:6], "devices", hierarchies=FOUND)
    group.create()
    allowed = {"allow": True, "type": "c", "major": 1, "minor": 3, "access": "rwm"}
    script = """
import os, stat, sys
open("/dev/null", "w")
try: open("/dev/zero")
except PermissionError: print("open", end=" ")
for name, minor in (("null", 3), ("zero", 5)):
    try: os.mknod(f"{sys.argv[1]}/{name}", stat.S_IFCHR | 0o600, os.makedev(1, minor))
    except PermissionError: print("mknod", name, end=" ")
"""
    try:
        assert group.controls_devices
        denied = {"allow": False, "access": "rwm"}
        assert group.apply({"devices": [denied, allowed]}) == ()
        with tempfile.TemporaryDirectory() as directory:
            command = [sys.executable, "-I", "-c", script, directory]
            assert subprocess.check_output(command, preexec_fn=group.join_self) == b"open mknod zero "
            # A second set replaces the first, it does not add to it.
            os.unlink(f"{directory}/null")
            assert group.apply({"devices": [denied, allowed, allowed | {"minor": 5}]}) == ()
            assert subprocess.check_output(command, preexec_fn=group.join_self) == b""
    finally:
        discard(group)


@pytest.mark.cgroup2
@v2_only
def test_stats_and_oom_v2() -> None:
    group = cgroups.for_container(uuid.uuid4().hex[:6], "oom", hierarchies=FOUND)
    group.create()
    event = group.oom_fd()
    assert event is not None
    try:
        group.apply({"memory": {"limit": 24 << 20, "swap": 24 << 20}, "pids": {"limit": 10}})
        assert group.oom_kills() == 0
        process = spawn(group, "data = bytearray(200 << 20)")
        assert process.wait(60) == -signal.SIGKILL
        assert select.select([event], [], [], 5)[0] == [event]
        assert group.oom_kills() >= 1
        stats = group.stats()
        assert stats["cpu"]["usage"]["total"] > 0 and stats["cpu"]["usage"]["percpu"] == []
        assert stats["memory"]["usage"]["limit"] == 24 << 20
        assert (stats["memory"]["usage"]["failcnt"] or 0) > 0
        assert stats["pids"] == {"current": 0, "limit": 10}
        assert "blkio" in stats
    finally:
        os.close(event)
        discard(group)


def discard(group: Cgroup) -> None:
    instance = group.path.split("/")[1].removeprefix("pycompose-")
    group.kill()
    group.remove()
    cgroups.remove_instance(instance)
    assert not os.path.exists(os.path.dirname(group.directories[0]))


@pytest.mark.skipif(FOUND.unified is None, reason="no cgroup2 mount")
def test_unified_stats_and_clone_fd() -> None:
    instance = uuid.uuid4().hex[:6]
    group = cgroups.for_container(instance, "stats", hierarchies=unified_only())
    assert isinstance(group, CgroupV2)
    assert group.clone_fd() is None
    group.create()
    fd = group.clone_fd()
    assert fd is not None
    os.close(fd)
    try:
        assert spawn(group, "pass").wait(10) == 0
        assert group.stats()["cpu"]["usage"]["total"] > 0
        if not FOUND.pure_v2:
            assert group.apply({"pids": {"limit": 5}}) == ("pids limit is ignored: this machine has no pids.max",)
    finally:
        group.remove()
        cgroups.remove_instance(instance, unified_only())
