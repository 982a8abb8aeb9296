"""Control groups version 2 (Documentation/admin-guide/cgroup-v2.rst): one hierarchy, controllers enabled from above.

Device rules are programs on v2, not files (devicefilter). Where the kernel takes none, that is a warning and
``controls_devices`` is false, so that the launcher can take CAP_MKNOD away.
"""

from __future__ import annotations

import errno
import math
import os
import select
import time
from typing import TYPE_CHECKING

from . import cgroupfs, devicefilter, inotify
from .cgroup import Cgroup, make
from .libc import KernelError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Literal

    from . import oci

    Put = Callable[[str, object, str], bool]
    """Writes (file, value) for the setting in words."""

WANTED = ("cpuset", "cpu", "io", "memory", "pids", "hugetlb")
DEFAULT_PERIOD = 100_000
"""Microseconds of cpu.max's period when only a quota is given."""


class CgroupV2(Cgroup):
    """A group in the unified hierarchy."""

    @property
    def _directory(self) -> str:
        return f"{self.hierarchies.unified}{self.path}"

    def _file(self, name: str) -> str:
        return f"{self._directory}/{name}"

    @property
    def directories(self) -> tuple[str, ...]:
        return (self._directory,)

    @property
    def controls_devices(self) -> bool:
        return devicefilter.is_supported()

    def create(self) -> tuple[str, ...]:
        mount = str(self.hierarchies.unified)
        reason = make(self._directory)
        if reason:
            return (f"cgroups are not available: {reason}",)
        parent = mount
        refused: dict[str, str] = {}
        for part in ["", *self.path.strip("/").split("/")[:-1]]:
            parent = f"{parent}/{part}" if part else parent
            refused.update(_enable_controllers(parent))
        return tuple(f"cgroup controller {name} is not available: {reason}" for name, reason in refused.items())

    def join_self(self) -> None:
        if not self._is_member():
            cgroupfs.write(self._file("cgroup.procs"), "0")

    def _is_member(self) -> bool:
        # A child cloned into the group saves the 12–16 ms that cgroup.procs would take. The path in /proc is as seen
        # from the cgroup namespace, the mount's root included: the tail is what we named ourselves.
        for line in cgroupfs.read("/proc/self/cgroup").splitlines():
            if line.startswith("0::"):
                return line[3:].endswith(self.path)
        return False

    def procs(self) -> list[int]:
        return cgroupfs.pids(self._directory)

    def freeze(self, timeout: float = 2.0) -> None:
        if not cgroupfs.write_if_present(self._file("cgroup.freeze"), "1"):
            raise OSError(
                errno.ENOSYS, "this machine cannot freeze the container's cgroup", self._file("cgroup.freeze")
            )
        if not self._wait("frozen", 1, timeout):
            self.thaw()
            raise TimeoutError(errno.ETIMEDOUT, f"processes did not freeze within {timeout} s", self._directory)

    def thaw(self) -> None:
        cgroupfs.write_if_present(self._file("cgroup.freeze"), "0")

    def frozen(self) -> bool:
        return cgroupfs.read_or_none(self._file("cgroup.freeze")) == "1"

    def _wait(self, key: str, value: int, timeout: float) -> bool:
        """Wait until cgroup.events says so; the kernel wakes a poll for POLLPRI on each change."""
        deadline = time.monotonic() + timeout
        fd = os.open(self._file("cgroup.events"), os.O_RDONLY | os.O_CLOEXEC)
        try:
            poller = select.poll()
            poller.register(fd, select.POLLPRI)
            while cgroupfs.keyed(os.pread(fd, 4096, 0).decode()).get(key) != value:
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                poller.poll(left * 1000)
            return True
        finally:
            os.close(fd)

    def remove(self, timeout: float = cgroupfs.REMOVE_TIMEOUT) -> None:
        if os.path.exists(self._file("cgroup.events")) and not self._wait("populated", 0, timeout):
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), self._directory)
        super().remove(timeout)

    def oom_kills(self) -> int:
        return cgroupfs.keyed(cgroupfs.read_or_none(self._file("memory.events"))).get("oom_kill", 0)

    def oom_fd(self) -> int | None:
        try:
            watch = inotify.Inotify()
            watch.add(self._file("memory.events"), inotify.IN_MODIFY)
        except FileNotFoundError:
            watch.close()
            return None
        return watch.detach()

    def apply(self, resources: oci.Resources) -> tuple[str, ...]:
        warnings: list[str] = []

        def put(name: str, value: object, setting: str) -> bool:
            done = cgroupfs.write_if_present(self._file(name), str(value))
            if not done:
                warnings.append(f"{setting} is ignored: this machine has no {name}")
            return done

        if resources.get("devices"):
            warnings += self._apply_devices(resources["devices"])
        memory = resources.get("memory") or {}
        for name, value in memory_files(memory):
            put(name, value, f"memory {name.partition('.')[2]}")
        for key, text in MEMORY_V1_ONLY.items():
            if memory.get(key) and memory[key] != -1:
                warnings.append(f"{text} is ignored: cgroup v2 has no such setting")
        self._apply_cpu(resources.get("cpu") or {}, put, warnings)
        if (pids := resources.get("pids")) is not None:
            put("pids.max", pids["limit"] if pids["limit"] > 0 else "max", "pids limit")
        self._apply_block_io(resources.get("blockIO") or {}, put, warnings)
        for page in resources.get("hugepageLimits") or ():
            put(f"hugetlb.{page['pageSize']}.max", page["limit"], "huge page limit")
        for name, value in (resources.get("unified") or {}).items():
            if "/" in name or "." not in name or name.startswith("cgroup."):
                raise cgroupfs.CgroupError(errno.EINVAL, self._file(name.replace("/", "_")), str(value))
            put(name, value, name)
        return tuple(dict.fromkeys(warnings))

    def _apply_devices(self, rules: Sequence[oci.DeviceRule]) -> list[str]:
        if devicefilter.allows_everything(rules):
            return []
        try:
            devicefilter.attach(self._directory, rules)
        except KernelError as error:
            return [f"device rules are not enforced: {error}"]
        return []

    def _apply_cpu(self, cpu: oci.Cpu, put: Put, warnings: list[str]) -> None:
        if shares := cpu.get("shares"):
            put("cpu.weight", weight_from_shares(shares), "cpu shares")
        if (idle := cpu.get("idle")) is not None:
            put("cpu.idle", idle, "cpu idle")
        quota, period = cpu.get("quota"), cpu.get("period")
        if quota or period:
            put("cpu.max", f"{quota if quota and quota > 0 else 'max'} {period or DEFAULT_PERIOD}", "cpu quota")
        if (burst := cpu.get("burst")) is not None:
            put("cpu.max.burst", burst, "cpu burst")
        if cpu.get("cpus"):
            put("cpuset.cpus", cpu["cpus"], "cpuset")
        if cpu.get("mems"):
            put("cpuset.mems", cpu["mems"], "cpuset memory nodes")
        if cpu.get("realtimePeriod") or cpu.get("realtimeRuntime"):
            warnings.append("realtime cpu limits are ignored: cgroup v2 has no such setting")

    def _apply_block_io(self, block: oci.BlockIO, put: Put, warnings: list[str]) -> None:
        bfq = os.path.exists(self._file("io.bfq.weight"))
        name, convert = ("io.bfq.weight", int) if bfq else ("io.weight", io_weight)
        if weight := block.get("weight"):
            put(name, convert(weight), "block IO weight")
        if block.get("leafWeight"):
            warnings.append("block IO leaf weight is ignored: cgroup v2 has no such setting")
        for device in block.get("weightDevice") or ():
            put(name, f"{device['major']}:{device['minor']} {convert(device['weight'])}", "block IO device weight")
        for key, word in THROTTLES.items():
            for throttled in block.get(key) or ():
                rate = throttled["rate"] or "max"
                put("io.max", f"{throttled['major']}:{throttled['minor']} {word}={rate}", "block IO throttling")

    def stats(self) -> oci.Counters:
        found: oci.Counters = {}
        cpu = cgroupfs.keyed(cgroupfs.read_or_none(self._file("cpu.stat")))
        if cpu:
            # There is no per-cpu figure on v2; clients take the number of cpus from elsewhere when the list is empty.
            found["cpu"] = {
                "usage": {
                    "total": cpu.get("usage_usec", 0) * 1000,
                    "user": cpu.get("user_usec", 0) * 1000,
                    "kernel": cpu.get("system_usec", 0) * 1000,
                    "percpu": [],
                }
            }
            if "nr_periods" in cpu:
                found["cpu"]["throttling"] = {
                    "periods": cpu["nr_periods"],
                    "throttledPeriods": cpu.get("nr_throttled", 0),
                    "throttledTime": cpu.get("throttled_usec", 0) * 1000,
                }
        if (current := cgroupfs.read_number(self._file("memory.current"))) is not None:
            raw = cgroupfs.keyed(cgroupfs.read_or_none(self._file("memory.stat")))
            events = cgroupfs.keyed(cgroupfs.read_or_none(self._file("memory.events")))
            found["memory"] = {
                "usage": {
                    "usage": current,
                    "limit": cgroupfs.read_number(self._file("memory.max")),
                    "max": cgroupfs.read_number(self._file("memory.peak")),
                    "failcnt": events.get("max", 0),
                },
                "swap": {
                    "usage": cgroupfs.read_number(self._file("memory.swap.current")),
                    "limit": cgroupfs.read_number(self._file("memory.swap.max")),
                },
                "cache": raw.get("file", 0),
                "raw": raw,
            }
        if (current := cgroupfs.read_number(self._file("pids.current"))) is not None:
            found["pids"] = {"current": current, "limit": cgroupfs.read_number(self._file("pids.max"))}
        if (io := cgroupfs.read_or_none(self._file("io.stat"))) is not None:
            found["blkio"] = block_stats(io)
        return found


