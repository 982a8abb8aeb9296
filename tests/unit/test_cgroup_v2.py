"""cgroup v2 against a tree of plain files: what would be written, and how what is read is understood."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pycompose.engine.linux import cgroups
from pycompose.engine.linux.cgroup import Cgroup, CgroupError, Hierarchies
from pycompose.engine.linux.cgroup_v1 import CgroupV1, device_rule
from pycompose.engine.linux.cgroup_v2 import CgroupV2, io_weight, memory_files, weight_from_shares

HYBRID = """\
23 1 254:0 / / rw,relatime - ext4 /dev/vda rw
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:3 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/with\\040blank rw,relatime - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
99 23 0:38 / /elsewhere rw,relatime - cgroup2 cgroup2 rw
"""
FILES = [
    "cgroup.procs",
    "cgroup.freeze",
    "cgroup.kill",
    "cpu.weight",
    "cpu.max",
    "cpu.idle",
    "cpu.max.burst",
    "memory.max",
    "memory.low",
    "memory.high",
    "memory.swap.max",
    "pids.max",
    "io.weight",
    "io.max",
    "cpuset.cpus",
    "cpuset.mems",
    "hugetlb.2MB.max",
]


def test_discover_hybrid() -> None:
    found = Hierarchies.discover(HYBRID)
    assert found.v1 == {
        "cpu": "/sys/fs/cgroup/cpu,cpuacct",
        "cpuacct": "/sys/fs/cgroup/cpu,cpuacct",
        "memory": "/sys/fs/cgroup/with blank",
        "name=systemd": "/sys/fs/cgroup/systemd",
    }
    assert found.unified == "/sys/fs/cgroup/unified"
    assert not found.pure_v2
    group = cgroups.for_container("abc", "id", hierarchies=found)
    assert isinstance(group, CgroupV1)
    assert group.directories[0] == "/sys/fs/cgroup/cpu,cpuacct/pycompose-abc/id"
    assert len(group.directories) == 4


def test_discover_v2() -> None:
    found = Hierarchies.discover("30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n")
    assert found == Hierarchies({}, "/sys/fs/cgroup")
    assert isinstance(cgroups.for_container("abc", "id", "/my/parent", hierarchies=found), CgroupV2)


def test_a_named_hierarchy_alone_is_not_v1() -> None:
    assert Hierarchies({"name=systemd": "/s"}, "/u").pure_v2


@pytest.mark.parametrize("parent", ["..", "/a/../b", "a//b", "/", "a/./b", "a\0b"])
def test_a_parent_stays_below_the_mount(parent: str) -> None:
    with pytest.raises(ValueError, match="parent"):
        cgroups.for_container("abc", "id", parent, hierarchies=Hierarchies({}, "/u"))


@pytest.fixture
def group(tmp_path: Path) -> Cgroup:
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io memory pids rdma\n")
    (tmp_path / "cgroup.subtree_control").write_text("cpu\n")
    group = cgroups.for_container("abc", "id", hierarchies=Hierarchies({}, str(tmp_path)))
    assert group.create() == ()
    for name in FILES:
        (tmp_path / "pycompose-abc" / "id" / name).write_text("")
    return group


def content(group: Cgroup, name: str) -> str:
    return Path(group.directories[0], name).read_text()


def test_create_enables_controllers_from_above(group: Cgroup, tmp_path: Path) -> None:
    # A plain file keeps what was written last; the kernel adds up.
    assert (tmp_path / "cgroup.subtree_control").read_text().startswith("+")


@pytest.mark.parametrize(
    ("resources", "files"),
    [
        ({"cpu": {"shares": 1024}}, {"cpu.weight": "100"}),
        ({"cpu": {"quota": 50000}}, {"cpu.max": "50000 100000"}),
        ({"cpu": {"quota": 50000, "period": 25000}}, {"cpu.max": "50000 25000"}),
        ({"cpu": {"quota": -1, "period": 25000}}, {"cpu.max": "max 25000"}),
        ({"cpu": {"cpus": "0-1", "mems": "0"}}, {"cpuset.cpus": "0-1", "cpuset.mems": "0"}),
        ({"memory": {"limit": 1000, "swap": 1500}}, {"memory.max": "1000", "memory.swap.max": "500"}),
        ({"memory": {"limit": 1000, "swap": -1}}, {"memory.max": "1000", "memory.swap.max": "max"}),
        ({"memory": {"limit": -1, "reservation": 7}}, {"memory.max": "max", "memory.low": "7"}),
        ({"pids": {"limit": 12}}, {"pids.max": "12"}),
        ({"pids": {"limit": -1}}, {"pids.max": "max"}),
        ({"blockIO": {"weight": 1000}}, {"io.weight": "10000"}),
        (
            {"blockIO": {"throttleReadBpsDevice": [{"major": 8, "minor": 1, "rate": 99}]}},
            {"io.max": "8:1 rbps=99"},
        ),
        ({"unified": {"memory.high": "5M"}}, {"memory.high": "5M"}),
    ],
)
def test_apply(group: Cgroup, resources: dict[str, Any], files: dict[str, str]) -> None:
    assert group.apply(resources) == ()
    assert {name: content(group, name) for name in files} == files


@pytest.mark.parametrize(
    ("resources", "word"),
    [
        ({"devices": [{"allow": False, "access": "rwm"}]}, "device rules"),
        ({"memory": {"swappiness": 60}}, "swappiness"),
        ({"memory": {"disableOOMKiller": True}}, "oom_kill_disable"),
        ({"cpu": {"realtimeRuntime": 1}}, "realtime"),
        ({"blockIO": {"leafWeight": 10}}, "leaf weight"),
        ({"hugepageLimits": [{"pageSize": "1GB", "limit": 5}]}, "huge page"),
        ({"unified": {"rdma.max": "x"}}, "rdma.max"),
    ],
)
def test_what_cannot_be_applied_is_said(group: Cgroup, resources: dict[str, Any], word: str) -> None:
    if "unified" in resources or "hugepageLimits" in resources:
        # A cgroup file system creates no files on open; a plain directory does not either without O_CREAT.
        assert not Path(group.directories[0], "rdma.max").exists()
    (warning,) = group.apply(resources)
    assert word in warning


@pytest.mark.parametrize("name", ["../x", "cgroup.procs", "nodot"])
def test_unified_keys_are_files_of_controllers(group: Cgroup, name: str) -> None:
    with pytest.raises(CgroupError):
        group.apply({"unified": {name: "1"}})


def test_stats(group: Cgroup) -> None:
    directory = Path(group.directories[0])
    (directory / "cpu.stat").write_text("usage_usec 30\nuser_usec 20\nsystem_usec 10\nnr_periods 4\nnr_throttled 2\n")
    (directory / "memory.current").write_text("4096\n")
    (directory / "memory.max").write_text("max\n")
    (directory / "memory.stat").write_text("anon 1000\nfile 3000\n")
    (directory / "memory.events").write_text("low 0\nmax 3\noom 1\noom_kill 2\n")
    (directory / "pids.current").write_text("3\n")
    (directory / "pids.max").write_text("max\n")
    (directory / "io.stat").write_text("254:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0\n")
    stats = group.stats()
    assert stats["cpu"]["usage"] == {"total": 30000, "user": 20000, "kernel": 10000, "percpu": []}
    assert stats["cpu"]["throttling"] == {"periods": 4, "throttledPeriods": 2, "throttledTime": 0}
    assert stats["memory"]["usage"] == {"usage": 4096, "limit": None, "max": None, "failcnt": 3}
    assert stats["memory"]["cache"] == 3000
    assert stats["pids"] == {"current": 3, "limit": None}
    assert stats["blkio"]["ioServiceBytesRecursive"][1] == {"major": 254, "minor": 0, "op": "Write", "value": 20}
    assert group.oom_kills() == 2


def test_shares_ends_and_default() -> None:
    assert [weight_from_shares(shares) for shares in (2, 1024, 262144)] == [1, 100, 10000]
    assert [io_weight(weight) for weight in (10, 1000)] == [1, 10000]


@given(st.integers(-5, 1 << 40), st.integers(-5, 1 << 40))
def test_more_shares_never_weigh_less(one: int, other: int) -> None:
    low, high = sorted((one, other))
    assert 1 <= weight_from_shares(low) <= weight_from_shares(high) <= 10000


def test_swap_without_memory_limit() -> None:
    with pytest.raises(ValueError, match="memory"):
        memory_files({"swap": 100})
    assert memory_files({"limit": 100, "swap": 100}) == [("memory.swap.max", 0), ("memory.max", 100)]


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        ({"allow": False, "access": "rwm"}, "a"),
        ({"allow": True, "type": "c", "major": 1, "minor": 3, "access": "rwm"}, "c 1:3 rwm"),
        ({"allow": True, "type": "b", "access": "m"}, "b *:* m"),
        ({"allow": True, "type": "u", "major": 10, "minor": -1, "access": "r"}, "c 10:* r"),
    ],
)
def test_device_rule(rule: dict[str, Any], line: str) -> None:
    assert device_rule(rule) == line


def test_a_host_without_cgroups_warns() -> None:
    group = cgroups.for_container("abc", "id", hierarchies=Hierarchies({}, None))
    assert group.create() == ()
    (warning,) = group.apply({"pids": {"limit": 5}})
    assert "pids limit is ignored" in warning
    assert group.stats() == {}
    assert group.procs() == []
    assert group.clone_fd() is None
    group.join_self()
    group.kill()
    group.remove()
