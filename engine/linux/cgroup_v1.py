"""Control groups version 1 (Documentation/admin-guide/cgroup-v1): a hierarchy per controller, each optional.

On a hybrid host the group is also made in the unified hierarchy, for whoever looks there. Joining that one by writing to its
cgroup.procs would cost 12–16 ms, so only a child cloned into it (``clone_fd``) is ever there; nothing relies on it.
The named systemd hierarchy is joined too: a service manager would otherwise end containers with the service that
started them.
"""

from __future__ import annotations

import errno
import os
import time
from typing import TYPE_CHECKING

from . import cgroupfs
from .cgroup import Cgroup, make

if TYPE_CHECKING:
    from collections.abc import Callable

    from . import oci

    Put = Callable[[str, str, object, str], bool]
    """Writes (controller, file, value) for the setting in words."""

WANTED = ("cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "hugetlb", "name=systemd")
UNLIMITED = 1 << 62
"""v1 shows no limit as a huge number of bytes, which depends on the page size."""


class CgroupV1(Cgroup):
    """A group on a v1 or hybrid host; also the one for a host without any control groups (all is warnings then)."""

    def _mounts(self) -> dict[str, list[str]]:
        mounts: dict[str, list[str]] = {}
        for controller in WANTED:
            if point := self.hierarchies.v1.get(controller):
                mounts.setdefault(point, []).append(controller)
        return mounts

    @property
    def directories(self) -> tuple[str, ...]:
        points = [*self._mounts(), *([self.hierarchies.unified] if self.hierarchies.unified else [])]
        return tuple(point + self.path for point in points)

    @property
    def controls_devices(self) -> bool:
        return "devices" in self.hierarchies.v1

    def _file(self, controller: str, name: str) -> str:
        """Path of a control file; one that cannot exist when the controller is not mounted."""
        return f"{self.hierarchies.v1.get(controller, '/proc/self/no-such-hierarchy')}{self.path}/{name}"

    def create(self) -> tuple[str, ...]:
        warnings = []
        for point, controllers in self._mounts().items():
            reason = make(point + self.path)
            if reason:
                warnings.append(f"cgroup {','.join(controllers)} is not available: {reason}")
            elif "cpuset" in controllers:
                _inherit_cpuset(point, self.path)
        if self.hierarchies.unified:
            # Nothing is promised by this one: a refusal takes nothing away.
            make(self.hierarchies.unified + self.path)
        return tuple(warnings)

    def join_self(self) -> None:
        for point in self._mounts():
            try:
                # A "0" into tasks moves the calling thread without the global lock that cgroup.procs waits for.
                cgroupfs.write(f"{point}{self.path}/tasks", "0")
            except cgroupfs.CgroupError as error:
                # create() has warned about a hierarchy where the group could not be made.
                if error.errno != errno.ENOENT:
                    raise

    def join(self, pid: int) -> None:
        for point in self._mounts():
            if os.path.isdir(point + self.path):
                cgroupfs.write(f"{point}{self.path}/cgroup.procs", str(pid))

    def procs(self) -> list[int]:
        for point in self._mounts():
            if os.path.isdir(point + self.path):
                return cgroupfs.pids(point + self.path)
        return []

    def freeze(self, timeout: float = 2.0) -> None:
        path = self._file("freezer", "freezer.state")
        deadline = time.monotonic() + timeout
        delay = 0.0002
        while True:
            # Written again each time: tasks that forked while FREEZING are caught by the repetition only.
            if not cgroupfs.write_if_present(path, "FROZEN"):
                raise OSError(errno.ENOSYS, "this machine has no freezer cgroup for the container", path)
            if cgroupfs.read(path) == "FROZEN":
                return
            if time.monotonic() >= deadline:
                self.thaw()
                raise TimeoutError(errno.ETIMEDOUT, f"processes did not freeze within {timeout} s", path)
            # v1 has no event for this.
            time.sleep(delay)
            delay = min(delay * 2, 0.02)

    def thaw(self) -> None:
        cgroupfs.write_if_present(self._file("freezer", "freezer.state"), "THAWED")

    def frozen(self) -> bool:
        return cgroupfs.read_or_none(self._file("freezer", "freezer.state")) in ("FROZEN", "FREEZING")

    def oom_kills(self) -> int:
        return cgroupfs.keyed(cgroupfs.read_or_none(self._file("memory", "memory.oom_control"))).get("oom_kill", 0)

    def oom_fd(self) -> int | None:
        try:
            control = os.open(self._file("memory", "memory.oom_control"), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        event = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        try:
            cgroupfs.write(self._file("memory", "cgroup.event_control"), f"{event} {control}")
        except cgroupfs.CgroupError:
            os.close(event)
            return None
        finally:
            os.close(control)
        return event

    def apply(self, resources: oci.Resources) -> tuple[str, ...]:
        warnings: list[str] = []

        def put(controller: str, name: str, value: object, setting: str) -> bool:
            done = cgroupfs.write_if_present(self._file(controller, name), str(value))
            if not done:
                warnings.append(f"{setting} is ignored: this machine has no {name}")
            return done

        # No list at all means "leave them"; an empty list says nothing either.
        for rule in resources.get("devices") or ():
            verb = "devices.allow" if rule.get("allow") else "devices.deny"
            if not put("devices", verb, device_rule(rule), "device rules"):
                break
        self._apply_memory(resources.get("memory") or {}, put)
        self._apply_cpu(resources.get("cpu") or {}, put)
        if (pids := resources.get("pids")) is not None:
            put("pids", "pids.max", pids["limit"] if pids["limit"] > 0 else "max", "pids limit")
        self._apply_block_io(resources.get("blockIO") or {}, put)
        for page in resources.get("hugepageLimits") or ():
            name = f"hugetlb.{page['pageSize']}.limit_in_bytes"
            put("hugetlb", name, page["limit"], "huge page limit")
        warnings.extend(f"{name} is ignored: it needs cgroup v2" for name in resources.get("unified") or ())
        return tuple(dict.fromkeys(warnings))

    def _apply_memory(self, memory: oci.Memory, put: Put) -> None:
        limit, swap = memory.get("limit"), memory.get("swap")
        writes = []
        if limit:
            writes.append(("memory.limit_in_bytes", limit, "memory limit"))
        if swap:
            writes.append(("memory.memsw.limit_in_bytes", swap, "memory and swap limit"))
        if limit and swap:
            # The kernel wants limit <= memsw at every moment: raise memsw first, lower it last.
            current = cgroupfs.read_number(self._file("memory", "memory.memsw.limit_in_bytes"))
            if current is not None and (swap == -1 or current < swap):
                writes.reverse()
        if (soft := memory.get("reservation")) is not None and soft != 0:
            writes.append(("memory.soft_limit_in_bytes", soft, "memory reservation"))
        if (kernel_tcp := memory.get("kernelTCP")) is not None and kernel_tcp != 0:
            writes.append(("memory.kmem.tcp.limit_in_bytes", kernel_tcp, "kernel TCP memory limit"))
        if (swappiness := memory.get("swappiness")) is not None and swappiness != -1:
            writes.append(("memory.swappiness", swappiness, "memory swappiness"))
        if memory.get("disableOOMKiller"):
            writes.append(("memory.oom_control", 1, "oom_kill_disable"))
        if memory.get("kernel"):
            put("memory", "memory.kmem.limit_in_bytes", memory["kernel"], "kernel memory limit")
        for name, value, setting in writes:
            put("memory", name, value, setting)

    def _apply_cpu(self, cpu: oci.Cpu, put: Put) -> None:
        if shares := cpu.get("shares"):
            put("cpu", "cpu.shares", shares, "cpu shares")
        if (idle := cpu.get("idle")) is not None:
            put("cpu", "cpu.idle", idle, "cpu idle")
        period, quota = cpu.get("period"), cpu.get("quota")
        late_period = False
        if period:
            try:
                put("cpu", "cpu.cfs_period_us", period, "cpu period")
            except cgroupfs.CgroupError as error:
                # The old quota over the new period may exceed the parent's share; the new quota first, then.
                if error.errno != errno.EINVAL or not quota:
                    raise
                late_period = True
        if quota:
            put("cpu", "cpu.cfs_quota_us", quota, "cpu quota")
        if late_period:
            put("cpu", "cpu.cfs_period_us", period, "cpu period")
        if (burst := cpu.get("burst")) is not None:
            put("cpu", "cpu.cfs_burst_us", burst, "cpu burst")
        if cpu.get("realtimePeriod"):
            put("cpu", "cpu.rt_period_us", cpu["realtimePeriod"], "realtime period")
        if cpu.get("realtimeRuntime"):
            put("cpu", "cpu.rt_runtime_us", cpu["realtimeRuntime"], "realtime runtime")
        if cpu.get("cpus"):
            put("cpuset", "cpuset.cpus", cpu["cpus"], "cpuset")
        if cpu.get("mems"):
            put("cpuset", "cpuset.mems", cpu["mems"], "cpuset memory nodes")

    def _apply_block_io(self, block: oci.BlockIO, put: Put) -> None:
        bfq = os.path.exists(self._file("blkio", "blkio.bfq.weight"))
        if weight := block.get("weight"):
            put("blkio", "blkio.bfq.weight" if bfq else "blkio.weight", weight, "block IO weight")
        if leaf := block.get("leafWeight"):
            put("blkio", "blkio.leaf_weight", leaf, "block IO leaf weight")
        for device in block.get("weightDevice") or ():
            name = "blkio.bfq.weight_device" if bfq else "blkio.weight_device"
            put("blkio", name, f"{device['major']}:{device['minor']} {device['weight']}", "block IO device weight")
        for key, name in THROTTLES.items():
            for throttled in block.get(key) or ():
                value = f"{throttled['major']}:{throttled['minor']} {throttled['rate']}"
                put("blkio", f"blkio.throttle.{name}", value, "block IO throttling")

    def stats(self) -> oci.Counters:
        found: oci.Counters = {}
        if cpu := self._cpu_stats():
            found["cpu"] = cpu
        if (usage := cgroupfs.read_number(self._file("memory", "memory.usage_in_bytes"))) is not None:
            raw = cgroupfs.keyed(cgroupfs.read_or_none(self._file("memory", "memory.stat")))
            found["memory"] = {
                "usage": {"usage": usage, **self._memory_numbers("memory")},
                "swap": self._memory_numbers("memory.memsw", usage=True),
                "cache": raw.get("total_cache", raw.get("cache", 0)),
                "raw": raw,
            }
        if (current := cgroupfs.read_number(self._file("pids", "pids.current"))) is not None:
            found["pids"] = {"current": current, "limit": cgroupfs.read_number(self._file("pids", "pids.max"))}
        moved, served = self._block_stats("io_service_bytes_recursive"), self._block_stats("io_serviced_recursive")
        if moved is not None or served is not None:
            found["blkio"] = {"ioServiceBytesRecursive": moved or [], "ioServicedRecursive": served or []}
        return found

    def _cpu_stats(self) -> oci.CpuCounters:
        found: oci.CpuCounters = {}
        total = cgroupfs.read_number(self._file("cpuacct", "cpuacct.usage"))
        if total is not None:
            percpu = cgroupfs.read_or_none(self._file("cpuacct", "cpuacct.usage_percpu")) or ""
            found["usage"] = {
                "total": total,
                "user": cgroupfs.read_number(self._file("cpuacct", "cpuacct.usage_user")) or 0,
                "kernel": cgroupfs.read_number(self._file("cpuacct", "cpuacct.usage_sys")) or 0,
                "percpu": [int(number) for number in percpu.split()],
            }
        throttling = cgroupfs.keyed(cgroupfs.read_or_none(self._file("cpu", "cpu.stat")))
        if throttling:
            found["throttling"] = {
                "periods": throttling.get("nr_periods", 0),
                "throttledPeriods": throttling.get("nr_throttled", 0),
                "throttledTime": throttling.get("throttled_time", 0),
            }
        return found

    def _memory_numbers(self, prefix: str, usage: bool = False) -> oci.MemoryUsage:
        def read(name: str) -> int | None:
            return cgroupfs.read_number(self._file("memory", f"{prefix}.{name}"))

        limit = read("limit_in_bytes")
        numbers: oci.MemoryUsage = {
            "limit": None if (limit or 0) >= UNLIMITED else limit,
            "max": read("max_usage_in_bytes"),
            "failcnt": read("failcnt"),
        }
        if usage:
            numbers["usage"] = read("usage_in_bytes")
        return numbers

    def _block_stats(self, name: str) -> list[oci.BlockCount] | None:
        for prefix in ("blkio.bfq", "blkio.throttle"):
            text = cgroupfs.read_or_none(self._file("blkio", f"{prefix}.{name}"))
            if text is None:
                continue
            entries: list[oci.BlockCount] = []
            for line in text.splitlines():
                fields = line.replace(":", " ").split()
                if len(fields) == 4:
                    major, minor, operation, value = fields
                    entries.append({"major": int(major), "minor": int(minor), "op": operation, "value": int(value)})
            if entries or prefix == "blkio.throttle":
                return entries
        return None


THROTTLES: dict[oci.Throttle, str] = {
    "throttleReadBpsDevice": "read_bps_device",
    "throttleWriteBpsDevice": "write_bps_device",
    "throttleReadIOPSDevice": "read_iops_device",
    "throttleWriteIOPSDevice": "write_iops_device",
}


def device_rule(rule: oci.DeviceRule) -> str:
    """An OCI device rule as the line the devices controller reads. Absent or negative numbers mean all."""
    kind = rule.get("type") or "a"
    if kind == "a":
        return "a"
    numbers = [rule.get("major"), rule.get("minor")]
    major, minor = ("*" if number is None or number < 0 else str(number) for number in numbers)
    # mknod speaks of unbuffered "u" devices; the controller knows them as "c".
    return f"{'c' if kind == 'u' else kind} {major}:{minor} {rule.get('access') or 'rwm'}"


def _inherit_cpuset(mount: str, path: str) -> None:
    """Give each group on the way the parent's cpus and memory nodes: an empty cpuset takes no process."""
    parent = mount
    for part in path.strip("/").split("/"):
        group = f"{parent}/{part}"
        for name in ("cpuset.cpus", "cpuset.mems"):
            if not cgroupfs.read(f"{group}/{name}"):
                cgroupfs.write(f"{group}/{name}", cgroupfs.read(f"{parent}/{name}"))
        parent = group