THROTTLES: dict[oci.Throttle, str] = {
    "throttleReadBpsDevice": "rbps",
    "throttleWriteBpsDevice": "wbps",
    "throttleReadIOPSDevice": "riops",
    "throttleWriteIOPSDevice": "wiops",
}
MEMORY_V1_ONLY: dict[Literal["kernel", "kernelTCP", "swappiness", "disableOOMKiller"], str] = {
    "kernel": "kernel memory limit",
    "kernelTCP": "kernel TCP memory limit",
    "swappiness": "memory swappiness",
    "disableOOMKiller": "oom_kill_disable",
}


def memory_files(memory: oci.Memory) -> list[tuple[str, int | str]]:
    """The files that say what OCI ``memory`` says. OCI's swap counts memory and swap together, v2 swap alone."""
    files: list[tuple[str, int | str]] = []
    limit, swap = memory.get("limit") or 0, memory.get("swap") or 0
    if swap == -1:
        files.append(("memory.swap.max", "max"))
    elif swap > 0:
        if limit <= 0 or swap < limit:
            raise ValueError("a limit on memory plus swap needs a memory limit that is not larger")
        files.append(("memory.swap.max", swap - limit))
    if limit:
        files.append(("memory.max", limit if limit > 0 else "max"))
    if reservation := memory.get("reservation"):
        files.append(("memory.low", reservation if reservation > 0 else 0))
    return files


def weight_from_shares(shares: int) -> int:
    """cpu.weight (1…10000) for v1 cpu.shares (2…262144).

    The curve maps default to default (1024 to 100) as well as end to end; a straight line would give 1024 only 39,
    so that an untouched neighbour outside our groups would get two and a half times as much.
    """
    shares = min(max(shares, 2), 262144)
    exponent = math.log2(shares)
    return math.ceil(10 ** ((exponent * exponent + 125 * exponent) / 612 - 7 / 34) - 1e-9)


def io_weight(weight: int) -> int:
    """io.weight (1…10000) for a v1 blkio weight (10…1000), by straight line."""
    return 1 + (min(max(weight, 10), 1000) - 10) * 9999 // 990


def block_stats(io_stat: str) -> oci.BlockCounters:
    """io.stat in the shape of v1's counters."""
    keys: dict[str, tuple[Literal["ioServiceBytesRecursive", "ioServicedRecursive"], str]] = {
        "rbytes": ("ioServiceBytesRecursive", "Read"),
        "wbytes": ("ioServiceBytesRecursive", "Write"),
        "rios": ("ioServicedRecursive", "Read"),
        "wios": ("ioServicedRecursive", "Write"),
    }
    found: oci.BlockCounters = {"ioServiceBytesRecursive": [], "ioServicedRecursive": []}
    for line in io_stat.splitlines():
        device, *pairs = line.split()
        major, _, minor = device.partition(":")
        if not (major.isdecimal() and minor.isdecimal()):
            continue
        for pair in pairs:
            name, _, value = pair.partition("=")
            if name in keys and value.isdecimal():
                table, operation = keys[name]
                entry: oci.BlockCount = {"major": int(major), "minor": int(minor), "op": operation, "value": int(value)}
                found[table].append(entry)
    return found


def _enable_controllers(directory: str) -> dict[str, str]:
    """Hand the wanted controllers to the groups below ``directory``. Returns those refused, with the reason."""
    available = (cgroupfs.read_or_none(f"{directory}/cgroup.controllers") or "").split()
    enabled = (cgroupfs.read_or_none(f"{directory}/cgroup.subtree_control") or "").split()
    refused: dict[str, str] = {}
    for name in WANTED:
        if name not in available or name in enabled:
            continue
        try:
            cgroupfs.write(f"{directory}/cgroup.subtree_control", f"+{name}")
        except cgroupfs.CgroupError as error:
            refused[name] = str(error)
    return refused
